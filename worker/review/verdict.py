"""One or two looks and the official key into a conclusion, and the text that is published under it. It asks nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from worker.messages import published_text, verdict_reasons
from worker.questions.answers import Conclusion, Look
from worker.questions.excerpt import Excerpt
from worker.questions.explanations import (
    image_block,
    join_blocks,
    option_lines,
    quoted_sources,
    reminder_block,
    source_lines,
)
from worker.questions.question import Question, fold_text
from worker.questions.short_answers import is_other_answer, same_answer
from worker.queue.job import JobConfig
from worker.text.french import typeset


@dataclass(frozen=True, slots=True)
class Shown:
    """What the first look was shown of the courses (the second is shown nothing). `sources` names each place."""

    excerpts_used: bool = False
    sources: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, excerpts: Sequence[Excerpt]) -> Shown:
        """These excerpts."""
        return cls(bool(excerpts), {excerpt.id: excerpt.source or "" for excerpt in excerpts})


NOTHING_SHOWN = Shown()


def needs_second_look(question: Question, first: Look) -> bool:
    """Whether the first look leaves anything open: it differs from the official key or answer, or there is none."""
    return not _agrees(question, first)


def conclude(
    question: Question, looks: tuple[Look, Look | None], *, config: JobConfig, embedded: bool, shown: Shown
) -> Conclusion:
    """The outcome of one item, and everything that is published or written in the workbook under it.

    The second look is None when it was not needed, or did not come to anything. The official key or answer is kept
    unless the job allows corrections and two confident looks agree on the same other one; the embedded model never
    corrects and never validates. An explanation that argues for another key stands only under the sentence that says
    so. Verified quotes of what the first look was shown close the explanation, and stand in the reason of whatever it
    did not confirm.
    """
    first, second = looks
    if question.official is None:
        conclusion = _conclude_without_official(question, first, second, embedded=embedded)
    else:
        conclusion = _conclude_with_official(question, first, second, config=config, embedded=embedded)
    if embedded:
        reason = " ".join(filter(None, (published_text.EMBEDDED_WARNING, conclusion.reason)))
        conclusion = replace(conclusion, reason=reason)
    conclusion = _with_sources(conclusion, question, first, shown.sources)
    # What is confirmed is decided by nobody, and its text stands in the result itself: once is enough.
    is_settled = conclusion.outcome == "confirmed"
    return replace(
        conclusion,
        validated=is_settled and config.auto_validate and not embedded,
        model=conclusion.model or first.model,
        excerpts_used=shown.excerpts_used,
        looks=tuple(look.to_json(shown.sources, with_texts=not is_settled) for look in looks if look is not None),
    )


def failed_conclusion(reason: str, *, first: Look | None = None, shown: Shown = NOTHING_SHOWN) -> Conclusion:
    """No acceptable analysis: no key, no explanation, and the French sentence that says why.

    `first` is the look that was accepted, where only the second did not come to anything: a person may decide by it.
    """
    looks = () if first is None else (first.to_json(shown.sources),)
    model = None if first is None else first.model
    return Conclusion(outcome="failed", reason=reason, model=model, excerpts_used=shown.excerpts_used, looks=looks)


# --- the four outcomes ------------------------------------------------------------------------------------------


def _conclude_with_official(
    question: Question, first: Look, second: Look | None, *, config: JobConfig, embedded: bool
) -> Conclusion:
    if _agrees(question, first):
        return _confirmed(question, first, reason=None, embedded=embedded)
    if second is None:
        return _contested(question, first, None, embedded=embedded)
    if _agrees(question, second):
        given = None if _contradicts_itself(question, first) else _given(question, first)
        reason = verdict_reasons.only_second_confirms(given, is_qcm=question.is_qcm)
        return _confirmed(question, second, reason=reason, embedded=embedded)
    sure = min(first.confidence, second.confidence) >= config.quality_threshold
    sure = sure and not _contradicts_itself(question, first) and not _contradicts_itself(question, second)
    if config.apply_corrections and not embedded and sure and _same_look(question, first, second):
        return _corrected(question, first, second)
    return _contested(question, first, second, embedded=embedded)


def _conclude_without_official(question: Question, first: Look, second: Look | None, *, embedded: bool) -> Conclusion:
    is_qcm, unread = question.is_qcm, _unread(question)
    if second is None:
        reason = verdict_reasons.not_completed_alone(unread, is_qcm=is_qcm)
        return replace(failed_conclusion(reason), proposed=_value(first), confidence=first.confidence)
    confidence = min(first.confidence, second.confidence)
    if _contradicts_itself(question, first) or _contradicts_itself(question, second):
        reason = verdict_reasons.not_completed_contradictory(unread, is_qcm=is_qcm)
        return replace(failed_conclusion(reason), proposed=_proposed(question, first, second), confidence=confidence)
    if not _same_look(question, first, second):
        given, other = _given(question, first), _given(question, second)
        reason = verdict_reasons.not_completed_differing(given, other, unread, is_qcm=is_qcm)
        return replace(failed_conclusion(reason), proposed=_proposed(question, first, second), confidence=confidence)
    return _with_text(
        Conclusion(
            outcome="completed",
            reason=verdict_reasons.completed(_given(question, first), unread),
            key=first.key,
            answer=first.answer,
            confidence=confidence,
        ),
        question,
        first,
        opening=None,
        embedded=embedded,
    )


def _unread(question: Question) -> str | None:
    if question.unread_official is None:
        return None
    return verdict_reasons.unread_key(" ".join(question.unread_official.split()), is_qcm=question.is_qcm)


def _confirmed(question: Question, look: Look, *, reason: str | None, embedded: bool) -> Conclusion:
    conclusion = Conclusion(
        outcome="confirmed",
        reason=reason,
        key=question.official_key,
        answer=question.official_answer,
        confidence=look.confidence,
    )
    return _with_text(conclusion, question, look, opening=None, embedded=embedded)


def _corrected(question: Question, first: Look, second: Look) -> Conclusion:
    was_explained = bool(question.explanation or question.option_explanations)
    opening = verdict_reasons.corrected(
        _given(question, first), _given_official(question), is_qcm=question.is_qcm, was_explained=was_explained
    )
    conclusion = Conclusion(
        outcome="corrected",
        reason=opening,
        key=first.key,
        answer=first.answer,
        confidence=min(first.confidence, second.confidence),
    )
    return _with_text(conclusion, question, first, opening=opening)


def _contested(question: Question, first: Look, second: Look | None, *, embedded: bool) -> Conclusion:
    given, official, is_qcm = _given(question, first), _given_official(question), question.is_qcm
    if contradiction := _contradiction(question, first, second):
        sentence = contradiction
    elif second is None or _same_look(question, first, second):
        sentence = verdict_reasons.contested(given, official, is_qcm=is_qcm, is_alone=second is None)
    else:
        sentence = verdict_reasons.contested_twice(given, _given(question, second), official, is_qcm=is_qcm)
    conclusion = Conclusion(
        outcome="contested",
        reason=sentence,
        key=question.official_key,
        answer=question.official_answer,
        proposed=_value(first) if second is None else _proposed(question, first, second),
        confidence=first.confidence if second is None else min(first.confidence, second.confidence),
    )
    return _with_text(conclusion, question, first, opening=sentence, embedded=embedded)


# --- what the looks say -----------------------------------------------------------------------------------------


def _contradicts_itself(question: Question, look: Look) -> bool:
    """Whether the parts of a look exclude each other, so that nothing it says of the answer counts.

    A QCM whose text names another key as the right one; a QROC that upholds the official answer and gives another one,
    or contests it and gives the same.
    """
    if look.is_contradictory or question.is_qcm or question.official_answer is None:
        return look.is_contradictory
    compared = is_other_answer if look.verdict == "upholds" else same_answer
    return compared(look.answer or "", question.official_answer)


def _contradiction(question: Question, first: Look, second: Look | None) -> str | None:
    """What to say of looks of which one, or both, contradict themselves; None when none does."""
    looks = [look for look in (first, second) if look is not None]
    wrong = [look for look in looks if _contradicts_itself(question, look)]
    if not wrong:
        return None
    if question.is_qcm:
        how = verdict_reasons.explains_other_key(_given(question, wrong[0]))
    elif wrong[0].verdict == "upholds":
        how = verdict_reasons.upholds_and_differs(_given(question, wrong[0]))
    else:
        how = verdict_reasons.CONTESTS_AND_AGREES
    return verdict_reasons.contradictory(
        how,
        _given_official(question),
        is_qcm=question.is_qcm,
        all_looks=len(wrong) == len(looks),
        is_alone=second is None,
    )


def _agrees(question: Question, look: Look) -> bool:
    if question.official is None or _contradicts_itself(question, look):
        return False
    if question.is_qcm:
        return _same_key(question, look.key, question.official_key)
    return look.verdict == "upholds"


def _same_key(question: Question, first: str | None, second: str | None) -> bool:
    return first == second or _chosen(question, first) == _chosen(question, second)


def _chosen(question: Question, key: str | None) -> frozenset[str]:
    """What a key says is right: of two options with the same text, either letter says the same."""
    return frozenset(fold_text(question.options.get(letter, letter)) for letter in key or "")


def _same_look(question: Question, first: Look, second: Look) -> bool:
    if question.is_qcm:
        return _same_key(question, first.key, second.key)
    return same_answer(first.answer or "", second.answer or "")


def _value(look: Look) -> str | None:
    return look.key or look.answer


def _proposed(question: Question, first: Look, second: Look) -> str | None:
    if _same_look(question, first, second):
        return _value(first)
    return " / ".join(value for value in (_value(first), _value(second)) if value)


def _given(question: Question, look: Look) -> str:
    return verdict_reasons.in_sentence(_value(look), is_qcm=question.is_qcm)


def _given_official(question: Question) -> str:
    return verdict_reasons.in_sentence(question.official, is_qcm=question.is_qcm)


# --- the text ---------------------------------------------------------------------------------------------------


def _with_text(
    conclusion: Conclusion, question: Question, look: Look, *, opening: str | None, embedded: bool = False
) -> Conclusion:
    """Add the explanations. What a person uploaded wins over what the model wrote.

    Where the model's text must not stand alone (it contests the key, or comes from the embedded model), the
    workbook's cells per option keep only what a person wrote, and the model's words go under their warning in the
    general cell: a cell has no room for one, and an upload of the workbook would take it for a person's text.
    """
    human_options = {
        letter: text for letter, text in question.option_explanations.items() if letter in question.options
    }
    merged = {**look.option_explanations, **human_options}
    contested = conclusion.outcome == "contested"
    warnings = [typeset(published_text.EMBEDDED_WARNING) if embedded else None, typeset(opening)]
    aside = published_text.analysis(look.explanation) if contested and question.explanation else None
    general = question.explanation or look.explanation
    if (contested or embedded) and not question.explanation:
        model_options = {k: v for k, v in look.option_explanations.items() if k not in human_options}
        cell = join_blocks(*warnings, option_lines(model_options), look.explanation)
    else:
        cell = general
    return replace(
        conclusion,
        explanation=join_blocks(
            *warnings,
            option_lines(merged),
            general,
            aside,
            image_block(question.image),
            reminder_block(question.reminder),
        ),
        general_explanation=cell,
        option_explanations=human_options if contested or embedded else merged,
        model=look.model,
    )


def _with_sources(conclusion: Conclusion, question: Question, first: Look, sources: Mapping[str, str]) -> Conclusion:
    """Tell what the first look quotes of the courses, checked word for word already.

    It closes the explanation where that is the first look's, and stands in the reason where somebody has to know by
    what the first look was led: always, but where it found the official key or answer.
    """
    quoted = quoted_sources((c.quote, sources[c.excerpt]) for c in first.citations if c.excerpt in sources)
    if not quoted:
        return conclusion
    is_confirmed = conclusion.outcome == "confirmed"
    if not (is_confirmed and _agrees(question, first)):
        tell = verdict_reasons.first_rested_on if is_confirmed else verdict_reasons.course_says
        said = " ".join(tell(quote, place) for quote, place in quoted)
        conclusion = replace(conclusion, reason=" ".join(filter(None, (conclusion.reason, said))))
        if is_confirmed:
            return conclusion  # its explanation is the second look's
    if conclusion.explanation is None:
        return conclusion
    lines = source_lines(quoted)
    general = conclusion.general_explanation
    return replace(
        conclusion,
        explanation=join_blocks(conclusion.explanation, lines),
        general_explanation=general if question.explanation else join_blocks(general, lines),
    )
