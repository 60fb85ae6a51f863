"""A header row becomes columns with roles: words mean what `vocabulary` says, the whole row and its values decide."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from worker.messages.headers import CASE_TEXT, QUESTION_TEXT
from worker.messages.sheet_notes import (
    MAPPED_ELSEWHERE,
    NO_KEY_BESIDE,
    NO_KEYS_IN_IT,
    OTHER_OPTIONS,
    TRUTH_VALUES,
    UNWANTED,
)
from worker.questions.question import LETTERS
from worker.questions.row_marks import is_mark
from worker.upload.parsing.evidence import (
    Body,
    all_numbers,
    count_filled,
    is_filled,
    mostly_long,
    only_truth_words,
    values,
)
from worker.upload.parsing.keys import is_letters
from worker.upload.parsing.mapping import PLAIN, Words
from worker.upload.parsing.official import Style, key_columns, read_official
from worker.upload.parsing.values import plain_text
from worker.upload.parsing.vocabulary import (
    MAYBE_KEYS,
    PLURALS,
    VIGNETTES,
    Meaning,
    canonical_header,
    is_always_option,
    is_answer_word,
    option_letter,
)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one sheet. `keys` name the cells of its rows, in the order of the upload."""

    keys: tuple[str, ...]
    places: tuple[int, ...]  # the column of each key
    doubles: tuple[tuple[str, tuple[int, ...]], ...]  # canonical header → all its columns, where it has several
    names: frozenset[str]  # canonical headers present
    type_place: int | None  # the column that gives each row's own type
    mark_place: int | None = None  # the column by which a workbook of ours knows its rows again
    vignette: str | None = None  # key of a second text, which tells what happened before the question asks
    answers: tuple[str, ...] = ()  # keys of all columns that may hold the official key or answer
    lone_answers: tuple[str, ...] = ()  # those of them that may speak against a key and never give one
    answer_headers: tuple[str, ...] = ()  # the same as the file names them
    extra_options: tuple[tuple[str, str], ...] = ()  # letter and key of the options past the fifth
    all_options: str | None = None  # key of the one column that holds all options of a row
    options: tuple[tuple[str, str], ...] = ()  # letter and key of the options up to the fifth
    explanations: tuple[tuple[str, str], ...] = ()  # letter and key of the explanation of an option
    unread: tuple[str, ...] = ()  # keys of the columns that nobody reads
    from_zero: bool = False  # options are numbered from 0
    unwanted: tuple[str, ...] = ()  # keys of the columns that the config leaves unread
    reasons: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))  # place → why it stays unread

    def cells(self, row: Sequence[str]) -> dict[str, str]:
        """A row's text by key; of two columns with one canonical name the first non-empty value."""
        cells = {key: row[place] for key, place in zip(self.keys, self.places, strict=True)}
        for name, places in self.doubles:
            cells[name] = next((row[place] for place in places if row[place].strip()), cells[name])
        return cells

    def named(self) -> Iterator[tuple[int, str]]:
        """The place and the canonical header of every column that is read."""
        doubled = {place: name for name, places in self.doubles for place in places}
        roles = dict.fromkeys((key for _, key in self.extra_options), "option")
        roles |= dict.fromkeys(self.lone_answers, "reponse")
        if self.vignette is not None:
            roles[self.vignette] = QUESTION_TEXT
        if self.all_options is not None:
            roles[self.all_options] = "options"
        for key, place in zip(self.keys, self.places, strict=True):
            name = doubled.get(place) or roles.get(key) or (key if key in self.names else None)
            if name is not None:
                yield place, name

    def key_at(self, place: int) -> str | None:
        """The key of the column at `place`; None for one that is not kept."""
        return self.keys[self.places.index(place)] if place in self.places else None


def read_header(header: Sequence[str], body: Body, words: Words = PLAIN) -> Columns:
    """Understand a header row and the columns below it. A column without a name stays only where it holds something."""
    roles = _Roles(header, body, words)
    roles.resolve()
    return roles.columns()


