"""The watcher itself: every invariant is whole on a job that went well, and each one can be seen broken."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from tests.support.harness import Jobs
from tests.support.nursery import Nursery
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform
from worker.jobs.invariants import INVARIANTS, check_invariants, find_violations

LONG_AGO = "timestamp '2020-01-01'"
BREAKS = {
    "conservation": 'DELETE FROM "AiValidationItem" WHERE "position" = 3',
    "figures": 'UPDATE "AiValidationJob" SET "failedAnalyses" = 1, "successfulAnalyses" = "successfulAnalyses" - 1',
    "message": """UPDATE "AiValidationJob" SET "message" = 'Analyse en cours : 19 questions traitées sur 20.'""",
    "one outcome": 'UPDATE "AiValidationItem" SET "result" = NULL WHERE "position" = 3',
    "one question": (
        'CREATE TEMP TABLE twin AS SELECT * FROM "Question" LIMIT 1; '
        "UPDATE twin SET \"id\" = 'q' || left(md5('twin'), 24); "
        'INSERT INTO "Question" SELECT * FROM twin'
    ),
    "progress": 'UPDATE "AiValidationJob" SET "progress" = 99',
    "terminal": 'UPDATE "AiValidationTask" SET "status" = \'ready\' WHERE "kind" = \'analyse\' AND "position" = 0',
    "one finish": 'UPDATE "AiValidationJob" SET "outputUrl" = NULL',
    "calls": 'UPDATE "LlmCall" SET "response" = NULL',
    "no forgotten call": f'UPDATE "LlmCall" SET "status" = \'started\', "createdAt" = {LONG_AGO}',
    "paused": (
        'INSERT INTO "AiValidationPause" ("jobId", "reason", "since", "until") '
        f'SELECT "id", \'provider\', {LONG_AGO}, {LONG_AGO} FROM "AiValidationJob"'
    ),
    "waiting": 'UPDATE "AiValidationTask" SET "status" = \'waiting\' WHERE "kind" = \'analyse\'',
    "no expired lease": (
        'UPDATE "AiValidationTask" SET "status" = \'running\', "leaseOwner" = \'gone\', '
        f'"leaseExpiresAt" = {LONG_AGO} WHERE "kind" = \'finish\''
    ),
    "only a person settles": 'UPDATE "AiValidationItem" SET "status" = \'completed\' WHERE "position" = 3',
}


def test_every_invariant_can_be_broken_and_seen(platform: Platform, llm: ScriptedLlm, nursery: Nursery) -> None:
    # Given a job that went well
    llm.configure(truth={f"concernant le tableau numéro {n} lot 1 :": answers(n) for n in range(1, 21)})
    jobs = Jobs(platform)
    jobs.add()
    nursery.start(platform.worker_environment(MEDQ_THREADS="4"))
    jobs.wait_for_all()
    nursery.stop_all()
    # Then nothing is broken, alone or together
    assert check_invariants(platform.engine, grace_s=0) == []
    # And what breaks one is seen, and told by its name with the job it is about
    assert BREAKS.keys() == {invariant.name for invariant in INVARIANTS}
    for name, statement in BREAKS.items():
        with platform.engine.connect() as connection, connection.begin() as transaction:
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
            connection.exec_driver_sql(statement)
            found = find_violations(connection)
            of_the_job = find_violations(connection, job_ids=jobs.ids)
            transaction.rollback()
        assert name in {violation.invariant for violation in found}, name
        # And by whoever looks at this job alone
        assert set(of_the_job) == set(found), name
        assert {violation.job_id for violation in found} <= {None, jobs.ids[0]}
    # And nobody can take a job back, whoever writes
    for change in (
        '"progress" = 50',
        '"processedItems" = 19',
        "\"status\" = 'processing'",
        "\"status\" = 'failed'",
    ):
        with pytest.raises(IntegrityError):
            platform.execute(f'UPDATE "AiValidationJob" SET {change}')


def answers(number: int) -> list[str]:
    return [f"Proposition {letter} du numéro {number} lot 1" for letter in "AC"]
