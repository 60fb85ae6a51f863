"""What the worker wrote itself is taken back out of a file that returns: only what a person wrote counts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from worker.questions.history import EarlierItem, Trace, loosen, text_hash
from worker.questions.question import ParsedRow, Question
from worker.questions.row_marks import RowMark

MIN_LETTERS = 12  # of a text that tells who wrote it; "Exact." may be anybody's


@dataclass(frozen=True, slots=True)
class Restored:
    """A row as a person left it. `returns` is the earlier row whose outcome it has again, key and all."""

    row: ParsedRow
    returns: EarlierItem | None = None


def is_explained(question: Question) -> bool:
    """Whether the row brings an explanation at all: without one nothing in it shows that it may come from us."""
    return any(True for _ in _explanations(question))


def restore_row(row: ParsedRow, earlier: Sequence[EarlierItem], traces: Sequence[Trace] = ()) -> Restored:
    """Take out of a row what the worker put into the workbook it comes from.

    `earlier` are rows of the same content, with the same text, or the one that the workbook's hidden column names;
    newest first. Explanations of ours are none. A key that the analysis put there is none either, or the official one
    that it replaced, where anything else in the row shows that it comes from us: an independent file that says the
    same stays a person's. Of a row whose item is gone, its mark alone says what was ours, or what was kept of such
    rows (`traces`).
    """
    question, mark = row.question, RowMark.parse(row.mark)
    if question is None or not (earlier or mark or traces):
        return Restored(row)
    ours = dict(_our_texts(question, earlier, traces, mark))
    is_untouched = mark is not None and mark.has_value(row.cells.get("reponse", ""))
    source, is_lost = None, False
    if not _is_known_from_a_file(question, earlier, traces):
        source = _find_source(question, earlier, mark.item_id if mark and is_untouched else None)
        is_gone = (is_untouched and _is_of_a_gone_item(mark, earlier)) or _is_of_a_trace(question, traces)
        is_lost = source is None and is_gone
    if not ours and source is None and not is_lost:
        return Restored(row)
    cells = dict(row.cells)
    for header, item in ours.items():
        cells[header] = item.cells.get(header, "") if item else ""
    question = _without(question, ours)
    if is_lost:
        cells["reponse"] = ""
        return Restored(replace(row, question=replace(question, official_key=None, official_answer=None), cells=cells))
    if source is None:
        return Restored(replace(row, question=question, cells=cells))
    cells["reponse"] = source.cells.get("reponse", "")
    question = replace(
        question,
        official_key=source.question.official_key,
        official_answer=source.question.official_answer,
    )
    returns = source if source.content_hash == question.content_hash() else None
    return Restored(replace(row, question=question, cells=cells), returns)


def _is_known_from_a_file(question: Question, earlier: Sequence[EarlierItem], traces: Sequence[Trace]) -> bool:
    """Whether a file brought this very key or answer for this content before: then it is a person's."""
    content_hash = question.content_hash()
    officials = [e.question.official for e in earlier if e.content_hash == content_hash]
    officials += [trace.official for trace in traces if trace.content_hash == content_hash]
    return any(_same_value(question, official) for official in officials)


def _find_source(question: Question, earlier: Sequence[EarlierItem], marked: str | None) -> EarlierItem | None:
    """The earlier row that has its key from the analysis, and from whose workbook this row comes."""
    texts = {header: loosen(text) for header, text in _explanations(question)}
    for item in earlier:
        if _same_value(question, item.value) and (
            item.id == marked or any(text in _texts_of(item, header) for header, text in texts.items())
        ):
            return item
    return None


def _is_of_a_gone_item(mark: RowMark | None, earlier: Sequence[EarlierItem]) -> bool:
    """Whether the analysis gave this row its key in a job that was deleted since."""
    return mark is not None and mark.has_value_of_analysis and all(item.id != mark.item_id for item in earlier)


def _is_of_a_trace(question: Question, traces: Sequence[Trace]) -> bool:
    """Whether the analysis gave this key, and wrote this explanation, in a row that was removed since."""
    return any(_same_value(question, trace.value) and _is_text_of(trace, question.explanation) for trace in traces)


def _is_text_of(trace: Trace, text: str | None) -> bool:
    return text is not None and len(text) >= MIN_LETTERS and trace.text_hash == text_hash(text)


def _our_texts(
    question: Question, earlier: Sequence[EarlierItem], traces: Sequence[Trace], mark: RowMark | None
) -> Iterator[tuple[str, EarlierItem | None]]:
    """Header → the earlier row (None: it is gone), for every explanation that the worker wrote."""
    for header, text in _explanations(question):
        wanted = loosen(text)
        found = next((item for item in earlier if wanted in _texts_of(item, header)), None)
        is_traced = header == "explication" and any(_is_text_of(trace, text) for trace in traces)
        if found or is_traced or (mark and mark.wrote(header, text)):
            yield header, found


def _explanations(question: Question) -> Iterator[tuple[str, str]]:
    if question.explanation and len(question.explanation) >= MIN_LETTERS:
        yield "explication", question.explanation
    for letter, text in question.option_explanations.items():
        if len(text) >= MIN_LETTERS:
            yield f"explication {letter.lower()}", text


def _texts_of(item: EarlierItem, header: str) -> set[str]:
    """What the worker put, or published, in the place of this header, loosened; nothing that a person uploaded."""
    result, uploaded = item.result, item.question
    if header == "explication":
        texts = [result.get("general_explanation"), result.get("explanation")]
        texts += [look.get("explanation") for look in result.get("looks") or ()]
        human = [uploaded.explanation]
    else:
        letter = header[-1].upper()
        texts = [(result.get("option_explanations") or {}).get(letter)]
        texts += [(look.get("option_explanations") or {}).get(letter) for look in result.get("looks") or ()]
        human = [uploaded.option_explanations.get(letter)]
    return {loosen(text) for text in texts if text} - {loosen(text) for text in human if text}


def _same_value(question: Question, value: str | None) -> bool:
    if value is None or question.official is None:
        return False
    return value == question.official if question.is_qcm else loosen(value) == loosen(question.official)


def _without(question: Question, headers: Mapping[str, object]) -> Question:
    options = {
        letter: text
        for letter, text in question.option_explanations.items()
        if f"explication {letter.lower()}" not in headers
    }
    explanation = None if "explication" in headers else question.explanation
    return replace(question, explanation=explanation, option_explanations=options)
