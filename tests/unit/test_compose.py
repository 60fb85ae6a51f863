"""Requests as they go on the wire: blind, constant where caches need it, keyed by what shapes the answer."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.llm.calls import Endpoint, Request
from worker.llm.compose import Frame, batch_limit, compose_request, permute_letters
from worker.llm.prompts import load_prompt
from worker.llm.reply_schema import HOSTED_SCHEMA
from worker.questions.answers import Purpose
from worker.questions.excerpt import Excerpt
from worker.questions.question import LETTERS, Question

HOSTED = Endpoint(name="https://llm.example/v1", model="m", review_model="r")
EMBEDDED = Endpoint(name="http://127.0.0.1:1/v1", model="small", review_model="small", embedded=True)


def qcm(text: str = "Le phimosis :", letters: str = "ABCDE", **changes: Any) -> Question:
    fields: dict[str, Any] = {
        "type": "qcm",
        "specialty": "Pédiatrie",
        "course": "Verge",
        "level": "DCEM2",
        "semester": "S1",
        "text": text,
        "options": {letter: f"proposition numéro {number}" for number, letter in enumerate(letters)},
        "official_key": "AB"[: len(letters)],
        **changes,
    }
    return Question(**fields)


def qroc(official: str | None = "Abstention") -> Question:
    return replace(qcm(), type="qroc", options={}, official_key=None, official_answer=official)


def compose(
    *questions: Question, purpose: Purpose = "analyse", endpoint: Endpoint = HOSTED, instructions: str | None = None
) -> Request:
    items = [(f"item-{number}", question, ()) for number, question in enumerate(questions)]
    return compose_request(purpose, items, Frame(endpoint, "m", instructions))


def document(request: Request) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(request.body["messages"][-1]["content"])
    return parsed


def key(question: Question, purpose: Purpose = "analyse", **changes: Any) -> str:
    excerpts = changes.pop("excerpts", ())
    frame = Frame(**{"endpoint": HOSTED, "model": "m", **changes})
    return compose_request(purpose, [("i", question, excerpts)], frame).questions[0].key


def test_the_document_has_exactly_the_fields_of_the_contract() -> None:
    case = qcm(type="cas_qcm", case_text="Un garçon de 3 ans…", letters="AC")
    excerpts = (Excerpt("S1", "Extrait du cours.", source="Poly, p. 3"),)

    request = compose_request("analyse", [("i", case, excerpts)], Frame(HOSTED, "m", " Bref. "))

    assert document(request) == {
        "task": "analyse",
        "instructions": "Bref.",
        "questions": [
            {
                "id": "q1",
                "type": "cas_qcm",
                "case": "Un garçon de 3 ans…",
                "text": "Le phimosis :",
                "options": {"A": "proposition numéro 0", "C": "proposition numéro 1"},
                "officialAnswer": None,
                "excerpts": [{"id": "S1", "text": "Extrait du cours."}],
            }
        ],
    }
    assert len(request.questions[0].excerpts) == 1


def test_a_qcm_is_blind_and_a_qroc_shows_its_official_answer() -> None:
    asked = document(compose(qcm(official_key="E"), qroc("Abstention"), qroc(None)))["questions"]

    assert [question["officialAnswer"] for question in asked] == [None, "Abstention", None]
    assert [question["id"] for question in asked] == ["q1", "q2", "q3"]


def test_the_official_key_and_human_explanations_of_a_qcm_never_reach_the_model() -> None:
    secret = qcm(official_key="CE", explanation="SECRET un", option_explanations={"A": "SECRET deux"})

    for purpose in ("analyse", "second_look"):
        sent = json.dumps(compose(secret, purpose=purpose).body, ensure_ascii=False)
        assert "SECRET" not in sent
        assert '"CE"' not in sent


def test_a_first_look_keeps_letters_and_gaps() -> None:
    request = compose(qcm(letters="ACE"))

    assert request.questions[0].letters == {"A": "A", "C": "C", "E": "E"}


def test_a_second_look_relabels_without_gaps_and_leads_back() -> None:
    question = qcm(letters="BDE")

    request = compose(question, purpose="second_look")

    shown = document(request)["questions"][0]["options"]
    letters = request.questions[0].letters
    assert list(shown) == ["A", "B", "C"]
    assert {letters[wire]: text for wire, text in shown.items()} == question.options


@given(st.sets(st.sampled_from(LETTERS), min_size=2), st.text(max_size=20))
def test_no_option_keeps_its_place_in_a_second_look(letters: set[str], seed: str) -> None:
    uploaded = sorted(letters)

    permuted = permute_letters(uploaded, seed)

    assert list(permuted) == list(LETTERS[: len(uploaded)])
    assert sorted(permuted.values()) == uploaded
    assert all(permuted[LETTERS[place]] != letter for place, letter in enumerate(uploaded))
    assert permuted == permute_letters(uploaded, seed)


def test_different_questions_get_different_orders() -> None:
    orders = {tuple(permute_letters("ABCDE", str(seed)).values()) for seed in range(50)}

    assert len(orders) > 5


def test_an_only_option_stays() -> None:
    assert permute_letters("C", "seed") == {"A": "C"}


@pytest.mark.parametrize(
    ("count", "purpose", "endpoint"),
    [(0, "analyse", HOSTED), (2, "second_look", HOSTED), (2, "analyse", EMBEDDED)],
)
def test_more_than_a_call_can_take_is_a_mistake(count: int, purpose: Purpose, endpoint: Endpoint) -> None:
    with pytest.raises(ValueError, match="questions in one"):
        compose(*[qcm()] * count, purpose=purpose, endpoint=endpoint)


def test_the_prefix_that_providers_cache_is_the_same_for_every_batch() -> None:
    one, three = compose(qcm()), compose(qcm("a"), qroc(), qcm("b", letters="AC"), instructions="Bref.")

    for part in ("response_format", "model"):
        assert one.body[part] == three.body[part]
    assert one.body["messages"][0] == three.body["messages"][0]
    assert one.body["messages"][0]["content"] == load_prompt("analyse").text


@pytest.mark.parametrize("kind", ["qcm", "qroc", "cas_qcm", "cas_qroc"])
@pytest.mark.parametrize("purpose", ["analyse", "second_look"])
def test_the_admins_instructions_reach_every_type_and_change_nothing_but_themselves(
    kind: Any, purpose: Purpose
) -> None:
    question = replace(qcm() if kind.endswith("qcm") else qroc(), type=kind)
    told = "Répondez en texte libre, sans JSON ni explication."
    without, instructed = (compose(question, purpose=purpose, instructions=each) for each in (None, told))

    assert document(instructed) == {**document(without), "instructions": told}
    assert instructed.body["messages"][0] == without.body["messages"][0]
    assert instructed.body["response_format"] == without.body["response_format"]


def test_a_hosted_call_is_strict_and_sets_no_temperature() -> None:
    body = compose(qcm()).body

    assert body["response_format"]["json_schema"]["strict"] is True
    assert body["response_format"]["json_schema"]["schema"] == HOSTED_SCHEMA
    assert "temperature" not in body
    assert "max_tokens" not in body


def test_the_strict_schema_closes_every_object() -> None:
    def check(schema: object) -> None:
        if isinstance(schema, dict):
            if schema.get("type") == "object":
                assert schema["additionalProperties"] is False
                assert sorted(schema["required"]) == sorted(schema["properties"])
            for value in schema.values():
                check(value)
        elif isinstance(schema, list):
            for value in schema:
                check(value)

    check(HOSTED_SCHEMA)
    check(compose(qcm(), endpoint=EMBEDDED).body["response_format"]["json_schema"]["schema"])


def test_the_reply_may_be_longer_for_a_longer_batch_up_to_what_models_write() -> None:
    ceilings = [compose(*[qcm()] * count).body["max_completion_tokens"] for count in (1, 5, 50)]

    assert ceilings[0] < ceilings[1] < ceilings[2] == 16_384
    assert ceilings[1] > 5 * 5 * 160 * 2


def test_the_embedded_model_is_fenced_in() -> None:
    body = compose(qcm(letters="ACD"), endpoint=EMBEDDED).body
    results = body["response_format"]["json_schema"]["schema"]["properties"]["results"]
    result = results["items"]["properties"]

    assert results["maxItems"] == 1
    assert result["id"]["enum"] == ["q1"]
    assert result["correctAnswers"]["items"]["enum"] == ["A", "C", "D"]
    assert list(result["optionExplanations"]["properties"]) == ["A", "C", "D"]
    assert body["max_completion_tokens"] < 1000
    assert batch_limit(EMBEDDED, 5) == 1
    assert batch_limit(HOSTED, 5) == 5


def test_the_key_of_an_answer_ignores_siblings_and_place() -> None:
    alone = compose(qcm("b")).questions[0]
    among = compose(qcm("a"), qcm("b"), qroc()).questions[1]

    assert among.id != alone.id
    assert among.key == alone.key == key(qcm("b"))
    assert len(alone.key) == 64


def test_the_key_ignores_what_the_model_does_not_see() -> None:
    assert key(qcm(official_key="A", reminder="Rappel", difficulty=3)) == key(qcm(official_key="CDE"))


@pytest.mark.parametrize(
    "other",
    [
        key(qcm("Autre énoncé :")),
        key(qcm(case_text="Un cas")),
        key(qcm(letters="ABCD")),
        key(qcm(), purpose="second_look"),
        key(qcm(), model="autre"),
        key(qcm(), endpoint=replace(HOSTED, name="https://other.example/v1")),
        key(qcm(), endpoint=EMBEDDED),
        key(qcm(), instructions="Insister sur les chiffres."),
        key(qcm(), excerpts=(Excerpt("S1", "x"),)),
    ],
)
def test_the_key_changes_with_everything_that_shapes_the_answer(other: str) -> None:
    assert other != key(qcm())


def test_a_restarted_embedded_server_is_the_same_model() -> None:
    restarted = replace(EMBEDDED, name="http://127.0.0.1:2/v1")

    assert key(qcm(), endpoint=restarted) == key(qcm(), endpoint=EMBEDDED)


def test_the_official_answer_of_a_qroc_is_part_of_its_key() -> None:
    assert key(qroc("Abstention")) != key(qroc("Chirurgie"))


def test_requests_with_the_same_body_have_the_same_hash() -> None:
    assert compose(qcm()).hash == compose(qcm()).hash
    assert compose(qcm()).hash != compose(qcm("x")).hash


# A changed text under an unchanged version would be answered from stored replies to the old text.
PROMPTS = {"analyse": (2, "384d67496fb6"), "second_look": (2, "3ba1bfe9e4b7"), "embedded": (1, "da98b84f1669")}


@pytest.mark.parametrize("name", ["analyse", "second_look", "embedded"])
def test_a_changed_prompt_has_a_new_version(name: Any) -> None:
    prompt = load_prompt(name)

    assert (prompt.version, hashlib.sha256(prompt.text.encode()).hexdigest()[:12]) == PROMPTS[name]
