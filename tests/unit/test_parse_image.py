"""The `image` cell: a link that is part of the question, or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from worker.questions.decision import DecidedItem, Order
from worker.questions.question import Question
from worker.review.settle import settle
from worker.upload.parsing.values import read_image


@pytest.mark.parametrize(
    ("cell", "image"),
    [
        ("https://exemple.fr/Thorax1.png?v=2", "https://exemple.fr/Thorax1.png?v=2"),
        ("  radio 1.jpg\n", "radio 1.jpg"),
        ('<p><IMG alt="a" src="x/y.png" width=3></p>', "x/y.png"),
        ("<img src=y.png>", "y.png"),
        ("<img src='a b.png'>", "a b.png"),
        ("src=1", "src=1"),
        ("", None),
        ("-", None),
        ("n/a", None),
        ("Non", None),
        ("Pas d'image", None),
        ("aucune", None),
    ],
)
def test_a_link_is_kept_as_written_and_a_placeholder_is_none(cell: str, image: str | None) -> None:
    assert read_image(cell) == image


QUESTION = Question(
    type="qcm",
    specialty="Pneumologie",
    course="Radio",
    level="DCEM2",
    semester="S1",
    text="Que montre l'image ?",
    options={"A": "un", "B": "deux"},
    official_key="A",
    image="radio.png",
)
LOOK = {"key": "B", "explanation": "Parce que deux.", "option_explanations": {}}


@pytest.mark.parametrize(
    ("action", "typed", "explanation"),
    [
        ("keep", None, "Explication à rédiger.\n\nImage\u00a0: radio.png"),
        ("accept", None, "Parce que deux.\n\nImage\u00a0: radio.png"),
        ("edit", "On voit radio.png.", "On voit radio.png."),
    ],
)
def test_what_a_person_settles_keeps_the_image(action: Any, typed: str | None, explanation: str) -> None:
    item = DecidedItem(
        id="i",
        job_id="j",
        outcome="contested",
        question=QUESTION,
        content_hash=QUESTION.content_hash(),
        result={"looks": [LOOK]},
        question_id="q",
        stored=None,
        standing=(),
        version="1",
    )
    order = Order("i", action, "u", "command", key="A" if typed else None, explanation=typed)

    assert settle(item, order).explanation == explanation
