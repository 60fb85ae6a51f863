"""What fault runs counted: one JSON line each, and the table that docs/reliability.md makes of them.

`python -m tests.faults.record [FILE]` puts the lines of a run into docs/reliability.jsonl and the table into the page,
and the invariants beside it; without a file, only what is kept already.
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
from worker.db.statements import read_statements
from worker.jobs import invariants
from worker.jobs.invariants import INVARIANTS

VARIABLE = "MEDQ_FAULT_RECORD"
PAGE, KEPT = DOCS / "reliability.md", DOCS / "reliability.jsonl"
BEGIN, END = "<!-- counts: begin (written by `make faults`) -->", "<!-- counts: end -->"
SQL_BEGIN, SQL_END = "<!-- sql: begin (from worker/jobs/invariants.sql) -->", "<!-- sql: end -->"
# What every fault is held against; the rest is shown in words.
COLUMNS = {"lost": "lost", "doubled": "doubled", "extra_paid": "paid again"}
TIMES = ("recovery_s", "reclaimed_s", "resumed_s", "capacity_back_s", "replaced_s", "left_after_s", "latest_call_s")
UNITS = {"s": "s", "mb": "MB"}
FAULTS = {
    "T1": "`kill -9` at named points",
    "T1 batches": "`kill -9` at every step of the batch submitter, in batch mode",
    "T2": "`kill -9` of every worker",
    "T3": "SIGTERM, rolling",
    "T3 twice": "a second SIGTERM",
    "T4": "Redis killed, emptied, frozen",
    "T5": "Redis behind a line that loses, doubles, delays",
    "T6 stops": "PostgreSQL stopped at once, started",
    "T6 sessions": "every session ended once a second",
    "T6 commits": "the reply of a COMMIT lost",
    "T7": "frozen for twice the lease",
    "T8": "clocks two minutes ahead and behind",
    "T9 segfault": "a batch that ends its process: segfault",
    "T9 kill": "a batch that ends its process: SIGKILL",
    "T9 memory": "a batch that asks for all memory",
    "T10": "cancelled at any moment",
    "T11": "job or user deleted mid-run",
    "T12": "5 questions behind another user's 5,000",
    "T12 many": "5 questions behind another user's 400 small jobs",
    "T13": "producer killed while it stores and inserts",
    "T14": "1 → 6 → 1 processes, one killed",
    "T15 in_heartbeat": "heartbeat wedged",
    "T15 in_watch": "watch wedged",
    "T15 in_consumer": "consumer wedged",
    "T16 upload vanished": "upload gone",
    "T16 disk full": "disk full while the workbook is written",
    "T16 killed in finish": "killed while the workbook is written",
    "network cut 5 s": "every line of a machine cut for 5 s: packets dropped",
    "network cut 20 s": "every line of a machine cut for 20 s, either way or both: packets dropped",
    "network cut 90 s": "the same for 90 s",
    "network cut 300 s": "the same for 5 minutes",
    "network no model": "machines whose connections to the model are reset, beside one that works",
    "network forgotten line": "the line of the listening session forgotten in between",
    "network failover": "PostgreSQL's first address gone, a second known",
    "network machines replaced": "six machines vanish and are replaced, `max_connections = 100`",
    "life cycle": "two owners, any order of steps, dying at any point",
    "hostile files": "hostile files",
    "hostile addresses": "hostile addresses",
    "damaged workbooks": "workbooks damaged at random",
    "redis refuses": "Redis full, read-only, without rights, of another type, gone",
    "server read-only": "PostgreSQL read-only",
    "server statement_timeout": "`statement_timeout` of 1 ms",
    "server lock_timeout": "`lock_timeout` of 20 ms, and the job's row locked",
    "server connections used up": "every session ended, and no connection left",
    "server disk full": "the database's disk full",
    "server failover": "the primary gone, its standby promoted",
    "soak": "everyday use: cancelled, resumed, renamed, edited by hand",
}


def record(fault: str, **counted: object) -> None:
    """Keep the counts of one run: printed, and added to the file that MEDQ_FAULT_RECORD names."""
    line = json.dumps({"fault": fault, **counted}, ensure_ascii=False)
    print(line)
    if path := os.environ.get(VARIABLE):
        with Path(path).open("a") as file:
            file.write(line + "\n")


def write(path: Path | None) -> None:
    """Keep the record of a run with the documents, and show it, and the invariants as they are."""
    if path is not None:
        KEPT.write_text(path.read_text())
    put_between(PAGE, BEGIN, END, table(read(KEPT)))
    put_between(PAGE, SQL_BEGIN, SQL_END, show_invariants())


def show_invariants() -> str:
    """Every invariant as Markdown: its name, its sentence, its SQL."""
    sql = dict(read_statements(Path(invariants.__file__).with_suffix(".sql")))
    return "\n".join(
        f"**{invariant.name}**{' (at rest)' if invariant.at_rest else ''}: {invariant.sentence}\n\n"
        f"```sql\n{sql[invariant.name.replace(' ', '_')]}\n```\n"
        for invariant in INVARIANTS
    )


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a record, in the order of `FAULTS`; of a fault that ran twice, the last."""
    lines: dict[str, dict[str, Any]] = {}
    for line in map(json.loads, path.read_text().splitlines()):
        if line["fault"] == "run" and "run" in lines:  # a run in several parts
            line |= {name: line[name] + lines["run"][name] for name in ("seconds", "passed", "failed")}
        lines[line["fault"]] = line
    order = ["run", *FAULTS]
    return [lines[fault] for fault in sorted(lines, key=lambda name: order.index(name) if name in order else 99)]


def table(lines: Sequence[dict[str, Any]]) -> str:
    """A record as Markdown: what the run was, then a row for each fault."""
    head = [line for line in lines if line["fault"] == "run"]
    rows = [
        f"| fault | what was done to it | {' | '.join(COLUMNS.values())} | time to recover |",
        f"|---|---|{'---:|' * len(COLUMNS)}---:|",
    ]
    rows += [_row(line) for line in lines if line["fault"] != "run"]
    return "\n".join([*map(_describe, head), *rows]) + "\n"


def _describe(run: dict[str, Any]) -> str:
    verdict = f"{run['passed']} tests passed" + (f", **{run['failed']} failed**" if run["failed"] else "")
    seed = f", seed {run['seed']}" if "seed" in run else ""
    return f"The {run['length']} run, {run['cores']} cores, {run['seconds'] / 60:.0f} minutes{seed}: {verdict}.\n"


def _row(line: dict[str, Any]) -> str:
    fault = line["fault"]
    name = FAULTS.get(fault, fault)
    label = re.match(r"T\d+", fault)
    counts = [str(line.get(column, "")) for column in COLUMNS]
    times = [f"{line[name]:g} s" for name in TIMES if name in line]
    said = (_say(key, value) for key, value in line.items() if _is_said(key, value))
    first = f"{label[0]} · {name}" if label else name
    return f"| {first} | {', '.join(said)} | {' | '.join(counts)} | {', '.join(times)} |"


def _say(key: str, value: float) -> str:
    words, _, unit = key.rpartition("_")
    if unit in UNITS:
        return f"{words.replace('_', ' ')} {value:g} {UNITS[unit]}"
    return f"{key.replace('_', ' ')} {value}" if key == "exit_code" else f"{value:,} {key.replace('_', ' ')}"


def _is_said(key: str, value: object) -> bool:
    return isinstance(value, int | float) and key not in (*COLUMNS, *TIMES)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if sys.argv[1:] else None)
