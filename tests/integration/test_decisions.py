"""What people decide: one transaction for every door, over questions that real workers left open."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa

from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform
from worker.db.engine import Database
from worker.errors import DecisionConflict, DecisionRefused
from worker.jobs.invariants import check_invariants
from worker.questions.decision import Decided, Order
from worker.review.decide import decide
from worker.review.decision_store import ItemView, list_items
from worker.runtime.container import build_explainer
from worker.settings import Settings

TEACHER, COLLEAGUE = "prof@medq.test", "collegue@medq.test"
OPTIONS = {letter: f"Proposition {letter}" for letter in "ABCDE"}
HEADER = ("matiere", "cours", "niveau", "semestre", "texte de la question", *(f"option {c}" for c in "abcde"))
REMINDER = "Le rappel du cours."

Row = tuple[str, str, str, str]  # stem, key, explanation, rappel


@pytest.fixture
def people(platform: Platform) -> Platform:
    """The platform with two who may decide, and two who may not."""
    for email, role, active in (
        (TEACHER, "maintainer", True),
        (COLLEAGUE, "admin", True),
        ("eleve@medq.test", "user", True),
        ("parti@medq.test", "admin", False),
    ):
        platform.execute(
            'INSERT INTO "User" ("id", "email", "name", "role", "isActive", "updatedAt") '
            "VALUES (:id, :email, :name, :role, :active, now())",
            id=email.partition("@")[0],
            email=email,
            name=email.partition("@")[0].title(),
            role=role,
            active=active,
        )
    return platform


def write_file(path: Path, rows: list[Row]) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "qcm"
    sheet.append([*HEADER, "reponse", "explication", "rappel"])
    for stem, key, explanation, reminder in rows:
        sheet.append(["Pédiatrie", "Urgences", "DCEM2", "S1", stem, *OPTIONS.values(), key, explanation, reminder])
    book.save(path)
    return path


def analyse(
    platform: Platform, llm: ScriptedLlm, rows: list[Row], *, known: str, name: str = "a", **config: Any
) -> str:
    """A job of these rows whose model gives `known` to each of them at every look; the job's id."""
    llm.configure(truth={stem: [OPTIONS[letter] for letter in known] for stem, *_ in rows})
    path = write_file(platform.folder / f"{name}.xlsx", rows)
    with platform.workers(1):
        job_id = platform.enqueue(path, config=config or None)
        assert platform.wait_for_job(job_id)["status"] == "completed"
    return job_id


def items_of(platform: Platform, job_id: str) -> list[ItemView]:
    with platform.engine.connect() as connection:
        return list_items(connection, job_id)


def question_of(platform: Platform, item: ItemView) -> dict[str, Any]:
    (row,) = platform.rows(
        'SELECT q.* FROM "AiValidationItem" i JOIN "Question" q ON q."id" = i."questionId" WHERE i."id" = :id',
        id=item.id,
    )
    return row


@pytest.fixture
def database(platform: Platform) -> Database:
    return Database(platform.engine)


def order(item: ItemView, action: Any, user: str = TEACHER, **more: Any) -> Order:
    return Order(item.id, action, user, "command", **{"version": item.version, **more})


def test_a_contested_question_is_settled_either_way(people: Platform, llm: ScriptedLlm, database: Database) -> None:
    # Given four contested questions, one with an explanation and a reminder of the file's
    rows = [
        ("Question un ?", "AC", "Le cours dit AC.", REMINDER),
        ("Question deux ?", "AC", "", REMINDER),
        ("Question trois ?", "AC", "", ""),
        ("Question quatre ?", "AC", "", ""),
    ]
    job_id = analyse(people, llm, rows, known="BD")
    items = items_of(people, job_id)
    assert [item.status for item in items] == ["contested"] * 4
    assert all(item.is_open for item in items)
    assert [len(item.result["looks"]) for item in items if item.result] == [2] * 4
    assert people.job(job_id)["message"].endswith("(4 contestées). 4 à revoir.")

    # When they are kept, accepted, edited, discarded
    first, second, third, fourth = items
    decide(database, order(first, "keep"))
    decide(database, order(second, "accept"))
    decide(database, order(third, "edit", key="e, a", explanation="Tapée par la professeure."))
    decide(database, order(fourth, "discard", comment="hors programme"))

    # Then each question says what was decided, in her name, and argues for nothing else
    kept, accepted, edited, discarded = (question_of(people, item) for item in items)
    assert (kept["correctAnswer"], kept["explanation"]) == ("AC", f"Le cours dit AC.\n\nRappel : {REMINDER}")
    assert accepted["correctAnswer"] == "BD"
    assert "officielle" not in accepted["explanation"]
    assert accepted["explanation"].startswith("A — ")
    assert accepted["explanation"].endswith(f"Rappel : {REMINDER}")
    assert (edited["correctAnswer"], edited["explanation"]) == ("AE", "Tapée par la professeure.")
    for question in (kept, accepted, edited):
        assert (question["isValidated"], question["validatedBy"], question["isActive"]) == (True, "prof", True)
        assert question["validatedAt"] is not None
    assert (discarded["isActive"], discarded["isValidated"], discarded["validatedBy"]) == (False, False, None)

    # And outcomes and figures stay, nothing is open, and the row says so
    after = items_of(people, job_id)
    assert [item.status for item in after] == ["contested"] * 4
    assert not any(item.is_open for item in after)
    assert people.job(job_id)["message"].endswith("(4 contestées).")
    shown = people.rows('SELECT "shown" FROM "AiValidationDecision" ORDER BY "createdAt"')
    assert [row["shown"]["official"] for row in shown] == ["AC"] * 4
    assert [[look["key"] for look in row["shown"]["looks"]] for row in shown] == [["BD", "BD"]] * 4


