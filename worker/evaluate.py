"""How good a model is at this task, before anybody trusts it: a real job on questions whose keys are known.

The job runs in a database of its own, dropped afterwards, through the same line as any other. What is measured is
in `steps.score`; how it is shown is in `cli.evaluate`.
"""

from __future__ import annotations

import json
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from worker.adapters.db import connect, sqlalchemy_url
from worker.adapters.schema import upgrade
from worker.adapters.sheets import read_sheets
from worker.adapters.workbook import write_workbook
from worker.enqueue import enqueue_job
from worker.errors import JobFailed, UsageError
from worker.pipeline import Line
from worker.settings import Settings
from worker.shapes.answers import Look, Purpose
from worker.shapes.jobs import JobConfig
from worker.shapes.questions import LETTERS, Question
from worker.shapes.reports import ReportColumn, ReportSheet
from worker.steps.check import check_reply
from worker.steps.compose import compose_request
from worker.steps.parse import read_questions
from worker.steps.score import Answered, GivenKey, Scores, Spent, score, spoil_keys
from worker.wiring import build_worker

Told = Callable[[int, int], None]  # questions done, questions in all

USER = "admin@medq.com"
HEADERS = (
    *("matiere", "cours", "niveau", "semestre", "cas n", "texte du cas", "texte de la question"),
    *(f"option {letter.lower()}" for letter in LETTERS),
    "reponse",
)
ENDED = ("completed", "failed", "cancelled")
IDLE_S = 0.05


@dataclass(frozen=True)
class KnownQuestion:
    """A multiple-choice question and its key."""

    question: Question
    key: str


