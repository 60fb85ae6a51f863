"""A workbook goes to a teacher and comes back with her decisions, by whatever program she saved it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.support.office import save_by_libreoffice
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import ADMIN, Platform, plain
from worker.cli import call

OPTIONS = {letter: f"Proposition {letter}" for letter in "ABCDE"}
HEADER = (
    "matiere",
    "cours",
    "niveau",
    "semestre",
    "texte de la question",
    *(f"option {c}" for c in "abcde"),
    "reponse",
)
OWN = "Une explication écrite par l'enseignante."

# stem → décision, réponse retenue, explication retenue, commentaire
TYPED = {
    "Garder ?": ("garder", "", "", "vu avec le service"),
    "Accepter ?": (" Accepter ", "", "", ""),
    "Modifier ?": ("modifier", "A, B et E.", OWN, ""),
    "Texte ?": ("modifier", "proposition c", OWN, ""),
    "Écarter ?": ("ECARTER", "", "", ""),
    "Inconnu ?": ("peut-être", "", "", ""),
    "Sans lettre ?": ("modifier", "", OWN, ""),
    "Doute ?": ("modifier", "A/C", "", ""),
    "Absente ?": ("modifier", "AF", "", ""),
    "Trop ?": ("garder", "B", "", ""),
    "Sans décision ?": ("", "", "", "à voir"),
    "Rien ?": ("", "", "", ""),
}
REFUSED = {
    "Inconnu ?": "« peut-être » n'est pas une décision : choisir « garder », « accepter », « modifier » ou",
    "Sans lettre ?": "Donner la clé à retenir",
    "Doute ?": "« A/C » n'est pas une clé de cette question",
    "Absente ?": "« AF » n'est pas une clé de cette question",
    "Trop ?": "choisir « modifier » pour la retenir, ou l'effacer",
    "Sans décision ?": "Aucune décision n'est choisie sur cette ligne",
}


@pytest.fixture
def contested(platform: Platform, llm: ScriptedLlm) -> str:
    """The id of a job in which every question has the official key AC and both analyses say BD."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "qcm"
    sheet.append(HEADER)
    for stem in TYPED:
        sheet.append(["Pédiatrie", "Urgences", "DCEM2", "S1", stem, *OPTIONS.values(), "AC"])
    book.save(platform.folder / "a.xlsx")
    llm.configure(truth={stem: [OPTIONS["B"], OPTIONS["D"]] for stem in TYPED})
    with platform.workers(1):
        job_id = platform.enqueue(platform.folder / "a.xlsx")
        assert platform.wait_for_job(job_id)["status"] == "completed"
    return job_id


def fill_in(platform: Platform, job_id: str, target: Path) -> Path:
    """The job's workbook with what the teacher typed."""
    book = openpyxl.load_workbook(platform.job(job_id)["outputUrl"].removeprefix("file://"))
    sheet = book["À revoir"]
    places = {cell.value: cell.column for cell in sheet[1]}
    for number in range(2, sheet.max_row + 1):
        words = TYPED[sheet.cell(number, places["question"]).value]
        for name, word in zip(
            ("décision", "réponse retenue", "explication retenue", "commentaire"), words, strict=True
        ):
            sheet.cell(number, places[name]).value = word or None
    book.save(target)
    return target


def by_a_library(path: Path) -> None:
    """`fill_in` saved it so already."""


def sorted_renamed_and_cut(path: Path) -> None:
    book = openpyxl.load_workbook(path)
    lines = [list(line) for line in book["À revoir"].iter_rows(values_only=True)]
    kept = [n for n, name in enumerate(lines[0]) if name not in ("statut", "options", "raison", "feuille", "analyse 1")]
    for name in book.sheetnames[1:]:
        del book[name]
    sheet = book.create_sheet("Décisions de Mme X", 0)
    sheet.append(["Relu en novembre"])
    for line in [lines[0], *sorted(lines[1:], key=str, reverse=True)]:
        sheet.append([line[n] for n in kept])
    sheet.auto_filter.ref = sheet.dimensions
    for number in range(3, 6):
        sheet.row_dimensions[number].hidden = True
    book.save(path)


def by_libreoffice(path: Path) -> None:
    save_by_libreoffice(path, path)


