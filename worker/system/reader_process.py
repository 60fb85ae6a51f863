"""Processes that read what strangers wrote: how one is started, and what it may use up.

A file can be made to end its reader: the library asks for more memory than there is, aborts, or never comes to an end.
Then it is a child that ends, and the file that is refused.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from worker.system.python_child import python_command

# What Python needs to start. Keys and passwords are not for a process that reads what strangers wrote.
HANDED_DOWN = ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "TMPDIR", "LANG", "LC_ALL", "TZ")


def start_reader(module: str) -> subprocess.Popen[bytes]:
    """A child that runs `answer_parent` of this module, with pipes to and from it. It sees no key and no password."""
    environment = {name: os.environ[name] for name in HANDED_DOWN if name in os.environ}
    return subprocess.Popen(
        python_command("-c", f"from {module} import answer_parent; answer_parent()"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # the library's last words are no log line
        env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        start_new_session=True,
    )


class SpareReader:
    """A child of one module that is started before it is needed: to start takes longer than to read a usual file.

    Nothing is started ahead until `keep_ready` was called: a command reads one file and ends. The child reads one
    order from its pipe and ends by itself when this process is gone.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._lock = threading.Lock()
        self._wanted = False
        self._spare: subprocess.Popen[bytes] | None = None

    def keep_ready(self) -> None:
        """From now on have one in waiting, whenever nobody has just taken it."""
        self._wanted = True
        self.refill()

    def refill(self) -> None:
        """Start the next one, if one is to be in waiting and none is."""
        with self._lock:
            if self._wanted and self._spare is None:
                with suppress(OSError):  # no process can be started just now: the next caller that needs one reports it
                    self._spare = start_reader(self._module)

    def take(self) -> subprocess.Popen[bytes]:
        """One that waits for its order; the caller ends it."""
        with self._lock:
            child, self._spare = self._spare, None
        return child if child is not None and child.poll() is None else start_reader(self._module)


def confine(*, memory_bytes: int, cpu_s: int) -> None:
    """In the child: no more memory than this, no more CPU time from now on, no core file."""
    with suppress(OSError):  # if memory runs out, this process is the one to go
        Path("/proc/self/oom_score_adj").write_text("1000")
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_AS, memory_bytes)
    _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + cpu_s)
    _limit(resource.RLIMIT_CORE, 0)


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
