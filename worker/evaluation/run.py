"""How good a model is at this task, before anybody trusts it: a real job on questions whose keys are known.

The job runs in a database of its own, dropped afterwards, through the same line as any other. What is measured is
in `evaluation.score`; how it is shown is in `cli.evaluate`.
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

from models.states import OPEN_JOB
from worker.db.engine import connect, is_infrastructure_fault, sqlalchemy_url
from worker.db.schema import upgrade
from worker.db.statements import load_statements
from worker.enqueue import enqueue_job
from worker.errors import JobFailed, UsageError
from worker.evaluation.figures import Answered, Asked, GivenKey, Scores, Spent
from worker.evaluation.score import score
from worker.evaluation.spoil import Spoiling, spoil_answers, spoil_keys
from worker.messages import model_worth
from worker.messages.headers import CASE_TEXT, QUESTION_TEXT
from worker.questions.question import LETTERS, Question
from worker.queue.job import JobConfig
from worker.report.content import ReportColumn, ReportSheet
from worker.report.xlsx_writer import write_workbook
from worker.runtime.container import build_worker
from worker.settings import Settings
from worker.upload.parsing import read_questions
from worker.upload.reading import read_sheets

SQL = load_statements(__file__)

Told = Callable[[int, int], None]  # questions done, questions in all

USER = "admin@medq.com"
HEADERS = ("matiere", "cours", "niveau", "semestre", "image", "cas n", CASE_TEXT, QUESTION_TEXT)
OPTION_HEADERS = tuple(f"option {letter.lower()}" for letter in LETTERS)
IDLE_S = 0.05


@dataclass(frozen=True)
class KnownQuestion:
    """A question, its key or short answer, and where it stands in the file that was given."""

    question: Question
    key: str
    sheet: str = ""
    row: int = 0


def read_known(path: Path, config: Mapping[str, Any] | None = None) -> list[KnownQuestion]:
    """The questions with a key or a short answer, each content once: of a workbook or CSV, or of FrenchMedMCQA's JSON.

    `config`: a job's, for a file whose columns it has to name. Raises `UsageError` when the file cannot be read or
    holds none.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file. Give a workbook, a CSV file or FrenchMedMCQA's JSON.")
    data = path.read_bytes()
    read = _read_json(data, path) if path.suffix.casefold() == ".json" else _read_upload(data, path, config)
    known: dict[str, KnownQuestion] = {}
    for sheet, row, question in read:
        if question.official and (len(question.options) > 1 or not question.is_qcm):
            one = KnownQuestion(question, question.official, sheet, row)
            known.setdefault(question.content_hash(), one)
    if not known:
        raise UsageError(f"{path} holds no question with a key or an answer: there is nothing to measure.")
    return list(known.values())


def _read_upload(data: bytes, path: Path, config: Mapping[str, Any] | None) -> list[tuple[str, int, Question]]:
    try:
        read_as = JobConfig.parse({"defaultLevel": "DCEM2", "defaultSemester": "S1", **(config or {})})
        sheets = read_sheets(data, path.name, max_bytes=len(data) * 100, max_rows=100_000)
        upload = read_questions(sheets, path.name, read_as)
    except JobFailed as error:
        raise UsageError(f"{path}: {error}") from error
    return [(row.sheet, row.row_number, row.question) for row in upload.rows if row.question is not None]


def _read_json(data: bytes, path: Path) -> Iterator[tuple[str, int, Question]]:
    try:
        for number, row in enumerate(json.loads(data), start=1):
            subject = str(row.get("subject_name") or model_worth.NO_SUBJECT).capitalize()
            question = Question(
                type="qcm",
                specialty=subject,
                course=subject,
                level="DCEM2",
                semester="S1",
                text=row["question"],
                options={letter.upper(): text for letter, text in row["answers"].items() if text},
                official_key="".join(sorted(letter.upper() for letter in row["correct_answers"])),
            )
            yield path.stem, number, question
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(
            f"{path}: not FrenchMedMCQA's JSON, a list of {{question, answers, correct_answers}}."
        ) from None


