"""What every request works with, built once at boot and handed down through the application's state."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from worker.db.engine import Database, reading
from worker.logging import describe, get_logger
from worker.settings import Settings

if TYPE_CHECKING:
    import sqlalchemy as sa

    from worker.llm.prices import Prices
    from worker.llm.rate_limit import Limits
    from worker.upload.storage import Storage

log = get_logger()

PATIENCE_S = 3  # of a request with a database that is away: a person waits
READERS = 2  # files that are read at once, each in a process of its own


@dataclass(frozen=True)
class Parts:
    """`settings` has both URLs filled in. `explain` asks the model about rows that nobody has explained."""

    settings: Settings
    engine: sa.Engine
    storage: Storage
    prices: Prices
    storage_url: str
    is_embedded: bool  # the demonstration model answers
    limits: Sequence[Limits] = ()  # of the endpoints that are called
    explain: Callable[[list[str]], object] | None = None
    _explaining: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "explain"))
    _readers: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(READERS))

    @cached_property
    def reads(self) -> sa.Engine:
        """The engine for what is read in one statement."""
        return reading(self.engine)

    @property
    def database(self) -> Database:
        """The database for one request: a server that is away is waited for no longer than a person would."""
        return Database(self.engine, patience_s=PATIENCE_S)

    @property
    def max_upload_bytes(self) -> int:
        """The largest file that is taken."""
        return self.settings.max_file_bytes

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Wait for one of the places for reading a file, and keep it while the block runs."""
        with self._readers:
            yield

    def explain_later(self, item_id: str) -> None:
        """Have what a person settled explained after the answer to her, one at a time."""
        if self.explain is None:
            return
        future = self._explaining.submit(self.explain, [item_id])
        future.add_done_callback(_note_failure)

    def close(self) -> None:
        """Let the explanation under way end; those that wait are not begun."""
        self._explaining.shutdown(wait=True, cancel_futures=True)


def _note_failure(future: Future[object]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        log.warning("not_explained", error=describe(error))


async def parts_of(request: Request) -> Parts:
    """The application's parts, for a route."""
    parts: Parts = request.app.state.parts
    return parts


Given = Annotated[Parts, Depends(parts_of)]
