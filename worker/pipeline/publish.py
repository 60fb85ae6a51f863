"""What a batch came to, as questions of the platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa

from worker.adapters import items, places, questions
from worker.shapes import sentences
from worker.shapes.answers import PUBLISHED, Conclusion
from worker.shapes.items import PendingItem, question_id
from worker.shapes.places import Wanted
from worker.shapes.rules import QuestionRules


def publish(
    connection: sa.Connection,
    pending: Sequence[PendingItem],
    conclusions: Mapping[str, Conclusion],
    directory: places.Directory,
) -> list[items.Concluded]:
    """Write the questions that deserve it, and say of each item where its question is.

    What a person validated is never changed, nor is a validated question's key by an answer that is not validated.
    Raises `PlacesMissing` when a specialty or a course has to be made first.
    """
    rules = directory.find_rules(connection)
    ids = {item.id: question_id(item.content_hash) for item in pending}
    wanted = [ids[item.id] for item in pending if conclusions[item.id].outcome in PUBLISHED]
    stored = questions.find_stored(connection, wanted, lock=True)
    concluded: list[items.Concluded] = []
    published: list[tuple[PendingItem, Conclusion]] = []
    for item in pending:
        there = stored.get(ids[item.id])
        conclusion = _settle(item, conclusions[item.id], there, rules)
        if conclusion.outcome in PUBLISHED and not _must_stay(there, conclusion):
            published.append((item, conclusion))
        has_question = conclusion.outcome in PUBLISHED or conclusion.outcome == "duplicate"
        concluded.append(items.Concluded(item.id, conclusion, ids[item.id] if has_question else None))
    questions.write_questions(connection, _file(connection, published, stored, directory))
    return concluded


def _file(
    connection: sa.Connection,
    published: Sequence[tuple[PendingItem, Conclusion]],
    stored: Mapping[str, questions.StoredQuestion],
    directory: places.Directory,
) -> list[questions.Publication]:
    """The questions to write, each in its specialty and course."""
    there = {item.id: stored.get(question_id(item.content_hash)) for item, _ in published}
    wanted = {item.id: where for item, _ in published if (where := _where(item, there[item.id]))}
    found = directory.find_places(connection, list(dict.fromkeys(wanted.values())))
    publications = []
    for item, conclusion in published:
        place = found[wanted[item.id]] if item.id in wanted else None
        standing = there[item.id]
        publications.append(
            questions.Publication(
                id=question_id(item.content_hash),
                question=item.question,
                key=conclusion.key,
                answer=conclusion.answer,
                explanation=conclusion.explanation or "",
                validated=conclusion.validated,
                specialty_id=place.specialty_id if place else standing.specialty_id if standing else "",
                place=place,
            )
        )
    return publications


def _where(item: PendingItem, there: questions.StoredQuestion | None) -> Wanted | None:
    """Where the question is to be filed; None when it is. One that lost its course gets one where it stands now."""
    if there and there.is_filed:
        return None
    return Wanted(item.question.specialty, item.question.course, there.specialty_id if there else None)


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
