"""Replies as models really send them: each result stands alone, nothing raises, letters lead back to the upload."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.llm.calls import CheckedReply, Endpoint, Request, Usage
from worker.llm.compose import Frame, compose_request
from worker.llm.prompts import load_prompt
from worker.llm.validate import check_reply
from worker.questions.answers import Citation, Purpose, Refusal
from worker.questions.excerpt import Excerpt
from worker.questions.letters import named_letters
from worker.questions.question import LETTERS, Question
from worker.text.characters import clean_text

ENDPOINT = Endpoint(name="https://llm.example/v1", model="m", review_model="m")
TEXT = "Le décalottage forcé est contre-indiqué avant la puberté."
EXCERPT = Excerpt("S1", "Le phimosis physiologique disparaît\nle plus souvent avant 4 ans.")


def question(letters: str = "ABCDE", **changes: Any) -> Question:
    fields: dict[str, Any] = {
        "type": "qcm",
        "specialty": "Pédiatrie",
        "course": "Verge",
        "level": "DCEM2",
        "semester": "S1",
        "text": "Le phimosis :",
        "options": {letter: f"proposition {letter}" for letter in letters},
        **changes,
    }
    return Question(**fields)


def qroc(official: str | None) -> Question:
    return question(type="qroc", options={}, official_answer=official)


def asked(*questions: Question, purpose: Purpose = "analyse", embedded: bool = False) -> Request:
    endpoint = replace(ENDPOINT, embedded=embedded)
    items = [(f"item-{number}", each, [EXCERPT]) for number, each in enumerate(questions, start=1)]
    return compose_request(purpose, items, Frame(endpoint, "m"))


def result(wire_id: str = "q1", letters: str = "ABCDE", **changes: Any) -> dict[str, Any]:
    return {
        "id": wire_id,
        "correctAnswers": ["A"],
        "answer": None,
        "verdict": None,
        "optionExplanations": {letter: f"{TEXT} ({letter})" if letter in letters else None for letter in LETTERS},
        "explanation": TEXT,
        "confidence": 0.9,
        "citations": [],
        **changes,
    }


def qroc_result(**changes: Any) -> dict[str, Any]:
    empty = {"correctAnswers": [], "optionExplanations": dict.fromkeys(LETTERS), "answer": "Abstention"}
    return result(**{**empty, **changes})


def body(content: object, finish: str = "stop", **message: Any) -> str:
    text = content if isinstance(content, str) or content is None else json.dumps(content, ensure_ascii=False)
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
    return json.dumps({"model": "m-2026", "choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})


def check(*results: dict[str, Any], request: Request | None = None) -> CheckedReply:
    return check_reply(body({"results": list(results)}), request or asked(question()))


def code(*results: dict[str, Any], request: Request | None = None) -> str | None:
    refusal = check(*results, request=request).refusals.get("item-1")
    return refusal.code if refusal is not None else None


# --- a good reply -----------------------------------------------------------------------------------------------


def test_a_good_result_is_a_look() -> None:
    reply = check(result(correctAnswers=["C", "A", "C"], confidence=1))

    look = reply.looks["item-1"]
    assert (look.key, look.answer, look.verdict, look.confidence, look.model) == ("AC", None, None, 1.0, "m-2026")
    assert look.explanation == TEXT
    assert list(look.option_explanations) == list("ABCDE")
    assert reply.refusals == {}
    assert reply.usage == Usage(prompt_tokens=7, completion_tokens=3)


def test_results_are_joined_by_id_never_by_position() -> None:
    request = asked(question(), question(text="b"), question(text="c"))

    reply = check(result("q3", correctAnswers=["C"]), result("q1", correctAnswers=["A"]), request=request)

    assert {item: look.key for item, look in reply.looks.items()} == {"item-1": "A", "item-3": "C"}
    assert reply.refusals["item-2"].code == "missing"


def test_unknown_ids_are_dropped() -> None:
    reply = check(result("q2"), result(" q1"), result("Q1"))

    assert reply.looks == {}
    assert reply.refusals["item-1"].code == "missing"


def test_one_bad_result_does_not_harm_its_neighbours() -> None:
    reply = check(result("q1", correctAnswers=["Z"]), result("q2"), request=asked(question(), question(text="b")))

    assert reply.refusals["item-1"].code == "unknown_letter"
    assert reply.looks["item-2"].key == "A"


def test_a_qroc_gives_an_answer_and_a_verdict() -> None:
    reply = check(qroc_result(verdict="contests"), request=asked(qroc("Chirurgie")))

    look = reply.looks["item-1"]
    assert (look.key, look.answer, look.verdict, look.option_explanations) == (None, "Abstention", "contests", {})


def test_a_verdict_on_nothing_counts_as_none() -> None:
    look = check(qroc_result(verdict="upholds"), request=asked(qroc(None))).looks["item-1"]

    assert look.verdict is None


# --- one bad result ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"correctAnswers": []}, "no_letters"),
        ({"correctAnswers": None}, "wrong_type"),
        ({"correctAnswers": "AC"}, "wrong_type"),
        ({"correctAnswers": [1, None]}, "wrong_type"),
        ({"correctAnswers": ["A", "F"]}, "unknown_letter"),
        ({"correctAnswers": ["AB"]}, "unknown_letter"),
        ({"optionExplanations": None}, "missing_option_explanation"),
        ({"optionExplanations": dict.fromkeys("ABCD", TEXT)}, "missing_option_explanation"),
        ({"optionExplanations": dict.fromkeys("ABCDE", " ")}, "missing_option_explanation"),
        ({"optionExplanations": {**dict.fromkeys("ABCDE", TEXT), "B": ["x"]}}, "missing_option_explanation"),
        ({"optionExplanations": {**dict.fromkeys("ABCDE", TEXT), "B": "Faux."}}, "too_short"),
        ({"optionExplanations": {**dict.fromkeys("ABCDE", TEXT), "B": "aaa aaaa aaaaa"}}, "placeholder"),
        ({"optionExplanations": {**dict.fromkeys("ABCDE", TEXT), "B": "N/A"}}, "placeholder"),
        ({"explanation": None}, "no_explanation"),
        ({"explanation": "\u0000\u0007"}, "no_explanation"),
        ({"explanation": "Vrai : 12 34 56 78 %"}, "too_short"),
        ({"explanation": "Explication à compléter ultérieurement."}, "placeholder"),
        ({"explanation": "Lorem ipsum dolor sit amet, consectetur."}, "placeholder"),
        ({"explanation": "Le champ officialAnswer ne contient pas de réponse."}, "prompt_leak"),
        ({"explanation": "Voici l'objet JSON demandé pour cette question."}, "prompt_leak"),
        ({"explanation": load_prompt("analyse").text[:200]}, "prompt_leak"),
        ({"confidence": None}, "wrong_type"),
        ({"confidence": "high"}, "wrong_type"),
        ({"confidence": "élevée"}, "wrong_type"),
        ({"confidence": ""}, "wrong_type"),
        ({"confidence": "0.9/1"}, "wrong_type"),
        ({"confidence": "9/10"}, "wrong_type"),
        ({"confidence": "1.5"}, "wrong_type"),
        ({"confidence": "95"}, "wrong_type"),
        ({"confidence": "-0.1"}, "wrong_type"),
        ({"confidence": "120 %"}, "wrong_type"),
        ({"confidence": "nan"}, "wrong_type"),
        ({"confidence": "0." + "9" * 5000}, "wrong_type"),
        ({"confidence": [0.9]}, "wrong_type"),
        ({"confidence": {"value": 0.9}}, "wrong_type"),
        ({"confidence": float("inf")}, "confidence_out_of_range"),
        ({"confidence": 95}, "confidence_out_of_range"),
        ({"confidence": 1.0000001}, "confidence_out_of_range"),
        ({"confidence": True}, "wrong_type"),
        ({"confidence": 93}, "confidence_out_of_range"),
        ({"confidence": -0.1}, "confidence_out_of_range"),
        ({"confidence": float("nan")}, "confidence_out_of_range"),
        ({"confidence": 10**400}, "confidence_out_of_range"),
    ],
)
def test_a_result_that_breaks_a_rule_is_refused(changes: dict[str, Any], expected: str) -> None:
    assert code(result(**changes)) == expected


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0.9", 0.9),
        (" 0,93 ", 0.93),
        (".5", 0.5),
        ("1", 1.0),
        ("0", 0.0),
        ("1.00", 1.0),
        ("90%", 0.9),
        ("92,5 %", 0.925),
    ],
)
def test_a_confidence_in_text_is_read_where_it_can_only_mean_one_thing(written: str, meant: float) -> None:
    assert check(result(confidence=written)).looks["item-1"].confidence == pytest.approx(meant)


_numbers = st.one_of(
    st.integers(), st.floats(), st.text(alphabet="0123456789.,% -+eE∞", max_size=12), st.booleans(), st.none()
)


@given(_numbers)
def test_a_confidence_is_between_0_and_1_or_the_result_is_refused(value: Any) -> None:
    reply = check(result(confidence=value), result("q2"), request=asked(question(), question(text="b")))

    assert "item-2" in reply.looks
    look = reply.looks.get("item-1")
    if look is None:
        assert reply.refusals["item-1"].code in ("wrong_type", "confidence_out_of_range")
    else:
        assert 0 <= look.confidence <= 1
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        assert look is not None
        assert look.confidence == value


_RESULT_2 = json.dumps(result("q2"))


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        # The wire as it came, one result in it: (what is replaced, by what) and what becomes of it
        (('"confidence": 0.9', '"confidence": NaN'), "confidence_out_of_range"),
        (('"confidence": 0.9', '"confidence": Infinity'), "confidence_out_of_range"),
        (('"confidence": 0.9', '"confidence": -Infinity'), "confidence_out_of_range"),
        (('"confidence": 0.9', '"confidence": ' + "9" * 5000), "confidence_out_of_range"),
        (('"confidence": 0.9', '"confidence": -' + "9" * 5000), "confidence_out_of_range"),
        (('"confidence": 0.9', '"confidence": 1e999'), "confidence_out_of_range"),
        (('"confidence": 0.9', '"confidence": 0.9, "confidence": 0.2'), "ambiguous"),
        (('"correctAnswers": ["A"]', '"correctAnswers": ["A"], "correctAnswers": ["B"]'), "ambiguous"),
        (('"optionExplanations": {', '"optionExplanations": {"A": "Une autre explication entière.", '), "ambiguous"),
        (('"id": "q1"', '"id": "q9", "id": "q1"'), "ambiguous"),
        (('"confidence": 0.9', '"confidence": 0.9, "confidence": 0.9'), None),
        (('"answer": null', '"answer": NaN'), None),
        (('"answer": null', '"answer": ' + "7" * 5000), None),
    ],
)
def test_what_json_should_not_hold_costs_its_own_result_at_most(broken: tuple[str, str], expected: str | None) -> None:
    first = json.dumps(result("q1"))
    assert broken[0] in first
    content = f'{{"results": [{first.replace(*broken)}, {_RESULT_2}]}}'

    reply = check_reply(body(content), asked(question(), question(text="b")))

    assert "item-2" in reply.looks
    assert (reply.refusals["item-1"].code if "item-1" in reply.refusals else None) == expected


@pytest.mark.parametrize(
    "content",
    [
        '{"results": [' + "[" * 100_000,
        '{"results": [{"id": "q1", "correctAnswers": ' + "[" * 100_000 + "]" * 100_000 + "}]}",
        '{"results": [' + '{"id":' * 100_000,
        '{"results": [' + _RESULT_2 + '], "results": []}',
        '{"a": ' * 100_000,
    ],
)
def test_a_reply_nested_beyond_measure_or_given_twice_is_data(content: str) -> None:
    reply = check_reply(body(content), asked(question()))

    assert reply.looks == {}
    assert reply.refusals["item-1"].code in ("missing", "unreadable")  # nothing that a smaller call would mend


def test_a_message_that_holds_two_contents_is_none() -> None:
    content = json.dumps(json.dumps({"results": [result()]}))
    raw = f'{{"choices": [{{"message": {{"content": {content}, "content": "autre"}}}}]}}'
    assert check_reply(raw, asked(question())).refusals["item-1"].code == "unreadable"


@pytest.mark.parametrize(
    ("explanation", "expected"),
    [
        ("La notion est classique. La bonne réponse est B.", True),
        ("Les réponses exactes sont donc : A, C et D.", True),
        ("Les bonnes réponses sont AB", True),
        ("La bonne réponse est A.", False),
        ("La bonne réponse est la A ; le reste est inexact dans ce contexte.", False),
        ("On croit souvent que la bonne réponse est B, à tort dans ce cas.", False),
        ("La bonne réponse est B12 en cas de carence avérée chez l'adulte.", False),
        ("La bonne réponse n'est pas B.", False),
        ("Les réponses exactes sont B et d'autres encore selon les auteurs.", False),
        ("La bonne réponse est B. La bonne réponse est C.", False),
    ],
)
def test_a_text_that_gives_another_key_than_the_letters_is_seen(explanation: str, expected: bool) -> None:
    text = f"{explanation}\nLe décalottage forcé est contre-indiqué."
    assert check(result(explanation=text)).looks["item-1"].is_contradictory is expected
    negative = asked(question(text="Toutes sont exactes, sauf une :"))
    assert not check(result(explanation=text), request=negative).looks["item-1"].is_contradictory


@pytest.mark.parametrize(
    ("official", "changes", "expected"),
    [
        (None, {"answer": None}, "no_answer"),
        (None, {"answer": "  ?"}, "no_answer"),
        (None, {"answer": "N/A"}, "no_answer"),
        (None, {"answer": ["Abstention"]}, "no_answer"),
        ("Chirurgie", {"verdict": None}, "no_verdict"),
        ("Chirurgie", {"verdict": "yes"}, "no_verdict"),
        ("Chirurgie", {"verdict": ["upholds"]}, "no_verdict"),
        ("Chirurgie", {"verdict": "upholds", "explanation": ""}, "no_explanation"),
        (None, {}, None),
        (None, {"answer": "5"}, None),
        (None, {"answer": "B12"}, None),
    ],
)
def test_a_qroc_needs_an_answer_and_a_verdict_when_there_is_one_to_judge(
    official: str | None, changes: dict[str, Any], expected: str | None
) -> None:
    assert code(qroc_result(**changes), request=asked(qroc(official))) == expected


def test_letters_of_a_gap_are_unknown_and_their_explanations_ignored() -> None:
    gap = asked(question("ACD"))

    assert code(result(correctAnswers=["B"]), request=gap) == "unknown_letter"
    look = check(result(correctAnswers=["D"]), request=gap).looks["item-1"]
    assert list(look.option_explanations) == list("ACD")


def test_the_same_id_twice_counts_only_when_both_say_the_same() -> None:
    assert code(result(), result(correctAnswers=["B"])) == "duplicate_id"
    assert code(result(), result()) is None


def test_a_question_about_json_may_be_explained() -> None:
    about_json = asked(question(text="Le format JSON, en télémédecine :"))

    assert code(result(explanation="Le JSON est un format texte d'échange de données."), request=about_json) is None


def test_the_embedded_model_is_checked_less_severely() -> None:
    short = result(explanation="Il est rare.", optionExplanations=dict.fromkeys("ABCDE", "C'est rare ici."))

    assert code(short) == "too_short"
    assert code(short, request=asked(question(), embedded=True)) is None


def test_only_verbatim_quotes_of_a_shown_excerpt_are_citations() -> None:
    citations = [
        {"excerpt": "S1", "quote": "disparaît le plus souvent  avant 4 ans"},
        {"excerpt": "S1", "quote": "disparaît toujours avant 4 ans"},
        {"excerpt": "S2", "quote": "avant 4 ans"},
        {"excerpt": "S1", "quote": "le plus"},
        {"excerpt": ["S1"], "quote": None},
        "S1",
    ]

    look = check(result(citations=citations)).looks["item-1"]

    assert look.citations == (Citation("S1", "disparaît le plus souvent avant 4 ans"),)


def test_control_characters_go_and_line_breaks_stay() -> None:
    dirty = "\u0000Le phimosis\u0007 disparaît\r\nle plus\tsouvent \ud800avant 4 ans.\u009f "

    look = check_reply(json.dumps(json.loads(body({"results": [result(explanation=dirty)]}))), asked(question()))

    assert look.looks["item-1"].explanation == "Le phimosis disparaît\nle plus\tsouvent avant 4 ans."
    assert clean_text("\x00\x1b[0mé\n").strip() == "[0mé"


def test_our_own_letter_before_an_explanation_is_removed() -> None:
    written = {"A": f"A — {TEXT}", "B": f"B : {TEXT}", "C": f"(C) {TEXT}", "D": TEXT, "E": "E. coli en est la cause."}

    explanations = check(result(optionExplanations=written)).looks["item-1"].option_explanations

    assert explanations == {"A": TEXT, "B": TEXT, "C": TEXT, "D": TEXT, "E": "E. coli en est la cause."}


# --- the reply around the results -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        '{"choices": [{"message": {"content": 5}}]}',
        body("Bien sûr ! Voici l'analyse."),
        body({"results": None}),
        body([result()]),
    ],
)
def test_a_reply_without_results_refuses_every_question(raw: str) -> None:
    reply = check_reply(raw, asked(question()))

    assert reply.looks == {}
    assert reply.refusals["item-1"].code == "unreadable"


@pytest.mark.parametrize("raw", ["", "<html>502</html>", "null", "[]", "{}", "[" * 100_000, '{"error": {"code": 1}}'])
def test_what_is_no_completion_is_told_from_a_completion_without_results(raw: str) -> None:
    reply = check_reply(raw, asked(question()))

    assert reply.looks == {}
    assert reply.refusals["item-1"].code == "illegible"


@pytest.mark.parametrize(
    "raw", ['{"choices": []}', '{"choices": [{"message": null}]}', body(None), body(""), body(" ")]
)
def test_a_reply_in_which_nothing_is_written_is_empty(raw: str) -> None:
    reply = check_reply(raw, asked(question()))

    assert reply.looks == {}
    assert reply.refusals["item-1"].code == "empty"


def test_a_refusal_is_told_from_silence() -> None:
    refused = check_reply(body(None, refusal="Je ne peux pas répondre."), asked(question()))
    filtered = check_reply(body(None, finish="content_filter"), asked(question()))

    for reply, why in ((refused, "refusal"), (filtered, "content_filter")):
        assert reply.refusals["item-1"] == Refusal("content_refused", f"the model refused the content ({why})")


@pytest.mark.parametrize(
    "wrap",
    [
        "```json\n{}\n```",
        "```\n{}```",
        "Voici :\n```json\n{}\n```\nVoilà.",
        "<think>Je réfléchis {{…}}</think>\n{}",
        "Voici : {} Voilà.",
        "{}\n",
    ],
)
def test_what_stands_around_the_json_does_not_matter(wrap: str) -> None:
    content = wrap.replace("{}", json.dumps({"results": [result()]}))

    reply = check_reply(body(content), asked(question()))

    assert reply.looks["item-1"].key == "A"


def results() -> str:
    return json.dumps({"results": [result()]}, ensure_ascii=False)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("content", [None, "", " "])
def test_an_answer_that_came_as_the_reasoning_is_read(name: str, content: str | None) -> None:
    for text in (results(), f"<think>Alors…</think>\n{results()}", f"```json\n{results()}\n```"):
        reply = check_reply(body(content, **{name: text}), asked(question()))
        assert reply.looks["item-1"].key == "A"


@pytest.mark.parametrize(
    ("content", "reasoning", "finish", "code"),
    [
        (None, "Je réfléchis encore.", "stop", "empty"),
        (None, f"Peut-être {results()} ?", "stop", "empty"),  # a draft among thoughts
        (None, results(), "length", "truncated"),  # thought to the ceiling: nothing says that this was the answer
        (None, results()[:-30], "stop", "empty"),
        ("Bien sûr !", results(), "stop", "unreadable"),  # the content is what it says
    ],
)
def test_a_draft_in_the_reasoning_is_no_answer(content: str | None, reasoning: str, finish: str, code: str) -> None:
    reply = check_reply(body(content, finish, reasoning_content=reasoning), asked(question()))

    assert reply.looks == {}
    assert reply.refusals["item-1"].code == code


DRAFT = json.dumps({"results": [result(correctAnswers=["B"])]})


@pytest.mark.parametrize(
    "content",
    [
        f"<think>{DRAFT}</think>{results()}",
        f"<think>a</think> <think>{DRAFT}</think>\n\n{results()}",
        f"\n<think>{DRAFT}</think>```json\n{results()}```",
        f"{DRAFT} non.</think>{results()}".removeprefix("{"),  # opened by the prompt
        f"<think>{DRAFT} Plutôt : {results()}",  # never closed
        f"<think><think>{DRAFT} Plutôt : ```json\n{results()}\n```",
        f"Voici. <think>{DRAFT}</think> {results()}",
    ],
)
def test_of_thoughts_that_hold_drafts_the_answer_counts(content: str) -> None:
    reply = check_reply(body(content), asked(question()))
    assert reply.looks["item-1"].key == "A"


def test_a_text_may_speak_of_thoughts() -> None:
    text = f"{TEXT} <think> et </think> sont des balises."
    reply = check_reply(body({"results": [result(explanation=text)]}), asked(question()))
    # It is kept whole; for a browser it opens no tag.
    assert reply.looks["item-1"].explanation == text.replace("<think", "< think").replace("</think", "< /think")


@pytest.mark.parametrize(
    "part", ["<think>", "</think>", "<think></think>", "<think> ", '"results" ', '"results": [', "```"]
)
def test_a_reply_of_half_a_megabyte_is_read_in_linear_time(part: str) -> None:
    # Quadratic, this would take minutes
    repeated = part * (500_000 // len(part))
    for text in (repeated, f"<think>{repeated}", f"a{repeated}", f'{repeated}"'):
        assert check_reply(body(text), asked(question())).looks == {}
        assert check_reply(body(None, reasoning_content=text), asked(question())).looks == {}


def test_content_in_parts_is_read_as_one() -> None:
    content = json.dumps({"results": [result()]})
    parts = [{"type": "text", "text": content[:50]}, {"type": "text", "text": content[50:]}, None]
    raw = json.dumps({"choices": [{"message": {"content": parts}}]})

    assert check_reply(raw, asked(question())).looks["item-1"].model == "m"


def test_raw_line_breaks_inside_strings_pass() -> None:
    content = json.dumps({"results": [result()]}).replace("est contre", "est\ncontre")

    assert "est\ncontre" in check_reply(body(content), asked(question())).looks["item-1"].explanation


def test_of_a_cut_reply_only_closed_results_count_wherever_it_is_cut() -> None:
    request = asked(question(), question(text="b"))
    # The last result could be closed by force into a valid one with fewer letters: it must never be.
    last = {"id": "q2", "correctAnswers": ["A", "B", "C"]}
    last |= {name: value for name, value in result().items() if name not in last}
    content = json.dumps({"results": [result("q1"), last]})
    first_end = content.index('{"id": "q2"')

    for cut in range(0, len(content) - 3, 7):
        reply = check_reply(body(content[:cut], finish="length"), request)
        assert "item-2" not in reply.looks
        assert reply.refusals["item-2"].code == "truncated"
        assert ("item-1" in reply.looks) == (cut >= first_end - 2)


def test_a_cut_is_noticed_without_the_provider_saying_so() -> None:
    content = json.dumps({"results": [result()]})
    request = asked(question(), question(text="b"))

    assert check_reply(body(content[:-40]), request).refusals["item-2"].code == "truncated"
    assert check_reply(body(content[:-1]), request).refusals["item-2"].code == "missing"  # the list itself is whole


# --- the way back from a second look ----------------------------------------------------------------------------


NOTIONS = dict(zip(LETTERS, ("rouge", "verte", "bleue", "jaune", "noire"), strict=True))


@settings(max_examples=50)
@given(st.data())
def test_letters_and_explanations_come_back_to_the_uploaded_ones(data: st.DataObject) -> None:
    # Given a question and the options that are right, by text
    letters = "".join(sorted(data.draw(st.sets(st.sampled_from(LETTERS), min_size=2))))
    right = data.draw(st.sets(st.sampled_from(letters), min_size=1))
    options = {letter: f"notion {NOTIONS[letter]}" for letter in letters}
    stem = data.draw(st.sampled_from(["un", "deux", "trois", "hépatite B"]))
    request = asked(question(letters, text=stem, options=options), purpose="second_look")
    shown = json.loads(request.body["messages"][-1]["content"])["questions"][0]["options"]

    # When a model answers by what it reads
    right_texts = {options[letter] for letter in right}
    answered = result(
        correctAnswers=[wire for wire, text in shown.items() if text in right_texts],
        optionExplanations={wire: f"{TEXT} — {shown[wire]}" if wire in shown else None for wire in LETTERS},
    )
    look = check(answered, request=request).looks["item-1"]

    # Then the look speaks of the uploaded letters
    assert look.key == "".join(sorted(right))
    assert look.option_explanations == {letter: f"{TEXT} — {options[letter]}" for letter in letters}


def test_named_letters_are_only_the_sure_ones() -> None:
    assert named_letters("Les options A et C, mais pas l'hépatite B ni la vitamine D.") == {"A", "C"}


PLAIN = {"A": "Rare chez le nourrisson", "B": "Toujours opéré", "C": "Fréquent"}


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("options", "Les propositions A et B sont vraies"),
        ("options", "A+B"),
        ("options", "réponse a"),
        ("text", "CHOIX DE L'ANTIBIOTIQUE : lequel ?"),
        ("text", "Le lymphocyte B :"),
        ("text", "Lesquelles sont justes (a, b ou c) ?"),
        ("case_text", "Un enfant porteur d'une hépatite A."),
    ],
)
def test_where_anything_may_speak_of_a_letter_the_options_only_change_places(where: str, text: str) -> None:
    changes = {"options": {**PLAIN, "C": text}} if where == "options" else {"options": PLAIN, where: text}
    asked_question = question(**changes, type="cas_qcm" if where == "case_text" else "qcm")

    request = asked(asked_question, purpose="second_look")

    # Not a character of what was uploaded is changed, and the letters are those that a student sees
    shown = json.loads(request.body["messages"][-1]["content"])["questions"][0]
    assert shown["options"] == asked_question.options
    assert list(shown["options"]) != list(asked_question.options)
    assert (shown["text"], shown["case"]) == (asked_question.text, asked_question.case_text)
    assert request.questions[0].letters == {letter: letter for letter in shown["options"]}
    # So an explanation may name them
    named = check(result(optionExplanations=dict.fromkeys("ABC", f"L'option A est juste. {TEXT}")), request=request)
    assert named.looks["item-1"].option_explanations["B"] == f"L'option A est juste. {TEXT}"


def test_an_explanation_that_names_a_letter_of_relabelled_options_is_asked_again_and_never_edited() -> None:
    request = asked(question(options=PLAIN, text="Le phimosis :"), purpose="second_look")
    assert request.questions[0].letters != {letter: letter for letter in "ABC"}

    for text in ("L'option A est juste.", "La bonne réponse est B.", "Rare. A et C sont exactes."):
        named = check(result(explanation=f"{text} {TEXT}"), request=request)
        assert named.refusals["item-1"].code == "names_letters"
    # What speaks of no option stays as it was written
    text = f"L'hépatite A et la vitamine C n'ont rien à voir ici. {TEXT}"
    assert check(result(explanation=text), request=request).looks["item-1"].explanation == text


# --- anything at all --------------------------------------------------------------------------------------------

ATOMS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([TEXT, "q1", "A"])
)
ANYTHING = st.recursive(
    ATOMS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
NEARLY = st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(result(), ANYTHING), "id": st.sampled_from(["q1", "q2", "x"])}
)
REQUESTS = [asked(question(), qroc("x")), asked(question("AC"), purpose="second_look"), asked(qroc(None))]


@settings(max_examples=80)
@given(st.sampled_from(REQUESTS), st.lists(NEARLY | ANYTHING, max_size=3), st.integers(0, 400), st.booleans())
def test_nothing_raises_and_every_question_is_accounted_for(
    request_: Request, results: list[Any], cut: int, whole: bool
) -> None:
    content = json.dumps({"results": results})
    for raw in (body(content if whole else content[:cut]), content[:cut], json.dumps(results)):
        reply = check_reply(raw, request_)
        assert reply.looks.keys() | reply.refusals.keys() == {q.item_id for q in request_.questions}
        assert not reply.looks.keys() & reply.refusals.keys()


@given(st.text(max_size=60))
def test_no_text_raises(raw: str) -> None:
    assert check_reply(raw, REQUESTS[0]).looks == {}
    assert check_reply(body(raw), REQUESTS[0]).looks == {}


def test_depth_bombs_are_refused() -> None:
    deep = '{"results": [' + '{"id": "q1", "x": ' + "[" * 900 + "]" * 900 + "}, " * 1
    for content in (deep, "[" * 50_000, '{"results": [' + "[" * 50_000):
        assert check_reply(body(content), asked(question())).looks == {}
