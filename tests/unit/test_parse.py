"""Sheets become question rows: files, headers and cells as real uploads hold them. Keys have their own file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from worker.errors import JobFailed
from worker.messages import row_findings
from worker.messages.sheet_notes import NEEDED
from worker.questions.question import ParsedRow, ParsedUpload, Question
from worker.questions.sheets import RawSheet
from worker.upload.parsing import parse_upload

QCM = {
    "matiere": "Pédiatrie",
    "niveau": "DCEM2",
    "cours": "Hernies",
    "texte de la question": "Que faire ?",
    "option a": "Opérer",
    "option b": "Attendre",
    "reponse": "A",
}
QROC = {"matiere": "Pédiatrie", "niveau": "DCEM2", "texte de la question": "Quel organe ?", "reponse": "Ovaire"}
CASE = {"cas n": "1", "texte du cas": "Un garçon de 3 ans."}


def sheet(name: str, *rows: Mapping[str, str], unresolved: Mapping[tuple[int, int], str] | None = None) -> RawSheet:
    """A sheet whose header is the rows' keys, in the order first seen."""
    header = list(dict.fromkeys(key for row in rows for key in row))
    body = [tuple(row.get(key, "") for key in header) for row in rows]
    return RawSheet(name, tuple(enumerate([tuple(header), *body], start=1)), unresolved or {})


def grid(name: str, *rows: Sequence[str]) -> RawSheet:
    return RawSheet(name, tuple((number, tuple(row)) for number, row in enumerate(rows, start=1)))


def parse(
    *sheets: RawSheet, file_name: str = "x.xlsx", level: str | None = None, semester: str | None = None
) -> ParsedUpload:
    return parse_upload(sheets, file_name, default_level=level, default_semester=semester)


def row(
    *sheets: RawSheet, file_name: str = "x.xlsx", level: str | None = None, semester: str | None = None
) -> ParsedRow:
    return parse(*sheets, file_name=file_name, level=level, semester=semester).rows[0]


def question(values: Mapping[str, str], *, name: str = "qcm") -> Question:
    read = row(sheet(name, values)).question
    assert read is not None
    return read


def codes(read: ParsedRow) -> list[str]:
    return [finding.code for finding in read.findings]


def failure(*sheets: RawSheet, file_name: str = "x.xlsx") -> str:
    with pytest.raises(JobFailed) as caught:
        parse(*sheets, file_name=file_name)
    return str(caught.value)


# Sheets


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("qcm", "qcm"), ("QCM", "qcm"), ("mcq", "qcm"), ("questions qcm", "qcm"), ("QCM DCEM 2", "qcm"),
        ("Qcm_1", "qcm"), ("QCMs", "qcm"), ("qcm2", "qcm"),
        ("qroc", "qroc"), ("croq", "qroc"), ("QROC - DCEM2", "qroc"),
        ("cas_qcm", "cas_qcm"), ("Cas-QCM", "cas_qcm"), ("cas qcm", "cas_qcm"), ("cas clinique qcm", "cas_qcm"),
        ("CAS CLINIQUES MCQ", "cas_qcm"), ("casqcm", "cas_qcm"), ("QCM cas clinique", "cas_qcm"),
        ("cas_qroc", "cas_qroc"), ("cas clinic qroc", "cas_qroc"), ("Cas  Clinique_croq", "cas_qroc"),
        ("Câs qroc", "cas_qroc"),
    ],
)  # fmt: skip
def test_the_sheets_name_gives_the_type(name: str, kind: str) -> None:
    base = QROC if "qroc" in kind else QCM
    assert row(sheet(name, {**base, **CASE})).type == kind


def test_two_sheets_of_one_type_are_both_read() -> None:
    upload = parse(sheet("QCM 1", QCM), sheet("QCM 2", {**QCM, "texte de la question": "Et après ?"}))

    assert [(r.sheet, r.row_number, r.type) for r in upload.rows] == [("QCM 1", 2, "qcm"), ("QCM 2", 2, "qcm")]
    assert [(r.name, r.row_count) for r in upload.read] == [("QCM 1", 1), ("QCM 2", 1)]


