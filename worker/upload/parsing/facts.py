"""What the rows of a file tell about each other: levels, spellings, case texts, keys of a whole case."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from worker.messages.headers import CASE_TEXT
from worker.upload.parsing.cases import number_in_case
from worker.upload.parsing.keys import KeyReading, read_case_keys
from worker.upload.parsing.official import Style, named_option, note_style, read_official
from worker.upload.parsing.tables import Draft
from worker.upload.parsing.values import Levels, display_name, find_level, fold_cached, plain_text
from worker.upload.parsing.vocabulary import PLURALS

CaseId = tuple[int, str, str]  # table, case number, case text
_WHOLE = re.compile(r"\A(\d+)[.,]0+\Z")


@dataclass(slots=True)
class Facts:
    """Gathered once over all drafts; every question is then read against them."""

    file_level: str | None
    levels: Levels = field(default_factory=Levels)
    spellings: dict[str, str] = field(default_factory=dict)  # folded name → the spelling for the whole file
    levels_of_course: dict[str, set[str]] = field(default_factory=dict)
    levels_of_specialty: dict[str, set[str]] = field(default_factory=dict)
    specialties_of_course: dict[str, set[str]] = field(default_factory=dict)
    case_texts: dict[tuple[int, str, str | None], set[str]] = field(default_factory=dict)
    case_keys: dict[CaseId, list[dict[int, str]]] = field(default_factory=dict)
    case_numbers: dict[CaseId, list[str]] = field(default_factory=dict)  # its rows' own numbers, in order
    case_places: dict[tuple[int, int], int] = field(default_factory=dict)  # table, row → place in its case, from 0
    styles: dict[tuple[int, str], Style] = field(default_factory=dict)  # table, column → how its keys are written

    def read_key(self, draft: Draft, text: str, style: Style) -> KeyReading:
        """One key cell against the row's options."""
        named = draft.named[1] if draft.named[0] == text else None
        return read_official(text, draft.options, style, named=named, from_zero=draft.columns.from_zero)

    def spell(self, name: str) -> str:
        """The file's one spelling of a specialty or a course."""
        return self.spellings.get(fold_cached(name), name)

    def case_text(self, draft: Draft) -> tuple[str, bool]:
        """The row's case text, or the one on which the other rows of the same case agree; True when inherited."""
        own = case_cell(draft)
        number = case_number(draft)
        if own or not number:
            return own, False
        for course in (_course_key(draft), None):
            texts = self.case_texts.get((draft.table, number, course), set())
            if len(texts) == 1:
                return next(iter(texts)), True
        return "", False

    def case_id(self, draft: Draft) -> CaseId:
        """What makes rows of one sheet one case."""
        return draft.table, case_number(draft), self.case_text(draft)[0]

    def question_number(self, draft: Draft, listed: Collection[int]) -> int | None:
        """The row's number in a key that answers the questions `listed` of its case; None when that is in doubt."""
        case = self.case_id(draft)
        place = self.case_places[(draft.table, draft.row_number)]
        return number_in_case(self.case_numbers[case], place, listed, case_number(draft))

    def key_of_case(self, draft: Draft) -> tuple[str | None, bool]:
        """The letters that keys such as `1AB, 2E` of this case give for this row's question, None when none or two;
        and True when there is such a key, and nobody can tell which of it is this row's.
        """
        keys: set[str] = set()
        for listed in self.case_keys.get(self.case_id(draft), ()):
            number = self.question_number(draft, listed)
            if number is None:
                return None, True
            if number in listed:
                keys.add(listed[number])
        return (keys.pop(), False) if len(keys) == 1 else (None, bool(keys))


