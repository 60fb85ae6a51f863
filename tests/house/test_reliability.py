"""docs/reliability.md against the code: its SQL is the SQL that runs, its table is that of the record beside it."""

from __future__ import annotations

import re

import pytest

from tests.faults import mutants
from tests.faults.mutants import MUTANTS, ROOT, Mutant
from tests.faults.record import BEGIN, END, FAULTS, KEPT, PAGE, SQL_BEGIN, SQL_END, read, show_invariants, table
from worker.failpoints import Point


def between(begin: str, end: str) -> str:
    return PAGE.read_text(encoding="utf-8").partition(begin)[2].partition(end)[0].strip()


def test_the_page_shows_the_invariants_as_they_are_read() -> None:
    assert between(SQL_BEGIN, SQL_END) == show_invariants().strip()


def test_the_table_is_that_of_the_record() -> None:
    lines = read(KEPT)
    assert between(BEGIN, END) == table(lines).strip()
    # Every fault of the specification is in it
    numbers = {int(match[1]) for line in lines if (match := re.match(r"T(\d+)", line["fault"]))}
    assert numbers == set(range(1, 17))
    assert [line["fault"] for line in lines[1:] if line["fault"] not in FAULTS] == []


@pytest.mark.parametrize("point", Point)
def test_every_fault_point_is_explained(point: Point) -> None:
    assert f"`{point}`" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_every_protection_that_can_be_taken_out_still_stands_where_it_is_said_to(mutant: Mutant) -> None:
    path, changed = mutants.take_out(mutant, ROOT)
    if path.suffix == ".py":
        compile(changed, path, "exec")
    assert changed != path.read_text(encoding="utf-8")
    assert (ROOT / "tests" / "faults" / mutant.test.split()[0]).exists()


def test_the_page_shows_what_became_of_every_mutant() -> None:
    seen = mutants.read()
    assert between(mutants.BEGIN, mutants.END) == mutants.table(seen).strip()
    assert [line["what"] for line in seen] == [mutant.what for mutant in MUTANTS]
    assert [line["what"] for line in seen if not line["is_red"] and not line["covered_by"]] == []
