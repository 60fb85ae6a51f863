"""The document that a model writes: the schema that is sent stays as it is, and one model reads what comes back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from worker.llm.calls import Endpoint
from worker.llm.compose import Frame, compose_request
from worker.llm.reply_schema import HOSTED_SCHEMA, Result, embedded_schema
from worker.questions.question import LETTERS, Question

HOSTED = Endpoint(name="https://llm.example/v1", model="m", review_model="r")
EMBEDDED = replace(HOSTED, embedded=True)
SENT = Path(__file__).parents[1] / "data" / "analyses.schema.json"
QUESTION = Question(
    type="qcm",
    specialty="Pédiatrie",
    course="Verge",
    level="DCEM2",
    semester="S1",
    text="Le phimosis :",
    options={letter: f"proposition {letter}" for letter in LETTERS},
)


def test_the_schema_is_sent_byte_for_byte_as_ever() -> None:
    """It is part of the prefix that providers cache, and of the key of every answer that was paid."""
    assert json.dumps(HOSTED_SCHEMA, indent=1) + "\n" == SENT.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("letters", "judges", "digest"),
    [
        ("ABCDE", False, "6e832b10774b1b65"),
        ("ABCDE", True, "5d69c14b1b38c4dc"),
        ("ACD", False, "ca3be22cddc305d1"),
        ("DB", False, "1ab8f2115ca11421"),
        ("A", False, "f3cd6efb80e0e49d"),
        ("", True, "ec7168034e59c248"),
        ("", False, "dcdcbe4171ba850d"),
    ],
)
def test_the_embedded_models_schema_is_as_ever(letters: str, judges: bool, digest: str) -> None:
    sent = json.dumps(embedded_schema(tuple(letters), judges=judges))
    assert hashlib.sha256(sent.encode()).hexdigest()[:16] == digest


# A key that changes asks for a paid answer again. Where it must (a new prompt, a new schema), it is written here anew.
@pytest.mark.parametrize(
    ("endpoint", "purpose", "digest"),
    [
        (HOSTED, "analyse", "9ab2268f862cb1ac"),
        (HOSTED, "second_look", "f5cf9af32b6a79fe"),
        (HOSTED, "explain", "3a66b503972e6f23"),
        (EMBEDDED, "analyse", "aaf31c836c2779b3"),
    ],
)
def test_an_answer_that_was_paid_is_found_again(endpoint: Endpoint, purpose: Any, digest: str) -> None:
    request = compose_request(purpose, [("i", QUESTION, ())], Frame(endpoint, "m"))
    assert request.questions[0].key[:16] == digest


def test_what_is_missing_or_of_another_kind_is_none_and_harms_nothing_else() -> None:
    bare = Result.model_validate({"id": "q1"})
    assert bare.model_dump() == {**dict.fromkeys(Result.model_fields), "id": "q1"}
    odd = {
        "id": "q1",
        "optionExplanations": {"A": 1, "B": "b", "F": "f"},
        "explanation": b"bytes",
        "correctAnswers": ["A", 1],
        "answer": 5,
        "verdict": "Upholds",
        "confidence": True,
        "citations": ["x", {"excerpt": "S1", "quote": None}, {"excerpt": "S1", "quote": "q", "page": 3}],
        "invented": {},
    }
    read = Result.model_validate(odd)
    assert read.option_explanations is not None
    assert vars(read.option_explanations) == {"A": None, "B": "b", "C": None, "D": None, "E": None}
    assert (read.explanation, read.correct_answers, read.answer, read.verdict, read.confidence) == (None,) * 5
    assert [(cited.excerpt, cited.quote) for cited in read.citations or ()] == [("S1", "q")]


def test_half_a_character_passes_to_be_removed() -> None:
    assert Result.model_validate({"id": "q1", "explanation": "a\ud800b"}).explanation == "a\ud800b"
