"""docs/providers.md against the record beside it."""

from __future__ import annotations

from tests.support.provider_record import BEGIN, END, KEPT, PAGE, read, table


def test_the_table_is_that_of_the_record() -> None:
    shown = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip()
    assert shown == table(list(read(KEPT).values())).strip()
