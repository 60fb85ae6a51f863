"""Whatever another program wrote into a job's row, claiming it works, nobody beside it waits, and the row says why."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.support.harness import LONG
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import ADMIN, Platform
from tests.support.workbooks import make_workbook
from worker.cli import app
from worker.db.engine import Database
from worker.errors import JobFailed, UsageError
from worker.jobs import queries
from worker.jobs.invariants import check_invariants
from worker.queue import tasks
from worker.queue.job import JobConfig, Task
from worker.runtime.sandbox import read_order

INSERT = """
INSERT INTO "AiValidationJob" ("id", "fileName", "originalFileName", "fileSize", "fileUrl", "userId", "instructions",
                               "config", "createdAt", "updatedAt")
SELECT :id, :file_name, :original_file_name, 1, :file_url, "id", :instructions, CAST(:config AS jsonb),
       CAST(:created_at AS timestamp), now() FROM "User" WHERE "email" = :email
"""
numbers = itertools.count(1)


def insert(site: Platform, *, config: str | None = None, **columns: Any) -> str:
    """A job's row as another program writes it; its id."""
    job_id = f"odd{next(numbers)}"
    values = {
        "file_name": "f.xlsx",
        "original_file_name": "f.xlsx",
        "file_url": "uploads/f.xlsx",
        "instructions": None,
        "created_at": "2026-01-01",
    }
    site.execute(INSERT, **{**values, **columns}, id=job_id, config=config, email=ADMIN)
    return job_id


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


# The configuration as it is inserted, and what the sentence on the row names.
ODD_CONFIGS = [
    ('{"batchSize": 1e5000}', "« batchSize » n'est pas valable (nombre entier attendu)"),
    ('{"batchSize": 1e131071}', "« batchSize » n'est pas valable (nombre entier attendu)"),
    ('{"batchSize": -1e400}', "« batchSize » n'est pas valable (nombre entier attendu)"),
    ('{"batchSize": 1e300}', "« batchSize » n'est pas valable (au plus 50 attendu)"),
    ('{"maxCostUsd": 1e-16383}', "« maxCostUsd » n'est pas valable (plus de 0 attendu)"),
    ('{"priority": 1e5000}', "« priority » n'est pas valable (nombre entier attendu)"),
    ('{"priority": -1e131071, "batchSize": 3}', "« priority » n'est pas valable (nombre entier attendu)"),
    ('{"priority": "haute"}', "« priority » n'est pas valable (nombre entier attendu)"),
    ('{"priority": [1]}', "« priority » n'est pas valable (nombre entier attendu)"),
    ('{"batchSize": ' + nested(3000) + "}", "« batchSize » n'est pas valable (nombre entier attendu)"),
    ('{"aiModel": ' + '{"a":' * 3000 + "1" + "}" * 3000 + "}", "« aiModel » n'est pas valable (texte attendu)"),
    ('{"inconnue": ' + nested(2000) + "}", "l'option « inconnue » est inconnue"),
    ('{"' + "x" * 5000 + '": 1}', "l'option « " + "x" * 80 + "… » est inconnue"),
    ('{"a\\nb\\u202e": 1}', "l'option « a b » est inconnue"),
    (nested(3000), "doit être un objet JSON"),
    ('"{}"', "doit être un objet JSON"),
    ("1e131071", "doit être un objet JSON"),
    ("[" + ",".join(["1e131071"] * 9000) + "]", "doit être un objet JSON"),
    ('{"batchSize": [' + ",".join(["1e131071"] * 9000) + "]}", "trop longue"),
    ('{"batchSize": [' + ",".join(["1e131071"] * 3000) + "]}", "« batchSize » n'est pas valable"),
    ('{"batchSize": [' + ",".join(["0." + "0" * 16000] * 3000) + "]}", "trop longue"),
    ('{"aiModel": "' + "x" * 3_000_000 + '"}', "trop longue"),
    ("{" + ",".join(f'"o{n}": {n}' for n in range(20_000)) + "}", "trop longue"),
]
ODD_TEXTS = [
    ({"instructions": "x" * 100_001}, "consignes de la tâche (instructions) sont trop longues"),
    ({"instructions": "é\n" * 3_000_000}, "consignes de la tâche (instructions) sont trop longues"),
    ({"original_file_name": "x" * 200_000}, "nom du fichier (originalFileName) est trop long"),
    ({"file_name": "é" * 20_000}, "nom du fichier (fileName) est trop long"),
    ({"file_url": "/" * 500_000}, "adresse du fichier (fileUrl) est trop longue"),
]


