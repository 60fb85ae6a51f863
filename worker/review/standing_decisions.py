"""What people have decided so far, one decision for each content: the last one that stands."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

import sqlalchemy as sa

from worker.questions.decision import DecidedContent, standing_decisions

AT_ONCE = 1000  # rows in memory
ALL = sa.text("""
SELECT d."contentHash", d."action", COALESCE(d."key", d."answer") AS value, d."shown"
FROM "AiValidationDecision" d ORDER BY d."contentHash", d."createdAt", d."id"
""")


def read_settled(connection: sa.Connection) -> Iterator[DecidedContent]:
    """The decision that stands about each content that anybody decided about; none where all were undone."""
    rows = connection.execution_options(yield_per=AT_ONCE).execute(ALL).mappings()
    for _, decisions in groupby(rows, key=itemgetter("contentHash")):
        if stack := standing_decisions(decisions):
            last = stack[-1]
            yield DecidedContent(last["action"], last["value"], last["shown"])
