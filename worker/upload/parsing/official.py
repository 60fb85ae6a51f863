"""The official key of a row: letters, numbers or an option's own text, in one column or several. A doubt is no key."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from worker.questions.question import LETTERS, fold_text
from worker.upload.parsing.keys import NO_KEY, UNREADABLE, KeyReading, read_key, read_letters, says_no_answer

# A comma between figures is also a decimal comma, a dash also a range.
_NUMBERS = re.compile(r"\d{1,2}(?:(?:\s*[;&\n]\s*|\s+(?:et\s+)?)\d{1,2})*\.?")
_COMMAS = re.compile(r"\d(?:\s?,\s?\d)+")  # no decimals where other cells of the column are options' numbers
_LABEL = re.compile(r"\(?([A-Ja-j])\s*[.):/\-–—]\s*(?=\S)")
_PARTS = ("\n", ";", "|", ",")


@dataclass(slots=True)
class Style:
    """How one key column is written: what a cell that can be read in two ways is taken for."""

    letters: int = 0  # cells that are letters and no option's text
    texts: int = 0  # cells that are an option's text and no letters
    numbers: int = 0
    lists: int = 0  # cells of several numbers
    misfits: int = 0  # numbers that no option has: this column counts something else
    is_plural: bool = False  # headed `Réponses`, which may as well count them

    @property
    def counts(self) -> bool:
        """True when numbers cannot be those of options for sure."""
        return bool(self.misfits or self.letters or (self.is_plural and not self.lists))


@lru_cache(maxsize=16384)
def _fold(text: str) -> str:
    return fold_text(text).strip(" .;,")


def note_style(style: Style, text: str, options: Mapping[str, str], *, named: str, from_zero: bool) -> None:
    """Count one key cell of a column. `options`: letter → text of the row's options; `named`: those of its text."""
    lettered = read_letters(text) is not None
    if lettered and not named:
        style.letters += 1
        return
    if says_no_answer(text):
        return
    if named and not lettered:
        style.texts += 1
    if text[0].isdecimal() and not named and _NUMBERS.fullmatch(text):
        style.numbers += 1
        style.lists += not text.rstrip(".").isdecimal()
        style.misfits += _numbered(text, options, from_zero=from_zero) is None


def read_official(
    text: str, options: Mapping[str, str], style: Style, *, named: str | None = None, from_zero: bool = False
) -> KeyReading:
    """Read a key cell against the row's options (letter → text) and the way its column is written.

    A cell that is an option's text names that option. Where it could as well be letters or a number, and its column
    is written in those, or two options have that text, nothing is chosen. `named`: the options of that text, where the
    caller knows them.
    """
    if named is None:
        named = named_option(text, options)
    letters = read_key(text, "".join(options))
    if named and says_no_answer(text):
        return KeyReading(None, "ambiguous_key", named)
    if not named:
        return letters if letters is NO_KEY else _unnamed(letters, text, options, style, from_zero=from_zero)
    if len(named) > 1:
        return KeyReading(None, "ambiguous_key", named)
    number = _numbered(text, options, from_zero=from_zero)
    as_letters = letters.key is not None and letters.key != named and style.letters
    as_number = number is not None and number != named and style.numbers
    return KeyReading(None, "ambiguous_key", named) if as_letters or as_number else KeyReading(named)


def _unnamed(
    letters: KeyReading, text: str, options: Mapping[str, str], style: Style, *, from_zero: bool
) -> KeyReading:
    """A cell that is no option's text: letters, numbers, or a list of texts."""
    if letters.key:
        # Among options' texts, a word that happens to be letters is a word.
        return UNREADABLE if style.texts > style.letters else letters
    if letters.problem != "unreadable_key":
        return letters
    if style.numbers and _COMMAS.fullmatch(text):
        text = text.replace(",", ";")
    number = _numbered(text, options, from_zero=from_zero)
    if number is None:
        return _listed(text, options)
    return UNREADABLE if style.counts else KeyReading(number)


def named_option(text: str, options: Mapping[str, str]) -> str:
    """The letters of the options that have this text; "" for none. Case, spaces and a full stop do not count."""
    limit = 2 * len(text) + 8
    if not options or min(map(len, options.values())) > limit:
        return ""
    wanted = _fold(text)
    near = (letter for letter, option in options.items() if len(option) <= limit and _fold(option) == wanted)
    return "".join(near) if wanted else ""


def _numbered(text: str, options: Mapping[str, str], *, from_zero: bool) -> str | None:
    """`1;3` → `AC` where the options stand in order without a gap; None for anything else."""
    if not text[:1].isdigit() or not _NUMBERS.fullmatch(text) or "".join(options) != LETTERS[: len(options)]:
        return None
    numbers = [int(number) - (0 if from_zero else 1) for number in re.findall(r"\d+", text)]
    if len(set(numbers)) < len(numbers) or not all(0 <= number < len(options) for number in numbers):
        return None
    return "".join(sorted(LETTERS[number] for number in numbers))


def _listed(text: str, options: Mapping[str, str]) -> KeyReading:
    """Texts of options in a list, with or without their letters: `B. Foie`, `Foie ; Rein`."""
    for separator in ("", *_PARTS):
        parts = [part.strip() for part in text.split(separator)] if separator else [text.strip()]
        parts = [part for part in parts if part]
        if not separator or len(parts) > 1:
            found = [_part(part, options) for part in parts]
            if all(found) and len(set(found)) == len(found):
                return KeyReading("".join(sorted(found)))
    return UNREADABLE


def _part(text: str, options: Mapping[str, str]) -> str:
    """The one option that a part of a list names; "" for none, or a letter and a text that do not belong together."""
    named = named_option(text, options)
    if named:
        return named if len(named) == 1 and read_letters(text) is None else ""
    label = _LABEL.match(text)
    if label is None:
        return ""
    letter, rest = label[1].upper(), text[label.end() :]
    if read_letters(rest) is not None:
        return ""  # `A-C`, where the option A is « C »: a label, or a range?
    return letter if letter in named_option(rest, options) else ""


def key_columns(rows: Sequence[Mapping[int, tuple[str, str | None]]], plural: Collection[int] = ()) -> tuple[int, ...]:
    """Of several columns that could hold keys, those that do. `rows`: column → its cell and the key read from it.

    One of numbers beside one of letters is their count when it fits on every row and is more than one on some (a 1
    beside a letter may name another option), or when it is headed `Réponses` (`plural`).
    Anything else that stands in a key column, a remark too, is something that it says.
    """
    columns = tuple(rows[0]) if rows else ()
    return tuple(c for c in columns if not any(_counts(rows, c, other, c in plural) for other in columns if other != c))


def _counts(rows: Sequence[Mapping[int, tuple[str, str | None]]], column: int, other: int, is_plural: bool) -> bool:
    """True when `column` says how many letters the key in `other` has."""
    cells = [row[column][0] for row in rows]
    if not any(cells) or not all(cell.isdecimal() for cell in cells if cell):
        return False
    if any(row[other][0] and read_letters(row[other][0]) is None for row in rows) or not any(
        row[other][0] for row in rows
    ):
        return False
    both = [(int(row[column][0]), row[other][1]) for row in rows if row[column][0] and row[other][1]]
    fits = all(number == len(key or "") for number, key in both)
    return is_plural or (fits and any(number > 1 for number, _ in both))
