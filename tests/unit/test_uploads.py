"""Files as people really send them (tests/data/uploads), through the parser: what is right for each, key by key."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from worker.adapters.sheets.reading import read_here
from worker.errors import JobFailed
from worker.shapes.questions import ParsedRow, ParsedUpload
from worker.steps.parse import parse_upload

UPLOADS = Path(__file__).resolve().parents[1] / "data" / "uploads"

# No key, and a finding on the key's cell; or the row is refused.
NONE = None
REFUSED = "refusée"


@dataclass(frozen=True)
class Right:
    """What is right for one file: per row its official key or answer, `NONE` or `REFUSED`."""

    official: tuple[str | None, ...] = ()
    type: str = "qcm"
    options: dict[int, dict[str, str]] = field(default_factory=dict)  # row's place → its options
    findings: dict[int, tuple[str, ...]] = field(default_factory=dict)  # row's place → codes that must be among its own
    says: tuple[str, ...] = ()  # in the job's failure, the rejections, the notes and the sheets left out
    fails: bool = False


ABC = {"A": "un", "B": "deux", "C": "trois"}
RIGHT: dict[str, Right] = {
    "01": Right(
        ("B", "AC"), options={0: {"A": "Nerf vague", "B": "Nerf phrénique", "C": "Nerf spinal", "D": "Nerf radial"}}
    ),
    "02": Right(("B",), options={0: {"A": "Psoas", "B": "Diaphragme", "C": "Trapèze", "D": "Deltoïde"}}),
    "03": Right(("B",), options={0: {"A": "Rate", "B": "Foie", "C": "Rein"}}),
    "04": Right(("B",), options={0: {"A": "Veine cave", "B": "Aorte", "C": "Artère pulmonaire", "D": "Veine porte"}}),
    "06": Right(("A", "AD")),
    "08": Right(("B", "D", "A")),
    "09": Right((REFUSED, REFUSED), says=("Sous-clavière gauche", "Pubis", "cinq")),
    "10": Right(("A", "A")),
    "11": Right(("A", "A", "A"), findings={1: ("filled_down",)}),
    "12": Right(("A", "A", "A")),
    "13": Right(
        ("B", "A", "B"),
        options={
            0: {"A": "5 %", "B": "30 %", "C": "12,5 %", "D": "70 %"},
            1: {"A": "01-févr", "B": "01-mars", "C": "1/4", "D": "1/5"},
            2: {"A": "3,5 mmol/L", "B": "6,5 mmol/L", "C": "4,0 mmol/L", "D": "5,0 mmol/L"},
        },
        findings={1: ("cell_date",)},
    ),
    "14": Right(("A",) * 9),
    "15": Right(("A", "B"), says=("1 en-tête répété (ligne 3)",)),
    "16": Right(("B", "A", "A", "A"), findings=dict.fromkeys(range(4), ("level_not_recognised",))),
    "17": Right(
        ("AC", *[NONE] * 11, "AB", NONE, NONE, "D", "AC", NONE, NONE, "ABD"),
        findings=dict.fromkeys((*range(1, 12), 13, 14, 17, 18), ("unreadable_key",)),
    ),
    "18": Right(("A", "B")),
    "19": Right(("A",), says=("3 lignes sans question (lignes 3 à 5)",)),
    "20": Right(fails=True, says=("« proposition »", "« juste »", "option a")),
    "22": Right(
        (NONE, NONE, NONE, "A"),
        options={1: {"B": "Toux", "C": "Ictère"}, 3: {"A": "VRAI", "B": "FAUX"}},
        findings={0: ("formula_without_value",), 1: ("cell_error",), 2: ("cell_error", "unreadable_key")},
    ),
    "24": Right(("Nerf phrénique",), type="qroc"),
    "25": Right(fails=True, says=("ligne 2", "« Intitulé »", "« Prop A »", "« Clé »", "« texte de la question »")),
    "26": Right(("A",), options={0: {"A": "Spinal", "B": "Optique"}}),
    "28": Right(("A",), options={0: {"A": "Toux", "B": "Fièvre"}}, findings={0: ("cell_error",)}),
    "29": Right(("A", "B"), says=("qcm ancien", "Feuille masquée", "1 ligne masquée lue (ligne 3)")),
    "30": Right(("A",), options={0: ABC}, says=("QCM brouillon", "« a faire »")),
    "31": Right(("A",), options={0: ABC}),
    "32": Right(("A",), options={0: ABC}),
    "33": Right(("A",), says=("matiere « Cardiologie »",)),
    "34": Right(("A",), options={0: ABC}, says=("11 lignes de titre",)),
    "35": Right(("AC", "B"), options={0: ABC, 1: ABC}),
    "37": Right((NONE,), options={0: ABC}, findings={0: ("label_of_another_option", "ambiguous_key")}),
    "38": Right(("A", "A"), type="cas_qcm"),
    "40": Right((NONE,), findings={0: ("conflicting_keys",)}),
    "41": Right(("A", REFUSED), type="cas_qcm", says=("Le texte du cas clinique manque",)),
    "42": Right(("B",), options={0: {"A": "Hyperthyroïdie", "B": "Hypothyroïdie", "C": "Goitre", "D": "Acromégalie"}}),
    "43": Right(("A", "A")),
    "44": Right(
        fails=True, says=("ligne 1", "« Intitulé »", "« Choix correct »", "« texte de la question »", "« matiere »")
    ),
    "46": Right(("A",)),
}  # fmt: skip


def parse(path: Path, level: str | None = "DCEM2") -> ParsedUpload:
    sheets = read_here(path.read_bytes(), path.name, max_bytes=10_000_000, max_rows=10_000)
    return parse_upload(sheets, path.name, default_level=level, default_semester=None)


def path_of(number: str) -> Path:
    (path,) = UPLOADS.glob(f"{number}_*")
    return path


def said(upload: ParsedUpload) -> str:
    rejections = [row.rejection or "" for row in upload.rows]
    left_out = [f"{sheet.name} {sheet.reason}" for sheet in upload.left_out]
    return " ".join([*rejections, *left_out, *(note.message for note in upload.notes)])


def official(row: ParsedRow) -> str | None:
    return row.question.official if row.question else REFUSED


def test_every_file_is_in_the_table() -> None:
    assert sorted(path.name.split("_")[0] for path in UPLOADS.iterdir()) == sorted(RIGHT)


@pytest.mark.parametrize("number", [number for number, right in RIGHT.items() if not right.fails])
def test_each_file_is_read_as_is_right(number: str) -> None:
    right = RIGHT[number]
    upload = parse(path_of(number))

    assert tuple(official(row) for row in upload.rows) == right.official
    assert {row.type for row in upload.rows} == {right.type}
    for place, options in right.options.items():
        question = upload.rows[place].question
        assert question is not None
        assert dict(question.options) == options
    for place, codes in right.findings.items():
        assert set(codes) <= {finding.code for finding in upload.rows[place].findings}
    for words in right.says:
        assert words in said(upload)


@pytest.mark.parametrize("number", [number for number, right in RIGHT.items() if right.fails])
def test_each_file_that_is_no_use_fails_with_a_sentence_that_leads_on(number: str) -> None:
    with pytest.raises(JobFailed) as caught:
        parse(path_of(number))

    message = str(caught.value)
    assert all(words in message for words in RIGHT[number].says)
    assert "feuille" not in message.lower(), "a CSV has no sheets"


def test_a_key_that_is_not_used_is_quoted_and_stays_known() -> None:
    for number, right in RIGHT.items():
        if right.fails or "22" <= number < "23":
            continue
        for row in parse(path_of(number)).rows:
            if row.question and row.question.official is None:
                finding = next(f for f in row.findings if f.column == "reponse")
                unread = row.question.unread_official
                assert unread
                assert all(part in finding.message for part in unread.split(" / "))


def test_no_word_is_lost_to_a_foreign_encoding() -> None:
    last = parse(path_of("14")).rows[-1].question

    assert last is not None
    assert last.text == "Le nœud sinusal du cœur est situé :"
    assert last.options == {"A": "Dans l'oreillette", "B": "Dans l'œsophage"}


@pytest.mark.parametrize(("number", "course"), [("11", "Hypertension"), ("12", "Hypertension")])
def test_a_course_counts_for_its_block(number: str, course: str) -> None:
    assert [row.question and row.question.course for row in parse(path_of(number)).rows][:2] == [course, course]


@pytest.mark.parametrize("number", ["10", "38"])
def test_what_tells_and_what_asks_are_both_kept(number: str) -> None:
    for row in parse(path_of(number)).rows:
        assert row.question is not None
        whole = f"{row.question.case_text or ''} {row.question.text}"
        assert "Un homme de 60 ans" in whole or "Homme de 70 ans" in whole
        assert row.cells["texte de la question"] in whole


def test_a_file_without_levels_says_one_cause_for_all_rows() -> None:
    rows = parse(path_of("43"), level=None).rows

    assert len({row.rejection for row in rows}) == 1
    assert "defaultLevel" in str(rows[0].rejection)