@pytest.fixture
def medq(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs a command; its exit code and what it printed."""
    for name, value in platform.worker_environment(OPENAI_API_KEY="", OPENAI_BASE_URL="").items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = call(arguments)
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return code, plain(printed.out + printed.err)

    return run


def questions(platform: Platform) -> dict[str, dict[str, Any]]:
    rows = platform.rows(
        'SELECT q.*, u."email" AS who FROM "Question" q LEFT JOIN "User" u ON u."id" = q."validatedBy"'
    )
    return {row["questionText"]: row for row in rows}


@pytest.mark.parametrize("saved", [by_a_library, sorted_renamed_and_cut, by_libreoffice])
def test_what_a_teacher_typed_is_settled_row_by_row_and_a_second_time_changes_nothing(
    platform: Platform,
    contested: str,
    medq: Callable[..., tuple[int, str]],
    saved: Callable[[Path], None],
) -> None:
    path = fill_in(platform, contested, platform.folder / "back.xlsx")
    saved(path)
    before = questions(platform)

    code, printed = medq("decisions", str(path), "--user", ADMIN, "--json")
    # Each row says what became of it
    told = json.loads(printed)
    assert code == 1
    assert [told[name] for name in ("settled", "stands", "refused")] == [5, 0, 6]
    stems = {
        row["id"]: row["stem"]
        for row in platform.rows('SELECT "id", "question" ->> \'text\' AS stem FROM "AiValidationItem"')
    }
    reasons = {stems[row["itemId"]]: row["reason"] for row in told["rows"] if row["state"] == "refused"}
    assert reasons.keys() == REFUSED.keys()
    for stem, reason in REFUSED.items():
        assert reason in reasons[stem]

    # What was decided stands in her name, and nothing else has moved
    after = questions(platform)
    keys = {
        stem: (row["correctAnswer"], row["isValidated"], row["isActive"], row["who"]) for stem, row in after.items()
    }
    assert keys["Garder ?"] == ("AC", True, True, ADMIN)
    assert keys["Accepter ?"] == ("BD", True, True, ADMIN)
    assert keys["Modifier ?"] == ("ABE", True, True, ADMIN)
    assert keys["Texte ?"] == ("C", True, True, ADMIN)
    assert keys["Écarter ?"] == ("AC", False, False, None)
    assert OWN in after["Modifier ?"]["explanation"]
    for stem in [*REFUSED, "Rien ?"]:
        assert after[stem] == before[stem]
    decisions = platform.rows('SELECT "action", "source", "comment" FROM "AiValidationDecision"')
    assert {row["source"] for row in decisions} == {"workbook"}
    assert sorted(row["action"] for row in decisions) == ["accept", "discard", "edit", "edit", "keep"]
    assert [row["comment"] for row in decisions if row["action"] == "keep"] == ["vu avec le service"]
    assert " 7 à revoir." in platform.job(contested)["message"]

    # A second time nothing is done
    code, printed = medq("decisions", str(path), "--user", ADMIN)
    assert code == 1
    assert "0 settled, 5 stood already, 6 refused." in printed
    assert questions(platform) == after
    assert platform.value('SELECT count(*) FROM "AiValidationDecision"') == 5


def test_what_changed_since_the_workbook_was_written_or_is_unknown_is_refused_and_the_rest_goes_on(
    platform: Platform, contested: str, medq: Callable[..., tuple[int, str]]
) -> None:
    path = fill_in(platform, contested, platform.folder / "back.xlsx")
    book = openpyxl.load_workbook(path)
    sheet = book["À revoir"]
    places = {cell.value: cell.column for cell in sheet[1]}
    rows = {sheet.cell(n, places["question"]).value: n for n in range(2, sheet.max_row + 1)}
    for stem in TYPED:
        sheet.cell(rows[stem], places["décision"]).value = "garder"
        for name in ("réponse retenue", "explication retenue"):
            sheet.cell(rows[stem], places[name]).value = None
    sheet.cell(rows["Texte ?"], places["medq"]).value = None
    sheet.cell(rows["Doute ?"], places["medq"]).value = "medq1:nobody:0123456789abcdef"
    book.save(path)
    # Given a question that changed since, and one that somebody else has settled
    platform.execute(
        'UPDATE "Question" SET "correctAnswer" = \'E\', "updatedAt" = now() WHERE "questionText" = \'Modifier ?\''
    )
    platform.execute(
        'INSERT INTO "User" ("id", "email", "name", "role", "isActive", "updatedAt") '
        "VALUES ('autre', 'autre@medq.test', 'Autre', 'maintainer', true, now())"
    )
    (item,) = platform.rows('SELECT "id" FROM "AiValidationItem" WHERE "question" ->> \'text\' = \'Accepter ?\'')
    assert medq("decide", item["id"], "accept", "--user", "autre@medq.test")[0] == 0

    code, printed = medq("decisions", str(path), "--user", ADMIN)

    assert code == 1
    assert "8 settled, 0 stood already, 4 refused." in printed
    assert "a changé depuis qu'elle a été affichée" in printed
    assert "Autre a déjà tranché cette question" in printed
    assert "La colonne masquée « medq » ne dit plus" in printed
    assert "Cette question n'existe plus" in printed
    assert questions(platform)["Accepter ?"]["correctAnswer"] == "BD"


def test_nobody_who_may_decide_and_no_workbook_of_ours_are_refused_as_a_whole(
    platform: Platform, contested: str, medq: Callable[..., tuple[int, str]]
) -> None:
    path = fill_in(platform, contested, platform.folder / "back.xlsx")

    code, printed = medq("decisions", str(path), "--user", "inconnu@medq.test")
    assert code == 1
    assert "« inconnu@medq.test » n'est pas un compte actif" in printed
    code, printed = medq("decisions", str(platform.folder / "a.xlsx"), "--user", ADMIN)
    assert code == 2
    assert "no sheet « À revoir »" in printed
    assert platform.value('SELECT count(*) FROM "AiValidationDecision"') == 0


def test_an_upload_says_that_the_decisions_it_holds_are_not_taken_in_and_how(
    platform: Platform, contested: str, llm: ScriptedLlm
) -> None:
    path = fill_in(platform, contested, platform.folder / "back.xlsx")
    with platform.workers(1):
        job_id = platform.enqueue(path)
        job = platform.wait_for_job(job_id)
    assert "10 décisions non enregistrées" in job["message"]
    summary = openpyxl.load_workbook(job["outputUrl"].removeprefix("file://"))["Résumé"]
    told = plain("\n".join(str(cell) for line in summary.iter_rows(values_only=True) for cell in line if cell))
    assert "envoyer ce même classeur sur la page de sa tâche, ou le faire lire par « medq decisions »." in told
    assert platform.value('SELECT count(*) FROM "AiValidationDecision"') == 0
