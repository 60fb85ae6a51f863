"""How the commands speak: results on standard output, everything else on standard error. No command lives here."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.system.standard_streams import visible
from worker.text.characters import DIRECTIONS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

STEERING_IN_JSON = re.compile(f"[\x7f-\x9f\ud800-\udfff{DIRECTIONS}]")
EMBEDDED_MODEL_WARNING = (
    "No LLM is configured: the small embedded demonstration model answers. Its answers mean nothing and nothing is "
    "validated. Set OPENAI_API_KEY, OPENAI_BASE_URL or AZURE_OPENAI_* for real ones."
)


def out() -> Console:
    """Standard output. Long lines stay whole when it is not a terminal, so that other programs can read them."""
    # soft_wrap is per call; a pipe gets a width that no line reaches.
    return plain_console(width=None if sys.stdout.isatty() else 10_000)


def plain_console(**options: Any) -> Console:
    """A console that takes every text as it is: `[b]` in a file's name is no markup, no escape sequence works."""
    from rich.console import Console

    class Plain(Console):
        def render_str(self, text: str, **how: Any) -> Text:
            return super().render_str(visible(text, one_line=True), **how)

    return Plain(highlight=False, markup=False, emoji=False, **options)


def say(line: str) -> None:
    """One line for the person in front of the screen."""
    sys.stderr.write(visible(line, one_line=True) + "\n")
    sys.stderr.flush()


def tell(line: str = "") -> None:
    """One line of result."""
    sys.stdout.write(visible(line, one_line=True) + "\n")
    sys.stdout.flush()


def tell_json(document: Any) -> None:
    """The one JSON document of a command called with `--json`."""
    is_unicode = (sys.stdout.encoding or "ascii").lower().replace("-", "") == "utf8"
    text = json.dumps(document, ensure_ascii=not is_unicode, indent=2)
    # Inside a JSON string the written form of a control character means the character.
    sys.stdout.write(STEERING_IN_JSON.sub(lambda match: f"\\u{ord(match.group()):04x}", text) + "\n")
    sys.stdout.flush()


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
