"""The command `medq`: how it is called, how its errors read. What each command does is in the modules beside."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated

import typer
from typer.exceptions import TyperException

from worker.cli import (
    backups,
    check,
    checks,
    courses,
    decisions,
    evaluate,
    jobs,
    metrics,
    processes,
    retention,
    runs,
    schemas,
)
from worker.cli.output import program, say, tell
from worker.errors import MedqError, UsageError
from worker.system.standard_streams import protect_standard_streams

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130
NOT_PERMITTED = "42501"  # SQLSTATE insufficient_privilege

HELP = """
Validates uploaded French medical exam questions with an LLM.

A workbook goes in; its questions land in the platform's database, and a corrected workbook comes out. Jobs are rows
of PostgreSQL, so every command may be stopped and called again. What is not configured (DATABASE_URL, REDIS_URL, an
LLM) is replaced by an embedded one under MEDQ_HOME.

\b
Try it:      medq run examples/questions.xlsx
A file:      medq check exam.xlsx
A machine:   medq doctor
Exit codes:  0 done, 1 failed, 2 called wrongly or something is missing, 130 interrupted
"""

app = typer.Typer(
    name="medq",
    help=HELP,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        tell(f"medq {version('medq-worker')}")
        raise typer.Exit


@app.callback()
def medq(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Options before the command."""


medq.__doc__ = HELP

app.command("run")(runs.run)
app.command("enqueue")(jobs.enqueue)
app.command("worker")(processes.worker)
app.command("serve")(processes.serve)
app.command("jobs")(jobs.list_all)
app.command("status")(jobs.status)
app.command("cancel")(jobs.cancel)
app.command("retry")(jobs.retry)
app.command("download")(jobs.download)
app.command("items")(decisions.items)
app.command("decide")(decisions.decide)
app.command("decisions")(decisions.take_in)
app.command("backup")(backups.backup)
app.command("restore")(backups.restore)
app.add_typer(schemas.app, name="schema")
app.add_typer(processes.services, name="services")
app.command("ingest")(courses.ingest)
app.add_typer(courses.app, name="courses")
app.command("eval")(evaluate.evaluate)
app.command("check")(check.check)
app.command("prune")(retention.prune)
app.command("forget")(retention.forget)
app.command("doctor")(checks.doctor)
app.command("metrics")(metrics.metrics)


def main() -> None:
    """What the program `medq` runs."""
    protect_standard_streams()
    os.umask(0o077)  # what a command writes is its user's alone: logs, uploads, workbooks, the embedded services
    signal.signal(signal.SIGTERM, _interrupt)
    code = call(sys.argv[1:])
    sys.exit(code or _end_of_output())


def _end_of_output() -> int:
    """0, or 1 when something of the results could not be written: a cut document must not pass for a whole one."""
    sys.stdout.flush()
    fault = getattr(sys.stdout, "fault", None)
    if fault is None:
        return 0
    say(f"medq: Standard output cannot be written ({fault.strerror}). What was asked is done; make room to see it.")
    return FAILED


def call(arguments: Sequence[str]) -> int:
    """Run one command line; its exit code. One sentence for an error, a traceback only with MEDQ_DEBUG=1."""
    try:
        code = app(list(arguments), standalone_mode=False)
    except Exception as error:
        if os.environ.get("MEDQ_DEBUG") == "1":
            raise
        return explain(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def explain(error: Exception) -> int:
    """Say on standard error what happened and what to do; the exit code."""
    if isinstance(error, typer.Abort):
        return INTERRUPTED
    if type(error).__name__ == "NoArgsIsHelpError":
        for line in error.ctx.get_help().splitlines():  # type: ignore[attr-defined]
            say(line)
        return WRONG_USAGE
    say(f"medq: {_sentence(error)}")
    wrong_usage = isinstance(error, TyperException | UsageError) and not isinstance(error, jobs.NotFound)
    return WRONG_USAGE if wrong_usage else FAILED


def _sentence(error: Exception) -> str:
    if isinstance(error, TyperException):
        return _usage_sentence(error)
    return str(error) if isinstance(error, MedqError) else _fault_sentence(error)


def _usage_sentence(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path.partition(" ")[2] if context else ""
    sentence = str(getattr(error, "format_message", lambda: str(error))()).strip().rstrip(".")
    return f"{sentence or 'A command is missing'}. See `{' '.join([program(), *command.split(), '--help'])}`."


def _fault_sentence(error: Exception) -> str:
    kind = f"{type(error).__module__}.{type(error).__name__}"
    cause = str(getattr(error, "orig", None) or error).strip().split("\n", 1)[0].rstrip(".")
    if kind.startswith(("sqlalchemy.", "psycopg.")) and (meaning := _server_meaning(error)):
        return f"The database {meaning} ({cause}). See `{program()} doctor`, then try again."
    if getattr(getattr(error, "orig", None), "sqlstate", None) == NOT_PERMITTED:
        return (
            f"The role of DATABASE_URL may not do that ({cause}). `{program()} doctor` names all that it lacks, "
            f"`{program()} schema grants --worker ROLE` prints it for the owner of the tables."
        )
    if kind.endswith(("OperationalError", "InterfaceError")):
        return f"The database does not answer ({cause}). Check DATABASE_URL with `{program()} doctor`."
    if kind.startswith("redis."):
        return f"Redis does not answer ({cause}). Check REDIS_URL with `{program()} doctor`."
    return f"Unexpected fault ({type(error).__name__}: {cause}). Set MEDQ_DEBUG=1 to see where."


def _server_meaning(error: Exception) -> str | None:
    """What is the matter with a server that answers, but will not do what it is asked."""
    from worker.db.engine import server_state
    from worker.db.server_states import AWAY

    state = server_state(error)
    return None if state is None or state is AWAY else state.meaning


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # A stop asked by the system is a stop asked by the person: services are left in order, the job resumable.
    raise KeyboardInterrupt