def claim(site: Platform) -> Task:
    claimed = Database(site.engine).transact(lambda c: tasks.claim_task(c, owner=f"h:1:x:{next(numbers)}", lease_s=30))
    assert claimed is not None
    return claimed[0]


def judge(task: Task) -> str | None:
    """The sentence that the row gets; None when there is nothing wrong with it."""
    try:
        task.job.check()
        JobConfig.parse(task.job.config)
    except JobFailed as error:
        return str(error)
    return None


USUAL_CONFIGS: list[tuple[str | None, dict[str, Any]]] = [
    (None, {}),
    ("null", {}),
    ("{}", {}),
    ('{"batchSize": 3, "priority": 7}', {"batch_size": 3, "priority": 7}),
    ('{"maxCostUsd": 2.50}', {"max_cost_usd": 2.5}),
    ('{"aiModel": "' + "m" * 30_000 + '"}', {"ai_model": "m" * 30_000}),
]


def test_a_usual_configuration_arrives_as_it_is(platform: Platform) -> None:
    for config, parsed in USUAL_CONFIGS:
        insert(platform, config=config)
        assert JobConfig.parse(claim(platform).job.config) == JobConfig(**parsed)


def test_long_texts_arrive_whole_as_long_as_they_may_be(platform: Platform) -> None:
    instructions = "é" * 100_000
    insert(platform, instructions=instructions, original_file_name="n" * 10_000)

    task = claim(platform)

    assert (task.job.instructions, len(task.job.original_file_name)) == (instructions, 10_000)
    assert judge(task) is None


def test_priority_decides_whatever_number_it_is(platform: Platform) -> None:
    priorities = ["1e131071", "1e400", "2", "0.5", "-1e131071"]
    ids = {p: insert(platform, config=f'{{"priority": {p}}}') for p in reversed(priorities)}
    # Each is claimed while no other runs, so that nothing but priority decides
    order = []
    for _ in priorities:
        order.append(claim(platform).job.id)
        platform.execute(
            'UPDATE "AiValidationTask" SET "status" = \'cancelled\', "leaseOwner" = NULL, "leaseExpiresAt" = NULL '
            "WHERE \"status\" = 'running'"
        )
    assert order == [ids[p] for p in priorities]


# -- any jsonb, any text -----------------------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.sampled_from(["1e5000", "-1e131071", "1e-16383", "0." + "0" * 9000, "1." + "0" * 16000 + "1", "-0", "9" * 5000]),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(json.dumps),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
STRINGS = TEXTS.map(lambda text: json.dumps(text, ensure_ascii=False))
OPTIONS = st.sampled_from([json.dumps(field.alias) for field in JobConfig.model_fields.values()])


def containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lists = st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]")
    objects = st.dictionaries(STRINGS | OPTIONS, inner, max_size=4).map(
        lambda pairs: "{" + ",".join(f"{key}:{value}" for key, value in pairs.items()) + "}"
    )
    deep = st.tuples(inner, st.integers(1, 3000)).map(lambda pair: "[" * pair[1] + pair[0] + "]" * pair[1])
    many = st.tuples(inner, st.integers(1, 3000)).map(
        lambda pair: f"[{','.join([pair[0]] * min(pair[1], 1 + 200_000 // len(pair[0])))}]"
    )
    return lists | objects | deep | many


VALUES = st.recursive(st.sampled_from(["null", "true", "false"]) | NUMBERS | STRINGS, containers, max_leaves=8)
CONFIGS = VALUES | st.dictionaries(OPTIONS | STRINGS, VALUES, min_size=1, max_size=3).map(
    lambda pairs: "{" + ",".join(f"{key}:{value}" for key, value in pairs.items()) + "}"
)


