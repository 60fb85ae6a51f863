"""What a search asks of an embedding model, and what the model asks of a text: its role, told by a prefix."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    """What a text is to a search: some models are trained on questions and passages that say which of them they are."""

    QUERY = "query"
    PASSAGE = "passage"


# As the cards of these models say, by what their names hold; no server adds it. An E5 that takes instructions has
# other words for them. Others (OpenAI's, Mistral's, BGE-M3 …) take texts as they are.
_PREFIXES: tuple[tuple[re.Pattern[str], dict[Role, str]], ...] = (
    (re.compile(r"\be5-(?!.*instruct)"), {Role.QUERY: "query: ", Role.PASSAGE: "passage: "}),
    (re.compile(r"\bnomic-embed-text"), {Role.QUERY: "search_query: ", Role.PASSAGE: "search_document: "}),
    (
        re.compile(r"\bembeddinggemma"),
        {Role.QUERY: "task: search result | query: ", Role.PASSAGE: "title: none | text: "},
    ),
    (re.compile(r"\barctic-embed(?:2|-[a-z]+-v2)"), {Role.QUERY: "query: ", Role.PASSAGE: ""}),
)


def find_prefixes(model: str) -> dict[Role, str]:
    """What this model expects in front of a text of each role; nothing, unless its name says that it does."""
    known = (prefixes for name, prefixes in _PREFIXES if name.search(model.lower()))
    return next(known, dict.fromkeys(Role, ""))


class Embedder(Protocol):
    """Texts into vectors."""

    @property
    def model(self) -> str:
        """Names vectors that can be compared."""

    def embed(self, texts: Sequence[str], role: Role, *, timeout_s: float) -> list[list[float]]:
        """One vector for each text, in their order. Raises `ProviderUnavailable`."""
