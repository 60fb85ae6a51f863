"""One draft and the facts of its file become a `ParsedRow`: a question with findings, or a rejection."""

from __future__ import annotations

import re
from dataclasses import dataclass

from worker.shapes.questions import LETTERS, Finding, ParsedRow, Question
from worker.steps.parse.facts import Facts, case_number, names_of
from worker.steps.parse.keys import KeyReading, read_answer, read_case_keys, read_key
from worker.steps.parse.tables import Draft
from worker.steps.parse.values import (
    NO_SEMESTER,
    find_level,
    fold_cached,
    plain_text,
    read_difficulty,
    read_level,
    read_semester,
    written_text,
)

_OPTIONS = tuple((letter, f"option {letter.lower()}", f"explication {letter.lower()}") for letter in LETTERS)
_TYPED_PLACEHOLDER = re.compile(r"[aA]{3,}|[xX]{3,}|test", re.IGNORECASE)

NO_LEVEL = (
    "Niveau manquant : il n'est ni sur la ligne, ni sur les autres lignes du même cours ou de la même matière, "
    "ni dans la source, ni dans le nom du fichier."
)


@dataclass(frozen=True, slots=True)
class Defaults:
    """The job's own values for what a row and its neighbours do not say."""

    level: str | None
    semester: str | None


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
    return ParsedRow(draft.sheet, draft.row_number, draft.type, draft.cells, question, tuple(findings), rejection)


def _build_question(draft: Draft, facts: Facts, defaults: Defaults, findings: list[Finding]) -> Question:
    cells = draft.cells
    if draft.type_problem is not None:
        shown = f"« {draft.type_problem} »" if draft.type_problem else "vide"
        raise _Rejected(f"Type de question inconnu ({shown}) : qcm, qroc, cas_qcm ou cas_qroc attendu.")
    text = plain_text(cells.get("texte de la question", ""))
    if not text:
        raise _Rejected("Le texte de la question manque.")
    is_qcm = draft.type in ("qcm", "cas_qcm")
    options, option_explanations = _read_options(draft, findings) if is_qcm else ({}, {})
    case_text = _read_case_text(draft, facts, findings)
    specialty, course = _read_names(draft, facts, findings)
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
        official_key=_read_official_key(draft, facts, "".join(options), findings) if is_qcm else None,
        official_answer=None if is_qcm else _read_official_answer(draft, findings),
        case_number=(case_number(draft) or None) if case_text else None,
        case_text=case_text,
        explanation=written_text(cells.get("explication", "")),
        option_explanations=option_explanations,
        reminder=reminder if reminder.strip() else None,
        difficulty=read_difficulty(source) if source else None,
    )


def _read_options(draft: Draft, findings: list[Finding]) -> tuple[dict[str, str], dict[str, str]]:
    """Letter → option and letter → explanation of the options that are there; a gap stays a gap."""
    cells = draft.cells
    options: dict[str, str] = {}
    explanations: dict[str, str] = {}
    for letter, option_column, explanation_column in _OPTIONS:
        option = plain_text(cells.get(option_column, ""))
        if option:
            options[letter] = option
            explanation = written_text(cells.get(explanation_column, ""))
            if explanation:
                explanations[letter] = explanation
    if len(options) < 2:
        have = "aucune" if not options else "une seule"
        raise _Rejected(f"Un QCM demande au moins deux options : cette ligne en a {have}.")
    _note_equal_options(options, findings)
    return options, explanations


def _note_equal_options(options: dict[str, str], findings: list[Finding]) -> None:
    seen: dict[str, str] = {}
    for letter, option in options.items():
        first = seen.setdefault(option.casefold(), letter)
        if first != letter:
            message = f"Les options {first} et {letter} ont le même texte."
            findings.append(Finding("equal_options", message, f"option {letter.lower()}"))


def _read_case_text(draft: Draft, facts: Facts, findings: list[Finding]) -> str | None:
    if draft.type not in ("cas_qcm", "cas_qroc"):
        if draft.cells.get("texte du cas", "").strip():
            message = f"Texte du cas ignoré : la question est de type {draft.type}, sans cas clinique."
            findings.append(Finding("case_text_ignored", message, "texte du cas"))
        return None
    text, inherited = facts.case_text(draft)
    if not text:
        raise _Rejected("Le texte du cas clinique manque, sur cette ligne et sur les autres lignes du même cas.")
    if inherited:
        message = f"Texte du cas repris des autres lignes du cas {case_number(draft)}."
        findings.append(Finding("case_text_inherited", message, "texte du cas"))
    return text


