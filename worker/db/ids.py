"""Ids of rows that are known again by their content."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator

DERIVED_IDS = 8  # ids that one content may come to have, one after another, before a random one is taken


def derive_ids(prefix: str, *parts: str) -> Iterator[str]:
    """The ids that a row with this content may have, in the order in which they are tried; the last is random.

    It has the first, unless a row whose content was changed since has kept that one: then it has the next.
    """
    yield prefix + _digest(*parts)
    for number in range(2, DERIVED_IDS + 1):
        yield prefix + _digest(*parts, str(number))
    yield prefix + uuid.uuid4().hex[:24]


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:24]
