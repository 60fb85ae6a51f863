"""Is the suite awake? Mutation testing of the protections: each is taken out, and the test that should notice is run.

`python -m tests.faults.mutants` does so in a copy of the project, and writes what was seen into docs/reliability.md.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.pages import DOCS, put_between

ROOT = DOCS.parent
PAGE, KEPT = DOCS / "reliability.md", DOCS / "mutants.jsonl"
BEGIN, END = "<!-- mutants: begin (written by `python -m tests.faults.mutants`) -->", "<!-- mutants: end -->"
COPIED = ("bench", "docs", "examples", "models", "schema", "tests", "worker", "pyproject.toml")
LONGEST_S = 100  # one that waits for ever is noticed by that

LIFE_CYCLE = "test_life_cycle.py"
TOKEN = """"id" = :id AND "attempt" = :attempt AND "leaseOwner" = :owner AND "status" = 'running'"""
NO_TOKEN = """\
"id" = :id AND CAST(:attempt AS int) IS NOT NULL AND CAST(:owner AS text) IS NOT NULL AND "status" = 'running'"""
MARK = "Protection: "  # in a comment of Python, or of SQL
WHOLE = ""  # what is taken out is the whole statement that is marked


@dataclass(frozen=True, slots=True)
class Mutant:
    """One protection: what is left without it, and the test that must then fail.

    It stands below the one comment `Protection: …` that names it, wherever that is. `before` is what is taken out of
    the statement there. `covered_by`: another protection does the same, so that the test may stay green.
    """

    what: str
    before: str
    after: str
    test: str
    covered_by: str = ""


MUTANTS = (
    Mutant(
        "the fence of an intent",
        """t."attempt" = :attempt AND t."leaseOwner" = :owner AND t."status" = 'running'""",
        "CAST(:attempt AS int) IS NOT NULL AND CAST(:owner AS text) IS NOT NULL",
        LIFE_CYCLE,
    ),
    Mutant("the fence of a task's last write", TOKEN, NO_TOKEN, LIFE_CYCLE),
    Mutant("the fence of a task that is given back", TOKEN, NO_TOKEN, LIFE_CYCLE),
    Mutant(
        "the fence of a lease's renewal",
        'AND t."attempt" = held.attempt AND starts_with(t."leaseOwner", :process)',
        "AND CAST(:process AS text) IS NOT NULL",
        LIFE_CYCLE,
    ),
    Mutant("the sweep's limit on waiting for a lock", "wait_s=LOCK_WAIT_S", "wait_s=None", "test_standstill.py"),
    Mutant("ending the session of a process that froze in a COPY", WHOLE, "if ended := 0:", "test_standstill.py"),
    Mutant("the sweep's closing of calls whose worker is gone", WHOLE, "pass", "test_kills.py -k t2"),
    Mutant(
        "a process of its own for a task that two workers died with", WHOLE, "if True:", "test_kills.py -k segfault"
    ),
    Mutant(
        "looking for one's own claim after a COMMIT of unknown end",
        WHOLE,
        "row = None",
        "test_infrastructure.py -k commit",
    ),
    Mutant(
        "giving a task back at a stop",
        WHOLE,
        "pass",
        "test_operators.py -k rolling",
        "a process that leaves gives back whatever it still holds, in one statement",
    ),
    Mutant(
        "telling a fault of the database from one of the task",
        WHOLE,
        "if isinstance(error, Interrupted):",
        "test_infrastructure.py -k sessions",
        "transactions are retried for as long as a job may wait before it would matter",
    ),
    Mutant(
        "knowing that a server which is read-only is no fault of the task",
        WHOLE,
        "",
        "test_server_state.py -k read-only",
    ),
    Mutant("sparing a lease that nobody could renew", WHOLE, "if self.lease_s:", "test_server_state.py"),
)


def main() -> None:
    """Try every mutant, show each, and keep what was seen."""
    seen: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "medq"
        for number, mutant in enumerate(MUTANTS, start=1):
            _copy(copy)
            seen.append(_try(mutant, copy))
            print(f"{number}/{len(MUTANTS)} {json.dumps(seen[-1], ensure_ascii=False)}", flush=True)
    KEPT.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in seen))
    put_between(PAGE, BEGIN, END, table(seen))
    asleep = [line["what"] for line in seen if not line["is_red"] and not line["covered_by"]]
    sys.exit(f"Nothing noticed: {', '.join(asleep)}" if asleep else 0)


def take_out(mutant: Mutant, root: Path) -> tuple[Path, str]:
    """The file that holds the protection, and its text without it."""
    mark = re.compile(rf"^ *(?:#|--) {re.escape(MARK + mutant.what)}\n( *)", re.MULTILINE)
    paths = sorted(path for kind in ("*.py", "*.sql") for path in (root / "worker").rglob(kind))
    texts = ((path, path.read_text(encoding="utf-8")) for path in paths)
    ((path, text, match),) = [(path, text, match) for path, text in texts for match in mark.finditer(text)]
    is_sql = path.suffix == ".sql"
    statement = text[match.end() : text.index(";\n", match.end())] if is_sql else _statement_at(text, match.end())
    if mutant.before and statement.count(mutant.before) != 1:
        raise ValueError(f"{path}: what is to be taken out does not stand once below the mark: {mutant.what}")
    left = statement.replace(mutant.before, mutant.after) if mutant.before else mutant.after
    return path, text[: match.end()] + left + text[match.end() + len(statement) :]


def _statement_at(text: str, begin: int) -> str:
    """What begins there, to the end of its logical line; within brackets, to the end of its element's last line."""
    first = text.count("\n", 0, begin)
    depth = 0
    found: int | None = None  # the depth of brackets where it begins
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.start[0] == first + 1 and found is None and token.type not in (tokenize.INDENT, tokenize.DEDENT):
            found = depth
        if token.type == tokenize.OP:
            depth += (token.string in "([{") - (token.string in ")]}")
        if found is not None and token.type in (tokenize.NEWLINE, tokenize.NL, tokenize.COMMENT) and depth == found:
            lines = text.splitlines(keepends=True)
            end = sum(map(len, lines[: token.start[0] - 1])) + token.start[1]
            return text[begin:end].rstrip()
    raise ValueError("no statement stands below the mark")


