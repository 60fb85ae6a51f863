"""Course files are read in a process of their own, one after another: both ends of the pipe to it.

A PDF of 181 kB took 7 GB, one of 27 kB never came to an end, another aborted the process. Here the child ends: that
file is refused by name, and the next one has a new child.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from subprocess import Popen
from types import TracebackType
from typing import IO, Any, Self

from worker.courses.document import ExtractedDocument, Line, Page
from worker.courses.extract.reading import extract_document
from worker.errors import UsageError
from worker.system.reader_process import confine, start_reader

MEMORY_BYTES = 1 << 30  # of the child, the file itself aside
TIMEOUT_S = 120
MAX_CHARACTERS = 20_000_000  # 10,000 pages of print
ENDED = "it ends whatever reads it (damaged, or made to do so): save it anew from the program that it was written with"
_FIELDS = tuple(Line.__dataclass_fields__)
LATE = f"it is not read within {TIMEOUT_S} seconds: save it anew, or cut it into parts"


class DocumentReader:
    """Reads course files one after another, while its owner does something else. To be closed."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="course-reader")
        self._lock = threading.Lock()  # around which child there is, and whether there may be another
        self._child: Popen[bytes] | None = None
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def begin(self, path: Path, data: bytes) -> Future[ExtractedDocument]:
        """The text of a file, by its extension, once the files before it are read.

        Its result raises `UsageError` with one sentence for whatever cannot be read, also where it ended its reader.
        """
        return self._thread.submit(self._read, path, data)

    def read(self, path: Path, data: bytes) -> ExtractedDocument:
        """The text of a file, as `begin` gives it."""
        return self.begin(path, data).result()

    def close(self) -> None:
        """End the child, whatever it reads."""
        with self._lock:
            self._is_closed = True
            if self._child is not None:
                self._child.kill()
        self._thread.shutdown(cancel_futures=True)  # which meets the end of the pipe, if it still reads from it
        self._end_child()

    def _read(self, path: Path, data: bytes) -> ExtractedDocument:
        child, was_late = self._take_child(), threading.Event()

        def give_up() -> None:
            was_late.set()
            child.kill()

        timer = threading.Timer(self._timeout_s, give_up)
        timer.start()
        document: ExtractedDocument | None = None
        try:
            _order(child, path, data)
            document = _receive(child)
        except UsageError:
            document = ExtractedDocument(())  # the child is well
            raise
        finally:
            timer.cancel()
            if document is None or was_late.is_set():
                self._end_child()
        if document is None:
            raise UsageError(LATE if was_late.is_set() else ENDED)
        return document

    def _take_child(self) -> Popen[bytes]:
        with self._lock:
            if self._is_closed:
                raise CancelledError
            if self._child is None:
                self._child = start_reader(__name__)
            return self._child

    def _end_child(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is None:
            return
        child.kill()  # it holds nothing: whatever it read was handed over
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        child.wait()


def _order(child: Popen[bytes], path: Path, data: bytes) -> None:
    if child.stdin is None:
        return
    with suppress(BrokenPipeError):
        child.stdin.write(json.dumps({"name": f"x{path.suffix}", "size": len(data)}).encode() + b"\n")
        child.stdin.write(data)
        child.stdin.flush()


def _receive(child: Popen[bytes]) -> ExtractedDocument | None:
    """What the child read; None when it ended before the end. Raises the `UsageError` that it met."""
    pages: list[Page] = []
    for line in child.stdout or ():
        if not line.endswith(b"\n"):
            break  # its last words
        kind, *rest = json.loads(line)
        if kind == "page":
            number, is_around, lines = rest
            pages.append(Page(number, tuple(Line(*line) for line in lines), is_around))
        elif kind == "refused":
            raise UsageError(rest[0])
        else:
            return ExtractedDocument(tuple(pages), is_typeset=rest[0], is_slides=rest[1])
    return None


def answer_parent() -> None:
    """The child's side: name, size and bytes of one file after another, what each holds in JSON lists a line each."""
    confine(memory_bytes=MEMORY_BYTES, cpu_s=TIMEOUT_S)
    with suppress(BrokenPipeError):  # nobody waits any more
        while order := sys.stdin.buffer.readline():
            name, size = (json.loads(order)[key] for key in ("name", "size"))
            confine(memory_bytes=MEMORY_BYTES + 2 * size, cpu_s=TIMEOUT_S)
            for line in _answers(Path(name), sys.stdin.buffer.read(size)):
                _write(sys.stdout.buffer, line)
            sys.stdout.buffer.flush()
    os._exit(0)


def _answers(path: Path, data: bytes) -> Iterator[list[Any]]:
    try:
        document = extract_document(path, data)
    except UsageError as error:
        yield ["refused", str(error)]
        return
    words = sum(len(line.text) for page in document.pages for line in page.lines)
    if words > MAX_CHARACTERS:
        yield ["refused", f"it holds {words:,} characters of text, and {MAX_CHARACTERS:,} are read: cut it into parts"]
        return
    for page in document.pages:
        yield ["page", page.number, page.is_around, [_fields(line) for line in page.lines]]
    yield ["end", document.is_typeset, document.is_slides]


def _fields(line: Line) -> list[Any]:
    return [getattr(line, name) for name in _FIELDS]


def _write(pipe: IO[bytes], line: list[Any]) -> None:
    pipe.write(json.dumps(line).encode() + b"\n")
