"""Specialties, courses, cases and questions that somebody renames, moves, removes or makes anew, also during jobs."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import openpyxl
import pytest
import sqlalchemy as sa

from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform
from worker.db.engine import Database, connect
from worker.db.ids import derive_ids
from worker.jobs import invariants
from worker.questions.answers import Conclusion
from worker.questions.item import PendingItem
from worker.questions.place_store import Directory, make_places
from worker.questions.places import PlacesMissing
from worker.questions.question import Question, fold_name
from worker.review.publish import publish
from worker.runtime.container import build_worker
from worker.settings import Settings

CASE = "Un nourrisson de 8 mois a de la fièvre."


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(connect(database_url, pool_size=4))
    yield found
    found.close()


def item(
    number: int = 1, *, specialty: str = "Néonatologie", course: str = "Ictères", case: str | None = None
) -> PendingItem:
    question = Question(
        type="cas_qcm" if case else "qcm",
        specialty=specialty,
        course=course,
        level="DCEM2",
        semester="S1",
        text=f"Question {number} ?",
        options={letter: f"proposition {letter}" for letter in "ABCDE"},
        official_key="A",
        case_text=case,
    )
    return PendingItem(id=f"i{number}", question=question, content_hash=question.content_hash())


def file(database: Database, *pending: PendingItem, directory: Directory | None = None) -> None:
    """What a batch does at its end with its questions, and once more after what it lacked was made."""
    places = directory or Directory()
    confirmed = {i.id: Conclusion("confirmed", key="A", explanation="Voir le cours.", validated=True) for i in pending}
    for _ in range(3):
        try:
            database.transact(lambda c: publish(c, pending, confirmed, places))
        except PlacesMissing as missing:
            database.transact(partial(make_places, wanted=missing.wanted))
        except sa.exc.IntegrityError:
            places.forget()
        else:
            return
    raise AssertionError("not filed after three tries")


FILED = """
SELECT q."questionText", s."name", s."id", c."name", c."specialtyId" = s."id", k."specialtyId" = s."id"
FROM "Question" q JOIN "Specialty" s ON s."id" = q."specialtyId" LEFT JOIN "Course" c ON c."id" = q."courseId"
LEFT JOIN "ClinicalCase" k ON k."id" = q."clinicalCaseId"
"""


def filed(database: Database) -> dict[int, tuple[str, str | None]]:
    """Question number → its specialty and course; both always belong together, and its case with them."""
    rows = database.transact(lambda c: c.execute(sa.text(FILED)).all())
    for row in rows:
        assert row[4] is not False, row
        assert row[5] is not False, row
    return {int(row[0].split()[1]): (row[1], row[3]) for row in rows}


def edit(database: Database, *statements: str) -> None:
    database.transact(lambda c: [c.execute(sa.text(statement)) for statement in statements])


RENAME = """UPDATE "Specialty" SET "name" = 'Néonatologie et réanimation' WHERE "name" = 'Néonatologie'"""
RENAME_COURSE = """UPDATE "Course" SET "name" = 'Ictères du nouveau-né' WHERE "name" = 'Ictères'"""
OTHER = """INSERT INTO "Specialty" ("id", "name", "updatedAt") VALUES ('other', 'Urgences', now())"""
ANEW = """INSERT INTO "Specialty" ("id", "name", "updatedAt") VALUES ('anew', 'NEONATOLOGIE', now())"""
MERGE = [
    OTHER,
    """UPDATE "Question" SET "specialtyId" = 'other'""",
    """UPDATE "Course" SET "specialtyId" = 'other'""",
    """UPDATE "ClinicalCase" SET "specialtyId" = 'other'""",
    """DELETE FROM "Specialty" WHERE "name" = 'Néonatologie'""",
]


@pytest.mark.parametrize(
    ("edits", "specialty", "course"),
    [
        ([], "Néonatologie", "Ictères"),
        # The row that was made for this name: its new name is what somebody wished.
        ([RENAME], "Néonatologie et réanimation", "Ictères"),
        ([RENAME_COURSE], "Néonatologie", "Ictères du nouveau-né"),
        ([RENAME, RENAME_COURSE], "Néonatologie et réanimation", "Ictères du nouveau-né"),
        # A row that has the name goes before the one that had it once.
        ([RENAME, ANEW], "NEONATOLOGIE", "Ictères"),
        ([ANEW], "Néonatologie", "Ictères"),
        ([ANEW, """UPDATE "Specialty" SET "isActive" = "id" = 'anew'"""], "NEONATOLOGIE", "Ictères"),
        # A course that left the subject is not the subject's any more.
        ([OTHER, """UPDATE "Course" SET "specialtyId" = 'other'"""], "Néonatologie", "Ictères"),
        ([OTHER, """UPDATE "Course" SET "specialtyId" = 'other', "name" = 'Ictère'"""], "Néonatologie", "Ictères"),
        (["""DELETE FROM "Course" """], "Néonatologie", "Ictères"),
        (MERGE, "Néonatologie", "Ictères"),
        (["""DELETE FROM "Question" """, """DELETE FROM "Specialty" """], "Néonatologie", "Ictères"),
        (["""DELETE FROM "ClinicalCase" """], "Néonatologie", "Ictères"),
        ([OTHER, """UPDATE "ClinicalCase" SET "specialtyId" = 'other'"""], "Néonatologie", "Ictères"),
        (["""UPDATE "ClinicalCase" SET "description" = 'Un nourrisson.'"""], "Néonatologie", "Ictères"),
    ],
)
@pytest.mark.parametrize("is_known", [False, True], ids=["read anew", "read before the change"])
def test_a_question_is_filed_by_what_is_there_now(
    database: Database, edits: list[str], specialty: str, course: str, is_known: bool
) -> None:
    # Given a question that was filed, and what somebody did since, mostly to what a process remembers
    directory = Directory()
    file(database, item(1, case=CASE), directory=directory)
    file(database, item(1, case=CASE), directory=directory)
    edit(database, *edits)
    # When another one of the same subject and the same case comes
    file(database, item(2, case=CASE), directory=directory if is_known else None)
    # Then it stands where its subject is now
    if is_known and edits and edits[0] == ANEW:
        specialty = "Néonatologie"  # nothing that this process knows became untrue
    rows = database.transact(lambda c: c.execute(sa.text(FILED + """WHERE q."questionText" = 'Question 2 ?'""")).all())
    assert [(r[1], r[3], r[4], r[5]) for r in rows] == [(specialty, course, True, True)]


def test_a_question_stays_where_a_person_put_it_and_gets_back_what_it_lost(database: Database) -> None:
    # Given two questions, one moved with its subject's merger, one whose course and case were removed
    file(database, item(1), item(2, course="Asphyxie", case=CASE))
    edit(
        database,
        OTHER,
        """UPDATE "Course" SET "specialtyId" = 'other' WHERE "name" = 'Ictères'""",
        """UPDATE "Question" SET "specialtyId" = 'other' WHERE "questionText" = 'Question 1 ?'""",
        """DELETE FROM "Course" WHERE "name" = 'Asphyxie'""",
        """DELETE FROM "ClinicalCase" """,
    )
    assert filed(database)[2] == ("Néonatologie", None)
    # When the same file comes again
    file(database, item(1), item(2, course="Asphyxie", case=CASE))
    # Then the first is where it was put, without an empty course made anew, and the second has its course and case
    assert filed(database) == {1: ("Urgences", "Ictères"), 2: ("Néonatologie", "Asphyxie")}
    names = database.transact(lambda c: c.execute(sa.text('SELECT "name" FROM "Course" ORDER BY 1')).scalars().all())
    assert names == ["Asphyxie", "Ictères"]
    cases = database.transact(lambda c: c.execute(sa.text('SELECT "clinicalCaseId" FROM "Question"')).scalars().all())
    assert sum(case is not None for case in cases) == 1


def test_two_jobs_that_need_the_same_new_course_do_not_wait_for_each_other(database: Database) -> None:
    # Given a batch whose transaction is still open, after it filed a question in a new course
    first, places = item(1), Directory()
    confirmed = {"i1": Conclusion("confirmed", key="A", explanation="Voir.", validated=True)}
    with pytest.raises(PlacesMissing) as missing:
        database.transact(lambda c: publish(c, [first], confirmed, places))
    database.transact(lambda c: make_places(c, missing.value.wanted))
    with database.engine.begin() as connection:
        publish(connection, [first], confirmed, places)
        # When another one of the same course ends, and nobody may wait for a lock
        with database.engine.begin() as other:
            other.execute(sa.text("SET LOCAL lock_timeout = '200ms'"))
            publish(other, [item(2)], {"i2": confirmed["i1"]}, Directory())
    assert filed(database).keys() == {1, 2}


# -- whole jobs --------------------------------------------------------------------------------------------------------

SEED = "MEDQ_FAULT_SEED"
SUBJECTS = ("Pédiatrie", "pediatrie", "Cardiologie", "CARDIOLOGIE", "Néonatologie", "Urgences")
COURSES = ("Ictères", "ictères", "Angor", "Asphyxie", "Bronchiolite")
HEADER = ["matiere", "cours", "niveau", "semestre", "source", "texte du cas", "texte de la question"]


def make_file(path: Path, chance: random.Random, numbers: range) -> Path:
    """Questions and cases of random subjects, under any of their spellings."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "cas_qcm"
    sheet.append([*HEADER, *[f"option {letter}" for letter in "ABCDE"], "reponse"])
    for number in numbers:
        place = [chance.choice(SUBJECTS), chance.choice(COURSES)]
        case = f"Patient numéro {chance.randrange(4)}, fébrile."
        options = [f"Proposition {letter} du numéro {number}" for letter in "ABCDE"]
        sheet.append([*place, "DCEM2", "S1", "Tunis", case, f"Question {number} ?", *options, "AC"])
    book.save(path)
    return path