def read() -> list[dict[str, Any]]:
    """What was seen at the last try."""
    return [json.loads(line) for line in KEPT.read_text().splitlines()]


def table(seen: Sequence[dict[str, Any]]) -> str:
    """As Markdown: a row for each protection."""
    return "\n".join(["| taken out | test | seen |", "|---|---|---|", *map(_row, seen)]) + "\n"


def _row(line: dict[str, Any]) -> str:
    said = f"red: {line['why']}" if line["is_red"] else f"green: {line['covered_by'] or '**nothing noticed**'}"
    return f"| {line['what']} | `{line['test']}` | {said} |"


def _copy(copy: Path) -> None:
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)


def _try(mutant: Mutant, copy: Path) -> dict[str, Any]:
    path, changed = take_out(mutant, copy)
    path.write_text(changed, encoding="utf-8")
    file, *options = mutant.test.split()
    command = ["-m", "pytest", "-q", "-x", "--timeout", str(LONGEST_S), "--tb=line", f"tests/faults/{file}", *options]
    began = time.monotonic()
    run = subprocess.run(  # in the copy the packages of the copy come first
        ["timeout", "--kill-after=5", str(2 * LONGEST_S), sys.executable, *command],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode not in (0, 1):  # neither passed nor failed
        raise SystemExit(run.stdout + run.stderr)
    return {
        "what": mutant.what,
        "test": mutant.test,
        "is_red": run.returncode == 1,
        "why": _why(run.stdout),
        "covered_by": mutant.covered_by,
        "took_s": round(time.monotonic() - began),
    }


def _why(output: str) -> str:
    """The first error that pytest names, in one short line."""
    errors = (line.partition(": ")[2] for line in output.splitlines() if line.startswith(("/", "E  ")) and ": " in line)
    return next(errors, "").replace("|", "/")[:100]


if __name__ == "__main__":
    main()