def evaluate(known: Sequence[KnownQuestion], settings: Settings, spoiling: Spoiling, *, told: Told) -> Scores:
    """Spoil some keys, put the questions through a whole job, and measure. `settings` hold both URLs.

    Raises `UsageError` when no scratch database can be made, `JobFailed` when the job fails.
    """
    keys = spoil(known, spoiling)
    uploaded = [with_official(k.question, key.given) for k, key in zip(known, keys, strict=True)]
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
            work(inside, lambda: _poll_job(engine, job_id, told))
            asked = dict(zip(places, zip(known, keys, strict=True), strict=True))
            return score(_read_answered(engine, job_id, asked), _read_spent(engine, job_id))
        finally:
            engine.dispose()


def spoil(known: Sequence[KnownQuestion], spoiling: Spoiling) -> list[GivenKey]:
    """What each question is uploaded with; the shares are exact among the keys, and among the short answers."""
    qcm = [k for k in known if k.question.is_qcm]
    short = [k.key for k in known if not k.question.is_qcm]
    lettered = [(k.key, sorted(k.question.options)) for k in qcm]
    keys = iter(spoil_keys(lettered, spoiling))
    answers = iter(spoil_answers(short, spoiling))
    return [next(keys if k.question.is_qcm else answers) for k in known]


def with_official(question: Question, given: str | None) -> Question:
    """The question with this key or answer as its official one."""
    if question.is_qcm:
        return replace(question, official_key=given)
    return replace(question, official_answer=given)


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
        if is_infrastructure_fault(error):
            raise
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
    with path.open("wb") as target:
        write_workbook([ReportSheet(name, _columns(name), lines) for name, lines in rows.items()], target)
    return places


def _columns(sheet: str) -> tuple[ReportColumn, ...]:
    options = OPTION_HEADERS if sheet in ("qcm", "cas_qcm") else ()
    return tuple(ReportColumn(header, 20) for header in (*HEADERS, *options, "reponse"))


def _cells(question: Question) -> list[str]:
    place = [question.specialty, question.course, question.level, question.semester, question.image or ""]
    case = [question.case_number or "", question.case_text or ""]
    options = [question.options.get(letter, "") for letter in LETTERS] if question.is_qcm else []
    return [*place, *case, question.text, *options, question.official or ""]


def work(settings: Settings, has_ended: Callable[[], bool]) -> None:
    """Run tasks in threads of this process until `has_ended`.

    No wake-up is needed, nor sent: workers of the platform that share its Redis would answer it.
    """
    stopping, finished = threading.Event(), threading.Event()
    parts = build_worker(settings, stopping=stopping)
    faults: list[BaseException] = []

    def drain() -> None:
        try:
            while not stopping.is_set():
                if not parts.executor.drain():
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


def _poll_job(engine: sa.Engine, job_id: str, told: Told) -> bool:
    with engine.connect() as connection:
        status, processed, total, error = connection.execute(SQL["read_progress"], {"id": job_id}).one()
    told(processed or 0, total or 0)
    if status in OPEN_JOB:
        return False
    if status != "completed":
        raise JobFailed(error or status)
    return True


def _read_answered(
    engine: sa.Engine, job_id: str, asked: Mapping[tuple[str, int], tuple[KnownQuestion, GivenKey]]
) -> list[Answered]:
    """Each question's outcome and its accepted looks."""
    with engine.connect() as connection:
        items = connection.execute(SQL["read_items"], {"id": job_id}).mappings().all()
    return [_answered(item, *asked[(item["sheet"], item["rowNumber"])]) for item in items]


def _answered(item: Mapping[Any, Any], known: KnownQuestion, key: GivenKey) -> Answered:
    result: Mapping[str, Any] = item["result"] or {}
    looks: list[Mapping[str, Any]] = [*(result.get("looks") or []), {}, {}]
    first, second = looks[0], looks[1]
    question = known.question
    return Answered(
        key=key,
        outcome=None if item["status"] == "pending" else item["status"],
        first=first.get("key") or first.get("answer"),
        second=second.get("key") or second.get("answer"),
        kept=item["kept"],
        proposed=result.get("proposed"),
        confidence=first.get("confidence"),
        second_confidence=second.get("confidence"),
        verdict=first.get("verdict"),
        second_verdict=second.get("verdict"),
        asked=Asked(question.type, question.specialty, known.sheet, known.row, question.text),
    )


def _read_spent(engine: sa.Engine, job_id: str) -> Spent:
    with engine.connect() as connection:
        calls, asked, cost = connection.execute(SQL["sum_spent"], {"id": job_id}).one()
    return Spent(calls, int(asked), None if cost is None else float(cost))