def gather_facts(drafts: Sequence[Draft], file_name: str, levels: Levels) -> Facts:
    """Walk the drafts twice: cases need the texts that the first walk finds."""
    facts = Facts(find_level(file_name), levels)
    seen: set[tuple[str, str, str]] = set()
    names: dict[str, dict[str, None]] = {}  # folded name → its spellings, first seen first
    for draft in drafts:
        place = (draft.cells.get("matiere", ""), draft.cells.get("cours", ""), draft.cells.get("niveau", ""))
        if place not in seen:  # a file has a few of them and thousands of rows
            seen.add(place)
            specialty, course = names_of(draft)
            for name in (specialty, course):
                if name:
                    names.setdefault(fold_cached(name), {})[name] = None
            _note_levels(facts, draft, specialty, course)
        _note_case_text(facts, draft)
    facts.spellings = {key: best_spelling(found) for key, found in names.items()}
    for draft in drafts:
        if draft.type in ("cas_qcm", "cas_qroc"):
            _note_case(facts, draft)
        if draft.is_qcm:
            _note_styles(facts, draft)
    return facts


def case_cell(draft: Draft) -> str:
    """The text of the case as this row writes it: in its own column, else before the question; "" when it does not."""
    own = plain_text(draft.cells.get(CASE_TEXT, ""))
    return own or ("" if draft.columns.vignette is None else plain_text(draft.cells[draft.columns.vignette]))


def names_of(draft: Draft) -> tuple[str, str]:
    """Specialty and course as this row writes them; "" where it does not. An empty course is the specialty."""
    specialty = display_name(draft.cells.get("matiere", ""))
    return specialty, display_name(draft.cells.get("cours", "")) or specialty


def case_number(draft: Draft) -> str:
    """`cas n` as written; `5.0`, as some exports have it, is 5."""
    number = draft.cells.get("cas n", "").strip()
    return _WHOLE.sub(r"\1", number) if number else ""


def best_spelling(names: Iterable[str]) -> str:
    """Of the spellings of one name, one with accents; else the first seen."""
    found = list(names)
    return next((name for name in found if _has_accent(name)), found[0])


def _has_accent(name: str) -> bool:
    return not name.isascii() and any(unicodedata.combining(c) for c in unicodedata.normalize("NFKD", name))


def _course_key(draft: Draft) -> str:
    return fold_cached(names_of(draft)[1])


def _note_levels(facts: Facts, draft: Draft, specialty: str, course: str) -> None:
    if specialty and course:
        facts.specialties_of_course.setdefault(fold_cached(course), set()).add(fold_cached(specialty))
    level = facts.levels.read(draft.cells.get("niveau", ""))
    if level is None:
        return
    if course:
        facts.levels_of_course.setdefault(fold_cached(course), set()).add(level)
    if specialty:
        facts.levels_of_specialty.setdefault(fold_cached(specialty), set()).add(level)


def _note_case_text(facts: Facts, draft: Draft) -> None:
    number = case_number(draft)
    text = case_cell(draft) if number else ""
    if text:
        for course in (_course_key(draft), None):
            facts.case_texts.setdefault((draft.table, number, course), set()).add(text)


def _note_case(facts: Facts, draft: Draft) -> None:
    case = facts.case_id(draft)
    numbers = facts.case_numbers.setdefault(case, [])
    facts.case_places[(draft.table, draft.row_number)] = len(numbers)
    numbers.append(draft.cells.get("question n", ""))
    if draft.is_qcm:
        keys = read_case_keys(plain_text(draft.cells.get("reponse", "")))
        if keys:
            facts.case_keys.setdefault(case, []).append(dict(keys))


def _note_styles(facts: Facts, draft: Draft) -> None:
    for index, column in enumerate(draft.columns.answers):
        text = plain_text(draft.cells[column])
        if text:
            style = facts.styles.get((draft.table, column))
            if style is None:
                is_plural = fold_cached(draft.columns.answer_headers[index]) in PLURALS
                style = facts.styles[(draft.table, column)] = Style(is_plural=is_plural)
            named = named_option(text, draft.options)
            draft.named = (text, named)
            note_style(style, text, draft.options, named=named, from_zero=draft.columns.from_zero)
