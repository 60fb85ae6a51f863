"""Commands on jobs: enqueue, jobs, status, cancel, retry, download. They read rows and print; triggers do the work."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.output import out, program, say, shorten, tell, tell_json
from worker.errors import JobFailed, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.table import Table

    from worker.cli.site import Site
    from worker.jobs.queries import JobOverview


class NotFound(UsageError):
    """A job id that no row has: the command was called rightly, yet cannot be done."""


JobId = Annotated[
    str,
    typer.Argument(
        metavar="JOB", help="Id of the job, as `medq jobs` lists it, or its first characters.", show_default=False
    ),
]
UserOption = Annotated[
    str, typer.Option("--user", metavar="EMAIL", help="E-mail (or id) of the admin it is for.", show_default=False)
]
Instructions = Annotated[
    str | None, typer.Option("--instructions", metavar="TEXT", help="Free text that reaches every question.")
]
ConfigOption = Annotated[
    str | None,
    typer.Option("--config", metavar="JSON", help="Per-job options, e.g. '{\"applyCorrections\": true}'."),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def enqueue(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Workbook or CSV file.", show_default=False)],
    user: UserOption,
    instructions: Instructions = None,
    config: ConfigOption = None,
) -> None:
    """Store FILE, create its job, print the job's id.

    A running `medq worker` does the rest.

    \b
    Examples:
      medq enqueue exam.xlsx --user admin@medq.com
      medq enqueue exam.xlsx --user admin@medq.com --config '{"batchSize": 3}'
    """
    check_files([file])
    options = parse_config(config)
    from worker.cli.site import open_site
    from worker.jobs.queries import count_workers

    with open_site(create=True) as site:
        tell(create_job(site, file, user=user, instructions=instructions, config=options))
        if count_workers(site.engine) == 0:
            say(f"No worker is at work on this database: start one with `{program()} worker`.")


def list_all(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
    status: Annotated[
        str | None, typer.Option("--status", help="Only: queued, processing, completed, failed or cancelled.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the newest jobs.

    \b
    Examples:
      medq jobs
      medq jobs --status failed --json
    """
    from models.states import JOB_STATUSES
    from worker.cli.site import open_site
    from worker.jobs.queries import list_jobs

    if status is not None and status not in JOB_STATUSES:
        raise UsageError(f"--status {status}: no such status. Use one of {', '.join(JOB_STATUSES)}.")
    with open_site() as site:
        found = list_jobs(site.engine, limit=limit, status=status)
    if as_json:
        tell_json([job.to_json() for job in found])
        return
    if not found:
        say(f"No job. Create one with `{program()} run FILE` or `{program()} enqueue FILE --user EMAIL`.")
        return
    out().print(_make_table(found))


def _make_table(jobs: Sequence[JobOverview]) -> Table:
    from rich.table import Table

    table = Table("job", "status", "%", "rows", "ok", "failed", "created (UTC)", "file", box=None, pad_edge=False)
    for job in jobs:
        table.add_row(
            job.id,
            job.status,
            str(job.progress),
            f"{job.processed_items}/{job.total_items}",
            str(job.successful_analyses),
            str(job.failed_analyses),
            f"{job.created_at:%Y-%m-%d %H:%M:%S}",
            job.original_file_name,
        )
    return table


def status(
    job_id: JobId,
    as_json: JsonFlag = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every second until the job ends.")] = False,
) -> None:
    """Show one job: figures, outcomes, findings, cost, workbook.

    With --watch, one line per change, then the whole; with --json too, only the final document.

    \b
    Examples:
      medq status cab12…
      medq status cab12… --json
      medq status cab12… --watch
    """
    from worker.cli.site import open_site

    with open_site() as site:
        job = find_job(site, job_id)
        seen = ""
        while watch and job.is_open:
            line = (
                f"{job.status} {job.progress} % ({job.processed_items}/{job.total_items}) {job.message or ''}".strip()
            )
            if line != seen:
                say(line)
                seen = line
            time.sleep(1)
            job = find_job(site, job_id)
        if as_json:
            tell_json(describe(site, job))
        else:
            show_job(site, job)


def cancel(job_id: JobId) -> None:
    """Stop a job; what is done stays.

    No model call begins any more. Cancelling a cancelled job is no error.

    \b
    Example:
      medq cancel cab12…
    """
    from worker.cli.site import open_site
    from worker.jobs.commands import cancel_job

    with open_site() as site:
        job_id = find_job(site, job_id).id
        if cancel_job(site.engine, job_id):
            tell(f"Job {job_id} is cancelled. `{program()} retry {job_id}` goes on with what is not done.")
        else:
            tell(f"Job {job_id} is {find_job(site, job_id).status} already: there is nothing to cancel.")


