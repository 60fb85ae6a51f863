"""Named points at which the fault suite interrupts a process. Off, and a no-op, unless MEDQ_FAULTS is set.

`MEDQ_FAULTS="after_claim:kill@3, in_heartbeat:sleep=60"`: at the third pass of `after_claim` this process kills itself
with SIGKILL, at the first of `in_heartbeat` that thread sleeps a minute. See `Fault` for the grammar.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

VARIABLE = "MEDQ_FAULTS"


class Point(StrEnum):
    """Where a process may be interrupted, in the order in which a job passes them."""

    # The producer, `enqueue_job`.
    ANNOUNCED = "announced"
    STORED = "stored"
    INSERTED = "inserted"
    ENQUEUED = "enqueued"
    # The worker.
    AFTER_CLAIM = "after_claim"
    IN_PREPARE = "in_prepare"
    AFTER_INTENT = "after_intent"
    REQUEST_SENT = "request_sent"
    REPLY_READ = "reply_read"
    REPLY_STORED = "reply_stored"
    MID_APPLY = "mid_apply"
    AFTER_COMMIT = "after_commit"
    IN_FINISH = "in_finish"
    # Batch mode: a task that waits, then the batch submitter.
    IN_PARK = "in_park"
    IN_COLLECT = "in_collect"
    FILE_UPLOADED = "file_uploaded"
    BATCH_BEGINS = "batch_begins"
    BATCH_BEGUN = "batch_begun"
    BATCH_SUBMITTED = "batch_submitted"
    LINES_STORED = "lines_stored"
    IN_BATCH_END = "in_batch_end"
    # What runs beside the tasks.
    IN_HEARTBEAT = "in_heartbeat"
    IN_SWEEP = "in_sweep"
    IN_WATCH = "in_watch"
    IN_CONSUMER = "in_consumer"


class Reached(Protocol):
    """Tell that a point is passed; `about` names what it is passed for, such as a task's kind and position."""

    def __call__(self, point: Point, *about: object) -> None: ...


@dataclass
class Fault:
    """One entry of MEDQ_FAULTS: `point[/about]:action[=argument][@pass]`; commas between entries.

    `*` stands for every point. `about` are the parts that the point is told, joined by `-` (`after_claim/analyse-2`).
    Actions: `kill`, `exit[=code]`, `segfault`, `sleep=seconds`, `memory=megabytes`, `meet=host:port`. A fault acts at
    its first pass, at the given one, or at each with `@*` (which is the rule for `meet`).
    """

    point: str
    about: str
    action: str
    argument: str
    at: int | None  # None: each pass
    passes: int = field(default=0)

    def count_pass(self, point: Point, about: str) -> bool:
        """Count this pass; True when the fault acts now."""
        if self.point not in ("*", point) or self.about not in ("", about):
            return False
        self.passes += 1
        return self.at is None or self.passes == self.at


_GRAMMAR = re.compile(r"(\*|[a-z_]+)(?:/([\w-]+))?:([a-z]+)(?:=([^@]+))?(?:@(\d+|\*))?")
_ACTIONS = frozenset({"kill", "exit", "segfault", "sleep", "memory", "meet"})


def parse_faults(text: str) -> list[Fault]:
    """The faults that a text names. Raises `ValueError` for one that is not of the grammar."""
    faults = []
    for entry in filter(None, map(str.strip, text.split(","))):
        match = _GRAMMAR.fullmatch(entry)
        if match is None or match[3] not in _ACTIONS or (match[1] != "*" and match[1] not in set(Point)):
            raise ValueError(f"{VARIABLE}: {entry!r} is not a fault")
        every = match[5] == "*" or (match[5] is None and match[3] == "meet")
        faults.append(Fault(match[1], match[2] or "", match[3], match[4] or "", None if every else int(match[5] or 1)))
    return faults


def _nothing(point: Point, *about: object) -> None:
    """What `reached` is while no fault is set."""


reached: Reached = _nothing


def arm(text: str | None) -> None:
    """Set the faults of this process; None or an empty text takes them away."""
    global reached  # noqa: PLW0603 (so that the one name costs an empty call when nothing is set)
    reached = _armed(parse_faults(text)) if text else _nothing


def is_armed() -> bool:
    """Whether any fault is set in this process."""
    return reached is not _nothing


def _armed(faults: Sequence[Fault]) -> Reached:
    counting = threading.Lock()

    def act(point: Point, *about: object) -> None:
        told = "-".join(map(str, about))
        with counting:
            due = [fault for fault in faults if fault.count_pass(point, told)]
        for fault in due:
            _act(fault, point, told)

    return act


def _act(fault: Fault, point: Point, about: str) -> None:
    match fault.action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(int(fault.argument or 1))
        case "segfault":
            import ctypes

            ctypes.string_at(0)
        case "sleep":
            time.sleep(float(fault.argument))
        case "memory":
            _hoard(int(fault.argument))
        case "meet":
            _meet(fault.argument, point, about)


def _hoard(megabytes: int) -> None:
    """Ask for memory until there is none: `MemoryError` under a limit, the kernel's kill without."""
    hoard = []
    while True:
        hoard.append(bytearray(megabytes * 2**20))


_meeting = threading.local()


def _meet(address: str, point: Point, about: str) -> None:
    """Tell the suite who stands where, and wait for its word: it may kill, stop, or let go."""
    connection: socket.socket | None = getattr(_meeting, "connection", None)
    try:
        if connection is None:
            host, _, port = address.rpartition(":")
            connection = socket.create_connection((host, int(port)))
            _meeting.connection = connection
        connection.sendall(f"{os.getpid()} {point} {about}\n".encode())
        connection.recv(16)
    except OSError:  # the suite has gone: nothing more to wait for
        _meeting.connection = None


arm(os.environ.get(VARIABLE))