@pytest.mark.parametrize("name", ["Erreurs", "Errors", "Summary", "Résumé", "À revoir", "a revoir", "RESUME"])
def test_result_sheets_are_left_out_and_said_so(name: str) -> None:
    upload = parse(sheet("qcm", QCM), sheet(name, {**QCM, "sheet": "qcm"}))

    assert len(upload.rows) == 1
    assert [(left.name, left.reason) for left in upload.left_out] == [
        (name, "Feuille de résultats d'une correction précédente : elle n'est pas relue.")
    ]


@pytest.mark.parametrize("header", ["sheet", "Type", "TYPE"])
def test_a_type_column_gives_each_row_its_own_type(header: str) -> None:
    upload = parse(
        sheet(
            "Feuil1",
            {**QCM, **CASE, header: "qcm"},
            {**QROC, header: "QROC"},
            {**QCM, **CASE, header: "Cas clinique QCM"},
            {**QROC, **CASE, header: "cas_qroc"},
        )
    )

    assert [r.type for r in upload.rows] == ["qcm", "qroc", "cas_qcm", "cas_qroc"]
    assert all(r.rejection is None for r in upload.rows)


def test_a_row_whose_type_cell_names_no_type_is_rejected() -> None:
    upload = parse(sheet("Feuil1", {**QCM, "type": "qcm"}, {**QCM, "type": "vrai/faux"}, {**QCM, "type": ""}))

    assert [r.rejection for r in upload.rows] == [
        None,
        row_findings.unknown_type("vrai/faux"),
        row_findings.unknown_type(""),
    ]


@pytest.mark.parametrize("name", ["Feuil1", "Cours", "QCM et QROC", "notes"])
def test_other_sheets_are_left_out_with_the_reason(name: str) -> None:
    upload = parse(sheet("qroc", QROC), sheet(name, {"x": "1", "y": "2"}))

    assert [left.name for left in upload.left_out] == [name]
    assert "n'indique pas de type de question" in upload.left_out[0].reason


def test_an_empty_sheet_is_left_out_and_an_empty_sheet_of_questions_is_read_as_such() -> None:
    upload = parse(
        sheet("qcm", QCM), grid("qroc", ("matiere", "reponse")), RawSheet("Feuil2", ()), RawSheet("cas_qcm", ())
    )

    assert [(r.name, r.row_count) for r in upload.read] == [("qcm", 1), ("qroc", 0), ("cas_qcm", 0)]
    assert [(left.name, left.reason) for left in upload.left_out] == [("Feuil2", "Feuille vide.")]


@pytest.mark.parametrize(
    ("file_name", "kind"),
    [("DCEM2 - qcm.csv", "qcm"), ("cas clinique qroc.csv", "cas_qroc"), ("dossier/Cours - QROC.csv", "qroc")],
)
def test_the_type_of_a_csv_comes_from_its_name(file_name: str, kind: str) -> None:
    stem = file_name.rsplit("/", 1)[-1].removesuffix(".csv")

    assert row(sheet(stem, {**QCM, **CASE}), file_name=file_name).type == kind


def test_the_type_of_a_csv_with_a_mute_name_comes_from_its_columns() -> None:
    def kind(values: Mapping[str, str]) -> str:
        return row(sheet("export", values), file_name="export.csv").type

    assert [kind(QCM), kind(QROC), kind({**QCM, **CASE}), kind({**QROC, **CASE})] == [
        "qcm", "qroc", "cas_qcm", "cas_qroc",
    ]  # fmt: skip


def test_a_csv_with_a_type_column_may_mix_types() -> None:
    rows = ({**QCM, "type": "qcm"}, {**QROC, "type": "qroc"})

    assert [r.type for r in parse(sheet("qcm export", *rows), file_name="qcm export.csv").rows] == ["qcm", "qroc"]


def test_no_recognised_sheet_fails_and_names_what_was_found() -> None:
    message = failure(sheet("Feuil1", {"a": "1", "zz": "2"}), sheet("Notes", {"b": "1"}))

    assert message.startswith("Aucune feuille de questions reconnue")
    assert "« Feuil1 », « Notes »" in message


