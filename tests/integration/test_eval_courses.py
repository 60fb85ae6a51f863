"""`medq eval --courses`: documents and questions of somebody else's, found or not, beside plain BM25."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.surroundings import Platform
from worker.cli import call
from worker.errors import UsageError
from worker.evaluation.courses import read_course_questions

Medq = Callable[..., tuple[int, str, str]]

COURSES = {
    "coqueluche.md": """# Coqueluche

La coqueluche est due à *Bordetella pertussis*. La coqueluche donne une toux quinteuse, nocturne, émétisante. Un
macrolide réduit la contagiosité de la coqueluche pendant les trois premières semaines.
""",
    "goutte.md": """# Goutte

La crise de goutte touche le gros orteil. La goutte est due à des cristaux d'urate de sodium. La colchicine est donnée
tôt dans la crise de goutte ; l'allopurinol abaisse l'uricémie au long cours.
""",
    "bronchiolite.md": """# Bronchiolite

La bronchiolite du nourrisson est due au virus respiratoire syncytial. La bronchiolite est traitée par la désobstruction
rhinopharyngée et le fractionnement des repas.
""",
}
ROWS = (
    ("question", "options", "passage", "document", "page", "remarque"),
    ("Agent de la coqueluche ?", "", "due à Bordetella per- tussis", "", "", "facile"),
    (
        "La crise de goutte :",
        "Elle touche le gros orteil | La colchicine est donnée tôt | Elle est virale",
        "",
        "goutte",
        "",
        "",
    ),
    ("Traitement de la bronchiolite ?", "", "fractionnement des repas", "bronchiolite.md", "", ""),
    ("Virus de la bronchiolite ?", "", "ce texte n'est nulle part", "", "", ""),
    ("Traitement de la maladie de Kawasaki ?", "", "", "", "", ""),
    ("Le glaucome aigu :", "L'œil est rouge | La pupille est en mydriase", "", "", "", ""),
)


@pytest.fixture
def courses(tmp_path: Path) -> Path:
    folder = tmp_path / "cours"
    folder.mkdir()
    for name, text in COURSES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_an_embedding_model_that_does_not_answer_is_said_before_anything_is_read(
    medq: Medq, courses: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDQ_EMBEDDING_MODEL", "small")
    monkeypatch.setenv("MEDQ_EMBEDDING_BASE_URL", "http://127.0.0.1:9/v1")
    (courses / "scan.pdf").write_bytes(b"no PDF")

    code, out, err = medq("eval", "--courses", courses, write(tmp_path / "q.csv", ROWS))

    assert (code, out) == (2, "")
    assert "MEDQ_EMBEDDING_BASE_URL" in err
    assert "MEDQ_EMBEDDING_MODEL unset" in err
    assert "scan.pdf" not in err


def write(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.fixture
def medq(platform: Platform, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Medq:
    for name, value in platform.worker_environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = call([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_a_folder_and_questions_give_figures_beside_plain_bm25(
    platform: Platform, medq: Medq, courses: Path, tmp_path: Path
) -> None:
    (courses / "abîmé.pdf").write_bytes(b"garbage")
    before = platform.rows("SELECT datname FROM pg_database")

    code, out, err = medq("eval", "--courses", courses, write(tmp_path / "questions.csv", ROWS), "--json")

    told = json.loads(out)
    assert code == 0
    assert (told["documents"], told["passages"], told["refused"]) == (3, 3, 1)
    assert "abîmé.pdf: it is damaged" in err
    assert "Columns that are not read: remarque." in err
    # Then a known passage is found though its text is cut and spelled otherwise, and foreign subjects get nothing
    worker = {kind: told["figures"][kind]["worker"] for kind in ("qcm", "qroc", "all")}
    assert (worker["qcm"]["known"], worker["qcm"]["found"], worker["qcm"]["foreign_shown"]) == (1, 1, 0)
    assert (worker["qroc"]["known"], worker["qroc"]["found"], worker["qroc"]["foreign_shown"]) == (3, 2, 0)
    assert worker["all"]["recall_at_5"] == 0.75
    assert worker["all"]["intervals"]["recall_at_5"] == pytest.approx((0.3006, 0.9544), abs=1e-3)
    # Plain BM25 ranks the same passages and always shows some
    plain = told["figures"]["all"]["bm25"]
    assert (plain["found"], plain["foreign_share"]) == (3, 1.0)
    # What was missed names the row; of a passage that no document holds, that
    assert [(one["row"], one["passage_read"]) for one in told["missed"]] == [(5, False)]
    assert platform.rows("SELECT datname FROM pg_database") == before


def test_teachers_read_a_table_and_a_list(medq: Medq, courses: Path, tmp_path: Path) -> None:
    questions = write(tmp_path / "questions.csv", ROWS)

    code, out, _ = medq("eval", "--courses", courses, questions, "--missed", tmp_path / "manquées.csv")

    assert code == 0
    assert "questions.csv : 6 questions posées à 3 documents, 0 page, 3 passages." in out
    for words in ("BM25 simple (snowball)", "QCM", "QROC", "ensemble", "75,0 % (30,1–95,4)", "ligne 5."):
        assert words in out
    listed = (tmp_path / "manquées.csv").read_text(encoding="utf-8-sig").splitlines()
    (missed,) = csv.DictReader(listed, delimiter=";")
    assert (missed["ligne"], missed["motif"]) == ("5", "passage absent des documents lus")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["{courses}"], "Give the questions too"),
        (["{courses}/nowhere", "{questions}"], "no such folder"),
        (["{courses}", "{courses}/nowhere.csv"], "no such file"),
        (["{courses}", "{questions}", "--wrong", "0.2"], "--wrong cannot be given beside it"),
        (["{courses}", "{questions}", "--from-decisions"], "--from-decisions cannot be given beside it"),
        (["{empty}", "{questions}"], "holds no course document"),
        (["{courses}", "{other}"], "no document 'pneumologie'"),
    ],
)
def test_wrong_usage_is_one_sentence(
    medq: Medq, courses: Path, tmp_path: Path, arguments: list[str], told: str
) -> None:
    (tmp_path / "vide").mkdir()
    places = {
        "courses": courses,
        "empty": tmp_path / "vide",
        "questions": write(tmp_path / "questions.csv", ROWS),
        "other": write(tmp_path / "autre.csv", [("question", "document"), ("Pneumonie ?", "pneumologie")]),
    }

    code, out, err = medq("eval", "--courses", *(argument.format(**places) for argument in arguments))

    assert (code, out) == (2, "")
    assert told in err


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([("texte", "passage"), ("a", "b")], "no column `question`"),
        ([("question",), ("Agent ?",)], "add a column `passage`"),
        ([("question", "passage")], "no question below its headers"),
        ([("question", "document", "page"), ("Agent ?", "", "3")], "row 2: page 3 of which document"),
        ([("question", "document", "page"), ("Agent ?", "a.pdf", "trois")], "row 2: 'trois' is no page"),
    ],
)
def test_a_file_that_is_not_understood_is_refused_by_row(
    tmp_path: Path, rows: list[tuple[str, ...]], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        read_course_questions(write(tmp_path / "q.csv", rows))


def test_options_are_read_in_one_cell_or_in_several(tmp_path: Path) -> None:
    rows = [
        ("Énoncé", "Option A", "Option B", "options", "Fichier", "Pages"),
        ("Un ?", "oui", "non", "", "a.pdf", "3-4"),
        ("Deux ?", "", "", "A. oui\nB. non\nC. peut-être", "a.pdf", ""),
        ("Trois ?", "", "", "10 ; 20 | 30", "", ""),
        ("Quatre ?", "", "", "", "", ""),
    ]

    questions, others = read_course_questions(write(tmp_path / "q.csv", rows))

    assert [list(q.question.options.values()) for q in questions] == [
        ["oui", "non"],
        ["oui", "non", "peut-être"],
        ["10 ; 20", "30"],
        [],
    ]
    assert [(q.document, q.pages, q.is_foreign) for q in questions] == [
        ("a.pdf", (3, 4), False),
        ("a.pdf", None, False),
        (None, None, True),
        (None, None, True),
    ]
    assert others == ()
