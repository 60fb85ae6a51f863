"""One set of rules says which characters a text may hold."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from worker.text.characters import clean_text, storable, without_control

# Hypothesis draws halves of characters only when told to.
TEXTS = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)


@given(TEXTS)
def test_a_clean_text_can_be_stored_written_and_seen_and_loses_no_letter(text: str) -> None:
    cleaned = clean_text(text)

    assert clean_text(cleaned) == cleaned == storable(cleaned)
    cleaned.encode()
    unwanted = {"\ufeff", "\ufffe", "\uffff"}
    for sign in set(cleaned):
        assert sign in "\n\t" or (unicodedata.category(sign) not in ("Cc", "Cs") and sign not in unwanted)
    kept = [sign for sign in text if unicodedata.category(sign)[0] in "LNPSM"]
    assert [sign for sign in cleaned if unicodedata.category(sign)[0] in "LNPSM"] == kept


def test_line_breaks_of_every_kind_are_one_kind() -> None:
    assert clean_text("a\r\nb\rc\x85d\te\n") == "a\nb\nc\nd\te\n"
    assert without_control("a\rb") == "ab"


@given(TEXTS)
def test_what_is_storable_is_all_but_what_no_database_takes(text: str) -> None:
    assert storable(text) == "".join(sign for sign in text if sign != "\0" and not "\ud800" <= sign <= "\udfff")
