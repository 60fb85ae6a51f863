"""Uploads are read in a process of their own, with memory and time of its own: both ends of the pipe to it.

A file can be made to end its reader: two cells far apart, or a text shown a million times, make the library ask for
more memory than there is, and that aborts the process. Here it is the child that ends, and the job that fails.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from array import array
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict
from typing import IO, Any

from worker.errors import JobFailed
from worker.messages import file_refusals
from worker.questions.sheets import Note, RawSheet
from worker.system.reader_process import SpareReader, confine
from worker.upload.reading.reading import SHARED_LENGTH, read_here

MEMORY_BYTES = 1 << 30  # of the child
TIMEOUT_S = 120
AT_ONCE = 2  # children of one worker process

_places = threading.BoundedSemaphore(AT_ONCE)
_readers = SpareReader(__name__)
keep_ready = _readers.keep_ready


class ReaderKilled(Exception):
    """Somebody ended the child, perhaps the kernel for want of memory: that says nothing about the file."""


def read_sheets(data: bytes, file_name: str, *, max_bytes: int, max_rows: int) -> list[RawSheet]:
    """Read every sheet of an upload, in the file's order.

    `max_bytes` bounds the upload and what it unzips to; `max_rows` the non-blank rows of all sheets, headers
    aside. Cells of one sheet all start at column A, so a column index here is the spreadsheet's, from 0.
    Whatever the bytes, the result is sheets or `JobFailed`; `ReaderKilled` when the child was killed from outside.
    """
    limits = {"file_name": file_name, "max_bytes": max_bytes, "max_rows": max_rows}
    with _places:
        child = _readers.take()
        was_late = threading.Event()

        def give_up() -> None:
            was_late.set()
            child.kill()

        timer = threading.Timer(TIMEOUT_S, give_up)
        timer.start()
        try:
            _order(child, limits, data)
            sheets = _receive(child)
        finally:
            if child.stdout is not None:
                child.stdout.close()
            code = child.wait()  # the timer ends it, also where it hangs at its own end
            timer.cancel()
            _readers.refill()
    if sheets is not None:
        return sheets
    if code in (-signal.SIGKILL, -signal.SIGTERM) and not was_late.is_set():
        raise ReaderKilled(signal.Signals(-code).name)
    raise JobFailed(file_refusals.CORRUPT)


def _order(child: subprocess.Popen[bytes], limits: dict[str, Any], data: bytes) -> None:
    if child.stdin is None:
        return
    with suppress(BrokenPipeError), closing(child.stdin) as pipe:
        pipe.write(json.dumps(limits).encode() + b"\n")
        pipe.write(data)


def _receive(child: subprocess.Popen[bytes]) -> list[RawSheet] | None:
    """What the child read; None when it ended before the end. Raises the `JobFailed` that it met."""
    found: list[tuple[dict[str, Any], list[Any]]] = []
    shared: dict[str, str] = {}  # the same specialty, course, level … on every row: one text instead of 50,000
    for line in child.stdout or ():
        if not line.endswith(b"\n"):
            break  # its last words
        kind, *rest = json.loads(line)
        if kind == "row":
            number, cells = rest
            row = tuple(shared.setdefault(cell, cell) if len(cell) <= SHARED_LENGTH else cell for cell in cells)
            found[-1][1].append((number, row))
        elif kind == "sheet":
            found.append((rest[0], []))
        elif kind == "failed":
            raise JobFailed(rest[0])
        else:
            return [_to_sheet(around, rows) for around, rows in found]
    return None


def _around(sheet: RawSheet) -> dict[str, Any]:
    """A sheet without its rows, as JSON can hold it."""
    return {
        "name": sheet.name,
        "unresolved": [[row, column, formula] for (row, column), formula in sheet.unresolved.items()],
        "is_hidden": sheet.is_hidden,
        "hidden_rows": sorted(sheet.hidden_rows),
        "dates": [[column, list(rows)] for column, rows in sheet.dates.items()],
        "unformatted": [[column, list(rows)] for column, rows in sheet.unformatted.items()],
        "notes": [asdict(note) for note in sheet.notes],
    }


def _to_sheet(around: dict[str, Any], rows: list[Any]) -> RawSheet:
    """The inverse of `_around`. Row numbers by the million take four bytes each."""
    return RawSheet(
        around["name"],
        tuple(rows),
        {(row, column): formula for row, column, formula in around["unresolved"]},
        is_hidden=around["is_hidden"],
        hidden_rows=frozenset(around["hidden_rows"]),
        dates={column: array("I", found) for column, found in around["dates"]},
        unformatted={column: array("I", found) for column, found in around["unformatted"]},
        notes=tuple(Note(**note) for note in around["notes"]),
    )


def answer_parent() -> None:
    """The child's side: limits and bytes on standard input, what they hold on standard output, a JSON list a line."""
    confine(memory_bytes=MEMORY_BYTES, cpu_s=TIMEOUT_S)
    order = sys.stdin.buffer.readline()
    if not order:  # the worker is gone, or needs none
        os._exit(0)
    limits = json.loads(order)
    with suppress(BrokenPipeError):  # the worker is gone
        for line in _answers(sys.stdin.buffer.read(), limits):
            _write(sys.stdout.buffer, line)
        sys.stdout.buffer.flush()
    os._exit(0)


def _answers(data: bytes, limits: dict[str, Any]) -> Iterator[list[Any]]:
    try:
        sheets = read_here(data, **limits)
    except JobFailed as error:
        yield ["failed", str(error)]
        return
    for sheet in sheets:
        yield ["sheet", _around(sheet)]
        for number, cells in sheet.rows:
            yield ["row", number, cells]
    yield ["end"]


def _write(pipe: IO[bytes], line: list[Any]) -> None:
    pipe.write(json.dumps(line).encode() + b"\n")
