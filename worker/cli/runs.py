"""`medq run`: the whole job here and now. Starts what is missing, follows the rows, prints what came out."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from worker.cli import jobs
from worker.cli.output import EMBEDDED_MODEL_WARNING, plain_console, program, say, shell, shorten, tell
from worker.errors import JobFailed, UsageError
from worker.system.standard_streams import visible

if TYPE_CHECKING:
    from rich.progress import TaskID

    from worker.cli.site import Site
    from worker.jobs.queries import JobOverview
    from worker.runtime.supervisor import Workers

POLL_S = 0.3
NO_WORKER_S = 60.0


def run(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Workbooks or CSV files.", show_default=False)],
    user: Annotated[
        str | None, typer.Option("--user", metavar="EMAIL", help="Admin it is for; default: the oldest admin.")
    ] = None,
    instructions: jobs.Instructions = None,
    config: jobs.ConfigOption = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Copy the corrected workbooks there.")
    ] = None,
) -> None:
    """Validate FILEs from end to end, here and now.

    Starts what is not configured (PostgreSQL, Redis, a demonstration model) and its own workers, shows live
    progress, prints figures, findings and where the corrected workbook is.

    \b
    Examples:
      medq run exam.xlsx
      medq run a.xlsx b.csv -o out/ --config '{"maxCostUsd": 2}'

    \b
    Exit codes: 0 completed, 1 failed, 130 interrupted (the job is left resumable)
    """
    _check_given(files, output)
    options = jobs.parse_config(config)
    from worker.cli.processes import language_model
    from worker.cli.site import open_site

    with open_site(broker=True, create=True) as site, language_model(site) as environment:
        email = user or _default_user(site)
        with _working(site, environment) as workers:
            ids = [jobs.create_job(site, f, user=email, instructions=instructions, config=options) for f in files]
            ended = _follow_or_leave(site, ids, workers)
        _show_ended(site, ended, output)
        if "MEDQ_EMBEDDED_LLM_URL" in environment:
            say(EMBEDDED_MODEL_WARNING)
    raise typer.Exit(0 if all(job.status == "completed" for job in ended) else 1)


def _check_given(files: list[Path], output: Path | None) -> None:
    """Raises UsageError before anything is started."""
    jobs.check_files(files)
    if output is not None and output.exists() and not output.is_dir():
        raise UsageError(f"{output} is a file. Give a folder to -o.")


def _default_user(site: Site) -> str:
    from worker.jobs.queries import find_default_user

    email = find_default_user(site.engine)
    if email is None:
        raise UsageError("The database has no active admin. Name a user with --user EMAIL.")
    return email


@contextmanager
def _working(site: Site, environment: dict[str, str]) -> Iterator[Workers]:
    """Our own workers at work; at exit they let calls in flight end, a second Ctrl-C does not wait."""
    from worker.runtime.supervisor import Workers

    log_path = site.settings.home / "worker.log"
    workers = Workers(site.settings.processes, environment, site.settings.grace_s, log_path=log_path)
    workers.start()
    try:
        yield workers
    finally:
        try:
            workers.stop()
        except KeyboardInterrupt:
            workers.hurry()
            workers.stop()


def _follow_or_leave(site: Site, ids: Sequence[str], workers: Workers) -> list[JobOverview]:
    """Follow the jobs to their end; interrupted, say how they go on, and exit with 130."""
    try:
        return _follow(site, ids, workers)
    except KeyboardInterrupt:
        named = ", ".join(f"job {job_id}" for job_id in ids)
        say(f"Interrupted. Nothing is lost: `{program()} worker` goes on with {named}.")
        raise typer.Exit(130) from None


def _follow(site: Site, ids: Sequence[str], workers: Workers) -> list[JobOverview]:
    """Show progress until every job has ended. Raises what keeps workers from working."""
    from worker.jobs.queries import count_workers

    worker_seen = time.monotonic()
    with _display() as display:
        while True:
            found = [jobs.find_job(site, job_id) for job_id in ids]
            for job in found:
                display.show(job)
            if not any(job.is_open for job in found):
                return found
            workers.raise_failure()
            if count_workers(site.engine) != 0:
                worker_seen = time.monotonic()
            elif time.monotonic() - worker_seen > NO_WORKER_S:
                raise JobFailed(f"No worker process stays alive. Run `{program()} worker` to read why.")
            time.sleep(POLL_S)


class Display(Protocol):
    """Shows how far jobs are."""

    def show(self, job: JobOverview) -> None:
        """Called at every look, whether anything changed or not."""


class Lines:
    """Plain lines, one per change worth a line: for logs and pipes."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, int]] = {}

    def show(self, job: JobOverview) -> None:
        """Print a line when the status changes or ten more percent are done."""
        state = (job.status, job.progress // 10)
        if self._seen.get(job.id) != state:
            self._seen[job.id] = state
            rows = f"{job.processed_items}/{job.total_items} rows"
            say(f"{job.original_file_name}: {job.status}, {job.progress} %, {rows}. {job.message or ''}".strip())


class Bars:
    """One live bar per file, for a terminal."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[rows]} rows"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[message]}", markup=False),
            console=plain_console(stderr=True),
        )
        self._bars: dict[str, TaskID] = {}

    def show(self, job: JobOverview) -> None:
        """Move the job's bar."""
        rows = f"{job.processed_items}/{job.total_items}"
        name, message = (visible(text, one_line=True) for text in (job.original_file_name, job.message or job.status))
        if job.id not in self._bars:
            self._bars[job.id] = self.progress.add_task(name, total=100, rows=rows, message=message)
        self.progress.update(self._bars[job.id], completed=job.progress, rows=rows, message=message)


@contextmanager
def _display() -> Iterator[Display]:
    if not sys.stderr.isatty():
        yield Lines()
        return
    bars = Bars()
    with bars.progress:
        yield bars


def _show_ended(site: Site, ended: Sequence[JobOverview], output: Path | None) -> None:
    for job in ended:
        tell()
        jobs.show_job(site, job)
        _show_workbook(site, job, output)
    _show_way_in(site, ended)


def _show_workbook(site: Site, job: JobOverview, output: Path | None) -> None:
    """With -o, or when storage is elsewhere, bring the workbook here; the job's own path is printed already."""
    if job.output_url is None or (output is None and job.output_url.startswith("file://")):
        return
    folder = output or Path()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / job.output_url.rpartition("/")[2]
    if target.exists():  # two uploads of one name must not overwrite each other
        target = target.with_stem(f"{target.stem}-{job.id}")
    tell(f"  Copied to: {shorten(jobs.copy_workbook(site, job, target))}")


def _show_way_in(site: Site, ended: Sequence[JobOverview]) -> None:
    from worker.embedded import psql_command

    # Dollar quotes, because this line goes through a shell's single quotes.
    columns = 'SELECT sheet, "rowNumber", status, reason FROM "AiValidationItem"'
    query = f'{columns} WHERE "jobId" = $${ended[0].id}$$ ORDER BY position'
    tell()
    tell("Look at it again:")
    for job in ended:
        tell(f"  {program()} status {job.id}")
    embedded = "postgresql" in site.services.embedded
    if embedded:
        tell(f"  {program()} services start    # the embedded database sleeps between commands")
    tell(f"  {shell([*psql_command(site.services.database_url, password=embedded), '-c', query])}")
