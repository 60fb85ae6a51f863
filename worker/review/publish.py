"""What a batch came to, as questions of the platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa

from worker.messages import row_reasons
from worker.questions import history_store, item_store, place_store, question_store
from worker.questions.answers import FIXES, PUBLISHED, Conclusion
from worker.questions.history import Standing, key_conflict, official_form, text_hash
from worker.questions.item import PendingItem, question_id
from worker.questions.places import Wanted
from worker.questions.rules import QuestionRules


def publish(
    connection: sa.Connection,
    pending: Sequence[PendingItem],
    conclusions: Mapping[str, Conclusion],
    directory: place_store.Directory,
) -> list[item_store.Concluded]:
    """Write the questions that deserve it, and say of each item where its question is.

    What a person validated is never changed, nor is a validated question's key by an answer that is not validated.
    Raises `PlacesMissing` when a specialty or a course has to be made first.
    """
    rules = directory.find_rules(connection)
    ids = {item.id: question_id(item.content_hash) for item in pending}
    wanted = [ids[item.id] for item in pending if conclusions[item.id].outcome in PUBLISHED]
    stored = question_store.find_stored(connection, wanted, lock=True)
    known = {item.content_hash: item.question for item in pending if ids[item.id] in stored}
    standing = history_store.find_standing(connection, known) if known else {}
    concluded: list[item_store.Concluded] = []
    published: list[tuple[PendingItem, Conclusion]] = []
    for item in pending:
        conclusion, is_written = _settle(item, conclusions[item.id], standing.get(item.content_hash), rules)
        if is_written:
            published.append((item, conclusion))
        there = standing.get(item.content_hash)
        has_question = conclusion.outcome in PUBLISHED or conclusion.outcome == "duplicate"
        written_id = there.question_id if there else ids[item.id]
        concluded.append(
            item_store.Concluded(item.id, conclusion, written_id if has_question else None, _our_text(item, conclusion))
        )
    question_store.write_questions(connection, _file(connection, published, stored, directory))
    return concluded


def _our_text(item: PendingItem, conclusion: Conclusion) -> str | None:
    """The hash of the general explanation, where the analysis wrote it."""
    text = conclusion.general_explanation
    return text_hash(text) if text and not item.question.explanation else None


def _file(
    connection: sa.Connection,
    published: Sequence[tuple[PendingItem, Conclusion]],
    stored: Mapping[str, question_store.StoredQuestion],
    directory: place_store.Directory,
) -> list[question_store.Publication]:
    """The questions to write, each in its specialty and course."""
    there = {item.id: stored.get(question_id(item.content_hash)) for item, _ in published}
    wanted = {item.id: where for item, _ in published if (where := _where(item, there[item.id]))}
    found = directory.find_places(connection, list(dict.fromkeys(wanted.values())))
    publications = []
    for item, conclusion in published:
        place = found[wanted[item.id]] if item.id in wanted else None
        standing = there[item.id]
        publications.append(
            question_store.Publication(
                id=question_id(item.content_hash),
                question=item.question,
                key=conclusion.key,
                answer=conclusion.answer,
                explanation=conclusion.explanation or "",
                validated=conclusion.validated,
                specialty_id=place.specialty_id if place else standing.specialty_id if standing else "",
                place=place,
                is_new=standing is None,
            )
        )
    return publications


def _where(item: PendingItem, there: question_store.StoredQuestion | None) -> Wanted | None:
    """Where the question is to be filed; None when it is. One that lost its course gets one where it stands now."""
    if there and there.is_filed:
        return None
    return Wanted(item.question.specialty, item.question.course, there.specialty_id if there else None)


def _settle(
    item: PendingItem, conclusion: Conclusion, there: Standing | None, rules: QuestionRules
) -> tuple[Conclusion, bool]:
    """The conclusion once the platform's own rows and rules are known, and whether its question is to be written.

    What a person wrote or validated stays, and so does a validated text. An official key of another file stands until
    a person decides between the two.
    """
    if conclusion.outcome not in PUBLISHED:
        return conclusion, False
    if there and (reason := _of_a_person(item, there)):
        return replace(conclusion, outcome="duplicate", reason=reason, validated=False), False
    if refusal := rules.refusal(item.question, conclusion.key):
        return replace(conclusion, outcome="rejected", reason=refusal, validated=False), False
    return (conclusion, True) if there is None else _settle_beside(item, conclusion, there)


def _settle_beside(item: PendingItem, conclusion: Conclusion, there: Standing) -> tuple[Conclusion, bool]:
    """The conclusion beside a question that is stored already and is nobody's own."""
    if reason := key_conflict(there, item.question.official):
        reason = " ".join(filter(None, (reason, conclusion.reason)))
        return replace(conclusion, outcome="contested", reason=reason, validated=False), False
    if there.is_validated:
        # Its text stays; a course or a case that it lost is given back.
        return _beside_validated(conclusion, there), True
    if there.has_human_text and not _has_human_text(item) and there.official == (conclusion.key or conclusion.answer):
        return conclusion, False  # the text that stands rests on what a person wrote; this row brings none
    return conclusion, True


def _of_a_person(item: PendingItem, there: Standing) -> str | None:
    official = item.question.official
    if there.is_rewritten:
        return row_reasons.REWRITTEN_BY_PERSON
    if there.by_person:
        other = None if official is None or official_form(official) == official_form(there.official) else official
        return row_reasons.validated_by_person(there.official, other)
    if there.given is not None and official is None:
        return row_reasons.already_given(there.given, there.file_name)
    return None


def _beside_validated(conclusion: Conclusion, there: Standing) -> Conclusion:
    """What is said of a row whose question is validated already and stays as it is."""
    value = conclusion.key or conclusion.answer
    if value == there.official:
        return conclusion
    note = row_reasons.kept_as_validated(there.official or "")
    reason = " ".join(filter(None, [conclusion.reason, note]))
    if conclusion.outcome in FIXES:
        # Nothing was replaced: a person decides between the two.
        return replace(conclusion, outcome="contested", reason=reason, proposed=value, validated=False)
    return replace(conclusion, reason=reason, validated=False)


def _has_human_text(item: PendingItem) -> bool:
    return bool(item.question.explanation or item.question.option_explanations)
