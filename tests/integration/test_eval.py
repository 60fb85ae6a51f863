"""`medq eval` on a real database: a model of known accuracy gets the figures it deserves, and leaves nothing behind."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa

from tests.support.real_shapes import KINDS_OF_KNOWN, provide
from tests.support.scripted_llm import ScriptedLlm, truth_key
from tests.support.surroundings import Platform
from worker.db.engine import connect
from worker.errors import UsageError
from worker.evaluation.figures import Scores
from worker.evaluation.run import KnownQuestion, evaluate, read_known, spoil
from worker.evaluation.spoil import Spoiling
from worker.settings import Settings


def write_dev(path: Path, count: int) -> Path:
    """A file of FrenchMedMCQA's shape."""
    rows = [
        {
            "question": f"Quelle est la proposition exacte numéro {n} ?",
            "answers": {letter: f"proposition {letter} du numéro {n}" for letter in "abcde"},
            "correct_answers": ["a", "c"] if n % 2 else ["e"],
            "subject_name": "pharmacie",
        }
        for n in range(count)
    ]
    path.write_text(json.dumps(rows))
    return path


def teach(llm: ScriptedLlm, known: list[KnownQuestion], *, accuracy: float) -> None:
    truth = {}
    for one in known:
        options = one.question.options
        truth[truth_key(one.question.text, None, list(options.values()))] = [options[letter] for letter in one.key]
    llm.configure(truth=truth, accuracy=accuracy)


def run(platform: Platform, known: list[KnownQuestion], **shares: Any) -> Scores:
    environment = {**platform.worker_environment(MEDQ_THREADS="8"), "MEDQ_LEASE_SECONDS": "30"}
    settings = Settings.model_validate(environment)
    return evaluate(known, settings, Spoiling(**shares), told=lambda _done, _total: None)


def databases(platform: Platform) -> set[str]:
    engine = connect(platform.database_url, pool_size=1)
    with engine.connect() as connection:
        found = set(
            connection.execute(sa.text("SELECT datname FROM pg_database WHERE datname LIKE 'medq_eval_%'")).scalars()
        )
    engine.dispose()
    return found


