"""What an upgrade locks, and for how long: `python -m bench.upgrade` prints the tables of docs/operations.md.

On a full database that nobody else uses: how long others wait meanwhile is measured, and bounded, by
tests/integration/test_online_migrations.py, on the same rows.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

import sqlalchemy as sa

from schema import adoption, online, routines, rules, scripts
from schema.config import head_revision
from tests.support.full_databases import OURS, PLATFORM, address_of, build_ours, build_platform, fill
from worker.db.engine import sqlalchemy_url
from worker.db.schema import upgrade
from worker.db.schema.migrate import read_revision
from worker.embedded import open_services
from worker.settings import Settings

QUESTIONS, CALLS = 200_000, 400_000
# What a statement holds of a table with rows, weakest first. Behind the first two nobody waits who reads or writes;
# behind the third who writes does, behind the last everybody.
MODES = ("SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE", "ACCESS EXCLUSIVE")
HARMLESS = MODES[0]
KEEP = """
    INSERT INTO pg_temp.held
    SELECT relname, upper(regexp_replace(replace(mode, 'Lock', ''), '(?<=[a-z])(?=[A-Z])', ' ', 'g'))
    FROM pg_locks JOIN pg_class ON pg_class.oid = relation AND relkind = 'r' AND reltuples > 0
    WHERE pid = pg_backend_pid() AND granted
"""


class Step(NamedTuple):
    """A statement that was run: at which revision, what it held, for how many seconds."""

    revision: str
    statement: str
    held: list[tuple[str, str]]
    seconds: float


def measured(steps: list[Step]) -> Callable[..., int]:
    """`run_online`, which writes down what each statement holds just before it lets go."""

    def run(connection: sa.Connection, *statements: str) -> int:
        driver = online.driver_of(connection)
        driver.execute("CREATE TEMPORARY TABLE IF NOT EXISTS held (name TEXT, mode TEXT)")
        driver.execute("DELETE FROM pg_temp.held")
        concurrent = any(map(online.CONCURRENT.match, statements))
        begin = time.monotonic()
        changed = original(connection, *statements, *([] if concurrent else [KEEP]))
        seconds = time.monotonic() - begin
        held = (
            [(table.strip('"'), HARMLESS) for table in online.LOCKED.findall(statements[0])]
            if concurrent
            else (driver.execute("SELECT name, mode FROM pg_temp.held").fetchall())
        )
        steps.append(Step(_towards(read_revision(connection)), " ".join(statements[-1].split()), held, seconds))
        return changed

    original = online.run_online
    return run


def _towards(revision: str | None) -> str:
    return "functions, checks" if revision == head_revision() else f"{int(revision or 0) + 1:03}"


def measure(prepare: Callable[[str], None]) -> list[Step]:
    """Upgrade a database that `prepare` fills, and say what was held."""
    steps: list[Step] = []
    with (
        tempfile.TemporaryDirectory(prefix="medq-bench-") as home,
        open_services(Settings.model_validate({"MEDQ_HOME": home})) as services,
    ):
        url = sqlalchemy_url(services.database_url)
        prepare(url)
        run = measured(steps)
        for room in (adoption, routines, rules, scripts):
            room.run_online = run  # type: ignore[attr-defined]
        try:
            begin = time.monotonic()
            upgrade(url, say=lambda _: None)
            print(f"\n{prepare.__doc__} {time.monotonic() - begin:.0f} s in all, {len(steps)} steps.\n")
        finally:
            for room in (adoption, routines, rules, scripts):
                room.run_online = online.run_online  # type: ignore[attr-defined]
    return steps


def print_table(steps: list[Step]) -> None:
    """One line for each revision, lock and table: how many statements, the longest, all of them."""
    groups: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for step in steps:
        strongest = {
            table: max((MODES.index(m), m) for t, m in step.held if t == table and m in MODES)[1]
            for table, mode in step.held
            if mode in MODES
        }
        for table, mode in strongest.items():
            groups[step.revision, mode, table].append(step.seconds)
    print("| revision | lock | on | statements | longest | all |\n|---|---|---|---:|---:|---:|")
    for (revision, mode, table), times in groups.items():
        print(
            f'| {revision} | {mode} | `"{table}"` | {len(times)} | {max(times) * 1000:,.0f} ms'
            f" | {sum(times) * 1000:,.0f} ms |"
        )


def main() -> None:
    """Measure both beginnings."""

    def platform(url: str) -> None:
        """A platform's own database."""
        build_platform(url)
        fill(address_of(url), *PLATFORM, "ANALYZE", questions=QUESTIONS, calls=CALLS)

    def ours(url: str) -> None:
        """An older version's database, at 008."""
        build_ours(url)
        fill(address_of(url), *PLATFORM, *OURS, "ANALYZE", questions=QUESTIONS, calls=CALLS)

    for prepare in (platform, ours):
        print_table(measure(prepare))


if __name__ == "__main__":
    main()
