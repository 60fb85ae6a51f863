"""What a batch came to, as questions of the platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa

from worker.adapters import items, questions
from worker.shapes import sentences
from worker.shapes.answers import PUBLISHED, Conclusion
from worker.shapes.items import PendingItem, question_id
from worker.shapes.rules import QuestionRules


def publish(
    connection: sa.Connection,
    pending: Sequence[PendingItem],
    conclusions: Mapping[str, Conclusion],
    directory: questions.Directory,
) -> list[items.Concluded]:
    """Write the questions that deserve it, and say of each item where its question is.

    What a person validated is never changed, nor is a validated question's key by an answer that is not validated.
    """
    rules = directory.find_rules(connection)
    ids = {item.id: question_id(item.content_hash) for item in pending}
    wanted = [ids[item.id] for item in pending if conclusions[item.id].outcome in PUBLISHED]
    stored = questions.find_stored(connection, wanted, lock=True)
    concluded: list[items.Concluded] = []
    publications: list[questions.Publication] = []
    for item in pending:
        conclusion = _settle(item, conclusions[item.id], stored.get(ids[item.id]), rules)
        there = stored.get(ids[item.id])
        if conclusion.outcome in PUBLISHED and not _must_stay(there, conclusion):
            publications.append(
                questions.Publication(
                    id=ids[item.id],
                    question=item.question,
                    key=conclusion.key,
                    answer=conclusion.answer,
                    explanation=conclusion.explanation or "",
                    validated=conclusion.validated,
                )
            )
        has_question = conclusion.outcome in PUBLISHED or conclusion.outcome == "duplicate"
        concluded.append(items.Concluded(item.id, conclusion, ids[item.id] if has_question else None))
    questions.write_questions(connection, publications, directory)
    return concluded


def _settle(
    item: PendingItem, conclusion: Conclusion, there: questions.StoredQuestion | None, rules: QuestionRules
) -> Conclusion:
    """The conclusion once the platform's own rows and rules are known."""
    if conclusion.outcome not in PUBLISHED:
        return conclusion
    if there and there.by_person:
        return replace(conclusion, outcome="duplicate", reason=sentences.VALIDATED_BY_PERSON, validated=False)
    if refusal := rules.refusal(item.question, conclusion.key):
        return replace(conclusion, outcome="rejected", reason=refusal, validated=False)
    if _must_stay(there, conclusion):
        note = sentences.kept_as_validated(there.official or "" if there else "")
        return replace(conclusion, reason=" ".join(filter(None, [conclusion.reason, note])))
    return conclusion


def _must_stay(there: questions.StoredQuestion | None, conclusion: Conclusion) -> bool:
    """A validated question keeps its key against an answer that is not validated itself."""
    if there is None or not there.is_validated or conclusion.validated:
        return False
    return there.official != (conclusion.key or conclusion.answer)