def retry(job_id: JobId) -> None:
    """Run again what a failed or cancelled job did not finish.

    Also the failed rows of a completed job. What is done is neither done nor paid again.

    \b
    Example:
      medq retry cab12…
    """
    from worker.cli.site import open_site
    from worker.jobs.commands import retry_job
    from worker.jobs.queries import count_workers

    with open_site() as site:
        job_id = find_job(site, job_id).id
        if retry_job(site.engine, job_id):
            tell(f"Job {job_id} is queued again. Follow it with `{program()} status {job_id} --watch`.")
            if count_workers(site.engine) == 0:
                say(f"No worker is at work on this database: start one with `{program()} worker`.")
        else:
            tell(f"Job {job_id} is {find_job(site, job_id).status}: there is nothing to do again.")


def download(
    job_id: JobId,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="PATH", help="Folder, or a file ending in .xlsx; default: here."),
    ] = None,
) -> None:
    """Copy the corrected workbook here and print its path.

    Of a job that has not ended, or has failed: what is done so far.

    \b
    Examples:
      medq download cab12…
      medq download cab12… -o out/
    """
    from worker.cli.site import open_site

    with open_site() as site:
        job = find_job(site, job_id)
        tell(str(copy_workbook(site, job, output or Path())))


# -- shared with `medq run` ------------------------------------------------------------------------------------------


def check_files(files: list[Path]) -> None:
    """Raise `UsageError` for the first that is not a readable file, before anything is started."""
    for file in files:
        if file.is_dir():
            raise UsageError(f"{file} is a folder. Give the path of a workbook or a CSV file.")
        try:
            with file.open("rb"):
                pass
        except FileNotFoundError:
            raise UsageError(f"{file}: no such file. Give the path of a workbook or a CSV file.") from None
        except OSError as error:
            raise UsageError(f"{file} cannot be read ({error.strerror}). Give a file you may read.") from None


def parse_config(text: str | None) -> Mapping[str, Any] | None:
    """The value of `--config`. Raises `UsageError` when it is no JSON object or the worker would refuse it."""
    if text is None:
        return None
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--config is not JSON ({error}). Give an object, e.g. '{{\"batchSize\": 3}}'.") from None
    from worker.queue.job import JobConfig

    try:
        JobConfig.parse(config if config is not None else [])
    except JobFailed as error:
        raise UsageError(f"--config: {error}") from None
    found: Mapping[str, Any] = config
    return found


def create_job(site: Site, file: Path, *, user: str, instructions: str | None, config: Mapping[str, Any] | None) -> str:
    """Store the file and insert its job; the job's id."""
    from worker.enqueue import enqueue_job

    environment = site.environment()
    return enqueue_job(
        file,
        user=user,
        instructions=instructions,
        config=config,
        database_url=environment["DATABASE_URL"],
        storage_url=environment["MEDQ_STORAGE_URL"],
    )


def find_job(site: Site, job_id: str) -> JobOverview:
    """The job with this id, or the one whose id begins so; `NotFound` for none, `UsageError` for several."""
    from worker.jobs.queries import find_job_ids, get_job

    job = get_job(site.engine, job_id)
    if job is None and job_id:
        found = find_job_ids(site.engine, job_id)
        if len(found) > 1:
            raise UsageError(f"{job_id!r} is the beginning of several jobs' ids. Give more characters of it.")
        job = get_job(site.engine, found[0]) if found else None
    if job is None:
        raise NotFound(f"There is no job {job_id!r}. List them with `{program()} jobs`.")
    return job


def copy_workbook(site: Site, job: JobOverview, target: Path) -> Path:
    """Copy the job's workbook to a file or into a folder; one made from the rows when the job has none yet."""
    from worker.db.engine import Database
    from worker.jobs.finish import find_workbook

    if not job.total_items and (job.output_url is None or job.is_open):
        raise JobFailed(f"Job {job.id} is {job.status} and has no row yet: there is no workbook to download.")
    url = find_workbook(Database(site.engine), site.storage, job, embedded=uses_embedded_model(site))
    is_folder = target.is_dir() or (target.suffix.lower() != ".xlsx" and not target.exists())
    path = target / url.rpartition("/")[2] if is_folder else target
    path.parent.mkdir(parents=True, exist_ok=True)
    site.storage.copy_to(url, path)
    return path


