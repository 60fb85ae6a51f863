"""One or two looks and the official key into a conclusion, and the text that is published under it. It asks nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from worker.questions.answers import Conclusion, Look
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
from worker.text.french import NO_BREAK, typeset

EMBEDDED_WARNING = (
    "Modèle de démonstration : ce texte vient d'un très petit modèle embarqué et n'a aucune valeur médicale."
)
KEY_SHOWN = 120  # characters of a key that nobody could read
SECOND_LOOK_MISSING = "La seconde analyse n'a pas abouti."


def needs_second_look(question: Question, first: Look) -> bool:
    """Whether the first look leaves anything open: it differs from the official key or answer, or there is none."""
    return not _agrees(question, first)


def conclude(
    question: Question,
    first: Look,
    second: Look | None,
    *,
    config: JobConfig,
    embedded: bool,
    excerpts_used: bool,
    sources: Mapping[str, str] | None = None,
) -> Conclusion:
    """The outcome of one item, and everything that is published or written in the workbook under it.

    `second` is None when it was not needed, or did not come to anything. The official key or answer is kept unless
    the job allows corrections and two confident looks agree on the same other one; the embedded model never corrects
    and never validates. An explanation that argues for another key stands only under the sentence that says so.
    `sources` names the place of each excerpt that the first look was shown (the second is shown none): verified quotes
    of them close the explanation, and stand in the reason of whatever the first look did not confirm.
    """
    if question.official is None:
        conclusion = _conclude_without_official(question, first, second, embedded=embedded)
    else:
        conclusion = _conclude_with_official(question, first, second, config=config, embedded=embedded)
    if embedded:
        reason = " ".join(filter(None, (EMBEDDED_WARNING, conclusion.reason)))
        conclusion = replace(conclusion, reason=reason)
    conclusion = _with_sources(conclusion, question, first, sources or {})
    validated = conclusion.outcome == "confirmed" and config.auto_validate and not embedded
    # What is confirmed is decided by nobody, and its text stands in the result itself: once is enough.
    is_settled = conclusion.outcome == "confirmed"
    looks = tuple(
        look.to_json(sources or {}, with_texts=not is_settled) for look in (first, second) if look is not None
    )
    model = conclusion.model or first.model
    return replace(conclusion, validated=validated, model=model, excerpts_used=excerpts_used, looks=looks)


def failed_conclusion(
    reason: str, *, first: Look | None = None, sources: Mapping[str, str] | None = None, excerpts_used: bool = False
) -> Conclusion:
    """No acceptable analysis: no key, no explanation, and the French sentence that says why.

    `first` is the look that was accepted, where only the second did not come to anything: a person may decide by it.
    """
    looks = () if first is None else (first.to_json(sources or {}),)
    model = None if first is None else first.model
    return Conclusion(outcome="failed", reason=reason, model=model, excerpts_used=excerpts_used, looks=looks)


# --- the four outcomes ------------------------------------------------------------------------------------------


def _conclude_with_official(
    question: Question, first: Look, second: Look | None, *, config: JobConfig, embedded: bool
) -> Conclusion:
    if _agrees(question, first):
        return _confirmed(question, first, reason=None, embedded=embedded)
    if second is None:
        return _contested(question, first, None, embedded=embedded)
    if _agrees(question, second):
        found = "se contredisait" if _contradicts_itself(question, first) else f"donnait {_given(question, first)}"
        reason = f"La première analyse {found} ; la seconde retrouve {_official(question)}."
        return _confirmed(question, second, reason=reason, embedded=embedded)
    sure = min(first.confidence, second.confidence) >= config.quality_threshold
    sure = sure and not _contradicts_itself(question, first) and not _contradicts_itself(question, second)
    if config.apply_corrections and not embedded and sure and _same_look(question, first, second):
        return _corrected(question, first, second)
    return _contested(question, first, second, embedded=embedded)


def _conclude_without_official(question: Question, first: Look, second: Look | None, *, embedded: bool) -> Conclusion:
    what = "clé officielle" if question.is_qcm else "réponse officielle"
    unread = _unread(question)
    without = f"{unread}. Sans {what}" if unread else f"Sans {what}"
    if second is None:
        reason = f"{without}, il faut deux analyses concordantes. {SECOND_LOOK_MISSING}"
        return replace(failed_conclusion(reason), proposed=_value(first), confidence=first.confidence)
    confidence = min(first.confidence, second.confidence)
    if _contradicts_itself(question, first) or _contradicts_itself(question, second):
        reason = f"{without}, il faut deux analyses concordantes, et l'une d'elles se contredit : à vérifier."
        return replace(failed_conclusion(reason), proposed=_proposed(question, first, second), confidence=confidence)
    if not _same_look(question, first, second):
        reason = (
            f"{without}, il faut deux analyses concordantes : la première donne {_given(question, first)}, "
            f"la seconde {_given(question, second)}."
        )
        return replace(failed_conclusion(reason), proposed=_proposed(question, first, second), confidence=confidence)
    given = _given(question, first)
    return _with_text(
        Conclusion(
            outcome="completed",
            reason=f"{unread or 'Le fichier ne donne pas de réponse'} : les deux analyses donnent {given}.",
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
    """What an admin must know where the file gives a key that nobody can read for sure; no stop at the end."""
    if question.unread_official is None:
        return None
    words = " ".join(question.unread_official.split())
    shown = words if len(words) <= KEY_SHOWN else words[:KEY_SHOWN].rstrip() + " …"
    return f"La clé du fichier (« {shown} ») n'a pas pu être lue"


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
    given, official = _given(question, first), _given_official(question)
    what = "Clé" if question.is_qcm else "Réponse"
    opening = f"{what} remplacée : l'analyse donne {given}, {_official(question)} était {official}."
    if question.explanation or question.option_explanations:
        opening += " Les explications fournies avec la question accompagnaient l'ancienne réponse."
    conclusion = Conclusion(
        outcome="corrected",
        reason=opening,
        key=first.key,
        answer=first.answer,
        confidence=min(first.confidence, second.confidence),
    )
    return _with_text(conclusion, question, first, opening=opening)


def _contested(question: Question, first: Look, second: Look | None, *, embedded: bool) -> Conclusion:
    official = f"{_official(question)} est {_given_official(question)}"
    if contradiction := _contradiction(question, first, second):
        sentence = f"{contradiction} ; {official}."
        sentence += f" {SECOND_LOOK_MISSING}" if second is None else ""
    elif second is None:
        sentence = f"L'analyse donne {_given(question, first)}, {official}. {SECOND_LOOK_MISSING}"
    elif _same_look(question, first, second):
        sentence = f"L'analyse donne {_given(question, first)}, {official}."
    else:
        first_given, second_given = _given(question, first), _given(question, second)
        sentence = f"L'analyse donne {first_given} puis, à la seconde lecture, {second_given} ; {official}."
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
        how = f"elle donne {_given(question, wrong[0])}, et son explication une autre clé"
    elif wrong[0].verdict == "upholds":
        how = f"elle dit la réponse officielle juste, et donne {_given(question, wrong[0])}"
    else:
        how = "elle conteste la réponse officielle, et donne la même"
    which = "L'analyse" if len(wrong) == len(looks) else "Une des deux analyses"
    return f"{which} se contredit ({how})"


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
    return _quoted(question, _value(look))


def _given_official(question: Question) -> str:
    return _quoted(question, question.official)


def _quoted(question: Question, value: str | None) -> str:
    return (value or "") if question.is_qcm else f"« {value} »"


def _official(question: Question) -> str:
    return "la clé officielle" if question.is_qcm else "la réponse officielle"


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
    warnings = [typeset(EMBEDDED_WARNING) if embedded else None, typeset(opening)]
    aside = f"Analyse{NO_BREAK}: {look.explanation}" if contested and question.explanation else None
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
        opening = "La première s'appuyait sur le cours" if is_confirmed else "Le cours dit"
        said = " ".join(f"{opening} : {quote} ({place})." for quote, place in quoted)
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