def test_undo_puts_back_what_was_decision_by_decision(people: Platform, llm: ScriptedLlm, database: Database) -> None:
    job_id = analyse(people, llm, [("Question une ?", "AC", "", "")], known="BD")
    (item,) = items_of(people, job_id)
    before = question_of(people, item)
    columns = ("correctAnswer", "explanation", "isValidated", "validatedBy", "validatedAt", "isActive")

    decide(database, order(item, "accept"))
    accepted = question_of(people, item)
    decide(database, order(item, "edit", key="A", version=None))
    assert question_of(people, item)["correctAnswer"] == "A"

    decide(database, order(item, "undo", version=None))
    assert [question_of(people, item)[c] for c in columns] == [accepted[c] for c in columns]
    decide(database, order(item, "undo", version=None))
    assert [question_of(people, item)[c] for c in columns] == [before[c] for c in columns]
    (again,) = items_of(people, job_id)
    assert again.is_open
    assert people.job(job_id)["message"].endswith(" 1 à revoir.")
    with pytest.raises(DecisionRefused, match="Aucune décision"):
        decide(database, order(item, "undo", version=None))


def test_a_question_without_official_key_is_accepted_or_typed_and_never_kept(
    people: Platform, llm: ScriptedLlm, database: Database
) -> None:
    job_id = analyse(people, llm, [("Question une ?", "", "Écrit dans le fichier.", "")], known="BD")
    (item,) = items_of(people, job_id)
    assert (item.status, item.is_open) == ("completed", True)
    with pytest.raises(DecisionRefused, match="rien à garder"):
        decide(database, order(item, "keep"))
    decide(database, order(item, "accept"))
    question = question_of(people, item)
    assert (question["correctAnswer"], question["validatedBy"]) == ("BD", "prof")
    assert "Écrit dans le fichier." in question["explanation"]


def test_rows_in_conflict_get_their_question_by_a_decision_and_lose_it_by_undo(
    people: Platform, llm: ScriptedLlm, database: Database
) -> None:
    # Given two rows of one content with two official keys: no question was written
    job_id = analyse(people, llm, [("Question une ?", "AC", "", ""), ("Question une ?", "B", "", "")], known="BD")
    first, second = items_of(people, job_id)
    assert people.value('SELECT count(*) FROM "Question"') == 0
    with pytest.raises(DecisionRefused, match="rien à accepter"):
        decide(database, order(first, "accept"))

    # When one key is kept, the question is there and both rows are settled
    decided = decide(database, order(second, "keep"))
    assert (decided.other_items, decided.needs_explanation) == (1, True)
    question = question_of(people, second)
    assert (question["correctAnswer"], question["validatedBy"]) == ("B", "prof")
    assert question["explanation"] == "Explication à rédiger."
    assert not any(item.is_open for item in items_of(people, job_id))

    # And who decides about the other row as she saw it before is told
    with pytest.raises(DecisionConflict, match="a changé"):
        decide(database, order(first, "keep"))
    decide(database, order(second, "undo", version=None))
    assert people.value('SELECT count(*) FROM "Question"') == 0
    assert all(item.is_open for item in items_of(people, job_id))