@pytest.mark.parametrize("sheets", [[], [RawSheet("qcm", ())], [grid("qcm", ("matiere", "reponse"))]])
def test_a_file_without_a_question_row_fails(sheets: list[RawSheet]) -> None:
    assert failure(*sheets).startswith("Le fichier ne contient aucune question")


def test_a_sheet_without_the_needed_columns_fails_and_names_them() -> None:
    assert failure(sheet("qcm", {"niveau": "DCEM2", "reponse": "A"})) == (
        "Dans la feuille « qcm », il manque les colonnes « texte de la question », « matiere » ou « cours », "
        "« option a » et « option b ». En-tête lu à la ligne 1, 2 colonnes trouvées : « niveau », « reponse ». "
        f"{NEEDED}"
    )
    assert failure(sheet("cas_qroc", QROC)).startswith(
        "Dans la feuille « cas_qroc », il manque la colonne « texte du cas ». En-tête lu à la ligne 1, 4 colonnes "
    )


def test_title_lines_above_the_header_are_passed_over() -> None:
    upload = parse(
        grid("qroc", ("QROC de pédiatrie", "", ""), ("matiere", "question", "niveau"), ("P", "Où ?", "DCEM2"))
    )

    assert [(r.row_number, r.question and r.question.text) for r in upload.rows] == [(3, "Où ?")]


# Headers

SYNONYMS = [
    ("matière", "matiere"), ("MATIERE ", "matiere"), ("Specialité", "matiere"), ("Cours", "cours"),
    ("question no", "question n"), ("Question n°", "question n"), ("question numero", "question n"),
    ("question_n", "question n"), ("Question Nº", "question n"),
    ("cas no", "cas n"), ("Cas n°", "cas n"), ("cas", "cas n"), ("Session", "source"),
    ("texte cas", "texte du cas"), ("case", "texte du cas"), ("Énoncé du cas", "texte du cas"),
    ("texte de question", "texte de la question"), ("texte question", "texte de la question"),
    ("Question", "texte de la question"), ("énoncé", "texte de la question"),
    ("OPTION A", "option a"), ("Option 1", "option a"), ("option 5", "option e"), ("Proposition C", "option c"),
    ("proposition-e", "option e"),
    ("Réponse", "reponse"), ("reponses", "reponse"), ("réponse(s)", "reponse"), ("Bonne réponse", "reponse"),
    ("explication de la réponse", "explication"), ("explication reponse", "explication"),
    ("Explanation", "explication"), ("Correction", "explication"), ("EXPLICATION B", "explication b"),
    ("Rappel du cours", "rappel"), ("rappel cours", "rappel"), ("rappel_cours", "rappel"),
    ("Course reminder", "rappel"), ("image url", "image"), ("media", "image"), ("Média URL", "image"),
    ("illustration", "image"), ("Level", "niveau"), ("Semester", "semestre"),
]  # fmt: skip
TYPOS = [
    ("Eplication E", "explication e"), ("explicaton a", "explication a"), ("Explications", "explication"),
    ("optoin c", "option c"), ("Opton b", "option b"), ("optiond", "option d"), ("reponce", "reponse"),
    ("repnse", "reponse"), ("Semstre", "semestre"), ("nivau", "niveau"), ("matieres", "matiere"),
    ("texte de la qestion", "texte de la question"), ("texte du ca", "texte du cas"), ("sources", "source"),
    ("images", "image"), ("rapel", "rappel"),
]  # fmt: skip
STRANGERS = [
    "option", "option f", "explication z", "casque", "castes", "mage noir", "voyage", "usage", "jours", "tours",
    "application", "direction", "remarque", "auteur", "date", "points", "trimestre", "question 12",
    "rapport", "mission", "nouveau", "page", "dosage", "cas x", "",
]  # fmt: skip


