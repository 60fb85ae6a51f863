"""What a search found into the few excerpts that a prompt holds, or none. Which words count is not decided here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from worker.shapes.calls import Excerpt
from worker.shapes.courses import FoundPassage

# Measured by bench/retrieval.py: see docs/retrieval.md.
MIN_COVERAGE = 0.30  # below it nothing is injected
MIN_MATCHED = 2  # stems in common; one word alone is a coincidence
BEST_SHARE = 0.5  # of the best passage's coverage; the tail only dilutes
SIMILAR = 0.5  # a passage that only vectors bring needs half the coverage and this cosine
MAX_EXCERPTS = 5
ENOUGH = 3  # so many in the question's own specialty, and no search is widened
MAX_CHARACTERS = 5_000  # some 1,400 tokens
RRF_K = 60  # Cormack, Clarke and Büttcher, Reciprocal rank fusion outperforms Condorcet, 2009


def choose_excerpts(found: Sequence[FoundPassage]) -> tuple[Excerpt, ...]:
    """At most five excerpts, best first, labelled S1, S2, …; none when nothing found bears on the question.

    Passages of the question's own level and specialty are taken alone when there are three; else the search widens
    step by step to its specialty, to documents without one, to all.
    """
    relevant = rank_passages([passage for passage in found if _is_relevant(passage)])
    within: list[FoundPassage] = []
    for scope in range(4):
        within = [passage for passage in relevant if passage.scope <= scope]
        if len(within) >= ENOUGH:
            break
    return tuple(_label(_fit(within)))


def rank_passages(found: Sequence[FoundPassage]) -> list[FoundPassage]:
    """Best first: by the words in common; where there are vectors, both rankings fused (RRF)."""
    by_words = sorted(found, key=lambda p: (-p.coverage, p.scope, p.document_id, p.position))
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


def _is_relevant(passage: FoundPassage) -> bool:
    if passage.matched < MIN_MATCHED:
        return False
    if passage.coverage >= MIN_COVERAGE:
        return True
    return (passage.similarity or 0.0) >= SIMILAR and passage.coverage >= MIN_COVERAGE / 2


def _fit(passages: Sequence[FoundPassage]) -> list[FoundPassage]:
    best = max((passage.coverage for passage in passages), default=0.0)
    kept: list[FoundPassage] = []
    size = 0
    for passage in passages:
        if len(kept) == MAX_EXCERPTS:
            break
        if passage.similarity is None and passage.coverage < BEST_SHARE * best:
            continue
        if size + len(passage.text) > MAX_CHARACTERS:
            continue
        kept.append(passage)
        size += len(passage.text)
    return kept


def _label(passages: Sequence[FoundPassage]) -> list[Excerpt]:
    numbered = enumerate(passages, start=1)
    excerpts = [Excerpt(id=f"S{n}", text=p.text, source=describe_place(p)) for n, p in numbered]
    # The same page in two editions of a course says nothing twice.
    unique = {excerpt.text: excerpt for excerpt in reversed(excerpts)}
    kept = sorted(unique.values(), key=lambda e: int(e.id[1:]))
    return [replace(excerpt, id=f"S{n}") for n, excerpt in enumerate(kept, start=1)]
