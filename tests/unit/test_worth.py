"""The figures of `medq eval` as teachers read them."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from worker.cli.worth import check_missed, of, show_scores, with_interval, write_missed
from worker.errors import UsageError
from worker.evaluation.figures import Answered, Asked, GivenKey, Scores, Spent
from worker.evaluation.score import score

ENGLISH = re.compile(r"\b(questions? asked|right|spoiled|wrong|look|share|recall\b(?!\))|key|missed|outcome)\b", re.I)


def scored() -> Scores:
    """26 questions of 16 specialties: 25 were missed, five of which are short answers."""
    answered = [
        Answered(
            GivenKey("A", "A" if n % 2 else "B"),
            "contested" if n % 2 else "confirmed",
            first="B",
            second="C",
            kept="A",
            confidence=0.9,
            second_confidence=0.5,
            asked=Asked("qcm", f"Matière {n % 15:02d}", "qcm", n + 2, f"=CMD({n}) Que faire devant une fièvre ?"),
        )
        for n in range(20)
    ]
    asked = Asked("qroc", "Pédiatrie", "qroc", 2, "Quel diagnostic ?")
    short = Answered(GivenKey("Torsion testiculaire", None), "completed", "y", kept="Torsion du cordon", asked=asked)
    right = Answered(GivenKey("A", "A"), "confirmed", first="A", kept="A", confidence=0.97, asked=Asked("qcm", "Un"))
    return score([*answered, *[short] * 5, right], Spent(calls=30, asked=40, cost_usd=0.1234))


def test_the_tables_are_french_and_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    show_scores(scored(), Path("examen.xlsx"), None)
    printed = capsys.readouterr().out
    assert "examen.xlsx : 26 questions" in printed
    assert "1 sur 21" not in printed
    assert "4,8 % (0,8–22,7)" in printed  # one exact first look of 21
    assert "0,1234 $" in printed
    assert "16 confirmées" not in printed
    assert "11 confirmées, 10 contestées, 5 complétées" in printed
    # Seventeen specialties are twelve lines, and the smallest are one of them
    assert "autres" in printed
    assert sum(line.count("Matière ") for line in printed.splitlines() if "sur" in line) == 10
    # The list of what was missed is cut, and says how to have it whole
    assert "Ce qui a été manqué : 25" in printed
    assert "… et 5 autres : `--missed FICHIER.csv` ou `--json`" in printed
    assert "réponse fausse confirmée" in printed
    assert "à juger" in printed
    assert "B (90 %) · C (50 %)" in printed
    assert not ENGLISH.search(printed.replace("--missed", ""))


def test_an_evaluation_of_nothing_at_all_is_shown_too(capsys: pytest.CaptureFixture[str]) -> None:
    show_scores(score([], Spent(0, 0, None)), Path("x.csv"), None)
    printed = capsys.readouterr().out
    assert "Rien n'a été manqué." in printed
    assert "inconnu" in printed


def test_the_list_as_a_file_is_whole_and_no_cell_is_a_formula(tmp_path: Path) -> None:
    path = tmp_path / "manqué.csv"
    check_missed(path)
    write_missed(scored().missed, path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    assert len(rows) == 25
    assert {row["motif"] for row in rows} == {"réponse fausse confirmée", "réponse juste contestée", "à juger"}
    first = rows[0]
    assert (first["feuille"], first["ligne"], first["type"], first["réponse connue"]) == ("qcm", "2", "qcm", "A")
    assert (first["réponse donnée"], first["analyse 1"], first["confiance 1"]) == ("B", "B", "0,90")
    assert first["question"] == "'=CMD(0) Que faire devant une fièvre ?"
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())


def test_a_list_that_cannot_be_written_is_refused_before_anything_is_paid(tmp_path: Path) -> None:
    check_missed(None)
    for path in (tmp_path, tmp_path / "nowhere" / "x.csv"):
        with pytest.raises(UsageError, match="--missed"):
            check_missed(path)


def test_french_figures() -> None:
    assert of(11, 18) == "11 sur 18 : 61,1 % (38,6–79,7)"
    assert of(0, 0) == "0 sur 0"
    assert with_interval(None, None) == "–"
