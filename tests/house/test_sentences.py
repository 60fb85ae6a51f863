"""What operators are told a sentence means is about sentences that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
QUOTED = re.compile(r"`([^`\n]+)`")
HOLES = re.compile(r"\(?…\)?|«|»")  # what a sentence is filled in with, and the guillemets around it
SHORTEST = 4  # characters that still tell a sentence
PIECES = 3  # a sentence may be put together of so many texts between two holes


def sentences() -> str:
    """The texts of the messages and of what the database's functions write, as they stand in their sources."""
    found = []
    for path in sorted((ROOT / "worker/messages").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    found += [path.read_text(encoding="utf-8") for path in sorted((ROOT / "schema/functions").glob("*.sql"))]
    return "\n".join(found).replace("\u00a0", " ")


def quoted() -> list[str]:
    """The sentences of the first column of the table in docs/operations.md."""
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    rows = page.partition("## What a sentence means")[2].partition("\n## ")[0].splitlines()
    firsts = [row.split(" | ")[0] for row in rows if row.startswith("| `")]
    return [sentence for first in firsts for sentence in QUOTED.findall(first)]


WRITTEN = sentences()


def is_said(part: str, pieces: int = PIECES) -> bool:
    """Whether some text holds it, or so many do one after the other."""
    if part in WRITTEN:
        return True
    ends = [match.start() for match in re.finditer(" ", part)] if pieces > 1 else []
    return any(part[:end] in WRITTEN and is_said(part[end:].strip(" :.()"), pieces - 1) for end in ends)


@pytest.mark.parametrize("sentence", quoted())
def test_a_sentence_of_the_table_is_one_that_is_said(sentence: str) -> None:
    parts = [part.strip(" :.()") for part in HOLES.split(sentence)]

    assert [part for part in parts if len(part) >= SHORTEST and not is_said(part)] == []


def test_the_table_is_found_and_other_sentences_are_not() -> None:
    assert len(quoted()) > 30
    assert not is_said("Le fournisseur du modèle a fermé ses portes")
