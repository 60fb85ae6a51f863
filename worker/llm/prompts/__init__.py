"""The system messages, one file per purpose, and their versions. What is asked of a question is in `llm/compose`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from worker.questions.answers import Purpose

PromptName = Purpose | Literal["embedded"]
_VERSION = re.compile(r"version: (\d+)\n\s*")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A system message and the version that answers given under it are filed under."""

    text: str
    version: int


@cache
def load_prompt(name: PromptName) -> Prompt:
    """The system message of a purpose (or the short one of the embedded model).

    A file without its `version: N` line is a mistake of ours: `ValueError`.
    """
    content = (Path(__file__).parent / f"{name}.md").read_text(encoding="utf-8")
    head = _VERSION.match(content)
    if head is None:
        raise ValueError(f"{name}.md must begin with a line `version: N`")
    return Prompt(text=content[head.end() :].strip(), version=int(head[1]))
