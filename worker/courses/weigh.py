"""What each word of a question is worth in this store, and what the index is asked for. Nothing is read here."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from worker.courses.document import CourseQuery
from worker.courses.index_terms import LEVELS, stored_stem
from worker.courses.search.analysis import asking_stems
from worker.courses.search.spelling import Spelling

# A search reads at most so many passages per question to find the rarest words, and looks at the best of them whole.
POSTINGS_PER_QUERY = 1_000
LONGEST_LIST = 20_000  # of a question whose rarest word is not rare
FREQUENT_TERMS = 3
FEW_TERMS = 3  # of more that some passage holds, a candidate shares two
# The words of the best imaginable passage: a long case must not make every passage look poor.
IDEAL_TERMS = 12
# Below so many passages, how often a word occurs says little about how rare it is.
SMALLEST_CORPUS = 1_000
# What is asked of any subject counts for so much when it is judged what a passage is about.
ASKING = 0.35
# A passage names the subject that holds one of its words as rare, or nearly so, as the rarest of the question's own:
# of `insuffisance rénale chronique` a passage on another insufficiency does not.
SUBJECT_SHARE = 0.73
TREATED = 2  # passages that hold a word at least: what one alone holds is mentioned there
PART_WEIGHT = 0.3  # of a compound that is asked for as one word
# Of BM25, Lucene's (Robertson and Zaragoza, The probabilistic relevance framework, 2009).
K1, B = 1.2, 0.75
WHOLE = 2  # so often a stem stands in a passage of common length that counts wholly for what it is about


def _saturation(times: int, damping: float = K1) -> float:
    """What so many occurrences are worth; `damping` is K1 in a passage of common length, and grows with its length."""
    return times * (K1 + 1) / (times + damping)


# What each level of occurrences adds to the one before, in a passage of common length.
GAINS = tuple(
    (level, _saturation(level) - _saturation(before)) for before, level in itertools.pairwise((0, 1, *LEVELS))
)


@dataclass(frozen=True, slots=True)
class WeighedTerm:
    """A stem as passages hold it, in how many, what it is worth for the score, and for what a passage is about."""

    stem: str
    passages: int
    worth: float
    about: float
    is_subject: bool


@dataclass(frozen=True, slots=True)
class Lookup:
    """What the GIN index is asked: a tsquery, what a passage gains by it, and how many occurrences it asks for."""

    query: str
    worth: float
    level: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What a passage is worth to a question: by BM25, and how much of the question it is about."""

    score: float
    coverage: float
    names_subject: bool


@dataclass(frozen=True, slots=True)
class WeighedQuery:
    """A question as this store sees it.

    `about`: what the best imaginable passage is worth, which holds the words that say most; `breadth`: over how many
    words that is spread, as if all were worth the same; `subject`: the worth of the rarest word of its own that is
    surely one (None: it has none, infinite: of none is it sure); `has_known_words`: it has options, and several
    passages hold each of its own words; `least`: how many of its words a candidate shares.
    """

    terms: tuple[WeighedTerm, ...]
    lookups: tuple[Lookup, ...]
    about: float
    breadth: float
    subject: float | None
    has_known_words: bool
    least: int

    def judge(self, times: Mapping[str, int], *, length: int, average: float) -> Judged:
        """`times`: how often each of its stems stands in a passage of `length` stems; `average`: of all passages."""
        damping = K1 * (1 - B + B * length / average)
        there = [(term, _saturation(times[term.stem], damping)) for term in self.terms if term.stem in times]
        about = sum(term.about * min(1.0, gained / _saturation(WHOLE)) for term, gained in there)
        rarest = max((term.about for term, _ in there if term.is_subject), default=0.0)
        return Judged(
            score=sum(term.worth * gained for term, gained in there),
            coverage=about / self.about if self.about else 0.0,
            names_subject=self.subject is None or rarest >= SUBJECT_SHARE * self.subject,
        )