def test_rows_in_conflict_are_decided_one_after_the_other_and_one_of_them_is_accepted(
    people: Platform, llm: ScriptedLlm, database: Database
) -> None:
    # Given a question without an official key, and a file whose rows give it two
    analyse(people, llm, [("Question une ?", "", "", "")], known="BD")
    job_id = analyse(people, llm, [("Question une ?", key, "", "") for key in ("AC", "E")], known="BD", name="b")
    first, second = items_of(people, job_id)
    assert (first.status, second.status) == ("contested", "contested")
    # When one is settled, undone, and then the other one is
    decide(database, order(first, "keep"))
    decide(database, Order(first.id, "undo", TEACHER, "command"))
    decided = decide(database, order(items_of(people, job_id)[1], "keep"))
    # Then its key stands, on its own row, and no content was accepted twice
    assert [item.question_id for item in items_of(people, job_id)] == [None, decided.question_id]
    question = question_of(people, second)
    assert (question["correctAnswer"], question["isValidated"]) == ("E", True)
    assert check_invariants(people.engine, grace_s=0) == []


def test_rows_of_the_same_content_in_other_jobs_are_settled_too(
    people: Platform, llm: ScriptedLlm, database: Database
) -> None:
    rows: list[Row] = [("Question une ?", "AC", "", "")]
    jobs = [analyse(people, llm, rows, known="BD", name=name) for name in ("a", "b")]
    (item,) = items_of(people, jobs[0])
    assert decide(database, order(item, "accept")).other_items == 1
    assert [people.job(job_id)["message"].endswith("à revoir.") for job_id in jobs] == [False, False]
    (twin,) = items_of(people, jobs[1])
    assert (twin.is_open, twin.decision and twin.decision["action"]) == (False, "accept")


def test_the_same_decision_given_again_changes_nothing(people: Platform, llm: ScriptedLlm, database: Database) -> None:
    job_id = analyse(people, llm, [("Question une ?", "AC", "", "")], known="BD")
    (item,) = items_of(people, job_id)
    first = decide(database, order(item, "edit", key="AB", comment="vu"))
    again = decide(database, order(item, "edit", key="BA", comment="vu"))
    assert (again.decision_id, again.is_new) == (first.decision_id, False)
    assert people.value('SELECT count(*) FROM "AiValidationDecision"') == 1


REFUSED: list[tuple[dict[str, Any], type[DecisionRefused], str]] = [
    ({"user_id": "eleve@medq.test"}, DecisionRefused, "n'est pas un compte actif"),
    ({"user_id": "parti@medq.test"}, DecisionRefused, "n'est pas un compte actif"),
    ({"user_id": "personne@medq.test"}, DecisionRefused, "n'est pas un compte actif"),
    ({"item_id": "nowhere"}, DecisionRefused, "n'existe plus"),
    ({"version": "stale"}, DecisionConflict, "a changé"),
    ({"action": "edit", "key": "AF"}, DecisionRefused, "n'est pas une clé"),
    ({"action": "edit", "key": "tout sauf B"}, DecisionRefused, "n'est pas une clé"),
    ({"action": "edit", "key": "A/C"}, DecisionRefused, "n'est pas une clé"),
    ({"action": "edit"}, DecisionRefused, "Donner la clé"),
    ({"action": "undo"}, DecisionRefused, "Aucune décision"),
]


def test_what_cannot_stand_is_refused_with_a_sentence_and_nothing_is_written(
    people: Platform, llm: ScriptedLlm, database: Database
) -> None:
    job_id = analyse(people, llm, [("Question une ?", "AC", "", "")], known="BD")
    (item,) = items_of(people, job_id)
    before = question_of(people, item)
    for change, error, sentence in REFUSED:
        with pytest.raises(error, match=sentence):
            decide(database, replace(order(item, "accept"), **change))
    assert question_of(people, item) == before
    assert people.value('SELECT count(*) FROM "AiValidationDecision"') == 0


def test_two_analyses_that_differ_cannot_be_accepted(people: Platform, llm: ScriptedLlm, database: Database) -> None:
    job_id = analyse(people, llm, [("Question une ?", "AC", "", "")], known="BD")
    (item,) = items_of(people, job_id)
    people.execute(
        """UPDATE "AiValidationItem" SET "result" = jsonb_set("result", '{looks,1,key}', '"E"') WHERE "id" = :id""",
        id=item.id,
    )
    with pytest.raises(DecisionRefused, match=r"pas la même réponse \(BD, E\)"):
        decide(database, order(item, "accept", version=None))
    decide(database, order(item, "edit", key="E", version=None))
    assert question_of(people, item)["correctAnswer"] == "E"


