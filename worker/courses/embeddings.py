"""Texts into vectors, through any endpoint that speaks OpenAI's embeddings. What they are for is not known here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import openai

from worker.courses.embedder import Role, find_prefixes
from worker.errors import ProviderUnavailable
from worker.settings import Settings
from worker.system.transport import MOST_BYTES, BoundedClient, Bounds

SEARCH_TIMEOUT_S = 10.0  # a batch waits for it
VECTOR_BYTES = 2**17  # of one vector, at most: thousands of numbers of some twenty characters
MAX_TEXT = 8_000  # characters; models cut their input at some hundreds to thousands of tokens


class EmbeddingClient:
    """One client per process, shared by its threads. It does not retry: a search goes on without vectors.

    `model` names vectors that can be compared: the model, and what stands in front of its passages.
    """

    def __init__(self, settings: Settings) -> None:
        self._name = settings.embedding_model or ""
        self._prefixes = find_prefixes(self._name)
        self.model = " ".join(filter(None, (self._name, self._prefixes[Role.PASSAGE].strip())))
        self._client = _build_client(settings)

    def embed(self, texts: Sequence[str], role: Role, *, timeout_s: float = SEARCH_TIMEOUT_S) -> list[list[float]]:
        """One vector for each text, in their order. Raises `ProviderUnavailable` for whatever goes wrong."""
        prefix = self._prefixes[role]
        try:
            with Bounds(timeout_s, MOST_BYTES + len(texts) * VECTOR_BYTES):
                reply = self._client.embeddings.create(
                    model=self._name,
                    input=[prefix + (text[:MAX_TEXT] or " ") for text in texts],
                    encoding_format="float",
                    timeout=timeout_s,
                )
            vectors = [list(map(float, item.embedding)) for item in sorted(reply.data, key=lambda item: item.index)]
        except (openai.APIError, TypeError, ValueError, AttributeError, RecursionError) as error:
            # Not an API error: a reply of another shape, as proxies and wrong addresses send.
            raise ProviderUnavailable(
                f"the embedding endpoint failed ({type(error).__name__})", code="embedding"
            ) from error
        if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) > 1:
            raise ProviderUnavailable("the embedding endpoint sent another number of vectors", code="embedding")
        return vectors

    def close(self) -> None:
        """Drop the connections."""
        self._client.close()


def _build_client(settings: Settings) -> openai.OpenAI:
    url = settings.embedding_url or settings.openai_base_url
    loopback = urlsplit(url or "").hostname in ("127.0.0.1", "localhost", "::1")
    common: dict[str, Any] = {
        "max_retries": 0,
        "http_client": BoundedClient(SEARCH_TIMEOUT_S, trust_env=not loopback),
    }
    if settings.azure_endpoint and not url:
        return openai.AzureOpenAI(
            api_key=settings.azure_api_key,
            azure_endpoint=settings.azure_endpoint,
            api_version=settings.azure_api_version or "2024-10-21",
            **common,
        )
    return openai.OpenAI(api_key=settings.openai_api_key or "none", base_url=url, **common)
