"""How the commands speak: results on standard output, everything else on standard error. No command lives here."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

EMBEDDED_MODEL_WARNING = (
    "No LLM is configured: the small embedded demonstration model answers. Its answers mean nothing and nothing is "
    "validated. Set OPENAI_API_KEY, OPENAI_BASE_URL or AZURE_OPENAI_* for real ones."
)


def out() -> Console:
    """Standard output. Long lines stay whole when it is not a terminal, so that other programs can read them."""
    from rich.console import Console

    # soft_wrap is per call; a pipe gets a width that no line reaches.
    return Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)


def say(line: str) -> None:
    """One line for the person in front of the screen."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def tell(line: str = "") -> None:
    """One line of result."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def tell_json(document: Any) -> None:
    """The one JSON document of a command called with `--json`."""
    tell(json.dumps(document, ensure_ascii=False, indent=2))


def program() -> str:
    """How this program was called, short enough to be typed again: `medq`, or a path to it."""
    called = Path(sys.argv[0])
    if called.stem != "medq":
        return "medq"
    found = shutil.which("medq")
    if found and Path(found).resolve() == called.resolve():
        return "medq"
    return shorten(called)


def shorten(path: Path) -> str:
    """A path as one would type it from here: relative when that is inside, else absolute."""
    absolute = path.absolute()
    here = Path.cwd()
    if absolute.is_relative_to(here):
        return str(absolute.relative_to(here))
    return str(absolute)


def shell(words: list[str]) -> str:
    """A command line to copy, quoted where a shell needs it, paths inside this folder made short."""
    import shlex

    short = [shorten(Path(word)) if word.startswith(os.sep) else word for word in words]
    return shlex.join(short)
