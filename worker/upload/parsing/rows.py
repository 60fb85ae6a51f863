"""One draft and the facts of its file become a `ParsedRow`: a question with findings, or a rejection."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from worker.messages import published_text, row_findings
from worker.messages.headers import CASE_TEXT, QUESTION_TEXT
from worker.questions.question import LETTERS, Finding, ParsedRow, Question, fold_text
from worker.questions.short_answers import same_answer
from worker.upload.parsing.facts import Facts, case_number, names_of
from worker.upload.parsing.keys import UNREADABLE, KeyReading, read_answer, read_case_keys, read_letters, says_something
from worker.upload.parsing.official import Style
from worker.upload.parsing.options import OPTION_COLUMNS
from worker.upload.parsing.tables import Draft
from worker.upload.parsing.values import (
    display_name,
    find_level,
    fold_cached,
    plain_text,
    read_difficulty,
    read_image,
    read_level,
    read_semester,
    shown,
    written_text,
)

_TYPED_PLACEHOLDER = re.compile(r"[aA]{3,}|[xX]{3,}|test", re.IGNORECASE)

MAX_NAME = 500  # characters of a specialty or a course: an index of the platform holds it whole


@dataclass(frozen=True, slots=True)
class Defaults:
    """The job's own values for what a row and its neighbours do not say."""

    level: str | None
    semester: str | None
    specialty: str | None = None
    course: str | None = None


class _Official(NamedTuple):
    """An official key or answer, or what its cell says where it could not be read."""

    value: str | None
    unread: str | None = None


_NOTHING = _Official(None)
_NO_STYLE = Style()


class _Rejected(Exception):
    """The row breaks a rule that no analysis can mend; the text is the French sentence."""


def build_row(draft: Draft, facts: Facts, defaults: Defaults) -> ParsedRow:
    """Read the question of one row."""
    findings = draft.findings
    question: Question | None = None
    rejection: str | None = None
    try:
        question = _build_question(draft, facts, defaults, findings)
    except _Rejected as error:
        rejection = str(error)
    cells = draft.cells if draft.uploaded is None else draft.uploaded
    return ParsedRow(
        draft.sheet, draft.row_number, draft.type, cells, question, tuple(findings), rejection, mark=draft.mark
    )


def _build_question(draft: Draft, facts: Facts, defaults: Defaults, findings: list[Finding]) -> Question:
    cells = draft.cells
    if draft.type_problem is not None:
        raise _Rejected(row_findings.unknown_type(shown(draft.type_problem)))
    text = _read_text(draft)
    is_qcm = draft.is_qcm
    options, option_explanations = _read_options(draft, findings) if is_qcm else ({}, {})
    case_text = _read_case_text(draft, facts, findings)
    official = _read_qcm_key(draft, facts, findings) if is_qcm else _read_official_answer(draft, findings)
    specialty, course = _read_names(draft, facts, defaults, findings)
    source = cells.get("source", "")
    reminder = cells.get("rappel", "")
    return Question(
        type=draft.type,
        specialty=specialty,
        course=course,
        level=_read_level(draft, facts, defaults, (specialty, course), findings),
        semester=_read_semester(draft, defaults, findings),
        text=text,
        options=options,
        official_key=official.value if is_qcm else None,
        official_answer=None if is_qcm else official.value,
        unread_official=official.unread,
        case_number=(case_number(draft) or None) if case_text else None,
        case_text=case_text,
        explanation=written_text(cells.get("explication", "")),
        option_explanations=option_explanations,
        reminder=reminder if reminder.strip() else None,
        difficulty=read_difficulty(source) if source else None,
        image=read_image(image) if (image := cells.get("image", "")) else None,
    )


def _read_text(draft: Draft) -> str:
    """The question; after what tells the story where that has a column of its own, and is not the case's text."""
    text = plain_text(draft.cells.get(QUESTION_TEXT, ""))
    if not text:
        raise _Rejected(row_findings.NO_TEXT)
    if draft.columns.vignette is None:
        return text
    told = plain_text(draft.cells[draft.columns.vignette])
    is_case_text = draft.type in ("cas_qcm", "cas_qroc") and not draft.cells.get(CASE_TEXT, "").strip()
    return text if not told or is_case_text or told == text else f"{told}\n\n{text}"