def hand_edits(chance: random.Random) -> list[str]:
    """One thing that somebody does to the platform's rows: a rename, a merger, a removal, a move, a row made anew."""
    name = chance.choice([*SUBJECTS, *COURSES]) + chance.choice(["", "", " et soins", " 2", " *"])
    one = {table: f'(SELECT "id" FROM "{table}" ORDER BY random() LIMIT 1)' for table in ("Specialty", "Course")}
    into = f"""(SELECT "id" FROM "Specialty" ORDER BY md5("id" || '{chance.random()}') LIMIT 1)"""
    whose = f"""(SELECT "id" FROM "Specialty" ORDER BY md5("id" || '{chance.random()}') DESC LIMIT 1)"""
    move = 'UPDATE "{table}" SET "specialtyId" = ' + into + ' WHERE "specialtyId" = ' + whose
    choices = [
        [f"""UPDATE "Specialty" SET "name" = '{name}' WHERE "id" = {one["Specialty"]}"""],
        [f"""UPDATE "Course" SET "name" = '{name}' WHERE "id" = {one["Course"]}"""],
        [move.format(table=t) for t in ("Question", "Course", "ClinicalCase")]
        + [f'DELETE FROM "Specialty" WHERE "id" = {whose} AND "id" <> {into}'],
        [f'DELETE FROM "Course" WHERE "id" = {one["Course"]}'],
        [f'UPDATE "Course" SET "specialtyId" = {into} WHERE "id" = {one["Course"]}'],
        ['DELETE FROM "ClinicalCase" WHERE random() < 0.3'],
        [f'UPDATE "ClinicalCase" SET "specialtyId" = {into} WHERE random() < 0.3'],
        ['UPDATE "ClinicalCase" SET "description" = "description" || \'.\' WHERE random() < 0.3'],
        ['DELETE FROM "Question" WHERE random() < 0.2'],
        ['UPDATE "Specialty" SET "isActive" = random() < 0.7'],
        [
            f"""INSERT INTO "Specialty" ("id", "name", "updatedAt")
                VALUES ('m{chance.randrange(10**9)}', '{name.upper()}', now())"""
        ],
    ]
    return chance.choice(choices)