@pytest.mark.parametrize(("header", "canonical"), SYNONYMS + TYPOS)
def test_headers_are_recognised(header: str, canonical: str) -> None:
    read = row(
        sheet(
            "qroc",
            {
                **{key: value for key, value in QROC.items() if key != canonical},
                header: "valeur",
                "niveau ": "DCEM2",
                "question": "Q ?",
                "matiere ": "P",
            },
        )
    )

    assert read.cells[canonical]
    assert header == canonical or header not in read.cells


@pytest.mark.parametrize("header", STRANGERS)
def test_unknown_headers_are_kept_under_their_own_text_and_read_as_nothing(header: str) -> None:
    upload = parse(sheet("qroc", {**QROC, header: "valeur"}))

    assert upload.rows[0].question == question(QROC, name="qroc")
    assert upload.rows[0].cells[header or "Colonne E"] == "valeur"
    assert upload.read[0].columns == (*QROC, header or "Colonne E")


def test_of_two_columns_with_one_name_the_first_value_wins_but_for_answers_and_none_is_lost() -> None:
    upload = parse(
        grid(
            "qroc",
            ("matiere", "niveau", "question", "reponse", "Réponse", "Note", "Note"),
            ("P", "DCEM2", "Où ?", " ", "Ovaire", "n1", "n2"),
            ("P", "DCEM2", "Quand ?", "Jamais", "Demain", "", ""),
        )
    )

    assert upload.read[0].columns == (
        "matiere", "niveau", "texte de la question", "reponse", "Réponse (2)", "Note", "Note (2)",
    )  # fmt: skip
    assert [r.question and r.question.official_answer for r in upload.rows] == ["Ovaire", None]
    assert codes(upload.rows[1]) == ["conflicting_answers"]
    assert upload.rows[1].cells["Réponse (2)"] == "Demain"
    assert (upload.rows[0].cells["Note"], upload.rows[0].cells["Note (2)"]) == ("n1", "n2")


def test_what_each_column_became_is_told_with_the_cells_that_nobody_reads() -> None:
    (read,) = parse(
        grid(
            "qroc",
            ("QROC de pédiatrie", "", "", "", "", ""),
            ("matiere", "Question", "niveau", "Réponse", "Remarque", "Vide"),
            ("P", "Où ?", "DCEM2", "Ovaire", "à revoir", ""),
            ("P", "Quand ?", "DCEM2", "Jamais", " ", ""),
        )
    ).read

    assert read.header_row == 2
    assert [(column.header, column.became) for column in read.details] == [
        ("matiere", "matiere"), ("Question", "texte de la question"), ("niveau", "niveau"), ("Réponse", "reponse"),
        ("Remarque", None), ("Vide", None),
    ]  # fmt: skip
    assert [(column.header, column.filled) for column in read.unread] == [("Remarque", 1)]


def test_status_columns_of_a_corrected_workbook_are_ignored() -> None:
    status = {
        "statut": "confirmé",
        "raison": "r",
        "reponse d'origine": "B",
        "Réponse proposée": "C",
        "confiance": "0.9",
    }

    upload = parse(sheet("qcm", {**QCM, **status}))

    assert upload.read[0].columns == tuple(QCM)
    assert upload.rows[0].cells == QCM
    assert upload.rows[0].question == question(QCM)


def test_cells_keep_the_text_as_uploaded() -> None:
    values = {**QCM, "matiere": " pediatrie 2* ", "reponse": "B, A.", "texte de la question": "<p>Que&nbsp;faire ?</p>"}

    assert row(sheet("qcm", values)).cells == values


# Level


@pytest.mark.parametrize("cell", ["Dcem2", "DCEM 2", "dcem2", " DCEM2 ", "dcem-2"])
def test_levels_have_one_spelling(cell: str) -> None:
    assert question({**QCM, "niveau": cell}).level == "DCEM2"


def levels(*rows: Mapping[str, str], file_name: str = "x.xlsx", level: str | None = None) -> list[str | None]:
    read = parse(sheet("qcm", *rows), file_name=file_name, level=level).rows
    return [row.question.level if row.question else None for row in read]


