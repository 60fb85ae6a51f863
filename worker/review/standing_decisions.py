"""What people have decided so far, one decision for each content: the last one that stands."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

import sqlalchemy as sa

from worker.db.statements import load_statements
from worker.questions.decision import DecidedContent, standing_decisions

SQL = load_statements(__file__)

AT_ONCE = 1000  # rows in memory


def read_settled(connection: sa.Connection) -> Iterator[DecidedContent]:
    """The decision that stands about each content that anybody decided about; none where all were undone."""
    rows = connection.execution_options(yield_per=AT_ONCE).execute(SQL["read_all"]).mappings()
    for _, decisions in groupby(rows, key=itemgetter("contentHash")):
        if stack := standing_decisions(decisions):
            last = stack[-1]
            yield DecidedContent(last["action"], last["value"], last["shown"])
