"""The specification's own triggers: counts and scores of sessions, whatever is done to answers and questions."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.harness import LONG
from worker.system.urls import libpq_url

SESSIONS = ("s1", "s2", "s3")
QUESTIONS = tuple(f"q{n}" for n in range(5))

# Of every session of a student, as its answers give them; an answer that nobody judged is unanswered.
WRONG_SCORES = """
SELECT s."id", s."totalQuestions", s."correctAnswers", s."incorrectAnswers", s."unansweredQuestions", s."score", c.*
FROM "UserSession" s CROSS JOIN LATERAL (
    SELECT count(*) AS total, count(*) FILTER (WHERE "isCorrect") AS correct,
           count(*) FILTER (WHERE "isCorrect" = false) AS incorrect,
           count(*) FILTER (WHERE "isCorrect" IS NULL) AS open
    FROM "UserQuestionAnswer" a WHERE a."userSessionId" = s."id") c
WHERE (s."totalQuestions", s."correctAnswers", s."incorrectAnswers", s."unansweredQuestions", COALESCE(s."score", 0))
      IS DISTINCT FROM (c.total, c.correct, c.incorrect, c.open,
                        CASE WHEN c.total > 0 THEN round(100.0 * c.correct / c.total, 2) ELSE 0 END)
"""
WRONG_COUNTS = """
SELECT s."id", s."questionCount", c.n
FROM "Session" s CROSS JOIN LATERAL (SELECT count(*) AS n FROM "SessionQuestion" q WHERE q."sessionId" = s."id") c
WHERE s."questionCount" IS DISTINCT FROM c.n
"""
numbers = itertools.count()


@pytest.fixture
def address(database_url: str) -> str:
    return libpq_url(database_url.replace("+psycopg", ""))


@pytest.fixture
def connection(address: str) -> Iterator[psycopg.Connection]:
    """A student, three exams, three sittings of hers, five questions."""
    with psycopg.connect(address, autocommit=True) as connection:
        fill(connection)
        yield connection


def fill(connection: psycopg.Connection) -> None:
    connection.execute(
        'TRUNCATE "UserQuestionAnswer", "UserSession", "SessionQuestion", "Session", "Question" CASCADE;'
        'INSERT INTO "User" ("id", "email", "updatedAt") VALUES (\'u\', \'u@medq.test\', now()) ON CONFLICT DO NOTHING;'
    )
    for session in SESSIONS:
        connection.execute(
            'INSERT INTO "Session" ("id", "name", "niveau", "semestre", "specialtyId", "updatedAt") '
            "VALUES (%s, 'Examen', 'DCEM2', 'S1', 'spec1', now())",
            (session,),
        )
        connection.execute(
            'INSERT INTO "UserSession" ("id", "userId", "sessionId", "updatedAt") VALUES (%s, \'u\', %s, now())',
            (session, session),
        )
    for question in QUESTIONS:
        connection.execute(
            'INSERT INTO "Question" ("id", "type", "questionText", "answer", "explanation", "level", "semester", '
            "\"specialtyId\", \"updatedAt\") VALUES (%s, 'qroc', '?', '!', '…', 'DCEM2', 'S1', 'spec1', now())",
            (question,),
        )


def wrong(connection: psycopg.Connection) -> list[Any]:
    return connection.execute(WRONG_SCORES).fetchall() + connection.execute(WRONG_COUNTS).fetchall()


def run(connection: psycopg.Connection, statement: str, parameters: dict[str, Any]) -> None:
    """A statement that a unique key or a check refuses changes nothing."""
    with suppress(psycopg.errors.IntegrityError):
        connection.execute(statement, parameters)


SESSION = st.sampled_from(SESSIONS)
MAYBE_SESSION = st.sampled_from((*SESSIONS, None))
QUESTION = st.sampled_from(QUESTIONS)
JUDGED = st.sampled_from((True, False, None))
ANSWER = 'INSERT INTO "UserQuestionAnswer" ("id", "userId", "questionId", "userSessionId", "isCorrect") '
OF_ANSWERS = [
    f"{ANSWER} VALUES (%(id)s, 'u', %(question)s, %(to)s, %(judged)s) ON CONFLICT DO NOTHING",
    # Many at once, and some that are there already
    f"""{ANSWER} SELECT %(id)s || q."id", 'u', q."id", %(to)s, %(judged)s FROM "Question" q
    ON CONFLICT ("userId", "questionId", "userSessionId") DO UPDATE SET "isCorrect" = EXCLUDED."isCorrect" """,
    'UPDATE "UserQuestionAnswer" SET "isCorrect" = %(judged)s WHERE "questionId" = %(question)s',
    'UPDATE "UserQuestionAnswer" SET "isCorrect" = NOT "isCorrect"',
    'UPDATE "UserQuestionAnswer" SET "userSessionId" = %(to)s WHERE "questionId" = %(question)s',
    'UPDATE "UserQuestionAnswer" SET "userSessionId" = %(to)s, "isCorrect" = %(judged)s WHERE "userSessionId" = %(at)s',
    'UPDATE "UserQuestionAnswer" SET "textAnswer" = \'x\'',
    'DELETE FROM "UserQuestionAnswer" WHERE "questionId" = %(question)s AND "userSessionId" = %(at)s',
    'DELETE FROM "UserQuestionAnswer"',
    'DELETE FROM "Question" WHERE "id" = %(question)s',
    'UPDATE "UserSession" SET "id" = %(id)s WHERE "id" = %(at)s',
    'DELETE FROM "UserSession" WHERE "id" = %(at)s',
    'UPDATE "User" SET "id" = \'v\' WHERE "id" = \'u\'; UPDATE "User" SET "id" = \'u\' WHERE "id" = \'v\'',
]
PLACE = 'INSERT INTO "SessionQuestion" ("id", "sessionId", "questionId", "order") '
OF_QUESTIONS = [
    f"{PLACE} VALUES (%(id)s, %(at)s, %(question)s, %(n)s) ON CONFLICT DO NOTHING",
    f"""{PLACE} SELECT %(id)s || s."id", s."id", %(question)s, %(n)s FROM "Session" s ON CONFLICT DO NOTHING""",
    'UPDATE "SessionQuestion" SET "sessionId" = %(at)s WHERE "questionId" = %(question)s AND "order" = %(n)s',
    'UPDATE "SessionQuestion" SET "sessionId" = %(at)s, "order" = "order" + 10 * %(n)s',
    'UPDATE "SessionQuestion" SET "points" = NULL',
    'DELETE FROM "SessionQuestion" WHERE "sessionId" = %(at)s AND "questionId" = %(question)s',
    'DELETE FROM "Question" WHERE "id" = %(question)s',
    'UPDATE "Session" SET "id" = %(id)s WHERE "id" = %(at)s',
    'DELETE FROM "Session" WHERE "id" = %(at)s',
]
PARAMETERS = st.fixed_dictionaries(
    {"at": SESSION, "to": MAYBE_SESSION, "question": QUESTION, "judged": JUDGED, "n": st.integers(0, 3)}
)
STEPS = st.lists(st.tuples(st.sampled_from(OF_ANSWERS + OF_QUESTIONS), PARAMETERS), min_size=3, max_size=25)


@settings(
    max_examples=300 if LONG else 30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=STEPS)
def test_counts_and_scores_are_those_of_a_count_by_hand(
    connection: psycopg.Connection, steps: list[tuple[str, dict[str, Any]]]
) -> None:
    fill(connection)
    for statement, parameters in steps:
        run(connection, statement, {**parameters, "id": f"n{next(numbers)}"})
        assert wrong(connection) == [], statement


def test_answers_of_two_at_once_are_all_counted(connection: psycopg.Connection, address: str) -> None:
    """The second counts only when the first has committed, or its count would miss what the first wrote."""
    insert = f"{ANSWER} VALUES (%(q)s, 'u', %(q)s, 's1', true)"
    place = f"{PLACE} VALUES (%(q)s, 's1', %(q)s, %(n)s)"
    with psycopg.connect(address) as first, psycopg.connect(address) as second:
        first.execute(insert, {"q": "q0"})
        first.execute(place, {"q": "q0", "n": 0})

        def write() -> None:
            second.execute(insert, {"q": "q1"})
            second.execute(place, {"q": "q1", "n": 1})
            second.commit()

        other = threading.Thread(target=write)
        other.start()
        wait_for_a_lock(connection)
        first.commit()
        other.join(30)
    assert wrong(connection) == []
    assert connection.execute('SELECT "totalQuestions" FROM "UserSession" WHERE "id" = \'s1\'').fetchone() == (2,)


def wait_for_a_lock(connection: psycopg.Connection) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    for _ in range(3000):
        if connection.execute(waiting).fetchone() != (0,):
            return
        connection.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("nobody waits")


FLIP = """
UPDATE "UserQuestionAnswer" a SET "isCorrect" = NOT a."isCorrect"
FROM (SELECT "id" FROM "UserQuestionAnswer" WHERE "questionId" = %s ORDER BY "userSessionId" {order}) o
WHERE a."id" = o."id"
"""
LEAVE = 'UPDATE "UserQuestionAnswer" SET "userSessionId" = NULL WHERE "id" = %s'
COME = 'UPDATE "UserQuestionAnswer" SET "userSessionId" = %s WHERE "id" = %s'


def test_nobody_waits_in_a_circle(connection: psycopg.Connection, address: str) -> None:
    """Statements over several sessions, in opposite orders, by many at once, each on rows of its own."""
    connection.execute(
        f"""{ANSWER} SELECT s."id" || q."id", 'u', q."id", s."id", true FROM "UserSession" s CROSS JOIN "Question" q"""
    )

    def change(worker: int) -> None:
        with psycopg.connect(address, autocommit=True) as mine:
            for turn in range(15):
                question, at = QUESTIONS[worker], SESSIONS[(turn + worker) % 3]
                mine.execute(FLIP.format(order="DESC" if (turn + worker) % 2 else "ASC"), (question,))
                mine.execute(LEAVE, (at + question,))
                mine.execute(COME, (at, at + question))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(change, range(4)))
    assert wrong(connection) == []
