"""The Dramatiq actor: a bell rings, the runner drains what is ready."""

from __future__ import annotations

import dramatiq

from worker.runtime.broker import QUEUE, RING
from worker.runtime.executor import Runner


def declare_actors(broker: dramatiq.Broker, runner: Runner) -> dramatiq.Actor[[], None]:
    """Register the one actor on `broker`. Its message carries nothing: the runner looks for itself."""

    @dramatiq.actor(broker=broker, queue_name=QUEUE, actor_name=RING)
    def answer_bell() -> None:
        runner.drain()

    return answer_bell
