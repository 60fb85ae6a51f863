"""Which stored passages are the one that a question's author expects, however the document was cut and spelled."""

from __future__ import annotations

from collections.abc import Sequence

from worker.courses.recall import CourseQuestion, StoredPassage
from worker.courses.search.analysis import fold

RUN = 12  # letters and digits of an expected text that are compared at once, where no passage holds it whole
LEAST = 0.5  # of its runs; a text that a cut went through is in the passage that holds most of it


class ExpectedPassages:
    """Finds them among all that are stored."""

    def __init__(self, passages: Sequence[StoredPassage]) -> None:
        self._passages = passages
        self._letters = [_letters(passage.text) for passage in passages]
        self._names = [_letters(passage.document) for passage in passages]

    def find(self, question: CourseQuestion) -> frozenset[str]:
        """The ids of the passages any of which is right; empty when the document holds no such text as it was read."""
        numbers = [n for n in range(len(self._passages)) if self._is_there(question, n)]
        if question.passage is not None:
            numbers = self._holding(_letters(question.passage), numbers)
        return frozenset(self._passages[n].id for n in numbers)

    def knows_document(self, name: str) -> bool:
        """Whether any document of this name is stored."""
        return any(self._is_named(name, n) for n in range(len(self._passages)))

    def _is_there(self, question: CourseQuestion, number: int) -> bool:
        if question.document is not None and not self._is_named(question.document, number):
            return False
        passage = self._passages[number]
        if question.pages is None:
            return True
        first, last = question.pages
        return passage.page is not None and passage.page <= last and first <= (passage.last_page or passage.page)

    def _is_named(self, name: str, number: int) -> bool:
        """With or without its folders and its ending."""
        asked, full = _letters(name), self._names[number]
        own = self._passages[number].document
        bare = _letters(own.rsplit(".", 1)[0])
        last = _letters(own.rsplit("/", 1)[-1].rsplit(".", 1)[0])
        return bool(asked) and (full.endswith(asked) or bare.endswith(asked) or asked == last)

    def _holding(self, expected: str, numbers: Sequence[int]) -> list[int]:
        whole = [n for n in numbers if expected in self._letters[n]]
        if whole or len(expected) < 2 * RUN:
            return whole
        runs = [expected[at : at + RUN] for at in range(0, len(expected) - RUN + 1, RUN // 2)]
        held = {n: sum(run in self._letters[n] for run in runs) for n in numbers}
        most = max(held.values(), default=0)
        return [n for n, count in held.items() if count == most] if most >= LEAST * len(runs) else []


def _letters(text: str) -> str:
    """Letters and digits alone, folded: accents printed apart, hyphens and line ends make no difference."""
    return "".join(c for c in fold(text) if c.isalnum())