def test_a_question_rewritten_on_the_platform_is_not_settled_by_what_was_analysed_before(
    people: Platform, llm: ScriptedLlm, database: Database
) -> None:
    job_id = analyse(people, llm, [("Question une ?", "AC", "", "")], known="BD")
    people.execute('UPDATE "Question" SET "optionB" = \'Tout autre chose\'')
    (item,) = items_of(people, job_id)
    with pytest.raises(DecisionConflict, match="ont été modifiés sur la plateforme"):
        decide(database, order(item, "accept"))


def test_of_many_who_decide_at_once_one_is_heard_and_the_others_are_told(
    people: Platform, llm: ScriptedLlm, database: Database
) -> None:
    # Given one question and ten who decide about it at the same moment, in two ways
    job_id = analyse(people, llm, [("Question une ?", "AC", "", "")], known="BD")
    (item,) = items_of(people, job_id)
    orders = [order(item, ("accept", "keep")[n % 2], (TEACHER, COLLEAGUE)[n % 2]) for n in range(10)]

    def give(one: Order) -> Decided | DecisionRefused:
        try:
            return decide(database, one)
        except DecisionRefused as refused:
            return refused

    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(give, orders))
    # Then there is one decision, whoever gave the same heard so, and the others know who was faster
    decided = [a for a in answers if isinstance(a, Decided)]
    assert sum(a.is_new for a in decided) == 1
    assert len({a.decision_id for a in decided}) == 1
    assert all("a déjà tranché" in str(a) for a in answers if not isinstance(a, Decided))
    assert people.value('SELECT count(*) FROM "AiValidationDecision"') == 1
    (stands,) = people.rows('SELECT "action" FROM "AiValidationDecision"')
    assert question_of(people, item)["correctAnswer"] == {"accept": "BD", "keep": "AC"}[stands["action"]]


def test_what_is_kept_without_an_explanation_is_explained_by_one_call_that_is_shown_the_key(
    people: Platform, llm: ScriptedLlm, database: Database
) -> None:
    # Given two contested questions that nobody has explained
    rows = [("Question un ?", "AC", "", REMINDER), ("Question deux ?", "AC", "", "")]
    job_id = analyse(people, llm, rows, known="BD")
    first, second = items_of(people, job_id)
    for item in (first, second):
        assert decide(database, order(item, "keep")).needs_explanation
    settings = Settings.model_validate(people.worker_environment())
    before = llm.stats()["received"]

    # When the model is asked, then the text argues for what stands, and says whose it is
    with build_explainer(settings, people.engine) as explainer:
        assert explainer.explain(first.id)
        text = question_of(people, first)["explanation"]
        assert text.startswith("Explication rédigée par un modèle d'IA pour la réponse retenue, non relue :\n\nA — ")
        assert text.endswith(f"Rappel : {REMINDER}")
        assert "officielle" not in text
        # Once: a paid reply is used again, and what is explained is left alone
        assert not explainer.explain(first.id)
        assert llm.stats()["received"] == before + 1
        # Where nobody answers, the question goes on saying what it lacks
        llm.configure(status=500)
        assert not explainer.explain(second.id)
        assert question_of(people, second)["explanation"] == "Explication à rédiger."
        llm.configure(status=200)
        # Nor is there a call beyond the job's budget
        people.execute('UPDATE "AiValidationJob" SET "config" = \'{"maxCostUsd": 0.000001}\'')
        assert not explainer.explain(second.id)
    assert llm.stats()["received"] == before + 2
    calls = people.rows('SELECT "status", "costUsd" FROM "LlmCall" WHERE "purpose" = \'explain\' ORDER BY "createdAt"')
    assert [call["status"] for call in calls] == ["succeeded", "failed"]


def test_a_decision_is_never_changed_and_outlives_what_it_speaks_of(
    people: Platform, llm: ScriptedLlm, database: Database
) -> None:
    job_id = analyse(people, llm, [("Question une ?", "AC", "", "")], known="BD")
    (item,) = items_of(people, job_id)
    decide(database, order(item, "accept"))
    for statement in (
        'UPDATE "AiValidationDecision" SET "action" = \'keep\'',
        'UPDATE "AiValidationDecision" SET "shown" = \'{}\'',
        'DELETE FROM "AiValidationDecision"',
    ):
        with pytest.raises(sa.exc.DBAPIError, match="never changed"):
            people.execute(statement)
    people.execute('DELETE FROM "AiValidationJob"')
    people.execute('DELETE FROM "Question"')
    people.execute('DELETE FROM "User" WHERE "id" = \'prof\'')
    (row,) = people.rows('SELECT * FROM "AiValidationDecision"')
    assert (row["itemId"], row["questionId"], row["userId"], row["key"]) == (None, None, None, "BD")