def join_compounds(query: CourseQuery, passages: Mapping[str, int]) -> CourseQuery:
    """The query with those of its compounds as one word that passages hold, however these write them.

    Their parts count as much as a course's name then, and not at all where no passage holds them.
    """
    joined = {stem: parts for stem, parts in query.compounds.items() if stem in passages}
    if not joined:
        return query
    whole = {stem: max(query.terms[part] for part in parts) for stem, parts in joined.items()}
    subject = {stem for stem, parts in joined.items() if not query.subject.isdisjoint(parts)}
    inside = frozenset(part for parts in joined.values() for part in parts)
    others = {stem: weight for stem, weight in query.terms.items() if stem not in inside}
    rest = {stem: min(weight, PART_WEIGHT) for stem, weight in query.terms.items() if stem in inside & passages.keys()}
    asking = query.asking | (whole.keys() & asking_stems())  # `contre-indication`
    terms = {**others, **rest, **whole}
    return replace(query, terms=terms, subject=(query.subject - inside) | (subject - asking), asking=asking)


def weigh_query(query: CourseQuery, passages: Mapping[str, int], spelling: Spelling, *, corpus: int) -> WeighedQuery:
    """`passages`: how many hold each stem; `corpus`: how many there are in all.

    A word that no passage holds, however it may be spelled, is the rarest there is.
    """
    terms = _weigh_terms(query, passages, spelling, max(corpus, SMALLEST_CORPUS))
    best = sorted((term.about for term in terms), reverse=True)[:IDEAL_TERMS]
    own = [term for term in terms if term.is_subject]
    held = [term for term in terms if term.passages]
    # An abbreviation is written out in more than one way.
    others = query.spelled_out if any(term.stem in query.spelled_out for term in held) else frozenset()
    sure = [term.about for term in own if term.passages or term.stem not in spelling.unsure | others]
    squares = sum(about * about for about in best)
    return WeighedQuery(
        terms=terms,
        lookups=_look_up(held),
        about=sum(best),
        breadth=sum(best) ** 2 / squares if squares else 0.0,
        subject=max(sure, default=math.inf) if own else None,
        has_known_words=query.has_options and bool(own) and all(term.passages >= TREATED for term in own),
        least=2 if len(held) > FEW_TERMS else 1,
    )


def _weigh_terms(
    query: CourseQuery, passages: Mapping[str, int], spelling: Spelling, corpus: int
) -> tuple[WeighedTerm, ...]:
    """Rarest first. Two spellings of one word are one, with what weighs more of either."""
    found: dict[str, WeighedTerm] = {}
    for asked, weight in query.terms.items():
        stem = spelling.meant.get(asked, asked)
        if not stem:
            continue
        held = passages.get(stem, 0)
        rarity = math.log(1 + (max(corpus, held) - held + 0.5) / (held + 0.5))
        is_asking = asked in query.asking or (stem != asked and stem in asking_stems())
        worth, about = weight * rarity, weight * rarity * (ASKING if is_asking else 1.0)
        is_subject = asked in query.subject and not is_asking
        if (other := found.get(stem)) is not None:
            worth, about = max(worth, other.worth), max(about, other.about)
            is_subject = is_subject or other.is_subject
        found[stem] = WeighedTerm(stem, held, worth, about, is_subject)
    return tuple(sorted(found.values(), key=lambda term: (term.passages, term.stem)))


def _look_up(held: list[WeighedTerm]) -> tuple[Lookup, ...]:
    """The rarest words one by one, with how often they stand there, and a few others beside one of those.

    Each of them is a list of the index, and so is each level: BM25, but for length, is then a sum over lists.
    """
    rare: list[WeighedTerm] = []
    read = 0
    for term in held:
        read += term.passages
        if read > POSTINGS_PER_QUERY and (rare or term.passages > LONGEST_LIST):
            break
        rare.append(term)
    if not rare:
        return ()
    lookups = [
        Lookup(stored_stem(term.stem, level), term.worth * gain, level) for term in rare for level, gain in GAINS
    ]
    any_rare = "|".join(stored_stem(term.stem) for term in rare)
    for term in held[len(rare) :][:FREQUENT_TERMS]:
        lookups.append(Lookup(f"({any_rare})&{stored_stem(term.stem)}", term.worth, 1))
    return tuple(lookups)
