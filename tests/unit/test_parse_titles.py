"""Two sheets never have one name, in any case of letters, nor one that an index cannot hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.questions.sheets import RawSheet
from worker.upload.parsing.titles import MAX_TITLE, tell_apart

NAMES = st.lists(
    st.sampled_from(["qcm", "QCM", "Qcm", "qcm (2)", "q" * 99, "q" * 100, "q" * 101, "Q" * 6_000, "straße", "STRASSE"])
)


@given(NAMES)
def test_every_sheet_has_a_name_of_its_own(names: list[str]) -> None:
    sheets = [RawSheet(name, ()) for name in names]
    told = tell_apart(sheets)
    assert len({sheet.name.casefold() for sheet in told}) == len(names)
    assert all(len(sheet.name) <= MAX_TITLE for sheet in told)
    # The first of a name keeps it, and every change is said
    for name, sheet in zip(names, told, strict=True):
        assert (sheet.name == name) == (sheet.notes == ())
    for name in {name for name in names if len(name) <= MAX_TITLE}:
        assert told[next(n for n, other in enumerate(names) if other.casefold() == name.casefold())].notes == ()
