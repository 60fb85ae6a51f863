"""What each provider fault cost: one JSON line each, and the table that docs/providers.md makes of them.

With MEDQ_PROVIDER_RECORD=FILE a test run adds its lines to that file;
`python -m tests.support.provider_record FILE` keeps them in docs/providers.jsonl, where those of faults that did
not run stay, and writes the table.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.pages import DOCS, put_between

VARIABLE = "MEDQ_PROVIDER_RECORD"
PAGE, KEPT = DOCS / "providers.md", DOCS / "providers.jsonl"
BEGIN, END = "<!-- faults: begin (written by `tests/support/provider_record.py`) -->", "<!-- faults: end -->"


def record(fault: str, *, calls: int, paid: int, stored: int, sentence: str | None) -> None:
    """Add what one fault came to to the file that MEDQ_PROVIDER_RECORD names; nothing without it.

    `fault` in English, as the table shows it. `calls` that the provider received, of which it answered `paid` (or may
    have); `stored` replies in "LlmCall"; `sentence` on the row, or of the question when the row goes on.
    """
    counts = {"calls": calls, "paid": paid, "stored": stored}
    line = json.dumps({"fault": fault, **counts, "sentence": _timeless(sentence or "")}, ensure_ascii=False)
    if path := os.environ.get(VARIABLE):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _timeless(sentence: str) -> str:
    """Times of day and ports would make every run another table."""
    sentence = re.sub(r"\d\d:\d\d(:\d\d)?", "hh:mm", sentence)
    sentence = re.sub(r"\d\d/\d\d/\d{4}", "jj/mm/aaaa", sentence)
    return re.sub(r"(?<=\d):\d{4,5}\b", "", sentence)


def read(path: Path) -> dict[str, dict[str, Any]]:
    """The lines of a record by fault; of one that ran twice, the last."""
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines()) if path.exists() else ()
    return {line["fault"]: line for line in lines}


def table(lines: Sequence[dict[str, Any]]) -> str:
    """A record as Markdown, a row for each fault."""
    rows = ["| fault | calls | paid | replies stored | sentence on the row |", "|---|---:|---:|---:|---|"]
    rows += [
        f"| {line['fault']} | {line['calls']} | {line['paid']} | {line['stored']} | {line['sentence'] or '–'} |"
        for line in lines
    ]
    return "\n".join(rows) + "\n"


def write(path: Path | None) -> None:
    """Keep the record of a run beside the page, and show it."""
    lines = read(KEPT) | (read(path) if path is not None else {})
    ordered = [lines[fault] for fault in sorted(lines)]
    KEPT.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in ordered), encoding="utf-8")
    put_between(PAGE, BEGIN, END, table(ordered))


if __name__ == "__main__":
    write(Path(sys.argv[1]) if sys.argv[1:] else None)
