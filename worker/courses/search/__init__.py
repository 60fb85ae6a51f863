"""Words into stems, a question into a query, what was found into excerpts. Nothing is read or stored here."""

from worker.courses.search.analysis import drop_empty_names, fold, index_terms, stem_words
from worker.courses.search.choose import choose_excerpts, choose_passages, describe_place
from worker.courses.search.query import compose_query, fold_specialty

__all__ = [
    "choose_excerpts",
    "choose_passages",
    "compose_query",
    "describe_place",
    "drop_empty_names",
    "fold",
    "fold_specialty",
    "index_terms",
    "stem_words",
]
