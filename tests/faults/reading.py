"""Reads files in forked children, hundreds a second: what ends a reader ends the child, and is counted."""

from __future__ import annotations

import faulthandler
import os
import pickle
import re
import resource
import signal
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from random import Random

from worker.errors import JobFailed
from worker.questions.question import ParsedUpload
from worker.questions.sheets import RawSheet
from worker.upload.parsing import parse_upload
from worker.upload.reading import child
from worker.upload.reading.reading import read_here

MAX_BYTES, MAX_ROWS = 50_000_000, 100_000
LONGEST_S = 20


@dataclass(frozen=True)
class Read:
    """What became of a file: its sheets and questions, or a French sentence, or the signal that ended the reader."""

    sheets: list[RawSheet] = field(default_factory=list)
    upload: ParsedUpload | None = None
    sentence: str | None = None
    death: int = 0
    seconds: float = 0


def read_apart(data: bytes, name: str) -> Read:
    """Read and parse a file as `prepare` does, with the limits of the worker's own child, in a fork of this process."""
    began = time.monotonic()
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(receive)
        _answer(data, name, send)
    os.close(send)
    with os.fdopen(receive, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(pid, 0)
    seconds = time.monotonic() - began
    if os.WIFSIGNALED(status):
        return Read(death=os.WTERMSIG(status), seconds=seconds)
    assert answer, "the reader ended without a word"
    found = pickle.loads(answer)  # noqa: S301 (written by our own fork)
    assert not isinstance(found, BaseException), repr(found)
    sheets, upload, sentence = found
    return Read(sheets=sheets, upload=upload, sentence=sentence, seconds=seconds)


def _answer(data: bytes, name: str, send: int) -> None:
    faulthandler.disable()  # its last words are the parent's to tell
    signal.alarm(LONGEST_S)
    # What this fork inherits from a whole suite is no part of the file: the worker's child begins with next to nothing.
    inherited = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    room = inherited + child.MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sheets: list[RawSheet] = []
    found: object
    try:
        sheets = read_here(data, name, max_bytes=MAX_BYTES, max_rows=MAX_ROWS)
        found = sheets, parse_upload(sheets, name, default_level=None, default_semester=None), None
    except JobFailed as error:
        found = sheets, None, str(error)
    except BaseException as error:  # noqa: BLE001 (told to the parent, where a test sees it)
        found = RuntimeError(repr(error))
    with os.fdopen(send, "wb") as pipe:
        pickle.dump(found, pipe)
    os._exit(0)


# -- damage ------------------------------------------------------------------------------------------------------------

VALUES = [
    b"0", b"-1", b"65535", b"65536", b"2147483648", b"4294967295", b"18446744073709551615", b"1e308", b"NaN", b"",
    b"\x00", b"A1048576", b"XFD1", b"ZZZZ1", b"A0", b"A1:XFD1048576", b"A3999999999", b"inlineStr", b"s", b"e", b"str",
]  # fmt: skip
INTEGERS = [0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
PLACE = re.compile(rb'"[^"<>]{0,40}"|>[^<>]{1,40}<|\d+')
TAG = re.compile(rb"<[\w:]+")


def damage(workbook: bytes, rng: Random) -> bytes:
    """A workbook with a few changes in one or two of its parts, zipped again so that they are read."""
    with zipfile.ZipFile(BytesIO(workbook)) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    for name in rng.sample([name for name, content in parts.items() if content], k=rng.choice([1, 1, 2])):
        content = bytearray(parts[name])
        for _ in range(rng.choice([1, 1, 1, 2, 4])):
            _change(content, rng, is_binary=name.endswith(".bin"))
        parts[name] = bytes(content)
    return pack(parts)


def pack(parts: Mapping[str, bytes]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in parts.items():
            target.writestr(name, content)
    return buffer.getvalue()


def _change(content: bytearray, rng: Random, *, is_binary: bool) -> None:
    if not content:
        return
    place, end = rng.randrange(len(content)), rng.randrange(1, 60)
    kind = rng.random()
    if is_binary and kind < 0.6:
        size = rng.choice([1, 2, 4])
        content[place : place + size] = rng.choice(INTEGERS).to_bytes(4, "little")[:size]
    elif kind < 0.25:
        content[place] = rng.randrange(256)
    elif kind < 0.65:
        _exchange_value(content, rng)
    elif kind < 0.8:
        del content[place : place + end]
    elif kind < 0.9:
        content[place:place] = content[place : place + end]
    else:
        tags = list(TAG.finditer(bytes(content)))
        if tags:
            old, new = rng.choice(tags), rng.choice(tags)
            content[old.start() : old.end()] = new[0]


def _exchange_value(content: bytearray, rng: Random) -> None:
    places = list(PLACE.finditer(bytes(content)))
    if not places:
        return
    found = rng.choice(places)
    value = rng.choice(VALUES)
    framed = {b'"': b'"%b"', b">": b">%b<"}.get(found[0][:1], b"%b") % value
    content[found.start() : found.end()] = framed
