"""Lines into passages: nothing of a course is lost but its layout, whatever the text."""

from __future__ import annotations

import unicodedata
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.courses.chunk import MAX_CHARACTERS, MIN_CHARACTERS, chunk_document
from worker.courses.document import ExtractedDocument, Line, Page
from worker.courses.extract.markdown import read_markdown
from worker.courses.extract.text import read_text

SENTENCE = (
    "La créatininémie (µmol/L) est dosée à 37 °C chez 5 % des sujets de plus de 65 ans ; un seuil ≥ 140 est retenu."
)
SIGNS = frozenset("%<>≥≤µ°±=+×")


def kept(text: str) -> str:
    """What no step may lose or reorder: letters, digits and the signs of medicine."""
    composed = unicodedata.normalize("NFC", text.translate(LIGATURES))
    return "".join(c for c in composed if c.isalnum() or c in SIGNS)


# The sign of joined letters is stored as the letters.
LIGATURES = {sign: unicodedata.normalize("NFKC", chr(sign)) for sign in range(0xFB00, 0xFB07) if sign != 0xFB05} | {
    0xFB05: "st"
}


def typeset(*pages: list[str]) -> ExtractedDocument:
    return ExtractedDocument(
        tuple(Page(number, tuple(map(Line, lines))) for number, lines in enumerate(pages, start=1)), is_typeset=True
    )


FRENCH = st.text(st.sampled_from("aàâbcçdeéèêëfghiïîlmnoôœpqrstuùûvxyzÉÀ0123456789%<>≥≤µ° .,;:-–'’()\n\u0301"))


# Zeros among few letters are UTF-16's.
@given(st.one_of(st.text(st.characters(exclude_characters="\x00")), FRENCH, st.lists(FRENCH).map("\n\n".join)))
@example(SENTENCE * 60)
@example("e\u0301" * 3000)
@example("a" * 1199 + "e\u0301\u0301" * 10)
@example("hyper-\ntension et Saint-\nLouis")
@example("\r\x0b\x85\u2028\x00\ud800")
@example("inﬂammation eﬃcace ﬅ")
@example("e\u0301\u0323" * 20_000)
@example("la fièvre dépasse 38,5 °C chez le nourrisson de moins de trois mois\net impose 2 hémocultures")
def test_no_text_loses_a_letter_a_digit_or_a_sign(text: str) -> None:
    encoded = text.encode("utf-8", errors="ignore")

    chunks = chunk_document(read_text(encoded))

    assert kept("".join(chunk.text for chunk in chunks)) == kept(encoded.decode("utf-8-sig"))
    assert [chunk.position for chunk in chunks] == list(range(len(chunks)))
    assert all(0 < len(chunk.text) <= MAX_CHARACTERS for chunk in chunks)
    assert all("\x00" not in chunk.text for chunk in chunks)


def counts(line: str) -> bool:
    """`4 INSTALLATIONS 23`, `5:b`."""
    return line[:1].isdecimal() or line[-1:].isdecimal()


@example([["2"], ["3"], [], ["5:b"]])
@example([["É"], ["É"], ["é"]])
@given(
    st.lists(st.lists(FRENCH.map(lambda text: text.replace("\n", " ").replace("\u0301", "")), max_size=8), max_size=4)
)
def test_no_typeset_page_loses_anything_but_running_lines(pages: list[list[str]]) -> None:
    chunks = chunk_document(typeset(*pages))

    before = Counter(kept("".join(line for page in pages for line in page)))
    after = Counter(kept("".join(chunk.text for chunk in chunks)))
    assert not after - before
    # What is gone are lines that stand on several pages, or count the pages with a number at one end.
    lost = "".join((before - after).keys())
    lines = Counter(" ".join(line.split()) for page in pages for line in set(page))
    running = {line for line, n in lines.items() if n >= 3 or not any(map(str.isalpha, line)) or counts(line)}
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

    assert (chunk.text, chunk.page, chunk.last_page) == ("Une insuffisance rénale.", 1, 2)


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


def test_the_header_of_a_chapter_is_gone_from_its_pages() -> None:
    # Given a book whose right pages carry their chapter and whose left ones carry the book, over "3/60"
    def page(number: int) -> list[str]:
        header = f"Chapitre {1 + number // 12} — Néphrologie" if number % 2 else "Le livre de l'externe"
        return [header, *[f"{SENTENCE} {letter * number}" for letter in "abcdefg"], f"{number}/60"]

    text = " ".join(chunk.text for chunk in chunk_document(typeset(*[page(number) for number in range(1, 61)])))

    # Then the first page of each chapter keeps it, no other does, and nothing of the text is gone
    assert "externe" not in text
    assert "/60" not in text
    assert [text.count(f"Chapitre {number} ") for number in range(1, 7)] == [1, 1, 1, 1, 1, 0]
    assert text.count("37 °C") == 60 * 7


def test_rows_of_numbers_at_the_edge_of_pages_are_text() -> None:
    # Given pages that all begin and end with a row of a table, alike but for their numbers
    doses = [(17, 30), (5, 21), (250, 500), (40, 8), (75, 3), (600, 11)]
    pages = [[f"{low} – {high} mg", *[SENTENCE] * 6, f"{high} mL"] for low, high in doses]

    text = " ".join(chunk.text for chunk in chunk_document(typeset(*pages)))

    assert all(f"{low} – {high} mg" in text and f"{high} mL" in text for low, high in doses)


def test_a_dose_alone_at_the_end_of_a_page_is_no_page_number() -> None:
    pages = [[*[SENTENCE] * 6, "La dose est de", "500"], ["mg par jour.", *[SENTENCE] * 6, "2"]]

    text = " ".join(chunk.text for chunk in chunk_document(typeset(*pages)))

    assert "La dose est de 500 mg par jour." in " ".join(text.split())
    assert not text.endswith("2")


@pytest.mark.parametrize("text", ["a" * 1_000_000, "a1" * 500_000, "a-\n" * 30_000, "mot " * 500_000])
def test_text_without_sentences_is_cut_in_a_time_that_grows_with_it(text: str) -> None:
    # Whoever makes this quadratic waits for hours, and the suite's own limit for one test ends it
    chunks = chunk_document(read_text(text.encode()))

    assert sum(character.isalnum() for chunk in chunks for character in chunk.text) == len(kept(text))


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


def test_a_text_of_combining_marks_alone_comes_to_an_end() -> None:
    # Given what is no text: marks without a letter
    document = ExtractedDocument((Page(None, (Line("\u0301" * 30_000),)),))
    # When it is cut, then it ends, with all of them
    assert sum(chunk.text.count("\u0301") for chunk in chunk_document(document)) == 30_000
