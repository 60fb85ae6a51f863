"""No test may leave a process behind. What a run started and did not end is found by descent, ended, and fails the run.

A server puts itself into the background and so leaves its parent; on Linux the run adopts such orphans. Elsewhere there
is nothing to ask, and nothing is looked for.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
# What was told to stop may take a moment.
PATIENCE_S = float(os.environ.get("MEDQ_TEST_PATIENCE", "10"))


@dataclass(frozen=True)
class Left:
    """A process that still lives."""

    pid: int
    command: str
    folder: str

    def __str__(self) -> str:
        return f"process {self.pid} in {self.folder}: {self.command}"


def adopt_orphans() -> None:
    """From now on a descendant that loses its parent becomes a child of this process."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wait_for_the_last(patience_s: float = PATIENCE_S) -> list[Left]:
    """Descendants that do not end by themselves."""
    deadline = time.monotonic() + patience_s
    while (found := living_descendants()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return [_describe(pid) for pid in found]


def end(left: list[Left]) -> None:
    """They are ours: by descent."""
    for one in left:
        with suppress(OSError):
            os.kill(one.pid, signal.SIGKILL)


def living_descendants() -> list[int]:
    """Children of this process and theirs, without those that only wait to be collected."""
    children: dict[int, list[tuple[int, str]]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = path.read_text(errors="replace").rpartition(")")[2].split()[:2]
            children.setdefault(int(parent), []).append((int(path.parent.name), state))
    found, open_ = [], [os.getpid()]
    while open_:
        for pid, state in children.get(open_.pop(), []):
            open_.append(pid)
            if state not in "ZX":
                found.append(pid)
    return sorted(found)


def _describe(pid: int) -> Left:
    command, folder = "?", "?"
    with suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        folder = str(Path(f"/proc/{pid}/cwd").readlink())
    return Left(pid, command[:200], folder)
