"""What earlier jobs and people left of a content: read before rows are planned and before questions are written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa

from worker.db.statements import load_statements
from worker.questions.history import EarlierItem, Standing, Trace
from worker.questions.item import question_id
from worker.questions.question import LETTERS, Question, fold_name, fold_text
from worker.text.markup import without_markup

SQL = load_statements(__file__)

T = TypeVar("T")

EARLIER_PER_CONTENT = 20  # rows of one content that are looked at, the newest; a file may come in every week

TEXTS_AT_ONCE = 5_000


def find_traces(connection: sa.Connection, *, hashes: Collection[str], texts: Collection[str]) -> list[Trace]:
    """What is known of removed rows with these contents, or with one of these texts of ours."""
    rows = connection.execute(SQL["find_traces"], {"hashes": list(hashes), "texts": list(texts)})
    return [Trace(row.contentHash, row.official, row.value, row.textHash) for row in rows]


def find_earlier(
    connection: sa.Connection, *, hashes: Collection[str], texts: Collection[str], ids: Collection[str]
) -> list[EarlierItem]:
    """The rows that were read before with these contents, with one of these texts of ours, or of these ids; newest
    first, each once.
    """
    parameters = {"hashes": list(hashes), "texts": list(texts), "ids": list(ids), "most": EARLIER_PER_CONTENT}
    found = {row["id"]: row for row in connection.execute(SQL["find_earlier"], parameters).mappings()}
    return [
        EarlierItem(
            id=row["id"],
            job_id=row["jobId"],
            file_name=row["file_name"],
            status=row["status"],
            content_hash=row["contentHash"] or "",
            cells=row["original"],
            question=Question.from_json(row["question"]),
            reason=row["reason"],
            result=row["result"] or {},
            question_id=row["questionId"],
        )
        for row in found.values()
    ]


def find_standing(connection: sa.Connection, contents: Mapping[str, Question]) -> dict[str, Standing]:
    """Content hash → the question that stands with this content now, under its own id or another; none is left out."""
    ids = {question_id(content_hash): content_hash for content_hash in contents}
    stored = {ids[row["id"]]: row for row in connection.execute(SQL["find_questions"], {"ids": list(ids)}).mappings()}
    found = {h: _standing(row, is_rewritten=not _asks(row, contents[h])) for h, row in stored.items()}
    elsewhere = {h: contents[h] for h in contents if h not in found or found[h].is_rewritten}
    found |= _find_elsewhere(connection, elsewhere)
    return _with_givers(connection, found)


def _find_elsewhere(connection: sa.Connection, contents: Mapping[str, Question]) -> dict[str, Standing]:
    """Questions that ask the same under another id: a person wrote them, or changed them into this."""
    if not contents:
        return {}
    # Most files bring new courses, or questions that are known by their id: then there is nothing to look for.
    courses: dict[tuple[str, str], set[str]] = defaultdict(set)
    for specialty, course, course_id in connection.execute(SQL["read_courses"]):
        courses[fold_name(specialty), fold_name(course)].add(course_id)
    wanted = {h: q for h, q in contents.items() if (fold_name(q.specialty), fold_name(q.course)) in courses}
    found = {}
    for some in batched(wanted.items(), TEXTS_AT_ONCE):
        by_text: dict[str, list[Mapping[Any, Any]]] = defaultdict(list)
        places = {(fold_name(question.specialty), fold_name(question.course)) for _, question in some}
        parameters = {
            "texts": [without_markup(question.text) for _, question in some],
            "course_ids": sorted(set().union(*(courses[place] for place in places))),
        }
        for row in connection.execute(SQL["find_questions_by_text"], parameters).mappings():
            by_text[fold_text(row["questionText"])].append(row)
        for content_hash, question in some:
            for candidate in by_text.get(fold_text(without_markup(question.text)), ()):
                if _is_other(candidate, content_hash, question):
                    found[content_hash] = _standing(candidate, by_person=True)
    return found


def _is_other(row: Mapping[Any, Any], content_hash: str, question: Question) -> bool:
    """Another id, the same question. What an image shows is not in any column: with one only the id tells."""
    if question.image is not None or row["has_image"]:
        return False
    return row["id"] != question_id(content_hash) and _asks(row, question) and _is_filed_alike(row, question)


def batched(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """The items in tuples of at most `size`."""
    rest = iter(items)
    while some := tuple(islice(rest, size)):
        yield some


def _standing(row: Mapping[Any, Any], *, is_rewritten: bool = False, by_person: bool = False) -> Standing:
    return Standing(
        question_id=row["id"],
        official=row["official"],
        is_validated=row["isValidated"],
        by_person=row["by_person"] or by_person,
        is_rewritten=is_rewritten,
    )


def _asks(row: Mapping[Any, Any], question: Question) -> bool:
    """Whether a stored question asks what this one does; where it is filed may have changed."""
    texts = {letter: row[f"option{letter}"] for letter in LETTERS}
    options = {letter: fold_text(text) for letter, text in texts.items() if text is not None}
    return (
        row["type"] == question.type
        and fold_text(row["questionText"]) == fold_text(without_markup(question.text))
        and options == {letter: fold_text(without_markup(text)) for letter, text in question.options.items()}
    )


def _is_filed_alike(row: Mapping[Any, Any], question: Question) -> bool:
    names = [(row["specialty"], question.specialty), (row["course"], question.course)]
    same_case = fold_text(row["case_text"] or "") == fold_text(without_markup(question.case_text or ""))
    return same_case and all(fold_name(there or "") == fold_name(here) for there, here in names)


def _with_givers(connection: sa.Connection, found: Mapping[str, Standing]) -> dict[str, Standing]:
    """Say of each from which file its key is."""
    if not found:
        return {}
    ids = sorted({standing.question_id for standing in found.values()})
    rows: dict[str, list[Mapping[Any, Any]]] = defaultdict(list)
    for row in connection.execute(SQL["find_givers"], {"ids": ids}).mappings():
        rows[row["questionId"]].append(row)
    return {h: _given_by(standing, rows[standing.question_id]) for h, standing in found.items()}


def _given_by(standing: Standing, rows: Sequence[Mapping[Any, Any]]) -> Standing:
    has_text = any(row["has_text"] for row in rows)
    given = next((row for row in rows if row["official"] == standing.official), None)
    if given is None:
        by_analysis = [row for row in rows if row["value"] == standing.official]
        given = next((row for row in by_analysis if row["official"] is not None), None)
        if given is None:
            official = None if by_analysis else standing.official
            return replace(standing, given=official, has_human_text=has_text)
    return replace(
        standing,
        given=given["official"],
        file_name=given["file_name"],
        job_id=given["jobId"],
        has_human_text=has_text,
    )
