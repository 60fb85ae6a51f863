"""Bytes of a CSV become the words that were written, whatever wrote them; what is guessed or lost is said."""

from __future__ import annotations

import pytest
import xlsxwriter
from hypothesis import assume, given
from hypothesis import strategies as st

from worker.errors import JobFailed
from worker.upload.reading.encodings import decode_text, repair_double
from worker.upload.reading.reading import read_here

ACCENTS = "Énoncé;Réponse\nDouleur augmentée à l'inspiration, fièvre modérée;Ictère\n"
WORDS = [
    "Le nœud sinusal du cœur", "L'œsophage", "Œdème aigu", "MATIÈRE;RÉPONSE;CORRIGÉ", "À l'entrée : « œil »",
    "Dose de 1½ comprimé", "½ ampoule", "Pièce à 5 €", "37 °C ± 0,5", "l’élève", "garçon maïs Noël",
    "ÉLÈVE ÂGÉ", "naïf", "Ça va", "µg",
]  # fmt: skip


def encodable(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


ENCODINGS = ("cp1252", "iso8859_15", "mac_roman", "utf-8", "utf-8-sig", "utf-16", "cp850")


@pytest.mark.parametrize("around", [ACCENTS * 3, ""])
@pytest.mark.parametrize(("words", "encoding"), [(w, e) for w in WORDS for e in ENCODINGS if encodable(w + ACCENTS, e)])
def test_words_are_read_as_they_were_written(words: str, encoding: str, around: str) -> None:
    text = f"{around}matiere;question\n{words};x\n"
    if encoding in ("cp850", "iso8859_15", "mac_roman") and not around:
        # a sign or two without a word around them: only Windows' own encoding may be taken for granted
        expected = decode_text(text.encode(encoding))[0]
        assert expected == text or encoding != "iso8859_15" or "œ" not in words.lower()
        return
    assert decode_text(text.encode(encoding)) == (text, [])


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark(encoding: str) -> None:
    assert decode_text(ACCENTS.encode(encoding)) == (ACCENTS, [])


def test_windows_bytes_inside_utf8_are_read_too() -> None:
    data = ACCENTS.encode() * 4 + "le cœur et l’œil\n".encode("cp1252")

    assert decode_text(data)[0] == ACCENTS * 4 + "le cœur et l’œil\n"


@pytest.mark.parametrize("words", ["Énoncé très précis", "l’œil à 37 °C", "« où »", "Œdème", "≥ 90 %", "VS ↑ ou ↓"])
def test_letters_that_were_encoded_twice_are_repaired_and_said(words: str) -> None:
    twice = "".join(bytes([b]).decode("cp1252", "ignore") or chr(b) for b in words.encode())
    text, notes = decode_text(f"question\n{twice}\n".encode())

    assert text == f"question\n{words}\n"
    assert [(note.code, note.count) for note in notes] == [("repaired_letters", sum(ord(c) > 127 for c in words))]


def test_letters_of_a_workbook_that_were_encoded_twice_are_repaired_and_said() -> None:
    import io

    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        book.add_worksheet("qcm").write_row(0, 0, ["RÃ©ponse", "ThÃ¨me", "São Paulo", "Â± 2"])
    (sheet,) = read_here(buffer.getvalue(), "x.xlsx", max_bytes=10_000_000, max_rows=10)

    assert sheet.rows == ((1, ("Réponse", "Thème", "São Paulo", "± 2")),)
    assert [(note.code, note.count) for note in sheet.notes] == [("repaired_letters", 3)]


@pytest.mark.parametrize(("damaged", "meant"), [("lâ€™eau", "l’eau"), ("â‰¥ 3", "≥ 3"), ("cÅ“ur", "cœur")])
def test_one_sign_of_a_workbook_is_enough_to_be_repaired(damaged: str, meant: str) -> None:
    import io

    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        book.add_worksheet("qcm").write_row(0, 0, ["texte", damaged])
    (sheet,) = read_here(buffer.getvalue(), "x.xlsx", max_bytes=10_000_000, max_rows=10)
    assert sheet.rows == ((1, ("texte", meant)),)


@given(st.text(st.sampled_from("abc éèàâçùœÉÀ«»’°½±€≥→;\n"), max_size=60))
def test_good_french_is_never_repaired(text: str) -> None:
    assume("â€" not in text)  # nobody writes it, and with one sign more it is a quotation mark that was encoded twice
    assert repair_double(text) == (text, 0)


def test_another_alphabet_is_read_as_a_guess_and_that_is_said() -> None:
    russian = ("Вопрос;Ответ\nКакой нерв иннервирует диафрагму?;Диафрагмальный\n" * 20).encode("cp1251")

    text, notes = decode_text(russian)

    assert text.startswith("Вопрос")
    assert [note.code for note in notes] == ["guessed_encoding"]


def test_chinese_is_refused_or_said_to_be_a_guess() -> None:
    chinese = ("題目;答案\n心臟病的症狀是什麼？;胸痛\n" * 20).encode("big5")

    try:
        codes = [note.code for note in decode_text(chinese)[1]]
    except JobFailed:
        codes = ["guessed_encoding"]
    assert codes == ["guessed_encoding"]


def test_bytes_that_no_sign_has_are_counted() -> None:
    text, notes = decode_text(ACCENTS.encode("cp1252") + b"\x81\n")

    assert text.endswith("\ufffd\n")
    assert [(note.code, note.count) for note in notes] == [("unreadable_characters", 1)]
