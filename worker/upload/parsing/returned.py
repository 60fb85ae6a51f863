"""What a person typed into `À revoir` of a workbook that comes back. Whether it can stand is asked elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from worker.errors import DecisionRefused
from worker.messages import decision_replies, sheet_notes, workbook_words
from worker.questions.decision import DECISION_WORDS, Action
from worker.questions.question import Question, fold_name
from worker.questions.row_marks import MARK_HEADER, ReviewMark
from worker.questions.sheets import Note, RawSheet
from worker.upload.parsing.keys import read_answer, says_no_answer
from worker.upload.parsing.official import Style, read_official
from worker.upload.parsing.values import plain_text

HEADER_WITHIN_ROWS = 40
# As headers are compared: folded.
DECISION, VALUE = fold_name(workbook_words.DECISION), fold_name(workbook_words.ANSWER_TO_KEEP)
EXPLANATION, COMMENT = fold_name(workbook_words.EXPLANATION_TO_KEEP), fold_name(workbook_words.COMMENT)

_ACTIONS: Mapping[str, Action] = {fold_name(word): action for word, action in DECISION_WORDS.items()}


@dataclass(frozen=True, slots=True)
class TypedDecision:
    """One row in which a person typed something; `mark` is None where the hidden column does not name it any more."""

    sheet: str
    row_number: int
    mark: ReviewMark | None
    word: str
    value: str
    explanation: str
    comment: str

    @property
    def action(self) -> Action:
        """Raises `DecisionRefused` for a word that is no decision, or none beside something typed."""
        if not fold_name(self.word):
            raise DecisionRefused(decision_replies.decision_wanted(list(DECISION_WORDS)))
        if (action := _ACTIONS.get(fold_name(self.word))) is None:
            raise DecisionRefused(decision_replies.decision_unknown(self.word, list(DECISION_WORDS)))
        if action != "edit" and (self.value or self.explanation):
            raise DecisionRefused(decision_replies.only_edit_types(self.word))
        return action


def is_review(sheet: RawSheet) -> bool:
    """Whether a sheet is the one in which decisions are typed, whatever its name is now."""
    return _find_header(sheet) is not None


def read_decisions(sheet: RawSheet) -> Iterator[TypedDecision]:
    """The rows of `À revoir` in which anything is typed, in their order; none of any other sheet."""
    if (found := _find_header(sheet)) is None:
        return
    start, places = found
    for number, row in sheet.rows[start + 1 :]:
        typed = {name: plain_text(row[places[name]]) if name in places else "" for name in (DECISION, VALUE)}
        typed |= {name: plain_text(row[places[name]]) if name in places else "" for name in (EXPLANATION, COMMENT)}
        if any(typed.values()):
            mark = ReviewMark.parse(row[places[MARK_HEADER]]) if MARK_HEADER in places else None
            yield TypedDecision(sheet.name, number, mark, *typed.values())


def read_value(typed: TypedDecision, question: Question) -> tuple[str | None, str | None]:
    """The key, or the short answer, of a typed `réponse retenue`, read as an upload's is.

    Raises `DecisionRefused` when there is none, or it leaves a doubt.
    """
    if not question.is_qcm:
        if (answer := read_answer(typed.value)) is None:
            raise DecisionRefused(decision_replies.ANSWER_WANTED)
        return None, answer
    letters = sorted(question.options)
    if says_no_answer(typed.value):
        raise DecisionRefused(decision_replies.key_wanted(letters))
    options = {letter: question.options[letter] for letter in letters}
    reading = read_official(typed.value, options, Style())
    if reading.key is None:
        raise DecisionRefused(decision_replies.key_not_understood(typed.value, letters))
    return reading.key, None


def decisions_not_taken(sheet: RawSheet) -> Iterator[Note]:
    """A note on the decisions that an upload holds: it takes none of them in."""
    if number := sum(1 for typed in read_decisions(sheet) if typed.word):
        message = sheet_notes.decisions_not_taken(sheet.name, number)
        label = sheet_notes.decisions_not_taken_label(number)
        yield Note("decisions_not_taken", message, label, number, sheet.name)


def _find_header(sheet: RawSheet) -> tuple[int, dict[str, int]] | None:
    """The index of the header's row and the places of its columns: that of decisions, and one that only we write."""
    for index, (_, row) in enumerate(sheet.rows[:HEADER_WITHIN_ROWS]):
        places = _places(row)
        if DECISION in places and (VALUE in places or MARK_HEADER in places):
            return index, places
    return None


def _places(row: Sequence[str]) -> dict[str, int]:
    names = (MARK_HEADER, DECISION, VALUE, EXPLANATION, COMMENT)
    found = {fold_name(cell): place for place, cell in reversed(list(enumerate(row))) if 0 < len(cell) <= 30}
    return {name: found[name] for name in names if name in found}
