"""A question into a query: which stems, and how much each says of what the question is about."""

from __future__ import annotations

import re
from collections.abc import Iterator

from worker.courses.document import CourseQuery
from worker.courses.search.analysis import asking_stems, compounds, drop_empty_names, spelled_out, stem_words
from worker.questions.question import Question, fold_name

# The question itself tells most; a case holds much that the question does not turn on.
TEXT_WEIGHT, OPTION_WEIGHT, CASE_WEIGHT, COURSE_WEIGHT = 1.0, 0.6, 0.4, 0.3
NUMBER_FACTOR = 0.3
MAX_TERMS = 60
MAX_QUERY_TEXT = 2000
# Numbers, and centuries in print: `12e`, `0,5`, `XVIII`.
_NUMBER = re.compile(r"\d.*|[ivx]{2,}")
_GLUED_NUMBER = re.compile(r"(?<=[^\W\d_])(?=\d)")


def compose_query(item_id: str, question: Question) -> CourseQuery:
    """What to look for on behalf of a question. The official key and answer are no part of it: the look is blind."""
    weights: dict[str, float] = {}
    for text, weight in _parts(question):
        for term in stem_words(text):
            own = weight * (NUMBER_FACTOR if _NUMBER.fullmatch(term) else 1.0)
            weights[term] = max(weights.get(term, 0.0), own)
    # Where there are too many, those of the question and its options stay.
    kept = sorted(weights.items(), key=lambda pair: -pair[1])[:MAX_TERMS]
    return CourseQuery(
        item_id=item_id,
        terms=dict(kept),
        text="\n".join(text for text, _ in _parts(question) if text)[:MAX_QUERY_TEXT],
        level=question.level or None,
        specialty_key=fold_specialty(question.specialty),
        asking=frozenset(term for term, weight in kept if weight > CASE_WEIGHT) & asking_stems(),
        subject=frozenset(term for term, weight in kept if weight == TEXT_WEIGHT) - asking_stems(),
        spelled_out=frozenset(spelled_out(question.text)),
        has_options=bool(question.options),
        compounds={
            joined: parts
            for text, _ in _parts(question)
            for joined, parts in compounds(text)
            if joined not in weights and all(part in dict(kept) for part in parts)
        },
    )


def fold_specialty(name: str | None) -> str | None:
    """The key under which documents and questions of one specialty meet: `Pédiatrie 2*` and `Pediatrie2` are one."""
    return _GLUED_NUMBER.sub(" ", fold_name(name)) or None if name else None


def _parts(question: Question) -> Iterator[tuple[str, float]]:
    yield question.text, TEXT_WEIGHT
    for option in question.options.values():
        # "Les propositions A et C" is about nothing.
        yield re.sub(r"\b[A-E]\b", " ", option), OPTION_WEIGHT
    yield question.case_text or "", CASE_WEIGHT
    yield drop_empty_names(question.course), COURSE_WEIGHT