def try_edits(platform: Platform, chance: random.Random) -> None:
    """What a unique name forbids, or another transaction crosses, does not happen."""
    try:
        with platform.engine.begin() as connection:
            for statement in hand_edits(chance):
                connection.execute(sa.text(statement))
    except sa.exc.DBAPIError:
        pass


def check_filing(platform: Platform, job_id: str) -> None:
    """What this job wrote first stands in the subject with the name in its row, or in the one made for that name."""
    rows = platform.rows(
        """
        SELECT i."question" ->> 'specialty' AS specialty, i."question" ->> 'course' AS course, s."id", s."name",
               c."id" AS course_id, c."name" AS course_name,
               c."specialtyId" = s."id" AND k."specialtyId" = s."id" AS fits
        FROM "AiValidationItem" i JOIN "AiValidationJob" j ON j."id" = i."jobId" JOIN "Question" q
             ON q."id" = i."questionId" AND q."createdAt" > j."createdAt"
        JOIN "Specialty" s ON s."id" = q."specialtyId" LEFT JOIN "Course" c ON c."id" = q."courseId"
        LEFT JOIN "ClinicalCase" k ON k."id" = q."clinicalCaseId" WHERE j."id" = :id
        """,
        id=job_id,
    )
    for row in rows:
        subject, course = fold_name(row["specialty"]), fold_name(row["course"])
        assert row["fits"], row
        assert fold_name(row["name"]) == subject or row["id"] in derive_ids("s", subject), row
        assert fold_name(row["course_name"]) == course or row["course_id"] in derive_ids("c", row["id"], course), row


