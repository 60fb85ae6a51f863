"""Logs that a machine can read: one JSON document a line, with the ids of the task at hand."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from worker.log import configure_logging, get_logger


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
        assert event["exception"].endswith("ValueError: broken")


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
