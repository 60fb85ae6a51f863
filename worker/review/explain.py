"""A key that a person settled and that nobody has explained is explained by one more call, to which it is shown.

After the decision, not in it: a decision never waits for a model.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from decimal import Decimal

import sqlalchemy as sa

from models import new_id
from worker.db.engine import Database
from worker.errors import MedqError
from worker.llm import ledger
from worker.llm.calls import Endpoint, Reply, Request
from worker.llm.compose import Frame, compose_request
from worker.llm.dispatcher import Dispatcher
from worker.llm.prices import Prices
from worker.llm.validate import check_reply
from worker.logging import get_logger
from worker.messages import published_text
from worker.questions.answers import Look
from worker.questions.explanations import join_blocks, option_lines
from worker.queue import tasks
from worker.queue.job import JobConfig
from worker.review import decision_store
from worker.review.decision_store import Unexplained
from worker.text.french import typeset

log = get_logger()


@dataclass(frozen=True)
class Explainer:
    """What it takes to ask a model outside of a task."""

    database: Database
    dispatcher: Dispatcher
    endpoint: Endpoint
    prices: Prices

    def explain(self, item_id: str) -> bool:
        """Explain what was decided about this item; True when its question has an explanation now.

        False when none was wanted, the model would not defend the key, the job's budget has no room for the call, or
        the endpoint did not answer: then the question goes on saying that its explanation is to be written. One call
        at most, and none where it was answered before.
        """
        unexplained = self.database.transact(lambda c: decision_store.find_unexplained(c, item_id))
        if unexplained is None or self.endpoint.embedded:
            return False
        config = JobConfig.parse(unexplained.config)
        model = config.ai_model or self.endpoint.model
        capacity = self.dispatcher.capacity(self.endpoint, model)
        frame = Frame(self.endpoint, model, unexplained.instructions, capacity)
        request = compose_request("explain", [(item_id, unexplained.question, ())], frame)
        raw = self.database.transact(lambda c: ledger.find_alone(c, request))
        if raw is None:
            raw = self._ask(request, unexplained, config)
        look = None if raw is None else check_reply(raw, request).looks.get(item_id)
        if look is None or not _explains(look, unexplained):
            log.info("not_explained", item_id=item_id)
            return False
        text = join_blocks(
            typeset(published_text.EXPLAINED_BY_MODEL), option_lines(look.option_explanations), look.explanation
        )
        return self.database.transact(lambda c: decision_store.write_explanation(c, unexplained, text))

    def _ask(self, request: Request, unexplained: Unexplained, config: JobConfig) -> str | None:
        call_id = new_id()
        ceiling_usd = self.prices.ceiling_usd(request)

        def begin(connection: sa.Connection) -> bool:
            tasks.lock_job(connection, unexplained.job_id)
            if config.max_cost_usd is not None:
                spent, reserved = ledger.sum_spent(connection, unexplained.job_id, call_id=call_id)
                if ceiling_usd is None or spent + reserved + ceiling_usd > Decimal(str(config.max_cost_usd)):
                    return False
            ledger.begin_alone(connection, request, call_id=call_id, job_id=unexplained.job_id, ceiling_usd=ceiling_usd)
            return True

        if not self.database.transact(begin):
            log.info("no_budget_to_explain", job_id=unexplained.job_id)
            return None
        permit = self.dispatcher.ask_permit(lambda: None, time.sleep)
        try:
            with permit.admitted(request):
                reply = permit.send(request)
        except MedqError as error:
            self._fail(call_id, error, cost_usd=None if ceiling_usd is None else Decimal(0))
            return None
        self._store(call_id, request, reply)
        return reply.raw

    def _fail(self, call_id: str, error: MedqError, *, cost_usd: Decimal | None) -> None:
        code, message = getattr(error, "code", "unknown"), type(error).__name__
        log.warning("explain_failed", code=code)
        self.database.transact(
            lambda c: ledger.fail_call(c, call_id, kind="unavailable", code=code, message=message, cost_usd=cost_usd)
        )

    def _store(self, call_id: str, request: Request, reply: Reply) -> None:
        cost_usd = self.prices.cost_usd(request, reply)
        self.database.transact(lambda c: ledger.succeed_calls(c, {call_id: (reply, cost_usd)}), patience_s=600)


def _explains(look: Look, unexplained: Unexplained) -> bool:
    """Whether the text argues for what stands: a model that holds something else to be right says so by its letters."""
    question = unexplained.question
    return look.key == question.official_key if question.is_qcm else look.verdict == "upholds"
