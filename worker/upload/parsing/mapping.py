"""What a job's config says of a file: what its headers and sheets mean. It is sure: nothing is guessed against it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from worker.errors import JobFailed
from worker.messages import job_config
from worker.questions.question import QUESTION_TYPES, QuestionType, fold_name, fold_text
from worker.upload.parsing.values import display_name
from worker.upload.parsing.vocabulary import CANONICAL, Meaning, canonical_header, count_known, meaning_of

TYPE = "type"  # beside the canonical headers: the column that gives each row's own type


def fold_header(text: str) -> str:
    """By what a header or a sheet's name is found again; a name of signs only (`%`) is itself."""
    return fold_name(text) or fold_text(text)


@dataclass(frozen=True, slots=True)
class Named:
    """Names of a config, with what each of them means; None: on purpose unread. As written first, then folded."""

    by_text: Mapping[str, str | None] = field(default_factory=dict)
    by_folded: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, option: str, meanings: Mapping[str, str | None], values: Collection[str], what: str) -> Named:
        """Check and fold them. Raises `JobFailed` for a meaning that is none, or a name that means two things."""
        known = {fold_name(value): value for value in values}
        by_text: dict[str, str | None] = {}
        by_folded: dict[str, str | None] = {}
        for name, value in meanings.items():
            meaning = None if value is None else known.get(fold_name(value))
            if value is not None and meaning is None:
                raise JobFailed(
                    job_config.no_such_meaning(option, _short(name), _short(value), what=what, known=tuple(values))
                )
            folded = fold_header(name)
            if not folded or by_folded.setdefault(folded, meaning) != meaning:
                raise JobFailed(
                    job_config.two_meanings(option, _short(name)) if folded else job_config.empty_name(option)
                )
            by_text[name.strip()] = meaning
        return cls(by_text, by_folded)

    def __bool__(self) -> bool:
        return bool(self.by_folded)

    def __contains__(self, text: str) -> bool:
        return bool(self.by_folded) and fold_header(text) in self.by_folded

    def meaning(self, text: str) -> str | None:
        """What a name means that is among these."""
        return self.by_folded[fold_header(text)]

    def missing(self, names: Iterable[str]) -> list[str]:
        """Those that are none of `names`."""
        there = {fold_header(name) for name in names} if self.by_folded else set()
        return [text for text in self.by_text if fold_header(text) not in there]


@dataclass(frozen=True, slots=True)
class Words:
    """What the words of headers mean in one file: the vocabulary, and before it what the config says."""

    columns: Named = field(default_factory=Named)

    def meaning(self, text: str) -> Meaning:
        """As `meaning_of`; of a mapped header only what it is mapped to."""
        if text not in self.columns:
            return meaning_of(text)
        name = self.columns.meaning(text)
        if name is None:
            return Meaning("unwanted")
        return Meaning("type") if name == TYPE else Meaning("mapped", name)

    def canonical(self, text: str) -> str | None:
        """As `canonical_header`."""
        if text not in self.columns:
            return canonical_header(text)
        name = self.columns.meaning(text)
        return None if name == TYPE else name

    def count_known(self, header: Iterable[str]) -> int:
        """As `count_known`: how many cells of a row are header names."""
        cells = list(header)
        mapped = [text for text in cells if text in self.columns]
        return len(mapped) + count_known(text for text in cells if text not in self.columns)


PLAIN = Words()


@dataclass(frozen=True, slots=True)
class FileMapping:
    """The part of a job's config that says what a file's names mean and what its rows leave out."""

    words: Words = PLAIN
    sheets: Named = field(default_factory=Named)
    specialty: str | None = None
    course: str | None = None

    @classmethod
    def of(
        cls,
        columns: Mapping[str, str | None] | None,
        sheets: Mapping[str, str | None] | None,
        *,
        specialty: str | None = None,
        course: str | None = None,
    ) -> FileMapping:
        """Raises `JobFailed` (French) for a value that names no header or no type."""
        for option, value in (("defaultSpecialty", specialty), ("defaultCourse", course)):
            if value is not None and not display_name(value):
                raise JobFailed(job_config.no_letter(option))
        named = Named.of("columns", columns or {}, (*CANONICAL, TYPE), job_config.KNOWN_COLUMN)
        types = Named.of("sheets", sheets or {}, QUESTION_TYPES, job_config.KNOWN_TYPE)
        return cls(Words(named), types, specialty, course)

    @property
    def given(self) -> frozenset[str]:
        """The canonical columns that a file may do without."""
        return frozenset(name for name, value in (("matiere", self.specialty), ("cours", self.course)) if value)

    def type_of(self, sheet: str) -> QuestionType | None:
        """The type that the config gives a sheet; None when it gives none."""
        named = self.sheets.meaning(sheet) if sheet in self.sheets else None
        return next((known for known in QUESTION_TYPES if known == named), None)

    def leaves_out(self, sheet: str) -> bool:
        """True for a sheet that is on purpose not read."""
        return sheet in self.sheets and self.sheets.meaning(sheet) is None

    def missing_names(self, headers: Iterable[str], sheets: Iterable[str], *, also: Sequence[str] = ()) -> str | None:
        """The French sentence about mapped names that the file does not have, with those that it has.

        `also`: names that stand above a header.
        """
        for option, named, there, what in (
            ("sheets", self.sheets, list(sheets), job_config.SHEET),
            ("columns", self.words.columns, list(headers), job_config.COLUMN),
        ):
            if missing := named.missing([*there, *(also if option == "columns" else ())]):
                found = list(dict.fromkeys(map(_short, there)))
                return job_config.names_not_in_file(option, list(map(_short, missing)), found, what)
        return None


NO_MAPPING = FileMapping()


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 60 else words[:60] + "…"
