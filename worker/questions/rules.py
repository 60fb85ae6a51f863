"""What the platform's database accepts as a question. The seed's strict checks may still be in force there."""

from __future__ import annotations

from dataclasses import dataclass

from worker.messages import row_reasons
from worker.questions.question import LETTERS, Question


@dataclass(frozen=True, slots=True)
class QuestionRules:
    """Which of the seed's strict checks the database still holds (both False once revision 004 is applied)."""

    single_letter_keys: bool = False
    five_options: bool = False

    def refusal(self, question: Question, key: str | None) -> str | None:
        """Why the database would refuse this question with this key, in French; None when it would take it.

        A row is refused whole: a key is never cut down to fit.
        """
        if not question.is_qcm:
            return None
        if self.single_letter_keys and key and len(key) > 1:
            return row_reasons.one_letter_keys(key)
        if self.five_options and any(letter not in question.options for letter in LETTERS):
            return row_reasons.five_options(len(question.options))
        return None
