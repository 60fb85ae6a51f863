"""One draft and the facts of its file become a `ParsedRow`: a question with findings, or a rejection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from worker.questions.question import LETTERS, Finding, ParsedRow, Question, fold_text
from worker.upload.parsing.facts import Facts, case_number, names_of
from worker.upload.parsing.keys import UNREADABLE, KeyReading, read_answer, read_case_keys, read_letters, says_something
from worker.upload.parsing.official import Style
from worker.upload.parsing.options import OPTION_COLUMNS
from worker.upload.parsing.refusals import quoted
from worker.upload.parsing.tables import Draft
from worker.upload.parsing.values import (
    NO_SEMESTER,
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
NO_LEVEL = "Niveau manquant : "
NO_LEVEL_ELSEWHERE = (
    "il n'est ni sur la ligne, ni sur les autres lignes du même cours ou de la même matière, "
    "ni dans la source, ni dans le nom du fichier. Ajoutez une colonne « niveau » (PCEM1 à DCEM4), "
    "ou donnez « defaultLevel » dans la configuration de la tâche."
)


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
        written = f"« {shown(draft.type_problem)} »" if draft.type_problem else "vide"
        raise _Rejected(f"Type de question inconnu ({written}) : qcm, qroc, cas_qcm ou cas_qroc attendu.")
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
    text = plain_text(draft.cells.get("texte de la question", ""))
    if not text:
        raise _Rejected("Le texte de la question manque.")
    if draft.columns.vignette is None:
        return text
    told = plain_text(draft.cells[draft.columns.vignette])
    is_case_text = draft.type in ("cas_qcm", "cas_qroc") and not draft.cells.get("texte du cas", "").strip()
    return text if not told or is_case_text or told == text else f"{told}\n\n{text}"


def _read_options(draft: Draft, findings: list[Finding]) -> tuple[dict[str, str], dict[str, str]]:
    """Letter → option and letter → explanation of the options that are there; a gap stays a gap."""
    options = draft.options
    if len(options) < 2:
        have = "n'en a aucune" if not options else "en a une seule"
        raise _Rejected(f"Un QCM demande au moins deux options : cette ligne {have}.")
    if draft.columns.extra_options and (past := [letter for letter in options if letter not in LETTERS]):
        excess = ", ".join(f"{letter} « {shown(options[letter])} »" for letter in past)
        raise _Rejected(
            f"Cette ligne a {len(options)} options, cinq au plus sont possibles (A à E) ; en trop : {excess}. "
            "Réduisez la question à cinq options, ou partagez-la en deux, puis renvoyez la ligne."
        )
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


def _read_names(draft: Draft, facts: Facts, defaults: Defaults, findings: list[Finding]) -> tuple[str, str]:
    """Specialty and course in the file's spelling; the job's own where the row gives none."""
    specialty, course = names_of(draft)
    specialty, course = _default_names(draft, facts, defaults, (specialty, course), findings)
    for column, name in (("La matière", specialty), ("Le cours", course)):
        if len(name) > MAX_NAME:
            raise _Rejected(
                f"{column} « {shown(name)} » fait {len(name)} caractères : un nom en a {MAX_NAME} au plus. "
                "Vérifiez que les colonnes de cette ligne ne sont pas décalées, donnez un nom plus court, "
                "puis renvoyez la ligne."
            )
    if not course:
        raise _Rejected("La matière et le cours manquent : l'un des deux au moins est nécessaire.")
    if not specialty:
        known = facts.specialties_of_course.get(fold_cached(course), set())
        specialty = facts.spellings[next(iter(known))] if len(known) == 1 else course
        origin = "reprise des autres lignes du même cours" if len(known) == 1 else "remplacée par le cours"
        findings.append(Finding("specialty_inherited", f"Matière absente : {origin} (« {specialty} »).", "matiere"))
    return facts.spell(specialty), facts.spell(course)


def _default_names(
    draft: Draft, facts: Facts, defaults: Defaults, names: tuple[str, str], findings: list[Finding]
) -> tuple[str, str]:
    specialty, course = names
    has_course = bool(display_name(draft.cells.get("cours", "")))
    if not specialty and defaults.specialty and len(facts.specialties_of_course.get(fold_cached(course), ())) != 1:
        specialty = display_name(defaults.specialty)
        message = f"Matière absente : « {shown(specialty)} », celle de la configuration de la tâche."
        findings.append(Finding("specialty_inherited", message, "matiere"))
        course = course or specialty
    if not has_course and defaults.course:
        course = display_name(defaults.course)
        message = f"Cours absent : « {shown(course)} », celui de la configuration de la tâche."
        findings.append(Finding("course_inherited", message, "cours"))
    return specialty, course


def _read_level(draft: Draft, facts: Facts, defaults: Defaults, names: tuple[str, str], findings: list[Finding]) -> str:
    cell = draft.cells.get("niveau", "").strip()
    own = facts.levels.read(cell)
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
        if level is not None and cell:
            message = f"« {shown(cell)} » n'est pas un niveau : « {level} » est retenu, {origin}."
            findings.append(Finding("level_not_recognised", message, "niveau"))
            return level
        if level is not None:
            findings.append(Finding("level_inherited", f"Niveau absent : « {level} », {origin}.", "niveau"))
            return level
    raise _Rejected(
        f"Niveau inconnu (« {shown(cell)} ») : {NO_LEVEL_ELSEWHERE}" if cell else f"{NO_LEVEL}{NO_LEVEL_ELSEWHERE}"
    )


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
        message = f"« {shown(cell.strip())} » n'est pas un semestre : « {instead} » est retenu."
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
    message = f"Clé « {text} » non retenue : l'option de cette lettre porte l'étiquette d'une autre."
    findings.append(Finding("ambiguous_key", message, "reponse"))
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
    message = f"Clés différentes dans plusieurs colonnes, aucune n'est retenue : {_by_column(draft, texts)}."
    findings.append(Finding("conflicting_keys", message, "reponse"))
    return _Official(None, " / ".join(texts.values()))


def _by_column(draft: Draft, texts: Mapping[str, str]) -> str:
    """Each text with the header that it stands under."""
    headers = dict(zip(draft.columns.answers, draft.columns.answer_headers, strict=True))
    return " ; ".join(f"« {shown(text)} » ({headers[column]})" for column, text in texts.items())


def _read_key_of_case(draft: Draft, facts: Facts, style: Style, findings: list[Finding]) -> _Official:
    """The key that another row of the case gives for this one."""
    listed, in_doubt = facts.key_of_case(draft)
    if in_doubt:
        message = "Clé d'une autre ligne du même cas non retenue : le numéro de cette question n'est pas sûr."
        findings.append(Finding("case_key_in_doubt", message, "reponse"))
    if listed is None:
        return _NOTHING
    message = f"Clé « {listed} » reprise d'une autre ligne du même cas."
    findings.append(Finding("key_from_case", message, "reponse"))
    return _note_key(facts.read_key(draft, listed, style), listed, findings)


def _note_key(reading: KeyReading, text: str, findings: list[Finding]) -> _Official:
    """The letters; what is wrong with a key that is not used is said, with the key."""
    if reading.problem is None:
        return _Official(reading.key)
    if reading.problem == "letter_without_option":
        plural = "des options absentes" if len(reading.letters) > 1 else "une option absente"
        message = f"Clé « {shown(text)} » non retenue : elle désigne {plural} ({', '.join(reading.letters)})."
    elif reading.problem == "ambiguous_key":
        named = " et ".join(reading.letters)
        several = len(reading.letters) > 1
        why = f"c'est le texte des options {named}" if several else f"c'est aussi le texte de l'option {named}"
        message = f"Clé « {shown(text)} » non retenue : {why}, plusieurs lectures sont possibles."
    else:
        message = f"Clé illisible, non retenue : « {shown(text)} »."
    findings.append(Finding(reading.problem, message, "reponse"))
    return _Official(None, text)


def _read_official_answer(draft: Draft, findings: list[Finding]) -> _Official:
    """The answer of a QROC; several that differ are none, as for keys: nothing tells which one is right."""
    cells = {column: plain_text(draft.cells[column]) for column in draft.columns.answers}
    said = {column: answer for column, text in cells.items() if (answer := read_answer(text))}
    if draft.spoiled_answers and not said:
        return _Official(None, " / ".join(draft.spoiled_answers.values()))
    answers = {column: answer for column, answer in said.items() if not _TYPED_PLACEHOLDER.fullmatch(answer)}
    for answer in answers.values():
        if read_letters(answer) is not None:
            _refuse_letters(draft, answer)
    if len({fold_text(answer) for answer in answers.values()}) > 1:
        message = f"Réponses différentes dans plusieurs colonnes, aucune n'est retenue : {_by_column(draft, answers)}."
        findings.append(Finding("conflicting_answers", message, "reponse"))
        return _Official(None, " / ".join(answers.values()))
    if said and not answers:
        filler = shown(next(iter(said.values())))
        findings.append(
            Finding("placeholder_answer", f"Réponse de remplissage, non retenue : « {filler} ».", "reponse")
        )
    return _Official(next(iter(answers.values()), None))


def _refuse_letters(draft: Draft, answer: str) -> None:
    """Letters for an answer, beside options or cells that nobody read: a QCM that was not recognised."""
    columns = draft.columns
    options = (*OPTION_COLUMNS.values(), *(key for _, key in columns.extra_options), columns.all_options)
    if any(key and draft.cells.get(key, "").strip() for key in options):
        raise _Rejected(
            f"La réponse « {shown(answer)} » est une clé de QCM et cette ligne a des options, mais elle est de type "
            f"{draft.type} : donnez-lui le type qcm (ou cas_qcm), ou écrivez la réponse en toutes lettres."
        )
    unread = [key for key in columns.unread if draft.cells.get(key, "").strip()]
    if unread:
        raise _Rejected(
            f"La réponse « {shown(answer)} » n'est qu'une clé de QCM, et cette ligne, de type {draft.type}, a des "
            f"cellules non lues ({quoted(unread)}) : si ce sont des options, nommez leurs colonnes « option a », "
            "« option b »… et donnez à la ligne le type qcm ; sinon, écrivez la réponse en toutes lettres."
        )
