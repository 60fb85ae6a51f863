"""The baseline of `medq eval --courses`, and no part of the worker's search: BM25 as textbooks have it, in memory.

The worker ranks in `courses/passage_search.sql` and chooses in `search/choose`. Nothing of that is in here: no folding,
no abbreviation, no threshold.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache

from worker.courses.search.analysis import snowball

_WORD = re.compile(r"[^\W_]+")
# Lucene's constants and its rarity, which is never negative.
K1, B = 1.2, 0.75


class PlainBm25:
    """Ranks passages for a question, by the French snowball stems of lower-case words."""

    def __init__(self, passages: Sequence[str]) -> None:
        counts = [Counter(_stems(passage)) for passage in passages]
        self._lengths = [sum(count.values()) for count in counts]
        self._average = sum(self._lengths) / max(1, len(counts)) or 1.0
        self._postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for number, count in enumerate(counts):
            for stem, times in count.items():
                self._postings[stem].append((number, times))

    def rank(self, question: str, *, most: int) -> list[int]:
        """The numbers of the best passages, best first; equal ones in their order."""
        scores: dict[int, float] = defaultdict(float)
        for stem in dict.fromkeys(_stems(question)):
            found = self._postings.get(stem, [])
            rarity = math.log(1 + (len(self._lengths) - len(found) + 0.5) / (len(found) + 0.5))
            for number, times in found:
                length = K1 * (1 - B + B * self._lengths[number] / self._average)
                scores[number] += rarity * times * (K1 + 1) / (times + length)
        return sorted(scores, key=lambda number: (-scores[number], number))[:most]


def _stems(text: str) -> list[str]:
    return [_stem(word) for word in _WORD.findall(text.lower())]


@lru_cache(maxsize=200_000)
def _stem(word: str) -> str:
    return snowball(word)
