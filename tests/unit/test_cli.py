"""How `medq` is called: help, wrong usage, sentences and exit codes. What commands do is in the integration tests."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy.exc
from rich.console import Console

from worker.cli import call, explain
from worker.cli.courses import make_table
from worker.cli.jobs import NotFound, local_path, parse_config
from worker.cli.output import shell, shorten
from worker.cli.runs import Lines
from worker.courses.document import CourseLabels
from worker.courses.document_store import StoredDocument
from worker.errors import JobFailed, UsageError
from worker.jobs.queries import FIGURES, JobOverview
from worker.settings import Settings

Call = Callable[..., tuple[int, str, str]]
COMMANDS = [
    "run",
    "enqueue",
    "worker",
    "jobs",
    "status",
    "cancel",
    "retry",
    "download",
    "doctor",
    "schema upgrade",
    "schema downgrade",
    "schema check",
    "services start",
    "services stop",
    "services status",
]


@pytest.fixture
def medq(capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls the command line in this process: (exit code, standard output, standard error)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = call(arguments)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def overview(**changes: object) -> JobOverview:
    now = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    values: dict[str, object] = dict.fromkeys(JobOverview.__dataclass_fields__)
    values |= {name: 0 for name in values if name.endswith(("_items", "_count", "_analyses", "_attempts"))}
    values |= {"id": "c1", "original_file_name": "a.xlsx", "status": "processing", "progress": 0}
    values |= {"created_at": now, "updated_at": now, "current_batch": 1, "total_batches": 1, **changes}
    return JobOverview(**values)  # type: ignore[arg-type]


def test_version(medq: Call) -> None:
    code, out, _err = medq("--version")
    assert code == 0
    assert re.fullmatch(r"medq \d+\.\d+\.\d+\n", out)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches_by_example(medq: Call, command: str) -> None:
    code, out, err = medq(*command.split(), "--help")
    assert (code, err) == (0, "")
    assert re.search(rf"Examples?:\n +(MEDQ_\w+=\d+ )?medq {command}", out)


def test_the_help_lists_every_command_in_whole_sentences(medq: Call) -> None:
    code, out, _err = medq("--help")
    assert code == 0
    for command in COMMANDS:
        assert re.search(rf"^  {command.split()[0]} +\S.*[^.]\.$", out, re.MULTILINE), command
    assert "130" in out


def test_no_command_shows_the_help_and_is_wrong_usage(medq: Call) -> None:
    code, out, err = medq()
    assert (code, out) == (2, "")
    assert "Commands:" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bogus"], "bogus"),
        (["status"], "JOB"),
        (["status", "--nonsense", "x"], "--nonsense"),
        (["run"], "FILE"),
        (["run", "missing.xlsx"], "missing.xlsx: no such file"),
        (["run", "."], "is a folder"),
        (["enqueue", "missing.xlsx", "--user", "a@b.c"], "missing.xlsx: no such file"),
        (["enqueue", "missing.xlsx"], "--user"),
        (["jobs", "--status", "bogus"], "queued, processing, completed, failed, cancelled"),
        (["jobs", "--limit", "0"], "limit"),
        (["schema", "downgrade", "001"], "--yes"),
        (["eval"], "FILE whose answers are known, or --from-decisions"),
        (["eval", "exam.xlsx", "--from-decisions"], "FILE cannot be given beside it"),
        (["eval", "--from-decisions", "--seed", "0", "--missed", "x.csv"], "--seed, --missed cannot be given"),
        (["eval", "missing.xlsx"], "missing.xlsx: no such file"),
    ],
)
def test_wrong_usage_is_one_sentence_on_standard_error(medq: Call, arguments: list[str], words: str) -> None:
    code, out, err = medq(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.startswith("medq: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("{", "not JSON"),
        ("[]", "objet JSON"),
        ("null", "objet JSON"),
        ('{"batchSize": "five"}', "batchSize"),
        ('{"colour": 1}', "colour"),
    ],
)
def test_a_config_that_the_worker_would_refuse_is_refused_at_once(config: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_config(config)


def test_a_good_config_goes_through_as_it_is() -> None:
    assert parse_config('{"batchSize": 3, "applyCorrections": true}') == {"batchSize": 3, "applyCorrections": True}
    assert parse_config(None) is None


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (UsageError("Set X."), 2, "Set X."),
        (NotFound("No such job."), 1, "No such job."),
        (JobFailed("Le fichier est vide."), 1, "Le fichier est vide."),
        (
            sqlalchemy.exc.OperationalError("SELECT 1", {}, Exception("connection refused\nIs the server running?")),
            1,
            "The database does not answer (connection refused). Check DATABASE_URL",
        ),
        (ValueError("first line\nsecond line"), 1, "ValueError: first line). Set MEDQ_DEBUG=1"),
    ],
)
def test_an_error_becomes_one_sentence_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], error: Exception, code: int, words: str
) -> None:
    assert explain(error) == code
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_plain_progress_is_a_line_per_change_worth_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    # Given looks at a job that hardly moves
    lines = Lines()
    for progress in (0, 0, 1, 9, 10, 19, 20):
        lines.show(overview(progress=progress))
    lines.show(overview(status="completed", progress=100, message="Terminé."))

    # Then only whole tens and the end are printed
    printed = capsys.readouterr().err.splitlines()
    assert [re.findall(r"(\d+) %", line)[0] for line in printed] == ["0", "10", "20", "100"]
    assert printed[-1].endswith("Terminé.")


def test_a_job_as_json_has_the_names_of_its_columns() -> None:
    document = overview(output_url="file:///x", rag_applied_count=2).to_json()
    assert document["outputUrl"] == "file:///x"
    assert document["ragAppliedCount"] == 2
    assert document["createdAt"] == "2026-01-02T03:04:05.678Z"
    assert FIGURES.keys() <= document.keys()


def test_commands_to_copy_are_quoted_and_short() -> None:
    here = Path.cwd()
    assert shorten(here / "out" / "a.xlsx") == "out/a.xlsx"
    assert shorten(Path("/elsewhere/a.xlsx")) == "/elsewhere/a.xlsx"
    assert local_path(f"file://{here}/a b.xlsx") == "a b.xlsx"
    assert local_path("s3://bucket/a.xlsx") == "s3://bucket/a.xlsx"
    assert shell([str(here / "bin" / "psql"), "-c", "SELECT 'x'"]) == "bin/psql -c 'SELECT '\"'\"'x'\"'\"''"


def test_the_example_environment_names_every_setting() -> None:
    example = (Path(__file__).parents[2] / ".env.example").read_text()
    named = set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE))
    known = {str(field.validation_alias.choices[0]) for field in Settings.model_fields.values()}  # type: ignore[union-attr]
    assert named - {"POSTGRES_PASSWORD", "POSTGRES_PORT", "WEB_PORT"} == known


def test_a_narrow_terminal_shows_ids_of_documents_whole_and_titles_as_they_are() -> None:
    # Given a title that looks like markup and is longer than the screen is wide
    document = StoredDocument(
        id="c" + "0123456789" * 2 + "abcd",
        title="[brouillon] Infarctus [/b] et un titre qui ne tient pas sur une ligne",
        file_name="a.md",
        labels=CourseLabels("DCEM2", "Cardiologie"),
        updated_at=datetime(2026, 1, 1, tzinfo=UTC),
        page_count=None,
        chunk_count=2,
    )
    screen = Console(width=90, file=io.StringIO(), highlight=False)

    screen.print(make_table([document]))

    shown = screen.file.getvalue()  # type: ignore[attr-defined]
    assert document.id in shown
    assert "[brouillon]" in shown
    assert "[/b]" in shown
