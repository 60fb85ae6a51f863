"""A reply read and checked, result by result. Nothing a model sends raises: it is a look or a refusal.

What a reply is asked to look like is `reply_schema`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from worker.llm.calls import ILLEGIBLE, AskedQuestion, CheckedReply, Request
from worker.llm.message import Message, read_message
from worker.llm.quotes import find_quote
from worker.llm.reply_schema import Quote, Result
from worker.llm.text_rules import Refused, TextCheck
from worker.llm.wire import Ambiguous, Completion, read_completion
from worker.questions.answers import Citation, Look, Refusal, Verdict
from worker.questions.letters import is_negative, stated_key
from worker.text.characters import clean_text


def check_reply(raw: str, request: Request) -> CheckedReply:
    """Read `raw` (the HTTP body of a chat completion) against what was asked. Never raises.

    Every asked item id is in exactly one of `looks` and `refusals`. Letters, option explanations and the letters
    that a text names are those of the uploaded question. Results are joined by id, never by position; of a cut JSON
    only the results that are closed count.
    """
    completion = read_completion(raw)
    reply = completion or Completion(content=None)
    message = read_message(reply)
    truncated = reply.finish_reason == "length" or message.is_cut
    refused = _content_refused(reply)
    absent = _absent(message, refused, truncated=truncated)
    if completion is None:
        absent = Refusal(ILLEGIBLE, "the reply is no completion")
    model = clean_text(reply.model).strip() or request.model
    looks: dict[str, Look] = {}
    refusals: dict[str, Refusal] = {}
    for asked in request.questions:
        try:
            said = _choose(message.by_id.get(asked.id, ()), absent)
            looks[asked.item_id] = _read_look(said, asked, TextCheck(asked, request), model)
        except Refused as refused_result:
            refusals[asked.item_id] = refused_result.refusal
        except RecursionError:  # a result as deep as the parser just allowed
            refusals[asked.item_id] = Refusal("unreadable", "the result is nested too deeply")
    return CheckedReply(looks=looks, refusals=refusals, usage=reply.usage)


def _content_refused(reply: Completion) -> str | None:
    if reply.finish_reason == "content_filter":
        return "content_filter"
    return "refusal" if reply.refusal and reply.refusal.strip() else None


def _absent(message: Message, refused: str | None, *, truncated: bool) -> Refusal:
    """Why an asked question has no result, from what is known of the whole reply."""
    if refused is not None:
        return Refusal("content_refused", f"the model refused the content ({refused})")
    if truncated:
        return Refusal("truncated", "the reply was cut before this result")
    if message.is_empty:
        return Refusal("empty", "the model wrote nothing")
    if not message.has_list:
        return Refusal("unreadable", "the reply holds no list of results")
    return Refusal("missing", "the reply holds no result with this id")


# --- one result -------------------------------------------------------------------------------------------------


def _choose(results: Sequence[Mapping[str, Any]], absent: Refusal) -> Result:
    """The one result with an id, as the model of the wire reads it."""
    if not results:
        raise Refused(absent.code, absent.detail)
    result = results[0]
    if any(other != result for other in results[1:]):
        raise Refused("duplicate_id", f"{len(results)} different results with this id")
    if isinstance(result, Ambiguous) or any(isinstance(value, Ambiguous) for value in result.values()):
        raise Refused("ambiguous", "one name with two values")
    return Result.model_validate(result)


def _read_look(said: Result, asked: AskedQuestion, check: TextCheck, model: str) -> Look:
    qcm = asked.question.is_qcm
    look = Look(
        key=_read_key(said.correct_answers, asked) if qcm else None,
        answer=None if qcm else check.answer(said.answer),
        verdict=None if qcm else _read_verdict(said.verdict, asked),
        option_explanations=_read_option_explanations(said, asked, check) if qcm else {},
        explanation=check.explanation(said.explanation),
        confidence=_read_confidence(said.confidence),
        model=model,
        citations=tuple(_read_citations(said.citations or (), asked)),
        is_contradictory=qcm and _states_another_key(said, asked),
    )
    check.refuse_leaks()
    return look


def _read_key(letters: Sequence[str] | None, asked: AskedQuestion) -> str:
    if letters is None:
        raise Refused("wrong_type", "correctAnswers is not a list of letters")
    named = {letter.strip().upper() for letter in letters}
    if not named:
        raise Refused("no_letters", "no letter for a multiple-choice question")
    if not named <= asked.letters.keys():
        raise Refused("unknown_letter", "a letter that is not an option of this question")
    return "".join(sorted(asked.letters[letter] for letter in named))


def _states_another_key(said: Result, asked: AskedQuestion) -> bool:
    """Whether the explanation says for sure that the right answer is another one than the letters beside it."""
    stated = stated_key(clean_text(said.explanation or "").strip())
    if stated is None or is_negative(asked.question.text):
        return False
    return stated != {letter.strip().upper() for letter in said.correct_answers or ()}


def _read_verdict(verdict: Verdict | None, asked: AskedQuestion) -> Verdict | None:
    if asked.question.official_answer is None:
        return None  # there was nothing to judge, whatever it says
    if verdict is None:
        raise Refused("no_verdict", "no verdict on the official answer")
    return verdict


def _read_option_explanations(said: Result, asked: AskedQuestion, check: TextCheck) -> Mapping[str, str]:
    explanations = vars(said.option_explanations) if said.option_explanations else {}
    read = {
        uploaded: check.option_explanation(explanations.get(wire), wire) for wire, uploaded in asked.letters.items()
    }
    return dict(sorted(read.items()))


def _read_confidence(confidence: float | None) -> float:
    """Between 0 and 1. 95 may be a percentage, or a mistake."""
    if confidence is None:
        raise Refused("wrong_type", "confidence is not a number")
    if not 0 <= confidence <= 1:  # NaN is not either
        raise Refused("confidence_out_of_range", "confidence is not between 0 and 1")
    return confidence


def _read_citations(quotes: Sequence[Quote], asked: AskedQuestion) -> Iterator[Citation]:
    """Only quotes that are in the excerpt they name, in the excerpt's own words; an invented one is dropped, not the
    answer. So is one too short to say anything: its words would be in any text.
    """
    texts = {excerpt.id: excerpt.text for excerpt in asked.excerpts}
    for cited in quotes:
        found = find_quote(clean_text(cited.quote).strip(), texts.get(cited.excerpt, ""))
        if found is not None:
            yield Citation(excerpt=cited.excerpt, quote=found)
