"""docs/reliability.md against the code: its SQL is the SQL that runs, its table is that of the record beside it."""

from __future__ import annotations

import re

import pytest

from tests.faults.record import BEGIN, END, FAULTS, KEPT, PAGE, SQL_BEGIN, SQL_END, read, show_invariants, table
from worker.faults import Point


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