def _read_options(draft: Draft, findings: list[Finding]) -> tuple[dict[str, str], dict[str, str]]:
    """Letter → option and letter → explanation of the options that are there; a gap stays a gap."""
    options = draft.options
    if len(options) < 2:
        raise _Rejected(row_findings.too_few_options(len(options)))
    if draft.columns.extra_options and (past := [letter for letter in options if letter not in LETTERS]):
        excess = {letter: shown(options[letter]) for letter in past}
        raise _Rejected(row_findings.too_many_options(len(options), excess))
    _note_equal_options(options, findings)
    explanations = {}
    for letter, column in draft.columns.explanations:
        if letter in options and (explanation := written_text(draft.cells[column])):
            explanations[letter] = explanation
    return options, explanations


def _note_equal_options(options: dict[str, str], findings: list[Finding]) -> None:
    if len(set(map(str.casefold, options.values()))) == len(options):
        return
    seen: dict[str, str] = {}
    for letter, option in options.items():
        first = seen.setdefault(option.casefold(), letter)
        if first != letter:
            message = row_findings.equal_options(first, letter)
            findings.append(Finding("equal_options", message, f"option {letter.lower()}"))


def _read_case_text(draft: Draft, facts: Facts, findings: list[Finding]) -> str | None:
    if draft.type not in ("cas_qcm", "cas_qroc"):
        if draft.cells.get(CASE_TEXT, "").strip():
            findings.append(Finding("case_text_ignored", row_findings.case_text_ignored(draft.type), CASE_TEXT))
        return None
    text, inherited = facts.case_text(draft)
    if not text:
        raise _Rejected(row_findings.NO_CASE_TEXT)
    if inherited:
        message = row_findings.case_text_inherited(case_number(draft))
        findings.append(Finding("case_text_inherited", message, CASE_TEXT))
    return text


def _read_names(draft: Draft, facts: Facts, defaults: Defaults, findings: list[Finding]) -> tuple[str, str]:
    """Specialty and course in the file's spelling; the job's own where the row gives none."""
    specialty, course = names_of(draft)
    specialty, course = _default_names(draft, facts, defaults, (specialty, course), findings)
    for column, name in ((row_findings.SPECIALTY, specialty), (row_findings.COURSE, course)):
        if len(name) > MAX_NAME:
            raise _Rejected(row_findings.name_too_long(column, shown(name), len(name), MAX_NAME))
    if not course:
        raise _Rejected(row_findings.NO_NAMES)
    if not specialty:
        known = facts.specialties_of_course.get(fold_cached(course), set())
        specialty = facts.spellings[next(iter(known))] if len(known) == 1 else course
        origin = row_findings.FROM_OTHER_ROWS if len(known) == 1 else row_findings.FROM_COURSE
        message = row_findings.specialty_inherited(specialty, origin)
        findings.append(Finding("specialty_inherited", message, "matiere"))
    return facts.spell(specialty), facts.spell(course)


def _default_names(
    draft: Draft, facts: Facts, defaults: Defaults, names: tuple[str, str], findings: list[Finding]
) -> tuple[str, str]:
    specialty, course = names
    has_course = bool(display_name(draft.cells.get("cours", "")))
    if not specialty and defaults.specialty and len(facts.specialties_of_course.get(fold_cached(course), ())) != 1:
        specialty = display_name(defaults.specialty)
        message = row_findings.specialty_configured(shown(specialty))
        findings.append(Finding("specialty_inherited", message, "matiere"))
        course = course or specialty
    if not has_course and defaults.course:
        course = display_name(defaults.course)
        message = row_findings.course_configured(shown(course))
        findings.append(Finding("course_inherited", message, "cours"))
    return specialty, course


