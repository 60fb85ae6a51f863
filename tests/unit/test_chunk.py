"""Lines into passages: nothing of a course is lost but its layout, whatever the text."""

from __future__ import annotations

import unicodedata
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from worker.adapters.documents.text import read_markdown, read_text
from worker.shapes.courses import ExtractedDocument, Line, Page
from worker.steps.chunk import MAX_CHARACTERS, MIN_CHARACTERS, chunk_document

SENTENCE = (
    "La créatininémie (µmol/L) est dosée à 37 °C chez 5 % des sujets de plus de 65 ans ; un seuil ≥ 140 est retenu."
)
SIGNS = frozenset("%<>≥≤µ°±=+×")


def kept(text: str) -> str:
    """What no step may lose or reorder: letters, digits and the signs of medicine."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(c for c in composed if c.isalnum() or c in SIGNS)


def typeset(*pages: list[str]) -> ExtractedDocument:
    return ExtractedDocument(
        tuple(Page(number, tuple(map(Line, lines))) for number, lines in enumerate(pages, start=1)), is_typeset=True
    )


FRENCH = st.text(st.sampled_from("aàâbcçdeéèêëfghiïîlmnoôœpqrstuùûvxyzÉÀ0123456789%<>≥≤µ° .,;:-–'’()\n\u0301"))


@given(st.one_of(st.text(), FRENCH, st.lists(FRENCH).map("\n\n".join)))
@settings(deadline=None)
@example(SENTENCE * 60)
@example("e\u0301" * 3000)
@example("a" * 1199 + "e\u0301\u0301" * 10)
@example("hyper-\ntension et Saint-\nLouis")
@example("\r\x0b\x85\u2028\x00\ud800")
def test_no_text_loses_a_letter_a_digit_or_a_sign(text: str) -> None:
    encoded = text.encode("utf-8", errors="ignore")

    chunks = chunk_document(read_text(encoded))

    assert kept("".join(chunk.text for chunk in chunks)) == kept(encoded.decode("utf-8-sig"))
    assert [chunk.position for chunk in chunks] == list(range(len(chunks)))
    assert all(0 < len(chunk.text) <= MAX_CHARACTERS for chunk in chunks)
    assert all("\x00" not in chunk.text for chunk in chunks)


@given(
    st.lists(st.lists(FRENCH.map(lambda text: text.replace("\n", " ").replace("\u0301", "")), max_size=8), max_size=4)
)
@settings(deadline=None)
def test_no_typeset_page_loses_anything_but_running_lines(pages: list[list[str]]) -> None:
    chunks = chunk_document(typeset(*pages))

    before = Counter(kept("".join(line for page in pages for line in page)))
    after = Counter(kept("".join(chunk.text for chunk in chunks)))
    assert not after - before
    # What is gone are lines that stand on several pages, or numbers alone.
    lost = "".join((before - after).keys())
    lines = Counter(" ".join(line.split()) for page in pages for line in set(page))
    running = {line for line, count in lines.items() if count >= 3 or not any(c.isalpha() for c in line)}
    assert set(lost) <= {c for line in running for c in kept(line)} | set("0123456789")


def test_passages_are_800_to_1200_characters_and_begin_with_a_sentence() -> None:
    chunks = chunk_document(read_text("\n\n".join([f"{SENTENCE} " * 9] * 20).encode()))

    assert all(MIN_CHARACTERS <= len(chunk.text) <= MAX_CHARACTERS for chunk in chunks)
    assert all(chunk.text.startswith("La créatininémie") for chunk in chunks)
    assert all(chunk.text.endswith("retenu.") for chunk in chunks)


def test_a_heading_opens_the_passage_of_its_section() -> None:
    section = f"{SENTENCE} " * 8
    text = f"# Hypertension\n\n{section}\n\n## Traitement\n\n{section}\n\nSuivi\n-----\n\n{section}"

    chunks = chunk_document(read_markdown(text.encode()))

    assert [chunk.heading for chunk in chunks] == ["Hypertension", "Traitement", "Suivi"]
    assert chunks[1].text.startswith("Traitement\nLa créatininémie")


def test_headings_of_typeset_pages_are_known_by_their_form() -> None:
    body = [SENTENCE] * 8

    chunks = chunk_document(typeset(["2.1 Signes cliniques", *body, "TRAITEMENT", *body]))

    assert [chunk.heading for chunk in chunks] == ["2.1 Signes cliniques", "TRAITEMENT"]


def test_words_cut_at_the_end_of_a_line_are_joined() -> None:
    lines = [
        "L'hyper-",
        "tension de l'hôpital Saint-",
        "Louis, l'hypo\u00ad",
        "glycémie, le post-opéra\ufffe",
        "toire.",
    ]

    (chunk,) = chunk_document(typeset(lines))

    assert chunk.text == "L'hypertension de l'hôpital Saint-Louis, l'hypoglycémie, le post-opératoire."


def test_a_word_cut_at_the_end_of_a_page_is_joined() -> None:
    (chunk,) = chunk_document(typeset(["Une insuffi-"], ["sance rénale."]))

    assert (chunk.text, chunk.page, chunk.last_page) == ("Une insuffisance rénale.", 1, 1)


def test_running_headers_footers_and_page_numbers_are_gone_and_pages_are_known() -> None:
    pages = [
        [
            "Collège de cardiologie 2024",
            f"{SENTENCE} Page {name}.",
            *[SENTENCE] * 6,
            f"Chapitre 4 — {number}",
            str(number),
        ]
        for number, name in enumerate(["une", "deux", "trois", "quatre"], start=31)
    ]

    document = typeset(*pages)
    chunks = chunk_document(document)

    text = " ".join(chunk.text for chunk in chunks)
    assert "Collège" not in text
    assert "Chapitre" not in text
    assert text.count("37 °C") == 28
    assert chunks[0].page == 1
    assert chunks[-1].last_page == 4
    assert any((chunk.page, chunk.last_page) == (1, 2) for chunk in chunks)


def test_a_number_inside_a_page_is_no_page_number() -> None:
    page = [
        "Première ligne du texte.",
        "Une dose de",
        "500",
        "mg par jour est donnée.",
        "Dernière ligne.",
        "Fin du texte.",
    ]

    text = " ".join(chunk.text for chunk in chunk_document(typeset(*[page] * 2)))

    assert text.count("500") == 2


@pytest.mark.parametrize("text", ["", " \n\n ", "\x00"])
def test_no_text_is_no_passage(text: str) -> None:
    assert chunk_document(read_text(text.encode())) == ()