def test_a_missing_level_is_sought_in_order() -> None:
    none = {**QCM, "niveau": ""}
    other = {**QCM, "niveau": "PCEM1", "cours": "Autre", "source": ""}

    # the course, then the specialty, then the source, the file name, the job
    assert levels({**QCM, "niveau": "DCEM3"}, none, other)[1] == "DCEM3"
    assert levels(none, other)[0] == "PCEM1"
    assert levels({**none, "source": "(PCEM 2, [Niveau 3])"}, file_name="DCEM1.xlsx", level="DCEM4") == ["PCEM2"]
    assert levels(none, file_name="PCEM 2 - qcm.xlsx", level="DCEM4") == ["PCEM2"]
    assert levels(none, level="dcem 4") == ["DCEM4"]


def test_neighbours_that_disagree_give_no_level() -> None:
    rows = ({**QCM, "niveau": "DCEM1"}, {**QCM, "niveau": "DCEM2"}, {**QCM, "niveau": ""})

    assert levels(*rows, level="DCEM4")[2] == "DCEM4"


def test_an_inherited_level_is_a_finding_and_no_level_at_all_a_rejection() -> None:
    inherited = row(sheet("qcm", {**QCM, "niveau": ""}), level="DCEM4")
    refused = row(sheet("qcm", {**QCM, "niveau": "", "source": "([Niveau 3])"}))

    assert codes(inherited) == ["level_inherited"]
    assert "« DCEM4 »" in inherited.findings[0].message
    assert inherited.findings[0].column == "niveau"
    assert refused.rejection is not None
    assert refused.rejection.startswith("Niveau manquant")


# Semester


@pytest.mark.parametrize(
    ("cell", "semester"),
    [("S1", "S1"), ("s2", "S2"), ("1", "S1"), ("2", "S2"), ("semestre 1", "S1"), ("Semestre 2", "S2"), ("S 1", "S1"),
     ("2ème semestre", "S2"), ("1er semestre", "S1"), ("", "Non précisé")],
)  # fmt: skip
def test_semesters(cell: str, semester: str) -> None:
    read = row(sheet("qcm", {**QCM, "semestre": cell}))

    assert read.question is not None
    assert (read.question.semester, codes(read)) == (semester, [])


@pytest.mark.parametrize("cell", ["Pediatrie ", "3", "S12", "2024", "12"])
def test_what_is_no_semester_is_the_default_with_a_finding(cell: str) -> None:
    first = row(sheet("qcm", {**QCM, "semestre": cell}))
    second = row(sheet("qcm", {**QCM, "semestre": cell}), semester="s2")

    assert (first.question and first.question.semester, codes(first)) == ("Non précisé", ["semester_not_recognised"])
    assert (second.question and second.question.semester, codes(second)) == ("S2", ["semester_not_recognised"])
    assert f"« {cell.strip()} »" in first.findings[0].message


# Specialty and course


def test_spellings_of_one_name_become_one_with_accents_and_without_a_star() -> None:
    upload = parse(
        sheet("qcm", {**QCM, "matiere": "pediatrie 2*", "cours": "hernie  etranglée"}),
        sheet(
            "qroc", {**QROC, "matiere": "Pédiatrie 2", "cours": "Hernie etranglee"}, {**QROC, "matiere": "pediatrie 2 "}
        ),
    )

    assert {r.question.specialty for r in upload.rows if r.question} == {"Pédiatrie 2"}
    assert [r.question.course for r in upload.rows if r.question] == [
        "hernie etranglée",
        "hernie etranglée",
        "Pédiatrie 2",
    ]


def test_without_accents_the_first_spelling_stays() -> None:
    upload = parse(sheet("qcm", {**QCM, "matiere": "CARDIO*"}, {**QCM, "matiere": "Cardio"}))

    assert {r.question.specialty for r in upload.rows if r.question} == {"CARDIO"}


def test_an_empty_course_is_the_specialty_and_neither_is_a_rejection() -> None:
    upload = parse(sheet("qcm", {**QCM, "cours": ""}, {**QCM, "cours": " ", "matiere": "*"}))

    assert upload.rows[0].question is not None
    assert upload.rows[0].question.course == "Pédiatrie"
    assert upload.rows[1].rejection == row_findings.NO_NAMES


