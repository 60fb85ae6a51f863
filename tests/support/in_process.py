"""A worker's parts within the test's own process, driven step by step, and a model in the place of its dispatcher."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from tests.support.scripted_llm import Script, compose_message
from tests.support.surroundings import Platform
from worker.db.engine import Database
from worker.errors import ProviderUnavailable
from worker.jobs.context import Context
from worker.jobs.task_runner import TaskRunner
from worker.llm.calls import Endpoint, Reply, Request, Usage
from worker.llm.dispatcher import TokenMeter
from worker.llm.prices import load_prices
from worker.llm.sizes import UNKNOWN, Capacity
from worker.settings import Settings
from worker.upload.storage import Storage

LEASE_S = 600.0  # only `expire` ends a lease here


@dataclass
class Model:
    """A model in the process: it answers as the scripted one does, or it is away. Stands where the dispatcher
    stands.
    """

    endpoint: Endpoint = field(default_factory=lambda: Endpoint("http://model.test/v1", "scripted", "scripted"))
    is_away: bool = False
    calls: Iterator[int] = field(default_factory=itertools.count)
    asked: set[str] = field(default_factory=set)  # keys of questions
    meter: TokenMeter = field(default_factory=TokenMeter)

    @property
    def endpoints(self) -> list[Endpoint]:
        return [self.endpoint]

    def choose(self) -> Endpoint:
        return self.endpoint

    def expected(self, endpoint: Endpoint, model: str) -> Capacity:
        return UNKNOWN

    capacity = expected
    reported_rpm = None

    def is_current(self, request: Request) -> bool:
        return True

    def judge_refusal(self, request: Request, probe: Callable[[], None]) -> bool:
        return False

    def ask_permit(self, check: Callable[[], None], sleep: Callable[[float], None]) -> Model:
        return self

    def admitted(self, request: Request) -> AbstractContextManager[None]:
        return nullcontext()

    def send(self, request: Request) -> Reply:
        if self.is_away:
            raise ProviderUnavailable("away", code="connection", retry_after_s=30)
        keys = {question.key for question in request.questions}
        # Nobody dies here while a call is under way, so nothing is ever paid for twice.
        assert keys.isdisjoint(self.asked), "paid twice"
        self.asked |= keys
        document = json.loads(request.body["messages"][-1]["content"])
        message, finish = compose_message(
            Script(accuracy=0.8), document["task"], document["questions"], random.Random(0)
        )
        raw = {"choices": [{"index": 0, "finish_reason": finish, "message": message}], "model": "scripted"}
        return Reply(json.dumps(raw, ensure_ascii=False), "scripted", Usage(10, 0, 10), f"req-{next(self.calls)}")


@dataclass
class Parts:
    """What every example works with."""

    platform: Platform
    database: Database
    runner: TaskRunner
    model: Model
    numbers: Iterator[int]

    @classmethod
    def build(cls, platform: Platform) -> Parts:
        environment = {
            "MEDQ_BATCH_SIZE": "2",
            "OPENAI_BASE_URL": "http://model.test/v1",
            # Who waits for a call that nobody makes any more waits for so long, and every player is this one thread.
            "MEDQ_CALL_TIMEOUT_SECONDS": "1",
        }
        model = Model()
        database = Database(platform.engine)
        given: dict[str, Any] = {name.lower(): value for name, value in environment.items()}
        context = Context(
            database=database,
            storage=Storage(platform.storage_url),
            dispatcher=model,  # type: ignore[arg-type]
            endpoint=model.endpoint,
            settings=Settings.model_validate({**environment, **given}),
            prices=load_prices(None),
        )
        return cls(platform, database, TaskRunner(context), model, itertools.count())


def wait_for_age(platform: Platform, seconds: float) -> None:
    """Wait until the server has run for so long."""
    age = "SELECT EXTRACT(EPOCH FROM clock_timestamp() - pg_postmaster_start_time())"
    platform.wait_until(lambda: platform.value(age) > seconds, what=f"a server that is {seconds} s old")