def test_a_model_that_knows_everything_finds_every_spoiled_key(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    known = read_known(write_dev(tmp_path / "dev.json", 40))
    teach(llm, known, accuracy=1.0)
    before = databases(platform)

    scores = run(platform, known, wrong=0.1, left_out=0.1)

    assert (scores.questions, scores.exact_match, scores.hamming) == (40, 1.0, 1.0)
    assert (scores.spoiled, scores.recall, scores.precision, scores.damaged) == (4, 1.0, 1.0, 0)
    assert (scores.left_out, scores.completed, scores.completed_right) == (4, 4, 1.0)
    # Every question once, and the eight that were spoiled or left out once more.
    assert scores.asked_per_question == (40 + 8) / 40
    # The scratch database is gone, and the platform's own has not seen the job.
    assert databases(platform) == before
    assert platform.value('SELECT count(*) FROM "AiValidationJob"') == 0


def test_a_model_that_knows_nothing_damages_nothing(platform: Platform, llm: ScriptedLlm, tmp_path: Path) -> None:
    known = read_known(write_dev(tmp_path / "dev.json", 30))
    teach(llm, known, accuracy=0.0)
    scores = run(platform, known)
    assert scores.exact_match == 0
    assert scores.damaged == 0


@pytest.mark.parametrize("kind", KINDS_OF_KNOWN)
def test_a_model_right_nine_times_in_ten_finds_the_spoiled_keys(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path, kind: str
) -> None:
    # Given 312 questions, 5 % of the keys spoiled, and looks that are right independently 9 times in 10
    known = read_known(provide(kind, tmp_path))
    assert len(known) == 312
    teach(llm, known, accuracy=0.9)

    scores = run(platform, known)

    assert scores.damaged == 0
    assert scores.spoiled == 16
    assert scores.recall is not None
    assert scores.recall >= 0.85
    assert scores.asked_per_question <= 1.6
    assert scores.exact_match == pytest.approx(0.9, abs=0.05)


def test_a_workbook_is_read_by_the_one_parser_and_says_where_each_question_stands(tmp_path: Path) -> None:
    header = ["matiere", "cours", "niveau", "texte de la question", *(f"option {c}" for c in "abcde"), "reponse"]
    rows = ["Pédiatrie;Asthme;DCEM2;Et là ?;un;deux;;;;?", "Pédiatrie;Asthme;DCEM2;Que faire ?;un;deux;trois;;;CA."]
    path = tmp_path / "examen - qcm.csv"
    path.write_text("\n".join([";".join(header), *rows]), encoding="utf-8")
    (only,) = read_known(path)
    assert (only.key, only.question.text, only.row) == ("AC", "Que faire ?", 3)


ANSWERS = (
    *("Asthme", "Otite moyenne", "Sténose du pylore", "Torsion testiculaire", "Méningite bactérienne"),
    *("Bronchiolite", "Hernie inguinale", "Rougeole", "Coqueluche", "Fracture du fémur"),
)


def write_short(path: Path) -> Path:
    """A workbook of ten short-answer questions and ten with letters."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "qroc"
    place = ["matiere", "cours", "niveau", "semestre", "texte de la question"]
    sheet.append([*place, "reponse"])
    for n, answer in enumerate(ANSWERS):
        sheet.append(["Pédiatrie", "Urgences", "DCEM2", "S1", f"Quel est le diagnostic numéro {n} ?", answer])
    letters = book.create_sheet("qcm")
    letters.append([*place, *(f"option {c}" for c in "abcde"), "reponse"])
    for n in range(10):
        options = [f"proposition {c} du numéro {n}" for c in "abcde"]
        letters.append(["Cardiologie", "HTA", "DCEM2", "S1", f"Que retenir du numéro {n} ?", *options, "BD"])
    book.save(path)
    return path


def medq(platform: Platform, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **platform.worker_environment(MEDQ_THREADS="8")}
    program = str(Path(sys.executable).with_name("medq"))
    return subprocess.run(
        [program, *arguments], cwd=platform.folder, env=environment, capture_output=True, text=True, check=False
    )


def test_short_answers_are_judged_by_the_known_one_and_a_doubt_is_listed(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given ten short answers of which two will be spoiled and two left out, and a model that knows them all, but
    # words one of those left out so that only a person can say whether it is the same
    known = read_known(write_short(tmp_path / "examen.xlsx"))
    keys = spoil(known, Spoiling(wrong=0.2, left_out=0.2, seed=5))
    short = [(one, key) for one, key in zip(known, keys, strict=True) if not one.question.is_qcm]
    silent = [one for one, key in short if key.given is None]
    assert (len(short), len(silent), sum(key.is_spoiled for _, key in short)) == (10, 2, 2)
    truth: dict[str, Any] = {one.question.text: one.key for one, _ in short}
    doubtful = silent[0]
    truth[doubtful.question.text] = f"{doubtful.key.split()[0]} aigu"
    for one in known:
        if one.question.is_qcm:
            truth[one.question.text] = [one.question.options[letter] for letter in one.key]
    llm.configure(truth=truth, accuracy=1.0)

    # When they are evaluated
    shares = ("--wrong", "0.2", "--left-out", "0.2", "--seed", "5", "--missed", str(tmp_path / "missed.csv"))
    done = medq(platform, "eval", str(tmp_path / "examen.xlsx"), *shares, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)

    # Then both kinds are measured, apart
    assert (found["questions"], found["spoiled"], found["recall"], found["exact_match"]) == (10, 2, 1.0, 1.0)
    answers = found["short_answers"]
    assert (answers["questions"], answers["judged"], answers["verdict_right"]) == (10, 8, 1.0)
    assert (answers["spoiled"], answers["recall"], answers["precision"], answers["damaged"]) == (2, 1.0, 1.0, 0)
    assert (answers["left_out"], answers["completed"], answers["completed_right"]) == (2, 2, 1)
    assert (answers["completed_to_judge"], answers["completed_wrong"]) == (1, 0)
    assert found["intervals"]["short_verdict_right"] == pytest.approx([0.6756, 1.0], abs=1e-4)
    assert {line["name"]: line["right"] for line in found["specialties"]} == {"Pédiatrie": 9, "Cardiologie": 10}
    # And the doubt is named by its row in the file that was given
    (missed,) = found["missed"]
    assert (missed["why"], missed["sheet"], missed["row"]) == ("to_judge", "qroc", doubtful.row)
    assert (missed["known"], missed["given"]) == (doubtful.key, None)
    with (tmp_path / "missed.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file, delimiter=";")
    assert (row["motif"], row["ligne"], row["réponse connue"]) == ("à juger", str(doubtful.row), doubtful.key)


@pytest.mark.parametrize("content", ["{}", "[1]", '[{"question": "x"}]', "not json", "[]"])
def test_a_file_without_known_keys_is_refused_in_a_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "dev.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"dev\.json"):
        read_known(path)