def test_a_missing_specialty_is_that_of_the_course_elsewhere() -> None:
    known, unknown = parse(sheet("qcm", {**QCM, "matiere": ""}, {**QCM, "matiere": "", "cours": "Seul"}, QCM)).rows[:2]

    assert known.question is not None
    assert unknown.question is not None
    assert (known.question.specialty, unknown.question.specialty) == ("Pédiatrie", "Seul")
    assert "specialty_inherited" in codes(known)


# Source, explanations, reminder


@pytest.mark.parametrize(
    ("source", "difficulty"),
    [("(Tunis 2024, [Niveau 3])", 3), ("([niveau1])", 1), ("(Juillet 2001, NIVEAU 2)", 2), ("(Niveau 5)", 5),
     ("[Niveau 7]", None), ("[niveau 12]", None), ("(Tunis 2024)", None), ("", None)],
)  # fmt: skip
def test_the_source_is_verbatim_and_tells_the_difficulty(source: str, difficulty: int | None) -> None:
    read = row(sheet("qcm", {**QCM, "source": source}))

    assert read.cells["source"] == source
    assert read.question is not None
    assert read.question.difficulty == difficulty


@pytest.mark.parametrize("text", ["aaa", "AAA", "xxx", "x", "test", ".", "-", "n/a", "N/A", "...", " ", "?", "aa"])
def test_placeholders_count_as_no_explanation(text: str) -> None:
    read = question({**QCM, "explication": text, "explication a": text, "explication b": "Vrai, car fréquent."})

    assert read.explanation is None
    assert read.option_explanations == {"B": "Vrai, car fréquent."}


@pytest.mark.parametrize("text", ["Faux", "TSH", "Non", "5 %", "Anaphylaxie"])
def test_short_explanations_count(text: str) -> None:
    assert question({**QCM, "explication": text}).explanation == text


def test_the_reminder_is_kept_byte_for_byte() -> None:
    reminder = "  Voir <b>cours</b> &amp; TD\n\n - aaa \n"

    assert question({**QCM, "rappel": reminder}).reminder == reminder
    assert question({**QCM, "rappel": " \n"}).reminder is None


# Text


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("<p>Un</p><p>Deux</p>", "Un\n\nDeux"),
        ("Un<br>deux<br/>trois", "Un\ndeux\ntrois"),
        ("<ul><li>Un</li><li>Deux</li></ul>", "- Un\n- Deux"),
        ('<span style="color: red">Fi&egrave;vre</span> &amp; toux&nbsp;?', "Fièvre & toux ?"),
        ("<strong>a</strong> &lt; <i>b</i>", "a < b"),
        ("p < 0,05 et q > 3", "p < 0,05 et q > 3"),
        ("si a<b et c>d", "si a<b et c>d"),
        ("PaO2 <p et SaO2 > 90", "PaO2 <p et SaO2 > 90"),
        ("x<b>y", "x<b>y"),
        ("5<x<9", "5<x<9"),
        ("R&D, AT&T, a&b;", "R&D, AT&T, a&b;"),
        ("10<sup>3</sup>/mm<sup>3</sup>, H<sub>2</sub>O, 1<sup>er</sup>", "10³/mm³, H₂O, 1er"),
        ("Un\n\n- deux\n  * trois", "Un\n\n- deux\n  * trois"),
        ("a&#0;b&#7;c&#233;", "a\ufffdbcé"),
        ("<!-- note -->Où<script>x()</script> ?", "Où ?"),
    ],
)
def test_html_becomes_text_and_signs_stay(cell: str, text: str) -> None:
    assert question({**QCM, "texte de la question": cell}).text == text


def test_nothing_is_ever_cut() -> None:
    long = "Une patiente de 41 ans, " + "adressée pour douleurs, " * 3000 + "fin."
    read = question(
        {**QCM, **CASE, "texte du cas": long, "texte de la question": long, "option a": long}, name="cas_qcm"
    )

    assert (read.text, read.case_text, read.options["A"]) == (long, long, long)


# Cases


