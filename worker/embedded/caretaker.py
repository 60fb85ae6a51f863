"""Stops the embedded services when their last user was killed, and so could not.

One for each home, started with the services and gone with them. The kernel frees a killed process's lock; somebody has
to look: `python -m worker.embedded.caretaker HOME`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from worker.embedded.home import Home
from worker.errors import UsageError
from worker.system.python_child import child_environment, python_command

POLL_S = 2.0


def start_caretaker(home: Home) -> None:
    """Start the one of this home, unless it is there. It is detached: it outlives the process that started it."""
    command = python_command("-m", "worker.embedded.caretaker", str(home.path))
    # The shell leaves at once, and what it started goes on.
    subprocess.run(
        ["/bin/sh", "-c", '"$@" </dev/null >/dev/null 2>&1 &', "sh", *command],
        env=child_environment(),
        cwd="/",
        start_new_session=True,
        check=False,
        timeout=30,
    )


def take_care(home: Home, *, run: Callable[[Home], bool], stop: Callable[[Home], object]) -> None:
    """Look now and again until the services are gone; end them when nobody uses them and nobody wants them kept.

    `run` tells whether any of them still runs; `stop` ends them. Both are called while nobody starts or stops anything.
    """
    with home.caretaking() as is_the_one:
        while is_the_one and home.exists():
            with home.exclusive():
                if not run(home):
                    return
                if not home.is_pinned() and not home.in_use():
                    stop(home)
                    return
            time.sleep(POLL_S)


def main() -> None:
    """Entry point."""
    from worker.embedded import postgres, redis, stop_unused

    def run(home: Home) -> bool:
        return redis.is_running(home) or postgres.is_running(home)

    with suppress(
        OSError, UsageError
    ):  # the folder is gone, or somebody else stands in the way: the next user sees to it
        take_care(Home(Path(sys.argv[1])), run=run, stop=stop_unused)


if __name__ == "__main__":
    main()