def uses_embedded_model(site: Site) -> bool:
    """Whether no LLM is configured, so that the embedded one answers. Raises `UsageError` when half configured."""
    from worker.llm.client import resolve_endpoint

    return resolve_endpoint(site.settings, site.settings.embedded_llm_url or "embedded").embedded


def describe(site: Site, job: JobOverview) -> dict[str, Any]:
    """Everything about a job as one JSON document: the row's columns, outcomes, findings, spending."""
    from dataclasses import asdict

    from worker.jobs import queries

    return job.to_json() | {
        "outcomes": queries.count_outcomes(site.engine, job.id),
        "findings": [asdict(finding) for finding in queries.count_findings(site.engine, job.id)],
        **queries.read_notes(site.engine, job.id),
        "llmCalls": _describe_spending(queries.sum_spending(site.engine, job.id)),
    }


def show_job(site: Site, job: JobOverview) -> None:
    """Print a job for a person: sentences, outcomes, figures with their meaning, findings, workbook."""
    from rich.table import Table

    from worker.jobs import queries

    console = out()
    tell(f"{job.original_file_name} · job {job.id} · {job.status} · {job.progress} %{_duration(job)}")
    for sentence in (job.message, job.error_message):
        if sentence:
            tell(f"  {sentence}")
    outcomes = {name: rows for name, rows in queries.count_outcomes(site.engine, job.id).items() if rows}
    if outcomes:
        tell("  " + " · ".join(f"{rows} {name}" for name, rows in outcomes.items()))
    figures = Table(box=None, show_header=False, pad_edge=True)
    figures.add_column(justify="right")
    for name, value in job.figures().items():
        figures.add_row(str(value), name, queries.FIGURES[name])
    console.print(figures)
    findings = queries.count_findings(site.engine, job.id)
    if findings:
        tell("  Findings:")
        for finding in findings:
            tell(f"    {finding.rows} × {finding.code}: {finding.example}")
    _show_notes(queries.read_notes(site.engine, job.id))
    spending = queries.sum_spending(site.engine, job.id)
    tell(f"  Model: {_spending(spending)}")
    if spending.batch_calls:
        cost = "" if spending.batch_cost_usd is None else f", {spending.batch_cost_usd:.4f} USD"
        tell(f"    of these in batches, at half price: {spending.batch_calls} calls{cost}")
    for line in spending.by_model if len(spending.by_model) > 1 else ():
        tell(f"    {line.model}: {_spending(line)}")
    if spending.unpriced_models:
        models = ", ".join(spending.unpriced_models)
        tell(f"    Price not known: {models}. Name a file of prices in MEDQ_PRICES to have the cost counted.")
    if job.output_url:
        tell(f"  Workbook: {local_path(job.output_url)}")


def _show_notes(notes: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """What of the file was not used, or not as it is written there."""
    if notes["leftOut"] or notes["notes"]:
        tell("  Of the file:")
    for sheet in notes["leftOut"]:
        tell(f"    sheet {sheet['name']!r} not read: {sheet['reason']}")
    for note in notes["notes"]:
        tell(f"    {note['message']}")


def local_path(url: str) -> str:
    """The path of a `file://` URL as one would type it, any other URL as it is."""
    return shorten(Path(url.removeprefix("file://"))) if url.startswith("file://") else url


def _duration(job: JobOverview) -> str:
    if job.started_at is None or job.completed_at is None:
        return ""
    return f" · {(job.completed_at - job.started_at).total_seconds():.1f} s"


def _spending(spending: Any) -> str:
    cost = "" if spending.cost_usd is None else f", {spending.cost_usd:.4f} USD"
    failed = f" ({spending.failed_calls} failed)" if spending.failed_calls else ""
    prompt = f"{spending.prompt_tokens} prompt ({spending.cached_tokens} cached)"
    return f"{spending.calls} calls{failed}, {prompt} + {spending.completion_tokens} completion tokens{cost}"


def _describe_spending(spending: Any) -> dict[str, Any]:
    from dataclasses import asdict

    whole = asdict(spending)
    return _camel_keys(whole | {"by_model": [_camel_keys(line) for line in whole["by_model"]]})


def _camel_keys(values: Mapping[str, Any]) -> dict[str, Any]:
    def camel(name: str) -> str:
        first, *rest = name.split("_")
        return first + "".join(part.title() for part in rest)

    return {camel(name): value for name, value in values.items()}
