"""Texts of any length in any place of a file: a row may be refused, its file and its batch never fail for it."""

from __future__ import annotations

import csv
import random
import threading
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import openpyxl
import pytest

from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform
from worker.runtime.container import build_worker
from worker.settings import Settings

COLUMNS = ["matiere", "cours", "niveau", "semestre", "source", "cas", "texte du cas", "texte de la question"]
HEADER = [*COLUMNS, *[f"option {letter}" for letter in "ABCDE"], "reponse", "explication", "rappel"]


def long_text(length: int, seed: int = 1) -> str:
    """Words that no index can make shorter."""
    chance = random.Random(seed)  # noqa: S311 (not a secret)
    letters = "abcdefghijklmnopqrstuvwxyzéèàç0123456789"
    return "".join(" " if at % 9 == 8 else chance.choice(letters) for at in range(length)).strip()


def good_row(number: int) -> list[str]:
    place = ["Pédiatrie", "Urgences", "DCEM2", "S1", "Tunis 2019", "1", f"Patient {number}, fébrile."]
    return [
        *place,
        f"Question {number} ?",
        *[f"Proposition {c} du {number}" for c in "ABCDE"],
        "AC",
        "Voir.",
        "Rappel.",
    ]


def run(platform: Platform, path: Path, name: str | None = None) -> dict[str, object]:
    """The whole job here; its row."""
    job_id = platform.enqueue(path)
    if name:
        platform.execute('UPDATE "AiValidationJob" SET "originalFileName" = :n WHERE "id" = :id', n=name, id=job_id)
    parts = build_worker(Settings.model_validate(platform.worker_environment()), stopping=threading.Event())
    try:
        parts.executor.drain()
    finally:
        parts.close()
    assert platform.value('SELECT max("deaths") FROM "AiValidationTask"') == 0
    return platform.job(job_id)


@pytest.mark.parametrize("length", [6_000, 300_000])
def test_a_long_text_in_any_column_costs_its_own_row_at_most(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path, length: int
) -> None:
    # Given a file in which each row has one long text, in another column each, and a good row after each
    llm.configure(accuracy=1.0)
    path = tmp_path / "long cas qcm.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for place in range(len(HEADER)):
            row = good_row(2 * place)
            row[place] = long_text(length, place)
            writer.writerows([row, good_row(2 * place + 1)])
    # When it is uploaded
    job = run(platform, path, name=long_text(6_000) + ".csv")
    # Then every row has an outcome of its own, and what is refused says of which column and how to go on
    assert job["status"] == "completed", job["errorMessage"]
    items = platform.rows('SELECT * FROM "AiValidationItem" ORDER BY "rowNumber"')
    assert len(items) == 2 * len(HEADER)
    for item in items[1::2]:
        assert item["status"] in ("confirmed", "contested"), item["reason"]
    refused = {HEADER[n]: i["reason"] for n, i in enumerate(items[::2]) if i["status"] in ("rejected", "failed")}
    assert {"matiere", "cours"} <= refused.keys()
    for reason in refused.values():
        assert len(reason) < 1_000
    for column in ("matiere", "cours"):
        assert "caractères" in refused[column]
    for item in items:
        for finding in item["findings"]:
            assert len(finding["message"]) < 1_000, finding["code"]
    # And the workbook holds every row
    book = openpyxl.load_workbook(str(job["outputUrl"]).removeprefix("file://"))
    assert book["cas_qcm"].max_row == 1 + len(items)


def make_twins(path: Path, names: list[str]) -> Path:
    """A workbook by hand whose sheets have these names, which no program would write."""
    plain = path.with_suffix(".plain.xlsx")
    book = openpyxl.Workbook()
    assert book.active is not None
    book.remove(book.active)
    for number, _ in enumerate(names):
        sheet = book.create_sheet(f"twin{number}")
        sheet.append(HEADER)
        sheet.append(good_row(number))
    book.save(plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename == "xl/workbook.xml":
                for number, name in enumerate(names):
                    quoted = escape(name, {'"': "&quot;"}).encode()
                    data = data.replace(f'name="twin{number}"'.encode(), b'name="' + quoted + b'"')
            target.writestr(entry, data)
    return path


@pytest.mark.parametrize(
    "names",
    [
        ["cas qcm", "cas qcm"],
        ["cas qcm", "CAS QCM", "Cas qcm"],
        ["cas qcm " + long_text(6_000), "cas qcm " + long_text(6_000)],
        ["cas qcm", "cas qcm (2)", "cas qcm"],
    ],
    ids=["twice", "in another case", "long", "numbered"],
)
def test_sheets_of_one_name_are_told_apart(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path, names: list[str]
) -> None:
    llm.configure(accuracy=1.0)
    job = run(platform, make_twins(tmp_path / "twins.xlsx", names))
    assert job["status"] == "completed", job["errorMessage"]
    items = platform.rows('SELECT "sheet", "status" FROM "AiValidationItem" ORDER BY "position"')
    assert len(items) == len(names)
    assert len({item["sheet"].casefold() for item in items}) == len(names)
    assert all(len(item["sheet"]) <= 100 for item in items)