class _Roles:
    """The role of each column, decided for the whole row: `names[place]` is a canonical header or None."""

    def __init__(self, header: Sequence[str], body: Body, words: Words) -> None:
        self.header = header
        self.body = body
        self.meanings = [_meaning(column_label(text, place), text, words) for place, text in enumerate(header)]
        self.names: list[str | None] = [m.name if m.kind in ("canonical", "mapped") else None for m in self.meanings]
        self.mapped = {m.name for m in self.meanings if m.kind == "mapped"}
        self.reasons = {place: UNWANTED for place, m in enumerate(self.meanings) if m.kind == "unwanted"}
        self.extra: dict[int, str] = {}  # place → letter past the fifth
        self.vignette: int | None = None
        self.all_options: int | None = None
        self.from_zero = False
        self.lone: list[int] = []  # `Réponse 2` alone beside a key: it may speak against one, never give one

    def resolve(self) -> None:
        keys = [place for place, m in enumerate(self.meanings) if m.kind == "key"]
        has_key = bool(keys) or "reponse" in self.mapped
        self._take_options(has_key=has_key)
        keys += self._other_keys(has_key=has_key)
        has_options = (
            sum((name or "").startswith("option ") for name in self.names) >= 2 or self.all_options is not None
        )
        if "reponse" in self.mapped:
            self.reasons.update(dict.fromkeys(keys, MAPPED_ELSEWHERE))
            keys = []
        elif has_options and not any(count_filled(self.body, place) for place in keys):
            keys = [*self._explanations_that_are_keys(), *keys]
        for place in self._choose_keys(keys):
            self.names[place] = "reponse"
        self._take_texts()
        self._prefer_mapped()

    def _prefer_mapped(self) -> None:
        """What the config names stands alone for what it names: no guessed column beside it."""
        for place, (m, name) in enumerate(zip(self.meanings, self.names, strict=True)):
            if name in self.mapped and m.kind != "mapped":
                self.names[place] = None
                self.reasons[place] = MAPPED_ELSEWHERE

    # --- options ------------------------------------------------------------------------------------------------

    def _take_options(self, *, has_key: bool) -> None:
        families: dict[str, list[int]] = {}
        for place, m in enumerate(self.meanings):
            if m.kind == "option":
                families.setdefault("option" if is_always_option(m.name) else m.name, []).append(place)
        taken = False
        for family in sorted(families, key=lambda name: (name != "option", is_answer_word(name), name == "letter")):
            places = families[family]
            reason = self._why_not(family, places, has_key=has_key, taken=taken)
            if reason is None:
                self._take_family(places)
                taken = True
            else:
                self.reasons.update(dict.fromkeys(places, reason))
        if not taken and not any(name.startswith("option ") for name in self.mapped):
            self._take_nameless(has_key=has_key)

    def _questions(self) -> Body:
        """The rows that ask something, where a column says so: others show nothing of what options are."""
        asking = [place for place, name in enumerate(self.names) if name == QUESTION_TEXT]
        return (
            [(number, row) for number, row in self.body if any(row[p].strip() for p in asking)] if asking else self.body
        )

    def _why_not(self, family: str, places: Sequence[int], *, has_key: bool, taken: bool) -> str | None:
        if taken:
            return OTHER_OPTIONS
        if only_truth_words(self._questions(), places):
            return TRUTH_VALUES
        if family == "option":
            return None
        marks = {self.meanings[place].mark for place in places}
        if len(marks) < 2 or (is_answer_word(family) and not has_key):
            return NO_KEY_BESIDE
        return None

    def _take_family(self, places: Sequence[int]) -> None:
        marks = {self.meanings[place].mark for place in places}
        self.from_zero = "0" in marks and not any(mark.isalpha() for mark in marks)
        for place in places:
            self._take_option(place, option_letter(self.meanings[place].mark, from_zero=self.from_zero))

    def _take_option(self, place: int, letter: str) -> None:
        if letter in LETTERS.lower():
            self.names[place] = f"option {letter}"
        elif "f" <= letter <= "j":
            self.extra[place] = letter.upper()

    def _take_nameless(self, *, has_key: bool) -> None:
        """`Choix` several times, or once with nameless columns after it; alone it may hold all options of a row."""
        for start, m in enumerate(self.meanings):
            if m.kind != "options" or not has_key:
                continue
            places = [start]
            for place in range(start + 1, len(self.header)):
                same = self.meanings[place].kind == "options" and self.meanings[place].folded == m.folded
                if not same and (self.header[place].strip() or not is_filled(self.body, place)):
                    break
                places.append(place)
            if len(places) == 1:
                self.all_options = start
            else:
                for offset, place in enumerate(places):
                    self._take_option(place, chr(ord("a") + offset))
            return

    # --- keys ---------------------------------------------------------------------------------------------------

    def _other_keys(self, *, has_key: bool) -> list[int]:
        """`Bonne réponse 2`; and `Réponse 2` alone beside a key: what it says may speak against the first."""
        families = [m.name if m.kind == "option" and is_answer_word(m.name) else "" for m in self.meanings]
        lone = [
            place
            for place, family in enumerate(families)
            if has_key and family and families.count(family) == 1 and self.meanings[place].mark.isdecimal()
        ]
        numbered = [place for place, m in enumerate(self.meanings) if m.kind == "another key"]
        for place in lone:
            self.reasons.pop(place, None)
        self.lone = lone
        return [*numbered, *lone]

    def _choose_keys(self, places: Sequence[int]) -> Sequence[int]:
        """Of several columns, those whose cells are keys: no count of the right options."""
        options = self._option_places()
        if len(places) < 2 or len(options) < 2:
            return places
        rows = []
        for _, row in self.body:
            texts = {letter: text for place, letter in options.items() if (text := plain_text(row[place]))}
            cells = {place: plain_text(row[place]) for place in places}
            rows.append({p: (text, read_official(text, texts, Style()).key) for p, text in cells.items()})
        plural = frozenset(place for place in places if self.meanings[place].folded in PLURALS)
        chosen = key_columns(rows, plural) if rows else places
        self.reasons.update((place, NO_KEYS_IN_IT) for place in places if place not in chosen)
        return chosen

    def _option_places(self) -> dict[int, str]:
        names = [name or "" for name in self.names]
        return {place: name[-1].upper() for place, name in enumerate(names) if name.startswith("option ")}

    def _explanations_that_are_keys(self) -> list[int]:
        """The one explanation column whose cells are nothing but letters of options that are there."""
        options = self._option_places()
        found = []
        for place, m in enumerate(self.meanings):
            if m.folded not in MAYBE_KEYS or not is_filled(self.body, place):
                continue
            filled = [row for _, row in self.body if row[place].strip()]
            if all(
                is_letters(plain_text(row[place]), "".join(letter for at, letter in options.items() if row[at].strip()))
                for row in filled
            ):
                found.append(place)
        return found if len(found) == 1 else []

    # --- texts --------------------------------------------------------------------------------------------------

    def _take_texts(self) -> None:
        """`Énoncé` beside `Question`; a `question` that only counts; a `cas` that is told, not numbered."""
        texts = [place for place, name in enumerate(self.names) if name == QUESTION_TEXT]
        for place in [p for p in texts if self.meanings[p].folded in ("question", "questions")]:
            if len(texts) > 1 and all_numbers(self.body, place):
                texts.remove(place)
                self.names[place] = "question n" if "question n" not in self.names else None
        if QUESTION_TEXT in self.mapped:  # beside it only what tells the story before it asks
            is_mapped = [place for place in texts if self.meanings[place].kind == "mapped"]
            texts = [p for p in texts if p in is_mapped or self.meanings[p].folded in VIGNETTES]
        asking = [place for place in texts if self.meanings[place].folded not in VIGNETTES]
        telling = [place for place in texts if self.meanings[place].folded in VIGNETTES]
        spare = telling[:1] if asking and telling else texts[:1] if len(asking) > 1 else []
        if spare:
            self.vignette = spare[0]
            self.names[spare[0]] = None
        for place, m in enumerate(self.meanings):
            told = m.folded in ("cas", "cas clinique") and mostly_long(self.body, place)
            if told and CASE_TEXT not in self.names:
                self.names[place] = CASE_TEXT

    # --- the result ---------------------------------------------------------------------------------------------

    def _is_ours(self, place: int) -> bool:
        """Whether a column named like our marks holds any, or nothing at all; somebody else's is kept and named."""
        return any(map(is_mark, values(self.body, place))) or not is_filled(self.body, place)

    def columns(self) -> Columns:
        kept = self._keep()
        key_of, by_name = kept.key_of, kept.by_name
        own = {name: tuple(p for p in found if p not in self.lone) for name, found in by_name.items()}
        answers = by_name.get("reponse", ())
        return Columns(
            tuple(key_of.values()),
            tuple(key_of),
            tuple((name, found) for name, found in own.items() if len(found) > 1),
            frozenset(by_name),
            kept.type_place,
            mark_place=kept.mark_place,
            vignette=key_of.get(self.vignette) if self.vignette is not None else None,
            answers=tuple(key_of[place] for place in answers),
            lone_answers=tuple(key_of[place] for place in self.lone if self.names[place] == "reponse"),
            answer_headers=tuple(self.header[place].strip() for place in answers),
            extra_options=tuple((letter, key_of[place]) for place, letter in sorted(self.extra.items())),
            options=_lettered("option", by_name),
            explanations=_lettered("explication", by_name),
            all_options=key_of.get(self.all_options) if self.all_options is not None else None,
            unread=tuple(self._unread(kept)),
            unwanted=tuple(key for place, key in key_of.items() if self.meanings[place].kind == "unwanted"),
            from_zero=self.from_zero,
            reasons=self.reasons,
        )

    def _keep(self) -> _Kept:
        """Every column gets its key, but for our own and those without a name or a value."""
        kept = _Kept()
        for place, (text, m) in enumerate(zip(self.header, self.meanings, strict=True)):
            if m.kind == "mark" and self._is_ours(place):
                kept.mark_place = place
            if m.kind == "status" or kept.mark_place == place:
                continue
            if m.kind == "type" and (kept.type_place is None or not m.folded):  # mapped: it has no words of its own
                kept.type_place = place
            if (name := self.names[place]) is not None:
                kept.by_name.setdefault(name, []).append(place)
            if name is not None and len(kept.by_name[name]) == 1:
                kept.key_of[place] = name
            elif text.strip() or is_filled(self.body, place):
                kept.key_of[place] = _free_key(column_label(text, place), kept.key_of.values(), self.names)
        return kept

    def _unread(self, kept: _Kept) -> Iterator[str]:
        read = {place for found in kept.by_name.values() for place in found} | self.extra.keys()
        alone = (kept.type_place, self.vignette, self.all_options)
        for place, key in kept.key_of.items():
            if place not in read and place not in alone and self.meanings[place].kind != "unwanted":
                yield key