def _read_level(draft: Draft, facts: Facts, defaults: Defaults, names: tuple[str, str], findings: list[Finding]) -> str:
    cell = draft.cells.get("niveau", "").strip()
    own = facts.levels.read(cell)
    if own is not None:
        return own
    specialty, course = names
    candidates = (
        (_only(facts.levels_of_course.get(fold_cached(course))), row_findings.LEVEL_OF_COURSE),
        (_only(facts.levels_of_specialty.get(fold_cached(specialty))), row_findings.LEVEL_OF_SPECIALTY),
        (find_level(draft.cells.get("source", "")), row_findings.LEVEL_OF_SOURCE),
        (facts.file_level, row_findings.LEVEL_OF_FILE),
        (read_level(defaults.level or ""), row_findings.LEVEL_CONFIGURED),
    )
    for level, origin in candidates:
        if level is not None and cell:
            message = row_findings.level_not_recognised(shown(cell), level, origin)
            findings.append(Finding("level_not_recognised", message, "niveau"))
            return level
        if level is not None:
            findings.append(Finding("level_inherited", row_findings.level_inherited(level, origin), "niveau"))
            return level
    raise _Rejected(row_findings.no_level(shown(cell)))


def _only(values: set[str] | None) -> str | None:
    """The one value; None for none or several, for then nothing tells which."""
    return next(iter(values)) if values and len(values) == 1 else None


def _read_semester(draft: Draft, defaults: Defaults, findings: list[Finding]) -> str:
    cell = draft.cells.get("semestre", "")
    semester = read_semester(cell)
    if semester is not None:
        return semester
    instead = defaults.semester or ""
    instead = read_semester(instead) or instead.strip() or published_text.NO_SEMESTER
    if cell.strip():
        message = row_findings.semester_not_recognised(shown(cell.strip()), instead)
        findings.append(Finding("semester_not_recognised", message, "semestre"))
    return instead


def _read_official_key(draft: Draft, facts: Facts, findings: list[Finding]) -> _Official:
    if draft.spoiled_answers:
        return _note_key(UNREADABLE, " / ".join(draft.spoiled_answers.values()), findings)
    columns = draft.columns.answers
    column = columns[0] if columns else "reponse"
    if len(columns) > 1:
        texts = {column: text for column in columns if says_something(text := plain_text(draft.cells[column]))}
        if len(texts) > 1:
            return _read_several_keys(draft, facts, texts, findings)
        column = next(iter(texts), column)
        if column in texts and column in draft.columns.lone_answers:  # a `Réponse 2`, and the key itself says nothing
            return _note_key(UNREADABLE, texts[column], findings)
    text = plain_text(draft.cells.get(column, ""))
    style = facts.styles.get((draft.table, column), _NO_STYLE)
    if draft.type == "cas_qcm":
        listed = read_case_keys(text) if text else None
        if listed:
            number = facts.question_number(draft, listed)
            own = listed.get(number) if number is not None else None
            return _note_key(facts.read_key(draft, own, style) if own else UNREADABLE, text, findings)
        if not text:
            return _read_key_of_case(draft, facts, style, findings)
    return _note_key(facts.read_key(draft, text, style), text, findings)


def _read_qcm_key(draft: Draft, facts: Facts, findings: list[Finding]) -> _Official:
    return _without_doubt(draft, _read_official_key(draft, facts, findings), findings)


def _without_doubt(draft: Draft, official: _Official, findings: list[Finding]) -> _Official:
    """No key of a letter that is one option's column and another option's label."""
    if official.value is None or not set(official.value) & set(draft.doubtful_letters):
        return official
    text = plain_text(draft.cells.get("reponse", "")) or official.value
    findings.append(Finding("ambiguous_key", row_findings.key_of_doubtful_letter(text), "reponse"))
    return _Official(None, text)


def _read_several_keys(draft: Draft, facts: Facts, texts: Mapping[str, str], findings: list[Finding]) -> _Official:
    """Several key columns that all say the same key; else none of them."""
    readings = [
        facts.read_key(draft, text, facts.styles.get((draft.table, column), _NO_STYLE))
        for column, text in texts.items()
    ]
    keys = {reading.key for reading in readings}
    if len(keys) == 1 and None not in keys:
        return _Official(keys.pop())
    if len(set(texts.values())) == 1:
        return _note_key(readings[0], next(iter(texts.values())), findings)
    message = row_findings.conflicting_keys(_by_column(draft, texts))
    findings.append(Finding("conflicting_keys", message, "reponse"))
    return _Official(None, " / ".join(texts.values()))


