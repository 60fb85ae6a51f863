"""Words into stems, a question into a query, what was found into excerpts. Nothing is read or stored here."""

from worker.steps.search.analysis import fold, index_terms, stem_words
from worker.steps.search.choose import choose_excerpts, describe_place
from worker.steps.search.query import compose_query, fold_specialty

__all__ = [
    "choose_excerpts",
    "compose_query",
    "describe_place",
    "fold",
    "fold_specialty",
    "index_terms",
    "stem_words",
]
