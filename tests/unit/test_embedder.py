"""What embedding models expect in front of a text."""

from __future__ import annotations

import pytest

from worker.courses.embedder import Role, find_prefixes

E5 = ("query: ", "passage: ")
NOMIC = ("search_query: ", "search_document: ")
GEMMA = ("task: search result | query: ", "title: none | text: ")
ARCTIC = ("query: ", "")
NONE = ("", "")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("intfloat/multilingual-e5-small", E5),
        ("multilingual-e5-large", E5),
        ("E5-base-v2", E5),
        ("intfloat/multilingual-e5-large-instruct", NONE),  # its questions carry a sentence of instructions
        ("e5-mistral-7b-instruct", NONE),
        ("nomic-embed-text:latest", NOMIC),
        ("nomic-ai/nomic-embed-text-v1.5", NOMIC),
        ("embeddinggemma:300m", GEMMA),
        ("google/embeddinggemma-300m", GEMMA),
        ("snowflake-arctic-embed2", ARCTIC),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", ARCTIC),
        ("snowflake-arctic-embed2:568m", ARCTIC),
        ("snowflake-arctic-embed:22m", NONE),  # the first ones expect another sentence, and English
        ("Snowflake/snowflake-arctic-embed-m-v1.5", NONE),
        ("text-embedding-3-small", NONE),
        ("mistral-embed", NONE),
        ("BAAI/bge-m3", NONE),
        ("the5-model", NONE),
        ("", NONE),
    ],
)
def test_a_model_is_given_what_its_card_asks_for(model: str, expected: tuple[str, str]) -> None:
    prefixes = find_prefixes(model)

    assert (prefixes[Role.QUERY], prefixes[Role.PASSAGE]) == expected
