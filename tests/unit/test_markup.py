"""No text that is published is markup, whoever wrote it and however often it was escaped."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.text.markup import without_markup

OPENS = re.compile(r"<[A-Za-z/!?]")
PIECES = st.sampled_from(
    [
        *("<script>", "</script>", "<scr", "ipt>", "<img src=x onerror=alert(1)>", "<a href='javascript:x'>", "</a>"),
        *(
            "&lt;",
            "&gt;",
            "&amp;",
            "&#60;",
            "&#x3c;",
            "<",
            ">",
            "</",
            "<!--",
            "-->",
            "<?",
            "b",
            " ",
            "5",
            "[",
            "](",
            ")",
        ),
    ]
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Une valeur < 5 et > 3 : p<0,05.", "Une valeur < 5 et > 3 : p<0,05."),
        ("x<y", "x< y"),
        ("<b>Important</b> : la dose.", "Important : la dose."),
        ("<script>alert(1)</script>", "alert(1)"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;", "alert(1)"),
        ("&amp;lt;img src=x onerror=alert(1)&amp;gt;texte", "texte"),
        ("<scr<script>ipt>alert(1)</scr</script>ipt>", "alert(1)"),
        ("Voir <a href='https://x.test'>le cours</a>.", "Voir le cours."),
        ("Voir [le cours](javascript:alert(1)).", "Voir [le cours](javascript:alert(1))."),
        ("Voir [le cours](https://x.test).", "Voir le cours."),
        ("R&D, Na&K, 10 &micro;g", "R&D, Na&K, 10 µg"),
        ("L'ion <Na> et l'allèle <X>", "L'ion < Na> et l'allèle < X>"),
    ],
)
def test_markup_becomes_text_and_text_stays(text: str, expected: str) -> None:
    assert without_markup(text) == expected


@given(st.lists(PIECES | st.text(max_size=5), max_size=25).map("".join))
def test_whatever_is_written_opens_no_tag_and_is_cleaned_once(text: str) -> None:
    cleaned = without_markup(text)
    assert OPENS.search(cleaned) is None
    assert "&" in cleaned or without_markup(cleaned) == cleaned