def _read_names(draft: Draft, facts: Facts, findings: list[Finding]) -> tuple[str, str]:
    """Specialty and course in the file's spelling."""
    specialty, course = names_of(draft)
    if not course:
        raise _Rejected("La matière et le cours manquent : l'un des deux au moins est nécessaire.")
    if not specialty:
        known = facts.specialties_of_course.get(fold_cached(course), set())
        specialty = facts.spellings[next(iter(known))] if len(known) == 1 else course
        origin = "reprise des autres lignes du même cours" if len(known) == 1 else "remplacée par le cours"
        findings.append(Finding("specialty_inherited", f"Matière absente : {origin} (« {specialty} »).", "matiere"))
    return facts.spell(specialty), facts.spell(course)


def _read_level(draft: Draft, facts: Facts, defaults: Defaults, names: tuple[str, str], findings: list[Finding]) -> str:
    own = read_level(draft.cells.get("niveau", ""))
    if own is not None:
        return own
    specialty, course = names
    candidates = (
        (_only(facts.levels_of_course.get(fold_cached(course))), "repris des autres lignes du même cours"),
        (_only(facts.levels_of_specialty.get(fold_cached(specialty))), "repris des autres lignes de la même matière"),
        (find_level(draft.cells.get("source", "")), "repris de la source"),
        (facts.file_level, "repris du nom du fichier"),
        (read_level(defaults.level or ""), "celui de la configuration de la tâche"),
    )
    for level, origin in candidates:
        if level is not None:
            findings.append(Finding("level_inherited", f"Niveau absent : « {level} », {origin}.", "niveau"))
            return level
    raise _Rejected(NO_LEVEL)


def _only(values: set[str] | None) -> str | None:
    """The one value; None for none or several, for then nothing tells which."""
    return next(iter(values)) if values and len(values) == 1 else None


def _read_semester(draft: Draft, defaults: Defaults, findings: list[Finding]) -> str:
    cell = draft.cells.get("semestre", "")
    semester = read_semester(cell)
    if semester is not None:
        return semester
    instead = defaults.semester or ""
    instead = read_semester(instead) or instead.strip() or NO_SEMESTER
    if cell.strip():
        message = f"« {cell.strip()} » n'est pas un semestre : « {instead} » est retenu."
        findings.append(Finding("semester_not_recognised", message, "semestre"))
    return instead


def _read_official_key(draft: Draft, facts: Facts, letters: str, findings: list[Finding]) -> str | None:
    text = plain_text(draft.cells.get("reponse", ""))
    if draft.type == "cas_qcm":
        case_keys = read_case_keys(text) if text else None
        listed = (case_keys.get(facts.question_number(draft)) if case_keys else facts.key_of_case(draft)) or ""
        if case_keys or (not text and listed):
            reading = read_key(listed, letters) if listed else KeyReading(None, "unreadable_key")
            if not text:
                message = f"Clé « {listed} » reprise d'une autre ligne du même cas."
                findings.append(Finding("key_from_case", message, "reponse"))
            return _note_key(reading, text or listed, findings)
    return _note_key(read_key(text, letters), text, findings)


def _note_key(reading: KeyReading, text: str, findings: list[Finding]) -> str | None:
    """The letters; what is wrong with a key that is not used is said, with the key."""
    if reading.problem == "letter_without_option":
        plural = "des options absentes" if len(reading.letters) > 1 else "une option absente"
        message = f"Clé « {text} » non retenue : elle désigne {plural} ({', '.join(reading.letters)})."
        findings.append(Finding(reading.problem, message, "reponse"))
    elif reading.problem:
        findings.append(Finding(reading.problem, f"Clé illisible, non retenue : « {text} ».", "reponse"))
    return reading.key


def _read_official_answer(draft: Draft, findings: list[Finding]) -> str | None:
    answer = read_answer(plain_text(draft.cells.get("reponse", "")))
    if answer is not None and _TYPED_PLACEHOLDER.fullmatch(answer):
        findings.append(
            Finding("placeholder_answer", f"Réponse de remplissage, non retenue : « {answer} ».", "reponse")
        )
        return None
    return answer