def read_known(path: Path, config: Mapping[str, Any] | None = None) -> list[KnownQuestion]:
    """The multiple-choice questions with a key, each content once: of a workbook or CSV, or of FrenchMedMCQA's JSON.

    Short-answer questions are left out: the model sees their official answer, so nothing blind can be measured.
    `config`: a job's, for a file whose columns it has to name. Raises `UsageError` when the file cannot be read or
    holds none.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file. Give a workbook, a CSV file or FrenchMedMCQA's JSON.")
    data = path.read_bytes()
    questions = _read_json(data, path) if path.suffix.casefold() == ".json" else _read_upload(data, path, config)
    known: dict[str, KnownQuestion] = {}
    for question in questions:
        if question.is_qcm and question.official_key and len(question.options) > 1:
            known.setdefault(question.content_hash(), KnownQuestion(question, question.official_key))
    if not known:
        raise UsageError(f"{path} holds no multiple-choice question with a key: there is nothing to measure.")
    return list(known.values())


def _read_upload(data: bytes, path: Path, config: Mapping[str, Any] | None) -> list[Question]:
    try:
        read_as = JobConfig.parse({"defaultLevel": "DCEM2", "defaultSemester": "S1", **(config or {})})
        sheets = read_sheets(data, path.name, max_bytes=len(data) * 100, max_rows=100_000)
        upload = read_questions(sheets, path.name, read_as)
    except JobFailed as error:
        raise UsageError(f"{path}: {error}") from error
    return [row.question for row in upload.rows if row.question is not None]


def _read_json(data: bytes, path: Path) -> Iterator[Question]:
    try:
        for row in json.loads(data):
            subject = str(row.get("subject_name") or "Évaluation").capitalize()
            yield Question(
                type="qcm",
                specialty=subject,
                course=subject,
                level="DCEM2",
                semester="S1",
                text=row["question"],
                options={letter.upper(): text for letter, text in row["answers"].items() if text},
                official_key="".join(sorted(letter.upper() for letter in row["correct_answers"])),
            )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(
            f"{path}: not FrenchMedMCQA's JSON, a list of {{question, answers, correct_answers}}."
        ) from None


def evaluate(
    known: Sequence[KnownQuestion], settings: Settings, *, wrong: float, left_out: float, seed: int, told: Told
) -> Scores:
    """Spoil some keys, put the questions through a whole job, and measure. `settings` hold both URLs.

    Raises `UsageError` when no scratch database can be made, `JobFailed` when the job fails.
    """
    keys = spoil_keys([(k.key, sorted(k.question.options)) for k in known], wrong=wrong, left_out=left_out, seed=seed)
    uploaded = [replace(k.question, official_key=key.given) for k, key in zip(known, keys, strict=True)]
    with (
        scratch_database(settings.database_url or "") as url,
        tempfile.TemporaryDirectory(prefix="medq-eval-") as folder,
    ):
        inside = settings.model_copy(update={"database_url": url, "storage_url": folder, "allowed_roots": ()})
        path = Path(folder) / "evaluation.xlsx"
        places = write_upload(uploaded, path)
        job_id = enqueue_job(path, user=USER, database_url=url, storage_url=folder)
        engine = connect(url, pool_size=2, name="medq-eval")
        try:
            line = work(inside, lambda: _look(engine, job_id, told))
            answered = _read_answered(engine, job_id, line, dict(zip(places, keys, strict=True)))
            return score(answered, _read_spent(engine, job_id))
        finally:
            engine.dispose()


@contextmanager
def scratch_database(database_url: str) -> Iterator[str]:
    """A database beside this one, migrated, and dropped whatever happens; its URL."""
    server = sa.make_url(sqlalchemy_url(database_url))
    name = f"medq_eval_{uuid.uuid4().hex[:12]}"
    engine = sa.create_engine(server, poolclass=sa.pool.NullPool, hide_parameters=True, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    except sa.exc.DBAPIError as error:
        raise UsageError(
            "No scratch database could be made for the evaluation: let the role of DATABASE_URL create databases "
            f"(ALTER ROLE … CREATEDB), or unset DATABASE_URL to use the embedded one. ({error.orig})"
        ) from error
    try:
        scratch = server.set(database=name)
        upgrade(scratch.render_as_string(hide_password=False))
        yield scratch.set(drivername="postgresql").render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def write_upload(questions: Sequence[Question], path: Path) -> list[tuple[str, int]]:
    """Write the questions as an admin would upload them; where each one stands (sheet, row of the spreadsheet)."""
    rows: dict[str, list[list[str]]] = {}
    places: list[tuple[str, int]] = []
    for question in questions:
        sheet = rows.setdefault(question.type, [])
        sheet.append(_cells(question))
        places.append((question.type, 1 + len(sheet)))
    columns = tuple(ReportColumn(header, 20) for header in HEADERS)
    with path.open("wb") as target:
        write_workbook([ReportSheet(name, columns, lines) for name, lines in rows.items()], target)
    return places


def _cells(question: Question) -> list[str]:
    place = [question.specialty, question.course, question.level, question.semester]
    case = [question.case_number or "", question.case_text or ""]
    options = [question.options.get(letter, "") for letter in LETTERS]
    return [*place, *case, question.text, *options, question.official_key or ""]


def work(settings: Settings, has_ended: Callable[[], bool]) -> Line:
    """Run tasks in threads of this process until `has_ended`; the line they ran on.

    No bell is needed, nor sent: workers of the platform that share its Redis would answer it.
    """
    stopping, finished = threading.Event(), threading.Event()
    parts = build_worker(settings, stopping=stopping)
    faults: list[BaseException] = []

    def drain() -> None:
        try:
            while not stopping.is_set():
                if not parts.runner.drain():
                    stopping.wait(IDLE_S)
        except Exception as error:  # noqa: BLE001 (told to the caller, who waits for this thread)
            faults.append(error)

    threads = [threading.Thread(target=drain, name=f"eval-{n}", daemon=True) for n in range(parts.threads)]
    threads.append(threading.Thread(target=parts.heartbeat.run, args=(finished,), name="heartbeat", daemon=True))
    for thread in threads:
        thread.start()
    try:
        while not has_ended():
            if faults:
                raise faults[0]
            stopping.wait(0.1)
    finally:
        stopping.set()
        for thread in threads[:-1]:
            thread.join(settings.grace_s)
        finished.set()
        parts.close()
    return parts.runner.line


def _look(engine: sa.Engine, job_id: str, told: Told) -> bool:
    query = 'SELECT "status", "processedItems", "totalItems", "errorMessage" FROM "AiValidationJob" WHERE "id" = :id'
    with engine.connect() as connection:
        status, processed, total, error = connection.execute(sa.text(query), {"id": job_id}).one()
    told(processed or 0, total or 0)
    if status in ENDED and status != "completed":
        raise JobFailed(error or status)
    return bool(status in ENDED)


ITEMS = sa.text("""
SELECT i."sheet", i."rowNumber", i."id", i."status", i."result", i."question", q."correctAnswer"
FROM "AiValidationItem" i LEFT JOIN "Question" q ON q."id" = i."questionId" WHERE i."jobId" = :id
""")
REPLIES = sa.text("""
SELECT "questionKeys", "response" FROM "LlmCall" WHERE "jobId" = :id AND "status" = 'succeeded' ORDER BY "createdAt"
""")
SPENT = sa.text("""
SELECT count(*), COALESCE(sum("questionCount"), 0), sum("costUsd") FROM "LlmCall" WHERE "jobId" = :id
""")


def _read_answered(
    engine: sa.Engine, job_id: str, line: Line, keys: Mapping[tuple[str, int], GivenKey]
) -> list[Answered]:
    """Each question's outcome, and its blind looks, read anew from the replies that the ledger holds."""
    with engine.connect() as connection:
        items = connection.execute(ITEMS, {"id": job_id}).mappings().all()
        replies = connection.execute(REPLIES, {"id": job_id}).all()
    stored: dict[str, list[tuple[int, str]]] = {}
    for question_keys, response in replies:
        for number, key in enumerate(question_keys, start=1):
            stored.setdefault(key, []).append((number, response))
    answered = []
    for item in items:
        result: Mapping[str, Any] = item["result"] or {}
        first, second = (
            _find_look(item["question"], purpose, line, stored) if item["question"] else None
            for purpose in ("analyse", "second_look")
        )
        answered.append(
            Answered(
                key=keys[(item["sheet"], item["rowNumber"])],
                outcome=None if item["status"] == "pending" else item["status"],
                first=first.key if first else None,
                second=second.key if second else None,
                kept=item["correctAnswer"],
                proposed=result.get("proposed"),
                confidence=first.confidence if first else None,
            )
        )
    return answered


def _find_look(
    question: Mapping[str, Any], purpose: Purpose, line: Line, stored: Mapping[str, Sequence[tuple[int, str]]]
) -> Look | None:
    """The first acceptable result for this question in this purpose."""
    endpoint = line.endpoint
    model = endpoint.review_model if purpose == "second_look" else endpoint.model
    asked = [("item", Question.from_json(question), ())]
    request = compose_request(purpose, asked, endpoint=endpoint, model=model, instructions=None)
    (alone,) = request.questions
    for number, response in stored.get(alone.key, ()):
        there = replace(request, questions=(replace(alone, id=f"q{number}"),))
        if look := check_reply(response, there).looks.get("item"):
            return look
    return None


def _read_spent(engine: sa.Engine, job_id: str) -> Spent:
    with engine.connect() as connection:
        calls, asked, cost = connection.execute(SPENT, {"id": job_id}).one()
    return Spent(calls, int(asked), None if cost is None else float(cost))
