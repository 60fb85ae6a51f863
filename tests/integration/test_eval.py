"""`medq eval` on a real database: a model of known accuracy gets the figures it deserves, and leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from bench.scripted_llm import ScriptedLlm, truth_key
from surroundings import Platform
from worker.adapters.db import connect
from worker.errors import UsageError
from worker.evaluate import KnownQuestion, evaluate, read_known
from worker.settings import Settings
from worker.steps.score import Scores

DEV = Path(__file__).resolve().parents[3] / "shared" / "data" / "frenchmedmcqa-dev.json"
needs_dev = pytest.mark.skipif(not DEV.exists(), reason="FrenchMedMCQA's dev set (shared/data) is not here")


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


def run(platform: Platform, known: list[KnownQuestion], **shares: float) -> Scores:
    environment = {**platform.worker_environment(MEDQ_THREADS="8"), "MEDQ_LEASE_SECONDS": "30"}
    settings = Settings.model_validate(environment)
    return evaluate(
        known,
        settings,
        wrong=shares.get("wrong", 0.05),
        left_out=shares.get("left_out", 0.05),
        seed=0,
        told=lambda _done, _total: None,
    )


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


@needs_dev
def test_a_model_right_nine_times_in_ten_finds_the_spoiled_keys(platform: Platform, llm: ScriptedLlm) -> None:
    # Given 312 real questions, 5 % of the keys spoiled, and looks that are right independently 9 times in 10
    known = read_known(DEV)
    assert len(known) == 312
    teach(llm, known, accuracy=0.9)

    scores = run(platform, known)

    assert scores.damaged == 0
    assert scores.spoiled == 16
    assert scores.recall is not None
    assert scores.recall >= 0.85
    assert scores.asked_per_question <= 1.6
    assert scores.exact_match == pytest.approx(0.9, abs=0.05)


def test_a_workbook_is_read_by_the_one_parser_and_short_answers_are_left_out(tmp_path: Path) -> None:
    header = ["matiere", "cours", "niveau", "texte de la question", *(f"option {c}" for c in "abcde"), "reponse"]
    rows = ["Pédiatrie;Asthme;DCEM2;Que faire ?;un;deux;trois;;;CA.", "Pédiatrie;Asthme;DCEM2;Et là ?;un;deux;;;;?"]
    path = tmp_path / "examen - qcm.csv"
    path.write_text("\n".join([";".join(header), *rows]), encoding="utf-8")
    (only,) = read_known(path)
    assert (only.key, only.question.text) == ("AC", "Que faire ?")


@pytest.mark.parametrize("content", ["{}", "[1]", '[{"question": "x"}]', "not json", "[]"])
def test_a_file_without_known_keys_is_refused_in_a_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "dev.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"dev\.json"):
        read_known(path)
