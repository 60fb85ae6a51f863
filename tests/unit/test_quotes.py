"""A quote is found whatever the model straightened, and what is shown is what the document says."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.llm.quotes import find_quote

TEXT = (
    "Le phimosis est physiologique jusqu’à 4 ans : il disparaît chez 90 % des garçons.\n"
    "La « torsion du cordon spermatique » est une urgence ; l’échographie ne doit pas retarder l’exploration.\n"
    "Chez l’adulte, la dose est de 5–10 mg/kg, sous-cutanée."
)


@pytest.mark.parametrize(
    ("quote", "said"),
    [
        ("il disparaît chez 90% des garçons", "il disparaît chez 90 % des garçons"),
        (unicodedata.normalize("NFD", "disparaît chez 90 % des garçons"), "disparaît chez 90 % des garçons"),
        ("Physiologique jusqu'à 4 ans: il disparaît", "physiologique jusqu’à 4 ans : il disparaît"),
        ('La "torsion du cordon spermatique" est une urgence', "La « torsion du cordon spermatique » est une urgence"),
        ("torsion du cordon spermatique est une urgence;", "torsion du cordon spermatique » est une urgence ;"),
        ("la dose est de 5-10 mg/kg", "la dose est de 5–10 mg/kg"),
        ("dose est de  5\u201110\u00a0mg/kg, sous\u2010cutanée", "dose est de 5–10 mg/kg, sous-cutanée"),
        ("des garçons. La « torsion du cordon", "des garçons. La « torsion du cordon"),
        (
            "Le phimosis est physiologique … chez 90 % des garçons",
            "Le phimosis est physiologique … chez 90 % des garçons",
        ),
        ("phimosis est physiologique [...] disparaît chez 90 %", "phimosis est physiologique … disparaît chez 90 %"),
        ("Le phimosis est physiologique...", "Le phimosis est physiologique"),
    ],
)
def test_a_quote_is_given_in_the_words_of_the_document(quote: str, said: str) -> None:
    assert find_quote(quote, TEXT) == said


@pytest.mark.parametrize(
    "quote",
    [
        "",
        "…",
        "le phimosis",  # too short to mean something
        "il disparaît chez 95 % des garçons",
        "l'échographie doit pas retarder",
        "l’échographie ne doit … retarder",  # a part too short: a negation is left out in no time
        "une urgence absolue … retarder l’exploration",
        "il disparaît chez 90 % … Le phimosis est physiologique",  # not in this order
        "la dose est de 510 mg/kg",
        "la dose est de 5 10 mg/kg",
        "dose est de 5–10 mg/k",
        "hosphimosis est physiologique",
        "himosis est physiologique",
    ],
)
def test_what_the_document_does_not_say_is_no_quote(quote: str) -> None:
    assert find_quote(quote, TEXT) is None


WORDS = st.lists(st.text("abcéèàç0123456789%;:-–'’«»\u00a0", min_size=1, max_size=12), min_size=1, max_size=30)


@given(WORDS, st.data())
def test_every_slice_of_a_text_is_found_however_it_is_typeset(words: list[str], data: st.DataObject) -> None:
    text = " ".join(words)
    begin = data.draw(st.integers(0, len(words)))
    part = " ".join(words[begin : data.draw(st.integers(begin, len(words)))])
    typeset: list[Callable[[str], str]] = [
        *(str, str.upper),
        lambda t: unicodedata.normalize("NFD", t),
        lambda t: t.replace(" ", "\u202f  "),
    ]
    quote = data.draw(st.sampled_from(typeset))(part)

    found = find_quote(quote, text)

    letters = sum(map(str.isalnum, part))
    assert (found is not None) == (letters >= 12)
    if found is not None:
        assert " ".join(found.split()) in " ".join(text.split())


@pytest.mark.parametrize(
    ("quote", "said"),
    [
        ("le K+ sort de la cellule", "Le K⁺ sort de la cellule"),
        ("et le HCO3- y entre", "et le HCO3⁻ y entre"),
        ("le CO2 sort par le poumon", "le CO₂ sort par le poumon"),
        ("plus de 109 par litre", None),
        ("10-9 mole par litre", None),
    ],
)
def test_the_sign_of_an_ion_and_an_index_may_stand_on_the_line_and_the_figures_of_a_power_may_not(
    quote: str, said: str | None
) -> None:
    text = "Le K⁺ sort de la cellule et le HCO3⁻ y entre ; il y en a plus de 10⁹ par litre, 10⁻⁹ mole par litre. "
    text += "Enfin le CO₂ sort par le poumon."
    assert find_quote(quote, text) == said
