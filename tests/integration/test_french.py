"""What admins, teachers and students read, as it really stands in the database and the workbook."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import sqlalchemy as sa

from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform

OPTIONS = {letter: f"Proposition {letter}" for letter in "ABCDE"}
HEADER = ("matiere", "cours", "niveau", "semestre", "texte de la question", *(f"option {c}" for c in "abcde"))
UPLOADED = "Texte : d\u2019un auteur ; « tel quel » !"  # plain spaces and another apostrophe, all of them kept
BREAKING = re.compile(r" [:;!?%](?!\S)|« | »")
QUOTED = re.compile("«\u00a0[^«»]*\u00a0»")
KNOWN = ("Contestée", "Complétée", "Illisible", "Confirmée")


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)


def write_file(path: Path) -> None:
    """Rows for every kind of sentence: contested, repeated, completed, odd, confirmed, refused."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "qcm"
    sheet.append([*HEADER, "reponse", "rappel", "auteur"])
    for stem, key, semester in (
        ("Contestée", "AC", "S1"),
        ("Contestée", "AC", "S1"),
        ("Complétée", "", "S9 ?"),
        ("Illisible", "A/C", "S1"),
        ("Confirmée", "BD", "S1"),
    ):
        sheet.append(["Pédiatrie", "Urgences", "DCEM2", semester, stem, *OPTIONS.values(), key, UPLOADED, "x"])
    sheet.append(["Pédiatrie", "Urgences", "DCEM2", "S1", "Refusée", "Seule", "", "", "", "", "A", UPLOADED, ""])
    book.save(path)


def test_no_sentence_of_ours_breaks_before_a_sign_and_no_uploaded_text_is_touched(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    write_file(tmp_path / "a.xlsx")
    llm.configure(truth={stem: [OPTIONS["B"], OPTIONS["D"]] for stem in KNOWN})
    with platform.workers(1):
        job = platform.wait_for_job(platform.enqueue(tmp_path / "a.xlsx"))

    # Then what the worker wrote is set as French is
    with platform.engine.connect() as connection:

        def ask(statement: str) -> list[str]:
            return [text for row in connection.execute(sa.text(statement)) for text in texts(list(row))]

        ours = ask('SELECT "message", "errorMessage" FROM "AiValidationJob"')
        ours += ask('SELECT "reason", "findings" FROM "AiValidationItem"')
        ours += ask('SELECT "result" -> \'notes\', "result" -> \'leftOut\' FROM "AiValidationTask"')
        explained = ask('SELECT "explanation" FROM "Question"')
    found = openpyxl.load_workbook(job["outputUrl"].removeprefix("file://"))
    summary = [str(cell) for line in found["Résumé"].iter_rows(values_only=True) for cell in line if cell]
    assert len(ours) > 12
    said = [QUOTED.sub("", text) for text in (*ours, *summary)]
    assert [text for text in said if BREAKING.search(text) or "\u2019" in text] == []
    # And what was uploaded is as it was, in the explanation too
    assert explained
    for text in explained:
        assert text.endswith(f"\n\nRappel\u00a0: {UPLOADED}")
    places = {cell.value: cell.column for cell in found["qcm"][1]}
    assert {found["qcm"].cell(n, places["rappel"]).value for n in range(2, 8)} == {UPLOADED}
