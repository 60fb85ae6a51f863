"""Logs that a machine can read: one JSON document a line, with the ids of the task at hand."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import psycopg
import pydantic
import pytest
import sqlalchemy as sa
import structlog
from hypothesis import given
from hypothesis import strategies as st

from tests.support.log_capture import events_of
from worker.errors import JobFailed
from worker.logging import configure_logging, describe, get_logger
from worker.runtime import executor
from worker.system.standard_streams import visible


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Logging is the process's own: what a test sets up is taken down again."""
    loggers = [logging.getLogger(name) for name in (None, "worker", "medq")]
    levels = [logger.level for logger in loggers]
    handlers = loggers[0].handlers[:]
    configuration = structlog.get_config()
    yield
    structlog.configure(**configuration)
    structlog.contextvars.clear_contextvars()
    loggers[0].handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == "", "standard output belongs to the commands"
    return [json.loads(line) for line in captured.err.splitlines()]


def test_an_event_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()

    get_logger().info("batch_done", items=5, cause="deux\nlignes, é")

    (event,) = lines(capsys)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "batch_done",
        "items": 5,
        "cause": "deux\nlignes, é",
        "level": "info",
        "logger": "medq",
    }


def test_what_was_bound_once_is_on_every_event_inside(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    log = get_logger()

    with structlog.contextvars.bound_contextvars(job_id="j1", task_id="t1", attempt=2):
        log.info("call_begun")
        logging.getLogger("openai").warning("retrying %s", "soon")
    log.info("idle")

    begun, library, idle = lines(capsys)
    assert (begun["job_id"], begun["task_id"], begun["attempt"]) == ("j1", "t1", 2)
    assert (library["event"], library["job_id"]) == ("retrying soon", "j1")
    assert "job_id" not in idle


def test_a_crash_with_its_traceback_is_still_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()

    try:
        raise ValueError("broken")
    except ValueError as error:
        get_logger().error("task_crashed", exc_info=error)
        logging.getLogger("dramatiq").exception("library crashed")

    ours, theirs = lines(capsys)
    for event in (ours, theirs):
        assert event["level"] == "error"
        assert event["exception"].splitlines()[-1].startswith("ValueError: (its words are withheld")
        assert "in test_a_crash_with_its_traceback_is_still_one_line" in event["exception"]


def test_libraries_are_heard_from_warnings_on_and_we_from_the_level_asked(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(logging.INFO)

    logging.getLogger("dramatiq").info("chatter")
    logging.getLogger("dramatiq").warning("trouble")
    get_logger().debug("detail")
    get_logger().info("news")

    assert [event["event"] for event in lines(capsys)] == ["trouble", "news"]


def test_set_up_twice_an_event_is_still_written_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    configure_logging()

    get_logger().info("once")

    assert len(lines(capsys)) == 1


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_person_at_a_terminal_reads_words() -> None:
    terminal = FakeTerminal()

    with contextlib.redirect_stderr(terminal):
        configure_logging()
        get_logger().info("worker_started", threads=16)

    shown = terminal.getvalue()
    assert "worker_started" in shown
    assert "threads" in shown
    assert not shown.lstrip().startswith("{")


# -- ids only ----------------------------------------------------------------------------------------------------------

SECRET = "Quel est le traitement de la leucémie ? sk-abc123"


def of_pydantic() -> Exception:
    return pydantic.TypeAdapter(int).validate_python(SECRET)  # type: ignore[return-value]


def of_a_statement() -> Exception:
    raise sa.exc.IntegrityError(
        "INSERT INTO t",
        {"text": SECRET},
        psycopg.errors.UniqueViolation(f"duplicate key\nDETAIL:  Key (text)=({SECRET})"),
    )


def of_a_chain() -> Exception:
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        raise KeyError(SECRET) from error


def of_a_group() -> Exception:
    raise ExceptionGroup("several", [ValueError(SECRET), KeyError(SECRET)])


def of_a_client() -> Exception:
    request = httpx2.Request("POST", "http://host/v1")
    response = httpx2.Response(401, request=request, json={"error": {"message": SECRET}})
    raise openai.AuthenticationError(f"Incorrect API key provided: {SECRET}", response=response, body=None)


def of_a_number() -> Exception:
    int(SECRET)
    raise AssertionError


def of_a_file() -> Exception:
    with Path(f"/nowhere/{SECRET}").open():
        raise AssertionError


def of_an_encoding() -> Exception:
    SECRET.encode("ascii")
    raise AssertionError


def of_a_job() -> Exception:
    raise JobFailed(f"« {SECRET} » n'est pas une option.")


@pytest.mark.parametrize(
    ("fail", "kept"),
    [
        (of_pydantic, "pydantic_core._pydantic_core.ValidationError"),
        (of_a_statement, "sqlalchemy.exc.IntegrityError: "),
        (of_a_chain, "direct cause"),
        (of_a_group, "ExceptionGroup"),
        (of_a_client, "openai.AuthenticationError: HTTP 401"),
        (of_a_number, "ValueError"),
        (of_a_file, "FileNotFoundError: No such file or directory"),
        (of_an_encoding, "UnicodeEncodeError: ascii: ordinal not in range(128)"),
        (of_a_job, "JobFailed"),
    ],
)
def test_a_traceback_quotes_neither_content_nor_keys(
    capsys: pytest.CaptureFixture[str], fail: Callable[[], Exception], kept: str
) -> None:
    configure_logging()

    try:
        fail()
    except Exception as error:
        get_logger().error("task_crashed", exc_info=error)
        logging.getLogger("dramatiq").exception("library crashed")
        said = describe(error)

    err = capsys.readouterr().err
    assert kept in err
    for word in ("leucémie", "sk-abc123"):
        assert word not in err + said


def test_whoever_looks_for_a_fault_may_see_the_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDQ_DEBUG", "1")

    assert describe(ValueError("the words")) == "ValueError: the words"


def test_the_servers_own_faults_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    refused = psycopg.OperationalError("connection failed: Connection refused\n\tIs the server running?")

    assert describe(sa.exc.OperationalError("SELECT", {}, refused)) == (
        "sqlalchemy.exc.OperationalError: connection failed: Connection refused"
    )


# -- terminals ---------------------------------------------------------------------------------------------------------

STEERING = "a\x1b[31mrouge\x07 \x9b2J \u202egnp.exe \x7f"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_nothing_in_a_log_steers_a_terminal(monkeypatch: pytest.MonkeyPatch, is_terminal: bool) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: is_terminal)
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("NO_COLOR", "1")
    configure_logging()

    get_logger().info("read", name=STEERING, parts=[STEERING, {STEERING: STEERING}])
    logging.getLogger("dramatiq").warning(STEERING)

    assert "rouge" in stream.getvalue()
    assert not set(stream.getvalue()) & set("\x07\x9b\u202e\x7f")
    assert "\x1b[31m" not in stream.getvalue()


@given(st.text(alphabet=st.characters()))
def test_what_is_visible_holds_no_control_character_and_all_else(text: str) -> None:
    shown = visible(text, one_line=True)

    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    assert "".join(c for c in text if c.isprintable()) in ("", shown) or len(shown) >= len(text)
    assert visible(shown, one_line=True) == shown


def test_a_module_is_heard_whatever_level_a_command_has_set() -> None:
    configure_logging(level=logging.ERROR)
    with events_of(executor) as events:
        executor.log.info("said", task_id="t")
    assert events == [{"event": "said", "task_id": "t", "log_level": "info"}]
