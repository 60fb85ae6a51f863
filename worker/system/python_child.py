"""How another Python of ours is started: it finds its modules where this one does, never in the working directory.

`python -m` and `python -c` would put the working directory first, and whoever may write there would be imported, with
the keys in the environment.
"""

from __future__ import annotations

import os
import sys

# What a worker process tells its supervisor on its standard output: that it works, or in a sentence why it never will.
WORKS = b"."
LONGEST_CAUSE = 4096  # bytes
WRONG_SETTINGS = 78  # exit code: sysexits' EX_CONFIG


def python_command(*arguments: str) -> list[str]:
    """This interpreter with these arguments, the working directory left out of its search path."""
    return [sys.executable, "-P", *arguments]


def child_environment(**more: str) -> dict[str, str]:
    """This process's environment and `more`, without what would bring the working directory back in.

    `PYTHONPATH=:/somewhere` holds an empty entry, which means the working directory: it comes of
    `PYTHONPATH=$PYTHONPATH:/somewhere` where nothing was set before.
    """
    environment = {**os.environ, **more, "PYTHONSAFEPATH": "1"}
    places = [place for place in environment.pop("PYTHONPATH", "").split(os.pathsep) if place]
    return {**environment, "PYTHONPATH": os.pathsep.join(places)} if places else environment
