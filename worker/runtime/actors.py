"""The Dramatiq actor: a wake-up comes, the executor drains what is ready."""

from __future__ import annotations

import dramatiq

from worker.runtime.broker import QUEUE, WAKE_UP
from worker.runtime.executor import Executor


def declare_actors(broker: dramatiq.Broker, executor: Executor) -> dramatiq.Actor[[], None]:
    """Register the one actor on `broker`. Its message carries nothing: the executor looks for itself."""

    @dramatiq.actor(broker=broker, queue_name=QUEUE, actor_name=WAKE_UP)
    def answer_wake_up() -> None:
        executor.drain()

    return answer_wake_up