@dataclass(slots=True)
class _Kept:
    """The columns that stay: their keys by place, in order; the places of each canonical header; what is no text."""

    key_of: dict[int, str] = field(default_factory=dict)
    by_name: dict[str, list[int]] = field(default_factory=dict)
    type_place: int | None = None
    mark_place: int | None = None


def _lettered(word: str, names: Collection[str]) -> tuple[tuple[str, str], ...]:
    """Letter and key of the columns there are of `option a` … or `explication a` …"""
    return tuple((letter, key) for letter in LETTERS if (key := f"{word} {letter.lower()}") in names)


def _free_key(text: str, taken: Collection[str], names: Sequence[str | None]) -> str:
    """The header itself, or with a number where a column has that name already, or means the same as one."""
    if text not in taken and text not in names and canonical_header(text) is None:
        return text
    number = 2
    while f"{text} ({number})" in taken:
        number += 1
    return f"{text} ({number})"


def _meaning(label: str, text: str, words: Words) -> Meaning:
    return words.meaning(label) if text.strip() or label in words.columns else Meaning("unknown")


def column_label(text: str, place: int) -> str:
    """The header, or `Colonne F` where it has none: what a column is called, and may be mapped by."""
    return text.strip() or f"Colonne {_letters(place)}"


def _letters(place: int) -> str:
    """0 → `A`, 26 → `AA`."""
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
