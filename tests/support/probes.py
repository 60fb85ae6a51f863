"""What a process uses, read from /proc, and what SQLAlchemy does, as its events say."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine import Engine

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used, 0 when it is gone."""
    fields = read_stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS if fields else 0.0


def memory_mb(pid: int, *, peak: bool = False) -> float:
    """Resident memory of a process now, or at its highest so far."""
    name = "VmHWM" if peak else "VmRSS"
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name)), 0.0)


def read_stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the command's name; none when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


@contextmanager
def heard(name: str, listener: Callable[..., None]) -> Iterator[None]:
    """Have SQLAlchemy call the listener while the block runs."""
    event.listen(Engine, name, listener)
    try:
        yield
    finally:
        event.remove(Engine, name, listener)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's right to read everything, which tests in a container have."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def readable_from_outside(folder: Path) -> Iterator[None]:
    """The folders that lead there let everybody through while the block runs, as pytest's own do not."""
    shut = {above: above.stat().st_mode for above in (folder, *folder.parents) if not above.stat().st_mode & 0o001}
    for above, mode in shut.items():
        above.chmod(mode | 0o055)
    try:
        yield
    finally:
        for above, mode in shut.items():
            above.chmod(mode)
