"""The wake-up: a message sent by name reaches the actor of a real Dramatiq worker, and nothing acts on it on the
way.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import dramatiq
import fakeredis
import pytest
import redis

from worker.runtime.broker import QUEUE, WAKE_UP, WakeUpBroker, make_broker, redis_client, send_wake_ups


@pytest.fixture
def server() -> fakeredis.FakeServer:
    return fakeredis.FakeServer()


@pytest.fixture
def broker(server: fakeredis.FakeServer) -> Iterator[WakeUpBroker]:
    broker = make_broker(client=fakeredis.FakeRedis(server=server))
    yield broker
    broker.close()


class FakeExecutor:
    """Counts how often it was sent to look; `fails` is raised instead, the first time."""

    def __init__(self, expected: int, fails: Exception | None = None) -> None:
        self.expected, self.fails, self.drained = expected, fails, 0
        self.done = threading.Event()
        self._lock = threading.Lock()

    def drain(self) -> int:
        with self._lock:
            self.drained += 1
            first = self.drained == 1
            if self.drained >= self.expected:
                self.done.set()
        if self.fails and first:
            raise self.fails
        return 0


def answer_with(broker: WakeUpBroker, executor: FakeExecutor) -> None:
    """Declare the actor by the names that senders use."""
    dramatiq.actor(broker=broker, queue_name=QUEUE, actor_name=WAKE_UP)(executor.drain)


def work_until_quiet(broker: WakeUpBroker, executor: FakeExecutor) -> None:
    """A real worker of two threads, until every wake-up was answered."""
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=10)
    worker.start()
    try:
        assert executor.done.wait(5), f"{executor.drained} of {executor.expected} wake-ups answered"
        broker.wake(leaving=True)  # else joining waits out the consumer's sleep
        broker.join(QUEUE)
        worker.join()
    finally:
        worker.stop()


def test_wake_ups_sent_by_a_light_client_reach_the_actor(server: fakeredis.FakeServer, broker: WakeUpBroker) -> None:
    # Given a sender that never declared the actor
    sender = make_broker(client=fakeredis.FakeRedis(server=server))
    send_wake_ups(sender, 3)

    # When a worker starts
    executor = FakeExecutor(expected=3)
    answer_with(broker, executor)
    work_until_quiet(broker, executor)

    # Then it looked three times, and no message is left
    assert executor.drained == 3
    assert fakeredis.FakeRedis(server=server).hlen(f"dramatiq:{QUEUE}.msgs") == 0


def test_a_wake_up_that_fails_is_not_sent_again_and_the_thread_lives_on(broker: WakeUpBroker) -> None:
    # Rows hold the work and the reaper wakes again: a retry of the message would only double it.
    executor = FakeExecutor(expected=2, fails=RuntimeError("crash"))
    answer_with(broker, executor)

    send_wake_ups(broker, 2)
    work_until_quiet(broker, executor)

    assert executor.drained == 2


def test_nothing_acts_on_messages(broker: WakeUpBroker) -> None:
    assert broker.middleware == []


def test_no_wake_up_when_nothing_is_ready(server: fakeredis.FakeServer, broker: WakeUpBroker) -> None:
    send_wake_ups(broker, 0)

    assert fakeredis.FakeRedis(server=server).keys() == []


def test_a_wake_up_carries_no_work(server: fakeredis.FakeServer, broker: WakeUpBroker) -> None:
    send_wake_ups(broker, 1)

    (raw,) = fakeredis.FakeRedis(server=server).hgetall(f"dramatiq:{QUEUE}.msgs").values()
    assert isinstance(raw, bytes)
    message = dramatiq.Message.decode(raw)
    assert (message.actor_name, message.args, dict(message.kwargs)) == (WAKE_UP, (), {})


def test_while_redis_is_away_who_sends_wake_ups_learns_it(server: fakeredis.FakeServer, broker: WakeUpBroker) -> None:
    server.connected = False

    with pytest.raises(redis.ConnectionError):
        send_wake_ups(broker, 1)


@pytest.mark.parametrize("url", ["redis://:pw@h:6380/2", "rediss://h/0", "unix:///tmp/redis.sock?db=1"])
def test_a_client_for_every_kind_of_address_notices_a_dead_server(url: str) -> None:
    # Nothing is connected yet; a parameter that the connection does not know would fail here.
    with redis_client(url) as client:
        connection = client.connection_pool.make_connection()

    assert isinstance(connection, redis.connection.AbstractConnection)
    assert connection.socket_timeout == 5


def test_a_wake_up_sent_here_ends_the_sleep_of_an_idle_consumer(broker: WakeUpBroker) -> None:
    # Given a consumer that looked, and would now sleep for a minute
    broker.declare_queue(QUEUE)
    broker.poll_s = 60.0
    seen = broker.wake_ups
    asleep = threading.Thread(target=broker.wait_for_wake_up, args=(seen,), daemon=True)
    asleep.start()

    # When a wake-up is sent in this process
    send_wake_ups(broker, 1)

    # Then it wakes, and its next look brings the message
    asleep.join(10)
    assert not asleep.is_alive()
    assert next(broker.consume(QUEUE)) is not None


def test_a_consumer_that_leaves_does_not_sleep(broker: WakeUpBroker) -> None:
    broker.declare_queue(QUEUE)
    consumer = broker.consume(QUEUE)
    broker.poll_s = 3600.0
    broker.wake(leaving=True)
    found: list[object] = []
    leaving = threading.Thread(target=lambda: found.extend(next(consumer) for _ in range(3)), daemon=True)
    leaving.start()
    leaving.join(60)
    assert found == [None, None, None]
