"""Files as people really send them (tests/data/uploads), through the parser: what is right for each, key by key."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.right_uploads import REFUSED, RIGHT, UPLOADS, path_of
from worker.errors import JobFailed
from worker.questions.question import ParsedRow, ParsedUpload
from worker.upload.parsing import parse_upload
from worker.upload.reading.reading import read_here


def parse(path: Path, level: str | None = "DCEM2") -> ParsedUpload:
    sheets = read_here(path.read_bytes(), path.name, max_bytes=10_000_000, max_rows=10_000)
    return parse_upload(sheets, path.name, default_level=level, default_semester=None)


def said(upload: ParsedUpload) -> str:
    rejections = [row.rejection or "" for row in upload.rows]
    left_out = [f"{sheet.name} {sheet.reason}" for sheet in upload.left_out]
    return " ".join([*rejections, *left_out, *(note.message for note in upload.notes)])


def official(row: ParsedRow) -> str | None:
    return row.question.official if row.question else REFUSED


def test_every_file_is_in_the_table() -> None:
    assert sorted(path.name.split("_")[0] for path in UPLOADS.iterdir()) == sorted(RIGHT)


@pytest.mark.parametrize("number", [number for number, right in RIGHT.items() if not right.fails])
def test_each_file_is_read_as_is_right(number: str) -> None:
    right = RIGHT[number]
    upload = parse(path_of(number))

    assert tuple(official(row) for row in upload.rows) == right.official
    assert {row.type for row in upload.rows} == {right.type}
    for place, options in right.options.items():
        question = upload.rows[place].question
        assert question is not None
        assert dict(question.options) == options
    for place, codes in right.findings.items():
        assert set(codes) <= {finding.code for finding in upload.rows[place].findings}
    for words in right.says:
        assert words in said(upload)


@pytest.mark.parametrize("number", [number for number, right in RIGHT.items() if right.fails])
def test_each_file_that_is_no_use_fails_with_a_sentence_that_leads_on(number: str) -> None:
    with pytest.raises(JobFailed) as caught:
        parse(path_of(number))

    message = str(caught.value)
    assert all(words in message for words in RIGHT[number].says)
    assert "feuille" not in message.lower(), "a CSV has no sheets"


def test_a_key_that_is_not_used_is_quoted_and_stays_known() -> None:
    for number, right in RIGHT.items():
        if right.fails or "22" <= number < "23":
            continue
        for row in parse(path_of(number)).rows:
            if row.question and row.question.official is None:
                finding = next(f for f in row.findings if f.column == "reponse")
                unread = row.question.unread_official
                assert unread
                assert all(part in finding.message for part in unread.split(" / "))


def test_no_word_is_lost_to_a_foreign_encoding() -> None:
    last = parse(path_of("14")).rows[-1].question

    assert last is not None
    assert last.text == "Le nœud sinusal du cœur est situé :"
    assert last.options == {"A": "Dans l'oreillette", "B": "Dans l'œsophage"}


@pytest.mark.parametrize(("number", "course"), [("11", "Hypertension"), ("12", "Hypertension")])
def test_a_course_counts_for_its_block(number: str, course: str) -> None:
    assert [row.question and row.question.course for row in parse(path_of(number)).rows][:2] == [course, course]


@pytest.mark.parametrize("number", ["10", "38"])
def test_what_tells_and_what_asks_are_both_kept(number: str) -> None:
    for row in parse(path_of(number)).rows:
        assert row.question is not None
        whole = f"{row.question.case_text or ''} {row.question.text}"
        assert "Un homme de 60 ans" in whole or "Homme de 70 ans" in whole
        assert row.cells["texte de la question"] in whole


def test_a_file_without_levels_says_one_cause_for_all_rows() -> None:
    rows = parse(path_of("43"), level=None).rows

    assert len({row.rejection for row in rows}) == 1
    assert "defaultLevel" in str(rows[0].rejection)
