"""What the bytes of a text file spell: an encoding is recognised by the words that it makes."""

from __future__ import annotations

import re

from worker.errors import JobFailed
from worker.messages import file_refusals, sheet_notes
from worker.questions.sheets import Note
from worker.text.characters import BINARY
from worker.text.decoding import decode_utf8, decode_wide
from worker.upload.reading.containers import not_a_spreadsheet

_HIGH_BYTE = re.compile(rb"[\x80-\xff]")
_LETTER = re.compile(rb"[A-Za-z]")
_CONTROL = re.compile(f"[{BINARY}]")
_LEGACY = (
    "cp1252",
    "iso8859_15",
    "mac_roman",
    "cp850",
)  # what Excel's CSV kinds and Unix give in French, likeliest first
_LOWER = frozenset("éèêëàâäçùûüôöîïœæñáíóú")
_UPPER = frozenset("ÉÈÊËÀÂÄÇÙÛÜÔÖÎÏŒÆ")
_APOSTROPHES = frozenset("’‘")
_MARKS = frozenset("“”«»–—…°²³µ±×≤≥€\xa0·§½¼¾¹º®™•÷")
_IN_WORDS = re.compile(rb"(?<![0-9\x80-\xff])[\xbc\xbd](?=[A-Za-z])|(?<=[A-Za-z])[\xbc\xbd]")
_WINDOWS_ONLY = re.compile(rb"[\x80-\x9f]")
SAMPLED = 5_000  # signs that are not ASCII


def decode_text(data: bytes) -> tuple[str, list[Note]]:
    """The text of a file, and what was odd about its letters; raise `JobFailed` for bytes that no encoding explains."""
    text, notes = _decode(data)
    if _is_binary(text):
        raise not_a_spreadsheet()
    if lost := text.count("\ufffd"):
        label = sheet_notes.unreadable_characters_label(lost)
        notes.append(Note("unreadable_characters", sheet_notes.unreadable_characters(lost), label, lost))
    text, repaired = repair_double(text)
    if repaired:
        notes.append(repaired_note(repaired))
    return text, notes


def _is_binary(text: str) -> bool:
    return len(_CONTROL.findall(text)) > 2 + len(text) // 50


def repaired_note(repaired: int, sheet: str | None = None) -> Note:
    """The note for letters that had been encoded twice."""
    label = sheet_notes.repaired_letters_label(repaired)
    return Note("repaired_letters", sheet_notes.repaired_letters(repaired), label, repaired, sheet)


def _decode(data: bytes) -> tuple[str, list[Note]]:
    text = decode_wide(data)
    if text is None:
        text = decode_utf8(data)
    return (text, []) if text is not None else _decode_legacy(data)


def _decode_legacy(data: bytes) -> tuple[str, list[Note]]:
    """No UTF-8: the encoding that spells French."""
    high = len(_HIGH_BYTE.findall(data))
    places = [match.start() for match, _ in zip(_HIGH_BYTE.finditer(data), range(SAMPLED), strict=False)]
    scores = {encoding: _spells_french(data, places, encoding) for encoding in _LEGACY}
    best = max(_LEGACY, key=lambda encoding: scores[encoding])  # the first of equals
    # Two accents in five letters is no French: a foreign alphabet, whose bytes may look like accents.
    foreign = 2 * high > len(_LETTER.findall(data))
    if foreign or scores[best] < 0.4:
        return _decode_foreign(data)
    if best == "cp1252" and not _WINDOWS_ONLY.search(data) and (_IN_WORDS.search(data) or b"\xa4" in data):
        best = "iso8859_15"  # `n½ud` and `¤` are no French
    return data.decode(best, errors="replace"), []


def _spells_french(data: bytes, places: list[int], encoding: str) -> float:
    """How well the signs that are not ASCII stand where they stand, from -1 to 1."""
    points = 0.0
    for place in places:
        around = data[max(0, place - 1) : place + 2].decode(encoding, "replace")
        index = min(place, 1)
        points += _fits(around[index], around[:index], around[index + 1 :])
    return points / len(places) if places else 0.0


def _fits(sign: str, before: str, after: str) -> float:
    """A letter agrees in case with the one before it; a mark does not stand within a word, but for an apostrophe."""
    if sign in "œŒ" and (before.isdigit() or not (before.isalpha() or after.isalpha())):
        return -1.0
    if sign in _LOWER:
        return 1.0 if not (before.isupper() and after.isupper()) else -1.0
    if sign in _UPPER:
        return -1.0 if before.islower() else 0.9
    within = before.isalpha() and after.isalpha()
    if sign in _APOSTROPHES:
        return 1.0
    return 0.7 if sign in _MARKS and not within else -1.0


def _decode_foreign(data: bytes) -> tuple[str, list[Note]]:
    """Another alphabet: as the library tells, when every byte agrees; said, for it is a guess."""
    from charset_normalizer import from_bytes

    best = from_bytes(data[:200_000]).best()
    try:
        text = data.decode(best.encoding) if best else None
    except (UnicodeDecodeError, LookupError):
        text = None
    if best is None or text is None:
        raise not_a_spreadsheet() if _is_binary(data.decode("latin-1")) else JobFailed(file_refusals.UNKNOWN_ENCODING)
    message = sheet_notes.guessed_encoding(best.encoding)
    return text, [Note("guessed_encoding", message, sheet_notes.guessed_encoding_label(best.encoding), 1)]


# -- UTF-8 that was taken for cp1252 and encoded once more -----------------------------------------------------------

_BYTE_OF = {bytes([b]).decode("cp1252", "ignore") or chr(b): b for b in range(0x80, 0x100)} | {
    chr(b): b for b in range(0x80, 0xA0)
}
_REST = "[" + re.escape("".join(sign for sign, b in _BYTE_OF.items() if b < 0xC0)) + "]"
_DOUBLE = re.compile(f"[\u00c2-\u00df]{_REST}|[\u00e0-\u00ef]{_REST}{{2}}")
_SUSPECT = ("Ã", "Â", "â€", "Å“", "â‰", "â†")
_EXPECTED = _LOWER | _UPPER | _APOSTROPHES | _MARKS | frozenset("≠≈→←↑↓")


def looks_double(text: str) -> bool:
    """Whether letters may have been encoded twice: a quick look."""
    return not text.isascii() and any(mark in text for mark in _SUSPECT)


def repair_double(text: str) -> tuple[str, int]:
    """`Ã©` → `é`, and how many letters were repaired; only what gives a sign of French."""
    if not looks_double(text):
        return text, 0
    repaired = 0

    def once(match: re.Match[str]) -> str:
        nonlocal repaired
        try:
            sign = bytes(_BYTE_OF[c] for c in match[0]).decode()
        except (KeyError, UnicodeDecodeError):
            return match[0]
        if sign not in _EXPECTED:
            return match[0]
        repaired += 1
        return sign

    return _DOUBLE.sub(once, text), repaired