def test_a_missing_case_text_is_taken_from_the_rows_of_the_same_case() -> None:
    upload = parse(
        sheet(
            "cas_qcm",
            {**QCM, **CASE, "texte du cas": ""},
            {**QCM, **CASE},
            {**QCM, **CASE, "cas n": "2", "texte du cas": ""},
        )
    )

    first, second, third = upload.rows
    assert first.question is not None
    assert first.question.case_text == second.question.case_text if second.question else False
    assert codes(first) == ["case_text_inherited"]
    assert third.rejection == row_findings.NO_CASE_TEXT


def test_case_numbers_begin_again_in_each_course() -> None:
    rows = (
        {**QCM, **CASE, "cours": "Un", "texte du cas": "Cas du premier cours."},
        {**QCM, **CASE, "cours": "Deux", "texte du cas": "Cas du second cours."},
        {**QCM, **CASE, "cours": "Deux", "texte du cas": ""},
        {**QCM, **CASE, "cours": "Trois", "texte du cas": ""},
    )
    third, fourth = parse(sheet("cas_qcm", *rows)).rows[2:]

    assert third.question is not None
    assert third.question.case_text == "Cas du second cours."
    assert fourth.question is None


def test_a_case_number_written_as_a_float_is_whole() -> None:
    assert question({**QCM, **CASE, "cas n": "5.0"}, name="cas_qcm").case_number == "5"


def test_a_case_of_another_sheet_gives_no_text() -> None:
    upload = parse(sheet("cas_qcm", {**QCM, **CASE}), sheet("cas_qroc", {**QROC, **CASE, "texte du cas": ""}))

    assert upload.rows[1].question is None


def test_a_case_text_outside_a_case_sheet_is_a_finding() -> None:
    read = row(sheet("qcm", {**QCM, **CASE}))

    assert read.question is not None
    assert read.question.case_text is None
    assert codes(read) == ["case_text_ignored"]


# Rows


def test_a_row_without_a_question_is_rejected() -> None:
    assert row(sheet("qcm", {**QCM, "texte de la question": "<p> </p>"})).rejection == row_findings.NO_TEXT


@pytest.mark.parametrize(
    ("options", "have"),
    [({"option a": "Seule", "option b": ""}, "en a une seule"), ({"option a": " ", "option b": ""}, "n'en a aucune")],
)
def test_a_qcm_with_fewer_than_two_options_is_rejected(options: dict[str, str], have: str) -> None:
    assert row(sheet("qcm", {**QCM, **options})).rejection == (
        f"Un QCM demande au moins deux options : cette ligne {have}. Ajouter celles qui manquent, puis renvoyer la "
        "ligne."
    )


def test_options_keep_their_letters() -> None:
    read = question({**QCM, "option b": " ", "option c": "Revoir", "option d": "", "option e": "Rien", "reponse": "CA"})

    assert dict(read.options) == {"A": "Opérer", "C": "Revoir", "E": "Rien"}
    assert read.official_key == "AC"


def test_equal_options_are_a_finding() -> None:
    assert codes(row(sheet("qcm", {**QCM, "option b": "opérer"}))) == ["equal_options"]


def test_a_qroc_has_no_options_even_where_the_columns_hold_some() -> None:
    assert question({**QROC, "option a": "x", "option b": "y"}, name="qroc").options == {}


def test_a_formula_without_a_value_is_a_finding_on_its_row() -> None:
    raw = sheet("qcm", QCM, {**QCM, "niveau": ""}, unresolved={(3, 1): "=VLOOKUP(A1,B2,3)", (3, 99): "=Z1"})

    first, second = parse(raw).rows

    assert first.findings == ()
    assert codes(second) == ["formula_without_value", "level_inherited"]
    assert second.findings[0].message == (
        "La colonne « niveau » contient une formule sans valeur enregistrée : =VLOOKUP(A1,B2,3)"
    )
    assert second.findings[0].column == "niveau"


def test_an_image_stays_in_the_cells() -> None:
    read = row(sheet("qcm", {**QCM, "Illustration": "radio.png"}))

    assert read.cells["image"] == "radio.png"
    assert read.findings == ()