@settings(
    max_examples=300 if LONG else 40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(config=CONFIGS, text=TEXTS, times=st.sampled_from([1, 1, 400, 20_000]))
def test_whatever_postgresql_takes_is_claimed_judged_handed_over_and_listed(
    platform: Platform, config: str, text: str, times: int
) -> None:
    long = text * times
    try:
        insert(platform, config=config, instructions=long, original_file_name=long, file_name=long, file_url=long)
    except sa.exc.DBAPIError:  # too deep, or a number of too many digits: nobody can insert it
        return
    task = claim(platform)
    sentence = judge(task)
    assert sentence is None or (len(sentence) < 500 and "\n" not in sentence)
    # It reaches the process of its own, and the commands, as it is
    assert read_order(json.dumps({"task": asdict(task), "job_status": "queued"}))[0] == task
    listed = queries.get_job(platform.engine, task.job.id)
    assert listed is not None
    json.dumps(listed.to_json(), allow_nan=False)
    platform.execute('DELETE FROM "AiValidationJob"')


# -- the whole line ----------------------------------------------------------------------------------------------------


def test_jobs_that_nobody_can_read_fail_with_their_sentence_and_hold_up_nobody(
    platform: Platform, llm: ScriptedLlm, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a row of every kind, older than everything else, one of a time that no calendar knows
    bad = {insert(platform, config=config): named for config, named in ODD_CONFIGS}
    bad |= {insert(platform, **columns): named for columns, named in ODD_TEXTS}
    bad[insert(platform, config='{"batchSize": 1e5000}', created_at="-infinity")] = "batchSize"
    path = make_workbook(platform.folder / "bon.xlsx", 10, "bon")
    good = platform.enqueue(path)
    # When workers come
    with platform.workers(1):
        assert platform.wait_for_job(good)["status"] == "completed"
        platform.wait_until(
            lambda: platform.value('SELECT count(*) FROM "AiValidationJob" WHERE "status" = \'queued\'') == 0,
            what="all of them ended",
        )
    # Then each has failed with a sentence that names its cause, and nothing counts as a crash
    for job_id, named in bad.items():
        row = platform.rows('SELECT "status", "errorMessage" FROM "AiValidationJob" WHERE "id" = :id', id=job_id)[0]
        assert row["status"] == "failed"
        assert named in row["errorMessage"]
    assert platform.value('SELECT COALESCE(sum("deaths"), 0) FROM "AiValidationTask"') == 0
    assert check_invariants(platform.engine) == []
    # And every command can be had
    for name, value in platform.worker_environment().items():
        monkeypatch.setenv(name, value)
    for arguments in (["jobs", "-n", "100"], ["jobs", "--json", "-n", "100"], ["doctor", "--invariants"]):
        told = CliRunner().invoke(app, arguments)
        assert told.exit_code == 0, (arguments, told.exception)
    for job_id in bad:
        told = CliRunner().invoke(app, ["status", job_id, "--json"])
        assert told.exit_code == 0, (job_id, told.exception)
        json.loads(told.stdout)


def test_rows_that_somebody_broke_by_hand_are_told_and_end_no_command(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = platform.enqueue(make_workbook(platform.folder / "bon.xlsx", 6, "bon"))
    with platform.workers(1):
        platform.wait_for_job(job_id)
    for name, value in platform.worker_environment().items():
        monkeypatch.setenv(name, value)
    for odd in ("5", "{}", '{"read": 5, "looks": 3}', '{"read": [{"rows": "x"}], "looks": {}}', '"x"', nested(50)):
        platform.execute('UPDATE "AiValidationTask" SET "result" = CAST(:odd AS jsonb)', odd=odd)
        for column in ("findings", "result", "question", "original"):
            platform.execute(f'UPDATE "AiValidationItem" SET "{column}" = CAST(:odd AS jsonb)', odd=odd)
        for arguments in (["doctor", "--invariants"], ["status", job_id], ["status", job_id, "--json"], ["jobs"]):
            told = CliRunner().invoke(app, arguments)
            assert told.exception is None or isinstance(told.exception, SystemExit), (odd, arguments, told.exception)
            assert "Error" not in told.stdout, (odd, arguments, told.stdout)


def test_a_configuration_that_no_database_takes_is_refused_before_a_job_is_made(platform: Platform) -> None:
    path = make_workbook(platform.folder / "x.xlsx", 1, "x")
    for value in (float("nan"), float("inf"), "\x00", "\ud800", object()):
        with pytest.raises(UsageError, match="config"):
            platform.enqueue(path, config={"aiModel": value})
    assert platform.value('SELECT count(*) FROM "AiValidationJob"') == 0
