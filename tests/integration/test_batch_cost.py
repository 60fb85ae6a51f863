"""What one batch costs the database and the model, counted: no time is asserted here."""

from __future__ import annotations

import threading

from tests.support.probes import heard
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform
from tests.support.uploads import write_csv, write_truth
from worker.runtime.container import build_worker
from worker.settings import Settings


def run_here(platform: Platform, questions: int, **environment: str) -> None:
    """A whole job in this thread alone: nothing sweeps, listens or polls beside it."""
    path = write_csv(platform.folder / f"{questions} - qcm.csv", questions)
    job_id = platform.enqueue(path)
    settings = Settings.model_validate(platform.worker_environment(**environment))
    parts = build_worker(settings, stopping=threading.Event())
    try:
        parts.executor.drain()
    finally:
        parts.close()
    assert platform.job(job_id)["status"] == "completed"


def count_transactions(platform: Platform, questions: int, **environment: str) -> int:
    """How many a whole job takes; a statement sent alone is one too."""
    begun: list[object] = []
    with heard("begin", begun.append):
        run_here(platform, questions, **environment)
    return len(begun)


def test_a_batch_costs_four_transactions_and_one_call(platform: Platform, llm: ScriptedLlm) -> None:
    # Given two jobs on new questions, one ten batches longer than the other, in a course that is there
    llm.configure(truth=write_truth(65))
    run_here(platform, 5)
    platform.execute('TRUNCATE "LlmCall", "AiValidationJob", "Question" CASCADE')
    short = count_transactions(platform, 10)
    platform.execute('TRUNCATE "LlmCall", "AiValidationJob", "Question" CASCADE')
    calls = llm.stats()["received"]
    long = count_transactions(platform, 60)

    # Then the difference is claim, intent, reply and outcome of each, and one call each
    assert llm.stats()["received"] - calls == 12
    assert long - short == 4 * 10


def test_a_second_endpoint_that_stands_by_costs_no_transaction(platform: Platform, llm: ScriptedLlm) -> None:
    # Given another address of the model, to turn to while the first is down
    llm.configure(truth=write_truth(25))
    stand_in = {"OPENAI_FALLBACK_BASE_URL": platform.llm_url.replace("127.0.0.1", "localhost")}
    run_here(platform, 5)
    counts = []
    for questions in (5, 25):
        platform.execute('TRUNCATE "LlmCall", "AiValidationJob", "Question" CASCADE')
        counts.append(count_transactions(platform, questions, **stand_in))
    # Then what either may have answered is read with the claim
    assert counts[1] - counts[0] == 4 * 4


def test_the_job_is_locked_for_two_statements_of_a_batch(platform: Platform, llm: ScriptedLlm) -> None:
    """Batches of one job queue for its row: what is done under its lock bounds how many of them end in a second."""
    llm.configure(truth=write_truth(5))
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    with heard("before_cursor_execute", note):
        run_here(platform, 5)
    concluded = next(n for n, text in enumerate(statements) if "WITH concluded AS" in text)
    assert 'FROM "AiValidationJob" WHERE "id" = ' in statements[concluded - 1]
    assert "FOR NO KEY UPDATE" in statements[concluded - 1]
    assert 'INSERT INTO "Question"' in statements[concluded - 2]
