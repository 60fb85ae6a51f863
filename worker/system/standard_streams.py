"""Standard output and error as a program of the shell treats them: closed, full, gone or ASCII, work goes on.

Also what of a text from outside may reach a terminal: everything but what would steer it.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from typing import Any, TextIO

from worker.text.characters import CONTROL, DIRECTIONS

_STEERING = re.compile(f"[{CONTROL}{DIRECTIONS}]")
_BREAKS = re.compile(r"[\t\n]")


def visible(text: str, *, one_line: bool = False) -> str:
    """The text with what would steer a terminal written out (`\\x1b`); with `one_line` its line breaks and tabs too."""
    text = _STEERING.sub(_escape, text)
    return _BREAKS.sub(_escape, text) if one_line else text


def _escape(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape", "surrogatepass").decode()


class LastingStream:
    """A text stream whose writes never fail: once the other end is gone or full, what follows goes nowhere.

    `fault` keeps why, when it was not simply that the reader had seen enough.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.fault: OSError | None = None

    def write(self, text: str) -> int:
        """Write, or let go for good."""
        with self._lasting():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or let go for good."""
        with self._lasting():
            self._stream.flush()

    def _lasting(self) -> _Lasting:
        return _Lasting(self)

    def let_go(self, error: OSError) -> None:
        """Send everything from now on to nowhere: what is buffered included, which could not be written either."""
        if not isinstance(error, BrokenPipeError):
            self.fault = error
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Lasting:
    def __init__(self, stream: LastingStream) -> None:
        self._stream = stream

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _at: object) -> bool:
        if isinstance(error, OSError):
            self._stream.let_go(error)
            return True
        return isinstance(error, ValueError)  # closed


def protect_standard_streams() -> None:
    """Make the three standard streams usable whatever they are. Once, before anything else opens a file."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:  # closed: the next file opened, a database's socket perhaps, would take its number
            os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 (as long as the process)
    sys.stdout, sys.stderr = _protect(sys.stdout), _protect(sys.stderr)


def _protect(stream: TextIO | None) -> Any:
    if isinstance(stream, LastingStream):
        return stream
    found: Any = stream or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 (as long as the process)
    if hasattr(found, "reconfigure"):
        found.reconfigure(errors="backslashreplace")
    return LastingStream(found)
