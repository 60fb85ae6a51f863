"""Passages that give orders: kept out of the search until somebody allows them. What an order is, `orders` decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from models import utc_now
from worker.courses.document import HeldPassage
from worker.db.statements import load_statements

SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a passage's row says of its orders: the sentences, one on a line, and when somebody allowed all of them."""

    held_for: str | None = None
    allowed_at: datetime | None = None

    @property
    def is_held(self) -> bool:
        """Whether the passage is kept out of the search."""
        return self.held_for is not None and self.allowed_at is None


def judge(sentences: Sequence[str], allowed: Mapping[str, datetime]) -> Standing:
    """How a passage stands that gives these orders, where each of `allowed` was allowed then.

    Sentences are what is allowed, not passages: another cut of the same text needs nobody again.
    """
    if not sentences:
        return Standing()
    is_allowed = all(sentence in allowed for sentence in sentences)
    return Standing("\n".join(sentences), max(allowed[s] for s in sentences) if is_allowed else None)


def allowed_sentences(standings: Iterable[Standing]) -> dict[str, datetime]:
    """Which sentences somebody has allowed, and when."""
    return {
        sentence: one.allowed_at
        for one in standings
        if one.held_for is not None and one.allowed_at is not None
        for sentence in one.held_for.split("\n")
    }


def read_allowed(connection: sa.Connection, file_name: str) -> dict[str, datetime]:
    """Which sentences of the stored documents of this file name somebody has allowed, and when."""
    return allowed_sentences(
        Standing(*row) for row in connection.execute(SQL["read_allowed"], {"file_name": file_name})
    )


def list_held(connection: sa.Connection, content_hash: str | None = None) -> list[HeldPassage]:
    """The passages that are kept out, of the document with this content or of all."""
    rows = connection.execute(SQL["list_held"], {"hash": content_hash})
    return [HeldPassage(row[0], row[1], row[2], row[3], tuple(row[4].split("\n"))) for row in rows]


def allow_passages(connection: sa.Connection, ids: Sequence[str]) -> list[str]:
    """Note that somebody allows these passages; the documents whose stems are to be made anew, one for each passage."""
    found = connection.execute(SQL["allow"], {"ids": list(ids), "now": utc_now()}).scalars()
    return list(found)
