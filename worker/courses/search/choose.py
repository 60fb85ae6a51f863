"""What a search found into the few excerpts that a prompt holds, or none. Which words count is not decided here."""

from __future__ import annotations

import math
from collections.abc import Sequence

from worker.courses.document import FoundPassage
from worker.questions.excerpt import Excerpt

# A passage must cover so much of what its question is worth, and besides what one of the question's words is worth on
# average: one word is a coincidence, and of a short question one word is much. See docs/retrieval.md for the figures.
MIN_SHARE = 0.17
CHANCE_WORDS = 0.83
# Less of a question with options whose own words are all known here: its other options are about other things, often of
# no course, and nearly every question about a foreign subject has a word of its own that no course holds.
KNOWN_SHARE = 0.12
KNOWN_CHANCE_WORDS = 0.6
WITHOUT_SUBJECT = 1.2  # times as much, where no word of its subject is there: its options may still be the passage's
# Where one passage tells that the subject is treated, others need this much of that: the answer is often in another.
FURTHER = 0.5
MOST_ASKED = 0.94  # of a question of one word, which the passage must be about
BEST_SHARE = 0.4  # of the best passage's score; the tail only dilutes
# What a passage needs besides the words by its vector: as much where it is as near as the nearest by chance are, less
# where it is nearer, within these bounds.
BY_NEARNESS, AS_NEAR = 0.35, -0.1
LEAST_BY_NEARNESS, MOST_BY_NEARNESS = 0.4, 1.3
MAX_EXCERPTS = 5
ENOUGH = 3  # so many in the question's own specialty, and no search is widened
MAX_CHARACTERS = 6_000  # five passages of the greatest length, some 1,700 tokens
RRF_K = 60  # Cormack, Clarke and Büttcher, Reciprocal rank fusion outperforms Condorcet, 2009


def choose_excerpts(found: Sequence[FoundPassage]) -> tuple[Excerpt, ...]:
    """At most five excerpts, best first, labelled S1, S2, …; none when nothing that was found concerns the question.

    Passages of the question's own level and specialty are taken alone when three of them concern it; else the search
    widens step by step to its specialty, to documents without one, to all: as far as three do, or the last that does.
    """
    return tuple(_label(choose_passages(found)))


def choose_passages(found: Sequence[FoundPassage]) -> list[FoundPassage]:
    """The passages behind those excerpts, in their order."""
    scopes = sorted(passage.scope for passage in found if _is_relevant(passage))
    if not scopes:
        return []
    widest = scopes[:ENOUGH][-1]
    return _fit(rank_passages([p for p in found if p.scope <= widest and _is_relevant(p, FURTHER)]))


def rank_passages(found: Sequence[FoundPassage]) -> list[FoundPassage]:
    """Best first: by BM25; where there are vectors, both rankings fused (RRF)."""
    by_words = sorted(found, key=lambda p: (-p.score, p.scope, p.document_id, p.position))
    if all(passage.similarity is None for passage in found):
        return by_words
    by_meaning = sorted(by_words, key=lambda p: -(p.similarity or 0.0))
    words = {passage.chunk_id: rank for rank, passage in enumerate(by_words, start=1)}
    meaning = {passage.chunk_id: rank for rank, passage in enumerate(by_meaning, start=1)}
    return sorted(by_words, key=lambda p: -(1 / (RRF_K + words[p.chunk_id]) + 1 / (RRF_K + meaning[p.chunk_id])))


def describe_place(passage: FoundPassage) -> str:
    """Where a passage stands, for people: `Cardiologie DCEM2, p. 34`."""
    labels = passage.labels
    where = " ".join(part for part in (labels.specialty, labels.level) if part)
    names = [name for name in (labels.source, where, labels.course, passage.title) if name]
    told: list[str] = []
    for name in names:
        if not any(name.casefold() in other.casefold() for other in told):
            told = [*(other for other in told if other.casefold() not in name.casefold()), name]
    if passage.page is None:
        return ", ".join(told)
    last = passage.last_page or passage.page
    pages = f"p. {passage.page}" if last == passage.page else f"p. {passage.page}-{last}"
    return ", ".join([*told, pages])


def least_coverage(breadth: float, *, names_subject: bool = True, has_known_words: bool = False) -> float:
    """The share of a question's worth that a passage must cover; the shorter the question, the larger."""
    share, words = (KNOWN_SHARE, KNOWN_CHANCE_WORDS) if has_known_words else (MIN_SHARE, CHANCE_WORDS)
    least = share + words / max(breadth, 1.0)
    return min(MOST_ASKED, least if names_subject else least * WITHOUT_SUBJECT)


def _is_relevant(passage: FoundPassage, share: float = 1.0) -> bool:
    """Whether a passage concerns its question; with a `share` of that, whether it may beside one that does."""
    least = share * least_coverage(
        passage.breadth, names_subject=passage.names_subject, has_known_words=passage.has_known_words
    )
    return passage.coverage >= least * _by_nearness(passage.nearness)


def _by_nearness(nearness: float | None) -> float:
    """How much of the coverage a passage needs, by what its vector tells; all of it where that tells nothing."""
    if nearness is None:
        return 1.0
    return min(MOST_BY_NEARNESS, max(LEAST_BY_NEARNESS, math.exp(-BY_NEARNESS * (nearness - AS_NEAR))))


def _fit(passages: Sequence[FoundPassage]) -> list[FoundPassage]:
    best = max((passage.score for passage in passages), default=0.0)
    kept: list[FoundPassage] = []
    size = 0
    unique: dict[str, FoundPassage] = {}
    for passage in passages:  # the same page in two editions of a course says nothing twice
        unique.setdefault(passage.text, passage)
    for passage in unique.values():
        if len(kept) == MAX_EXCERPTS:
            break
        if passage.similarity is None and passage.score < BEST_SHARE * best:
            continue
        if size + len(passage.text) > MAX_CHARACTERS:
            continue
        kept.append(passage)
        size += len(passage.text)
    return kept


def _label(passages: Sequence[FoundPassage]) -> list[Excerpt]:
    return [Excerpt(id=f"S{n}", text=p.text, source=describe_place(p)) for n, p in enumerate(passages, start=1)]