def test_jobs_complete_whatever_is_done_to_the_platforms_rows(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given workers, and somebody who edits the platform's rows by hand, between the jobs and during them
    llm.configure(accuracy=1.0, latency_s=0.02)
    chance = random.Random(os.environ[SEED])  # noqa: S311 (not a secret)
    over = threading.Event()

    def meddle() -> None:
        while not over.wait(0.02):
            try_edits(platform, chance)

    with platform.workers(1, MEDQ_THREADS="6"):
        for job_number in range(6):
            for _ in range(4):
                try_edits(platform, chance)
            path = make_file(tmp_path / f"{job_number}.xlsx", chance, range(job_number * 10, job_number * 10 + 40))
            over.clear()
            meddler = threading.Thread(target=meddle)
            if job_number % 2:
                meddler.start()
            # When one file after another is uploaded, half of each as before
            job = platform.wait_for_job(platform.enqueue(path))
            over.set()
            if job_number % 2:
                meddler.join()
            # Then every job completes with no row lost
            assert (job["status"], job["totalItems"], job["errorMessage"]) == ("completed", 40, None)
            failed = platform.rows(
                'SELECT "status", "reason" FROM "AiValidationItem" WHERE "jobId" = :id AND "status" NOT IN '
                "('confirmed', 'contested', 'duplicate')",
                id=job["id"],
            )
            assert failed == []
            assert platform.value('SELECT max("deaths") FROM "AiValidationTask"') == 0
            if job_number % 2 == 0:
                check_filing(platform, job["id"])
    with platform.engine.connect() as connection:
        # Who merges two subjects that hold the same question makes it two in one by that.
        broken = [v for v in invariants.find_violations(connection) if v.invariant != invariants.ONE_QUESTION.name]
        assert broken == []


def test_a_validated_question_that_is_removed_while_its_file_is_read_is_asked_anew(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    # Given a question that a person validated
    llm.configure(accuracy=1.0)
    path = make_file(tmp_path / "again.xlsx", random.Random(1), range(3))  # noqa: S311 (not a secret)
    settings = Settings.model_validate(platform.worker_environment())
    parts = build_worker(settings, stopping=threading.Event())
    platform.enqueue(path)
    parts.executor.drain()
    platform.execute('UPDATE "Question" SET "validatedBy" = (SELECT "id" FROM "User" LIMIT 1)')

    def remove(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if 'FROM "Question" WHERE "id" = ANY' in statement and platform.value('SELECT count(*) FROM "Question"'):
            platform.execute('DELETE FROM "Question"')

    # When the same file is read again, and the question is removed just after it was found
    job_id = platform.enqueue(path)
    sa.event.listen(parts.executor.runner.context.database.engine, "after_cursor_execute", remove)
    try:
        parts.executor.drain()
    finally:
        parts.close()
    # Then the file's rows are questions again
    assert platform.value('SELECT max("deaths") FROM "AiValidationTask"') == 0
    assert platform.job(job_id)["status"] == "completed"
    assert platform.value('SELECT count(*) FROM "Question"') == 3