def _by_column(draft: Draft, texts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Each text with the header that it stands under."""
    headers = dict(zip(draft.columns.answers, draft.columns.answer_headers, strict=True))
    return [(shown(text), headers[column]) for column, text in texts.items()]


def _read_key_of_case(draft: Draft, facts: Facts, style: Style, findings: list[Finding]) -> _Official:
    """The key that another row of the case gives for this one."""
    listed, in_doubt = facts.key_of_case(draft)
    if in_doubt:
        findings.append(Finding("case_key_in_doubt", row_findings.CASE_KEY_IN_DOUBT, "reponse"))
    if listed is None:
        return _NOTHING
    findings.append(Finding("key_from_case", row_findings.key_from_case(listed), "reponse"))
    return _note_key(facts.read_key(draft, listed, style), listed, findings)


def _note_key(reading: KeyReading, text: str, findings: list[Finding]) -> _Official:
    """The letters; what is wrong with a key that is not used is said, with the key."""
    if reading.problem is None:
        return _Official(reading.key)
    if reading.problem == "letter_without_option":
        message = row_findings.letters_without_option(shown(text), reading.letters)
    elif reading.problem == "ambiguous_key":
        message = row_findings.ambiguous_key(shown(text), reading.letters)
    else:
        message = row_findings.unreadable_key(shown(text))
    findings.append(Finding(reading.problem, message, "reponse"))
    return _Official(None, text)


def _read_official_answer(draft: Draft, findings: list[Finding]) -> _Official:
    """The answer of a QROC; where several cells speak and do not agree there is none, as for keys."""
    cells = {column: plain_text(draft.cells[column]) for column in draft.columns.answers}
    texts = {column: text for column, text in cells.items() if says_something(text) or read_answer(text) is not None}
    if draft.spoiled_answers:
        return _Official(None, " / ".join([*draft.spoiled_answers.values(), *texts.values()]))
    if not texts:
        return _NOTHING
    if not _agree([read_answer(text) for text in texts.values()]):
        message = row_findings.conflicting_answers(_by_column(draft, texts))
        findings.append(Finding("conflicting_answers", message, "reponse"))
        return _Official(None, " / ".join(texts.values()))
    text = next(iter(texts.values()))
    if texts.keys() <= set(draft.columns.lone_answers):  # a `Réponse 2`, and the answer itself says nothing
        message = row_findings.lone_answer(_by_column(draft, texts)[0])
        findings.append(Finding("lone_answer", message, "reponse"))
        return _Official(None, text)
    return _check_answer(draft, read_answer(text), findings)


def _agree(answers: Sequence[str | None]) -> bool:
    """Whether all say the same: that there is none, or one answer in other words or signs."""
    first = answers[0]
    if first is None:
        return not any(answers)
    return all(
        other is not None and (fold_text(other) == fold_text(first) or same_answer(other, first)) for other in answers
    )


def _check_answer(draft: Draft, answer: str | None, findings: list[Finding]) -> _Official:
    if answer is None:
        return _NOTHING
    if _TYPED_PLACEHOLDER.fullmatch(answer):
        findings.append(Finding("placeholder_answer", row_findings.placeholder_answer(shown(answer)), "reponse"))
        return _NOTHING
    if read_letters(answer) is not None:
        _refuse_letters(draft, answer)
    return _Official(answer)


def _refuse_letters(draft: Draft, answer: str) -> None:
    """Letters for an answer, beside options or cells that nobody read: a QCM that was not recognised."""
    columns = draft.columns
    options = (*OPTION_COLUMNS.values(), *(key for _, key in columns.extra_options), columns.all_options)
    if any(key and draft.cells.get(key, "").strip() for key in options):
        raise _Rejected(row_findings.letters_beside_options(shown(answer), draft.type))
    unread = [key for key in columns.unread if draft.cells.get(key, "").strip()]
    if unread:
        raise _Rejected(row_findings.letters_beside_unread(shown(answer), draft.type, unread))
