"""structlog, set up once per process: JSON lines unless a person is watching a terminal.

Events are constant names with fields. Ids only: never question text, keys, prompts or secrets, and so of an exception
where it came from and what kind it is; its own words only where these are known to quote nothing.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import structlog

from worker.errors import Interrupted, LeaseLost, Stopping, UsageError, WorkersFailed
from worker.system.standard_streams import visible

# Their words name code, places and kinds, never values.
_QUOTE_NOTHING = (
    ImportError,
    AttributeError,
    NameError,
    TypeError,
    NotImplementedError,
    RecursionError,
    MemoryError,
    LeaseLost,
    Stopping,
    Interrupted,
    UsageError,
    WorkersFailed,
)
_WITHHELD = "(its words are withheld: they may quote an upload or a key; MEDQ_DEBUG=1 shows them)"
_CONNECTION_CLASSES = ("08", "28", "3D", "53", "57", "58")  # SQLSTATEs whose words are about the server
_LONGEST = 500


def configure_logging(level: int = logging.INFO) -> None:
    """Send structlog's and the libraries' records through one chain to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    is_watched = sys.stderr is not None and sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if is_watched else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(_format_exception),
                _make_visible,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("worker").setLevel(level)
    logging.getLogger("medq").setLevel(level)


def get_logger() -> structlog.stdlib.BoundLogger:
    """The project's logger; job_id, task_id and attempt are bound once, where a task is claimed."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger("medq")
    return logger


def describe(error: BaseException) -> str:
    """An exception on one line: its kind, and of its words what quotes neither content nor secrets."""
    kind = type(error).__qualname__
    if type(error).__module__ not in ("builtins", "worker.errors"):
        kind = f"{type(error).__module__}.{kind}"
    words = str(error) if os.environ.get("MEDQ_DEBUG") == "1" else _safe_words(error)
    return visible(f"{kind}: {words}" if words else kind, one_line=True)[:_LONGEST]


def _safe_words(error: BaseException) -> str:
    error = getattr(error, "orig", None) or error  # SQLAlchemy's wrapping adds the statement and its values
    if hasattr(error, "sqlstate") and hasattr(error, "diag"):
        return _database_words(error)
    words = _WITHHELD if str(error) else ""
    if isinstance(error, OSError):
        words = error.strerror or ""  # without the file's name
    elif isinstance(error, UnicodeError):
        words = f"{getattr(error, 'encoding', '?')}: {getattr(error, 'reason', '?')}"
    elif isinstance(error, _QUOTE_NOTHING):
        words = str(error)
    elif (status := getattr(error, "status_code", None)) is not None:
        words = f"HTTP {status}"
    elif str(getattr(error, "code", "")).isidentifier():
        words = str(getattr(error, "code", ""))
    return words


def _database_words(error: Any) -> str:
    """The state and the names of what a statement broke; the server's own words only where they speak of the server."""
    state = error.sqlstate
    if state is None or state[:2] in _CONNECTION_CLASSES:
        return str(error).strip().split("\n", 1)[0]
    named = ((name, getattr(error.diag, f"{name}_name", None)) for name in ("constraint", "table", "column"))
    return ", ".join([f"SQLSTATE {state}", *(f"{name} {value}" for name, value in named if value)])


def _format_exception(exc_info: tuple[type[BaseException], BaseException, TracebackType | None]) -> str:
    """A traceback as Python prints it, the words of each exception of the chain those of `describe`."""
    return "\n".join(_lines(exc_info[1], exc_info[2], set()))


def _lines(error: BaseException, at: TracebackType | None, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _lines(before, before.__traceback__, seen)
        yield (
            "\nThe above exception was the direct cause of the following one:\n"
            if error.__cause__
            else ("\nDuring handling of the above exception, another one occurred:\n")
        )
    yield "Traceback (most recent call last):"
    yield "".join(traceback.format_tb(at)).rstrip("\n")
    yield describe(error)
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _lines(one, one.__traceback__, seen)


def _make_visible(_logger: object, _method: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Nothing in a log steers the terminal that it is read on."""
    return {name: _visible_value(value) for name, value in fields.items()}


def _visible_value(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list | tuple):
        return [_visible_value(one) for one in value]
    return (
        {visible(str(name)): _visible_value(one) for name, one in value.items()} if isinstance(value, dict) else value
    )


def log_uncaught() -> None:
    """Exceptions that nobody catches go through the log too: Python would print them itself, with all their words."""

    def hook(kind: type[BaseException], error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None and not issubclass(kind, KeyboardInterrupt):
            get_logger().error("uncaught", exc_info=(kind, error, at))

    sys.excepthook = hook
    logging.raiseExceptions = False  # and a log that cannot be written prints no traceback
    threading.excepthook = lambda args: hook(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: hook(args.exc_type, args.exc_value, args.exc_traceback)
