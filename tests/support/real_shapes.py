"""Files in the shapes of real ones, every question of them invented: an upload of four sheets, and known questions.

The upload is what a faculty sends: keys spelled in several ways or missing, levels as formulas that lead to one
another, placeholders, a misspelled header, empty columns behind the last one. The known questions are of
FrenchMedMCQA's form. What they ask is made of conditions.txt, from one seed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xlsxwriter

from tests.support.courses import ASKS, ASPECTS, CASES, Condition, articles, read_conditions

# Real ones, which cannot be part of the project: what is tried on ours is tried on them where they are.
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
REAL_UPLOAD, REAL_KNOWN = DATA / "dcem2.xlsx", DATA / "frenchmedmcqa-dev.json"

ROWS = 49  # of each sheet
CASES_PER_SHEET = (*[3] * 15, 2, 2)  # rows of each case
LETTERS = "ABCDE"
SOURCES = (
    "(Tunis 2024, [Niveau 3])",
    "(Décembre 2002, [Niveau 1])",
    "([niveau1])",
    "(Juillet 2001, [Niveau 2])",
    "(Niveau 1)",
    "(Janvier 2015, [niveau2])",
)
NO_ANSWER = ("Pas de reponse", "Pas de réponse", "Pas de réponse.")
# How many of a hundred keys have so many letters
RIGHT = (*[1] * 52, *[2] * 15, *[3] * 23, *[4] * 9, 5)
KNOWN = 312

QCM = ("matiere", "niveau", "semestre", "cours", "question n", "source", "texte de la question", "option A",
       "Explication A", "option B", "Explication B", "option C", "Explication C", "option D", "Explication D",
       "option E", "Eplication E", "reponse")  # fmt: skip
QROC = ("matiere", "Niveau", "semestre", "cours", "question n", "source", "texte de la question", "reponse", "rappel")
CASE = ("matiere", "Niveau", "semestre", "cours", "cas n", "source", "texte du cas", "question n", "texte de question")
CAS_QCM = (*CASE, *(f"{name} {letter}" for letter in LETTERS for name in ("option", "Explication")), "reponse")
CAS_QROC = (*CASE, "reponse")
WIDTHS = {"qcm": 33, "qroc": 28, "cas_qcm": 33, "cas_qroc": 28}  # with the empty columns


@dataclass(frozen=True)
class Made:
    """A question with letters: five options, and which of them are right."""

    condition: Condition
    text: str
    options: tuple[str, ...]
    key: str


def provide(kind: str, folder: Path) -> Path:
    """A file by its kind, one of `KINDS_OF_UPLOAD` or `KINDS_OF_KNOWN`; ours is written into the folder."""
    match kind:
        case "our upload":
            return write_upload(folder / "examen.xlsx")
        case "our known questions":
            return write_known(folder / "questions.json")
        case "the real upload":
            return REAL_UPLOAD
        case "the real known questions":
            return REAL_KNOWN
    raise ValueError(kind)


KINDS_OF_UPLOAD = ["our upload", *["the real upload"] * REAL_UPLOAD.exists()]
KINDS_OF_KNOWN = ["our known questions", *["the real known questions"] * REAL_KNOWN.exists()]


def write_upload(path: Path) -> Path:
    """The upload of four sheets of 49 rows each."""
    rng = random.Random(8)
    conditions = read_conditions()
    rng.shuffle(conditions)
    questions = make_questions(rng, conditions)
    with xlsxwriter.Workbook(path) as book:
        blank = book.add_format({"bold": True})
        sheets = {
            "qcm": (QCM, _qcm_rows(questions)),
            "qroc": (QROC, _qroc_rows(conditions)),
            "cas_qcm": (CAS_QCM, _case_rows(questions, conditions[:17], has_letters=True)),
            "cas_qroc": (CAS_QROC, _case_rows(questions, conditions[17:34], has_letters=False)),
        }
        for name, (header, rows) in sheets.items():
            _write_sheet(book.add_worksheet(name), header, list(rows), WIDTHS[name], blank)
    return path


def write_known(path: Path) -> Path:
    """312 questions whose keys are known, as FrenchMedMCQA writes them."""
    made = make_questions(random.Random(9), read_conditions())
    rows = [_known_row(number, next(made)) for number in range(1, KNOWN + 1)]
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
    return path


def make_questions(rng: random.Random, conditions: Sequence[Condition]) -> Iterator[Made]:
    """Without end, no two the same."""
    seen = set[tuple[str, ...]]()
    while True:
        made = _make_question(rng, conditions)
        if (content := (made.text, *sorted(made.options))) not in seen:
            seen.add(content)
            yield made


def _make_question(rng: random.Random, conditions: Sequence[Condition]) -> Made:
    condition = rng.choice(conditions)
    count = rng.choice(RIGHT)
    aspect = rng.choice(ASPECTS)
    if count <= 3:
        text, right = rng.choice(ASKS[aspect]), rng.sample(condition.facts[aspect], count)
    else:
        aspects = rng.sample(ASPECTS, count)
        text, right = "Concernant {le} :", [rng.choice(condition.facts[one]) for one in aspects]
    others = [fact for other in conditions if other is not condition for fact in other.facts[aspect]]
    options = [*right, *rng.sample([fact for fact in dict.fromkeys(others) if fact not in right], 5 - count)]
    rng.shuffle(options)
    key = "".join(letter for letter, option in zip(LETTERS, options, strict=True) if option in right)
    return Made(condition, text.format(**articles(condition, condition.name)), tuple(options), key)


def _qcm_rows(questions: Iterator[Made]) -> Iterator[list[Any]]:
    for number in range(1, ROWS + 1):
        made = next(questions)
        place = ["pediatrie 2*", None, "Pediatrie ", made.condition.name, float(number % 17 + 1), _source(number)]
        explained = [text for option in made.options for text in (option, "aaa")]
        yield [*place, made.text, *explained, NO_ANSWER[number % 2] if number % 8 == 5 else _spell(made.key, number)]


def _qroc_rows(conditions: Sequence[Condition]) -> Iterator[list[Any]]:
    for number in range(1, ROWS + 1):
        condition, aspect = conditions[number % len(conditions)], ASPECTS[number % len(ASPECTS)]
        text = ASKS[aspect][number % 2].format(**articles(condition, condition.name))
        place = ["pediatrie 2*", None, "Pediatrie", condition.name, float(number % 14 + 1), _source(number)]
        yield [*place, text, " - ".join(fact.capitalize() for fact in condition.facts[aspect][: 1 + number % 3]), None]


def _case_rows(questions: Iterator[Made], conditions: Sequence[Condition], *, has_letters: bool) -> Iterator[list[Any]]:
    number = 0
    for case, (condition, count) in enumerate(zip(conditions, CASES_PER_SHEET, strict=True), start=1):
        for question in range(1, count + 1):
            number += 1
            matter = "Nephrologie*" if has_letters and number > 30 else "pediatrie 2*"
            place = [matter, None, "Pediatrie", condition.name, float(case), _source(case), _tell(condition, case)]
            if has_letters:
                made = next(questions)
                options = [text for option in made.options for text in (option, None)]
                yield [*place, float(question), made.text, *options, _spell(made.key, number + 3)]
            else:
                asked = ASKS[ASPECTS[question]][case % 2].format(**articles(condition, "affection en cause"))
                answer = " - ".join(condition.facts[ASPECTS[question]])
                yield [*place, float(question), asked, NO_ANSWER[2] if number % 12 == 5 else answer.capitalize()]


def _source(number: int) -> str:
    return SOURCES[number % len(SOURCES)]


def _spell(key: str, number: int) -> str:
    """`ABE`, `EBA`, `ABE.`, `A, B, E`, `A, B, E.`: as they come."""
    return (key, key[::-1], f"{key}.", ", ".join(key), f"{', '.join(key)}.")[number % 5]


def _tell(condition: Condition, number: int) -> str:
    """A patient's story, of 350 characters or more."""
    facts = condition.facts
    sentences = [
        CASES[number % 2].format(t=facts["terrain"][0], x=f"{facts['signes'][0]} et {facts['signes'][1]}"),
        f"À l'examen, on retrouve {facts['signes'][2]} ; la température est à {36 + number / 10:.1f} °C.",
        f"Dans les antécédents : {facts['terrain'][1]} et {facts['terrain'][2]}.",
        f"Le bilan demandé à l'admission comporte {', puis '.join(facts['examens'])}.",
        f"L'évolution sera marquée par {facts['complications'][number % 3]}, le dossier n° {number} le rapporte.",
    ]
    if number == 3:  # one is much longer than the others
        sentences += [f"L'équipe discute longuement : {' ; '.join(facts[aspect])}." for aspect in ASPECTS]
    return " ".join(sentences)


def _write_sheet(sheet: Any, header: Sequence[str], rows: Sequence[list[Any]], width: int, blank: Any) -> None:
    """The level is written once; each row below repeats the one above it."""
    sheet.write_row(0, 0, header)
    for number, row in enumerate(rows, start=1):
        for column, value in enumerate(row):
            if value is not None:
                sheet.write(number, column, value)
        if number == 1:
            sheet.write(number, 1, "Dcem2")
        else:
            sheet.write_formula(number, 1, f"=B{number}", None, "Dcem2")
        for column in range(len(header), width):
            sheet.write_blank(number, column, None, blank)


def _known_row(number: int, made: Made) -> dict[str, Any]:
    return {
        "id": f"{number:06d}",
        "question": made.text,
        "answers": dict(zip(LETTERS.lower(), made.options, strict=True)),
        "correct_answers": list(made.key.lower()),
        "subject_name": "médecine",
        "type": "simple" if len(made.key) == 1 else "multiple",
        "nbr_correct_answers": len(made.key),
    }
