"""The Dramatiq broker: one queue of wake-ups. A message says "look"; what there is to do stands in PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.middleware import Middleware
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from worker import failpoints
from worker.failpoints import Point
from worker.system import keepalive

QUEUE = "medq"
WAKE_UP = "ring"
# Every process hears of new work from PostgreSQL and wakes its own idle threads, which wakes them at once; what is
# left for the poll are wake-ups that somebody else sent.
POLL_S = 5.0
LEAVING_POLL_S = 0.05


class WakeUpBroker(RedisBroker):
    """Redis as Dramatiq knows it, but for its sleep: an idle consumer wakes when a wake-up is sent in its own process.

    Dramatiq's own consumer looks at Redis less and less often, down to once a second, whatever happens meanwhile.
    """

    def __init__(self, *, poll_s: float = POLL_S, sender: RedisBroker | None = None, **options: Any) -> None:
        """`sender`: through whom wake-ups are sent, when not through this broker's own connections."""
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self.sender = sender or self
        self._changed = threading.Condition()
        self._wake_ups = 0
        self.poll_s = poll_s
        self.on_poll: Callable[[str], None] = (
            _nothing  # the queue's name, called each time a consumer goes round its loop
        )

    @property
    def consumer_class(self) -> type[WakeUpConsumer]:
        """What Dramatiq consumes a queue with."""
        return WakeUpConsumer

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 0) -> WakeUpConsumer:
        """Consume `queue_name`. Dramatiq's own sleep (`timeout`, ms) is left out."""
        return WakeUpConsumer(self, queue_name, prefetch, min(timeout, 1))  # type: ignore[no-untyped-call]

    def wake(self, *, leaving: bool = False) -> None:
        """Have every consumer of this process look now; those that are `leaving` do not sleep any more."""
        with self._changed:
            self._wake_ups += 1
            self.poll_s = LEAVING_POLL_S if leaving else self.poll_s
            self._changed.notify_all()

    @property
    def wake_ups(self) -> int:
        """How often `wake` was called."""
        return self._wake_ups

    def wait_for_wake_up(self, seen: int) -> None:
        """Return once there were more wake-ups than `seen`, or it is time to look all the same."""
        with self._changed:
            self._changed.wait_for(lambda: self._wake_ups != seen, self.poll_s)


def _nothing(_queue_name: str) -> None:
    return None


class WakeUpConsumer(_RedisConsumer):
    """Takes what lies in Redis, then sleeps until a wake-up."""

    broker: WakeUpBroker

    def __next__(self) -> Any:
        """The next message, or None after a sleep."""
        failpoints.reached(Point.IN_CONSUMER)
        self.broker.on_poll(self.queue_name)
        seen = self.broker.wake_ups  # before the look: a wake-up between the look and the sleep is not slept through
        message = super().__next__()  # type: ignore[no-untyped-call]
        if message is None:
            self.broker.wait_for_wake_up(seen)
        return message


def stay_alive(url: str) -> dict[str, Any]:
    """Options of a Redis client with which a connection whose packets are dropped is noticed."""
    return {} if url.startswith("unix") else {"socket_keepalive": True, "socket_keepalive_options": keepalive.TCP}


def redis_client(url: str, *, hurry: bool = False) -> redis.Redis:
    """A client that notices a dead server within seconds and reconnects with backoff; in a `hurry`, in two seconds."""
    return redis.Redis.from_url(
        url,
        retry=Retry(ExponentialBackoff(cap=1, base=0.05), 1 if hurry else 3),
        socket_connect_timeout=1 if hurry else 2,
        socket_timeout=1 if hurry else 5,
        health_check_interval=15,
        **stay_alive(url),
    )


def make_broker(url: str | None = None, *, client: redis.Redis | None = None, poll_s: float = POLL_S) -> WakeUpBroker:
    """A broker for `url` (or a given client), set as Dramatiq's global one.

    No middleware on purpose: retries, delays, time limits and age limits act on messages, and a message carries no
    work here. A lost, doubled or late wake-up is mended by the sweep; the lease watches over the work itself.
    """
    middleware: list[Middleware] = []
    # Who sends wake-ups also reaps, and must not be held up by a Redis that does not answer.
    sender = RedisBroker(client=redis_client(url, hurry=True), middleware=[]) if url else None  # type: ignore[no-untyped-call]
    broker = WakeUpBroker(
        poll_s=poll_s,
        sender=sender,
        client=client or redis_client(url or ""),
        middleware=middleware,
        maintenance_chance=100_000,
        heartbeat_timeout=60_000,
    )
    dramatiq.set_broker(broker)
    return broker


def send_wake_ups(broker: dramatiq.Broker, times: int) -> None:
    """Send that many wake-ups. Raises `redis.RedisError` when Redis is away, or does not take them."""
    sender = broker.sender if isinstance(broker, WakeUpBroker) else broker
    for _ in range(times):
        sender.enqueue(dramatiq.Message(queue_name=QUEUE, actor_name=WAKE_UP, args=(), kwargs={}, options={}))
    if times and isinstance(broker, WakeUpBroker):
        broker.wake()


NAMESPACE = "dramatiq"
# What Dramatiq keeps under its names.
KEYS = {
    QUEUE: "list",
    f"{QUEUE}.msgs": "hash",
    f"{QUEUE}.DQ": "list",
    f"{QUEUE}.DQ.msgs": "hash",
    f"{QUEUE}.XQ": "zset",
    f"{QUEUE}.XQ.msgs": "hash",
    "__heartbeats__": "zset",
}


def find_foreign_keys(client: redis.Redis) -> list[str]:
    """The keys of the queue that hold something else than Dramatiq would keep there. Raises `redis.RedisError`."""
    found = {f"{NAMESPACE}:{name}": kind for name, kind in KEYS.items()}
    kinds = {key: cast("bytes", client.type(key)).decode() for key in found}
    return [key for key, kind in kinds.items() if kind not in ("none", found[key])]


def try_out(client: redis.Redis) -> None:
    """Send, hear and answer a wake-up on a queue of its own, with every command that a worker gives; nothing is left.

    Raises `redis.RedisError`, or Dramatiq's `BrokerConnectionError`, where Redis takes part of it not.
    """
    broker = RedisBroker(client=client, middleware=[], maintenance_chance=1_000_000)  # type: ignore[no-untyped-call]
    queue = f"{QUEUE}-doctor"
    try:
        broker.enqueue(dramatiq.Message(queue_name=queue, actor_name=WAKE_UP, args=(), kwargs={}, options={}))
        consumer = broker.consume(queue, timeout=1)
        message = next(consumer)
        if message is None:
            raise redis.ResponseError("a wake-up that was sent is not there")
        consumer.ack(message)
    finally:
        with suppress(redis.RedisError):
            names = (queue, f"{queue}.msgs", f"__acks__.{broker.broker_id}.{queue}")
            client.delete(*(f"{NAMESPACE}:{name}" for name in names))
            client.zrem(f"{NAMESPACE}:__heartbeats__", broker.broker_id)
