"""Every step that text from outside goes through takes time in proportion to its length: cells, replies, documents.

The expressions are tried one by one in `test_linear`; here are the loops, and what libraries do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import pytest

from tests.house.growth import find_growth
from worker.courses.chunk import chunk_document
from worker.courses.extract.html import read_html
from worker.courses.extract.markdown import read_markdown
from worker.courses.extract.text import read_text
from worker.courses.orders import find_orders
from worker.courses.search.query import compose_query
from worker.llm.calls import Endpoint
from worker.llm.compose import Frame, compose_request
from worker.llm.validate import check_reply
from worker.questions.letters import is_negative, named_letters, stated_key
from worker.questions.question import Question, fold_name, fold_text
from worker.questions.sheets import RawSheet
from worker.questions.short_answers import is_other_answer, same_answer
from worker.report.xlsx_writer import fit_text
from worker.system.urls import safe_url
from worker.text.characters import clean_text
from worker.upload.parsing import parse_upload
from worker.upload.reading.delimited import read_records
from worker.upload.storage import safe_name

PIECES = (
    "a", " ", "\n", "\t", "1", "é", "e\u0301", "\u0301", "\u00a0", "ﷺ", "😀", "\u200b", "-", "'", '"', ",", ";", ".",
    "A,", "A; ", "A et ", "AB", "option ", "option  ", "niveau ", "cas ", "n'a", "[", "{", '{"a":', '"results": [',
    "[{", "<", "<!--", "<b>", "<b", "<p a='", "<script", "<sup>1</sup>", "<think>", "</think>", "```", "&", "&#1;",
    "_x000D_", "=", "(", "\\", "%", "# ", "| ", "--- |", "**", "é. A est vraie. ", "La bonne réponse est A. ",
)  # fmt: skip
HEADS = ("option", "niveau", "<!--", "<p ", "A", "réponse : ")
COLUMNS = ("matiere", "cours", "niveau", "semestre", "source", "cas", "texte du cas", "texte de la question")
HEADER = (*COLUMNS, *[f"option {letter}" for letter in "abcde"], "reponse", "explication", "rappel")
ROW = ("Pédiatrie", "Urgences", "DCEM2", "S1", "Tunis", "1", "Un cas.", "Laquelle ?", "a", "b", "c", "d", "e", "AC")


def parse_cell(column: int, text: str) -> object:
    cells = [*ROW, "Voir le cours.", "Rappel."]
    cells[column] = text
    sheet = RawSheet("cas qcm", ((1, HEADER), (2, tuple(cells))))
    return parse_upload([sheet], "cas qcm.csv", default_level=None, default_semester=None)


def parse_header(text: str) -> object:
    sheet = RawSheet("cas qcm", ((1, (*HEADER, text)), (2, (*ROW, "Voir.", "Rappel.", "x"))))
    return parse_upload([sheet], "cas qcm.csv", default_level=None, default_semester=None)


def parse_names(text: str) -> object:
    sheet = RawSheet(text, ((1, HEADER), (2, (*ROW, "Voir.", "Rappel."))))
    return parse_upload([sheet], text, default_level=None, default_semester=None)


QUESTION = Question(
    type="qcm",
    specialty="Pédiatrie",
    course="Urgences",
    level="DCEM2",
    semester="S1",
    text="Laquelle ?",
    options={letter: f"proposition {letter}" for letter in "ABCDE"},
    official_key="A",
)
ENDPOINT = Endpoint(name="https://llm.example/v1", model="m", review_model="m")
REQUEST = compose_request("second_look", [("i", QUESTION, [])], Frame(ENDPOINT, "m"))


def check_content(text: str) -> object:
    return check_reply(json.dumps({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}), REQUEST)


def check_explanation(text: str) -> object:
    result = {"id": "q1", "correctAnswers": ["A"], "explanation": text, "confidence": 0.9, "citations": []}
    result["optionExplanations"] = dict.fromkeys("ABCDE", text)
    return check_content(json.dumps({"results": [result]}))


def compose(text: str) -> object:
    changed = Question(**{**QUESTION.to_json(), "text": text, "options": {"A": text, "B": "b"}, "explanation": text})
    compose_query("i", changed)
    return compose_request("analyse", [("i", changed, [])], Frame(ENDPOINT, "m", text))


STEPS: dict[str, Callable[[str], object]] = {
    **{f"the cell {name}": partial(parse_cell, n) for n, name in enumerate(HEADER)},
    "a header": parse_header,
    "the names of sheet and file": parse_names,
    "fold": lambda text: (fold_name.__wrapped__(text), fold_text(text)),
    "letters": lambda text: (
        named_letters(text),
        stated_key(text),
        is_negative(text),
    ),
    "short answers": lambda text: (same_answer(text, text + "x"), is_other_answer(text, "x" + text)),
    "a reply": check_content,
    "a body that is no reply": lambda text: check_reply(text, REQUEST),
    "an explanation": check_explanation,
    "a prompt": compose,
    "a CSV": lambda text: list(read_records(text, tabular_only=False)),
    "a document": lambda text: chunk_document(read_text(text.encode(errors="replace"))),
    "a Markdown document": lambda text: chunk_document(read_markdown(text.encode(errors="replace"))),
    "an HTML document": lambda text: chunk_document(read_html(text.encode(errors="replace"))),
    "orders in a course": find_orders,
    "a cell that is written": lambda text: fit_text(clean_text(text)),
    "a file name": safe_name,
    "an address": safe_url,
}
DEAR = 12  # times what an expression may cost: a step is many of them


@pytest.mark.parametrize("step", STEPS)
def test_every_step_is_linear(step: str) -> None:
    texts = [("", piece) for piece in PIECES] + [(head, piece) for head in HEADS for piece in (" ", "a", "A,")]
    for head, piece in texts:
        growth = find_growth(
            partial(repeat, head, piece),
            lambda text: partial(attempt, STEPS[step], text),
            dear=DEAR,
            sizes=(1_000, 4_000, 16_000, 64_000),
        )
        assert not growth, f"{head!r} and {piece!r}: {growth}"


def repeat(head: str, piece: str, length: int) -> str:
    return head + piece * (length // len(piece)) + "!"


def attempt(work: Callable[[str], object], text: str) -> None:
    """A refusal is an answer too."""
    try:
        work(text)
    except Exception as error:
        if isinstance(error, (RecursionError, MemoryError, TypeError, KeyError, IndexError)):
            raise
