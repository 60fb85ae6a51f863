"""Jobs as they go on, for everybody who watches: one poller for all viewers, the whole state with each change.

Each viewer keeps only the latest state of a job, so whoever is slow misses steps and never the end; whoever comes back
begins with what is true now, and nothing has to be replayed. An event is written once for all who see it, and viewers
are told a few at a time: a page that is asked for meanwhile does not wait until everybody has been served.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from fastapi.sse import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from worker.logging import describe, get_logger

log = get_logger()

EVERY_S = 1.0
LONGEST_S = 600.0  # of a stream: the browser comes back, and is asked anew who it is
AT_ONCE = 5  # viewers who get their update together
SPREAD = 0.5  # of the time between two polls, within which all viewers get their update
BACK_MS = 2_000  # a browser whose stream ended comes back after so long

State = Any
Write = Callable[[State], str]
# Job id and the version that was seen → job id, the version that is there, and the state where it is another one.
ReadChanges = Callable[[Mapping[str, str | None]], Mapping[str, tuple[str, State | None]]]


@dataclass(eq=False, slots=True)
class News:
    """What a job has come to, for everybody who watches it. `state` is None when the job is gone."""

    job_id: str
    state: State | None
    _written: dict[Write, ServerSentEvent] = field(default_factory=dict)

    def event(self, write: Write) -> ServerSentEvent:
        """The event that tells it, with the state as `write` gives it: JSON in one line."""
        if self.state is None:
            return ServerSentEvent(event="gone", raw_data=json.dumps({"id": self.job_id}))
        if write not in self._written:
            self._written[write] = ServerSentEvent(event="job", raw_data=write(self.state), retry=BACK_MS)
        return self._written[write]


class Viewer:
    """One stream: what it watches, and what of it has not been sent yet."""

    def __init__(self, job_ids: Collection[str]) -> None:
        self.job_ids = frozenset(job_ids)
        self.waiting: dict[str, News] = {}
        self.gone = set[str]()  # told once
        self.wake = asyncio.Event()

    def tell(self, news: News) -> None:
        """Keep the latest."""
        if news.state is None:
            if news.job_id in self.gone:
                return
            self.gone.add(news.job_id)
        self.waiting[news.job_id] = news
        self.wake.set()

    def take(self) -> dict[str, News]:
        """What is new, once."""
        found, self.waiting = self.waiting, {}
        self.wake.clear()
        return found


class Live:
    """The viewers of one process. `read_changes` is called once in `every_s` while anybody watches."""

    def __init__(self, read_changes: ReadChanges, *, every_s: float = EVERY_S, longest_s: float = LONGEST_S) -> None:
        self._read_changes = read_changes
        self._every_s = every_s
        self._longest_s = longest_s
        self._viewers: dict[Viewer, None] = {}  # in the order in which they came
        self._versions: dict[str, str] = {}
        self._news: dict[str, News] = {}
        self._poller: asyncio.Task[None] | None = None
        self._closing = False

    async def stream(self, job_ids: Collection[str], write: Write) -> AsyncIterator[ServerSentEvent]:
        """The events of these jobs, the present state of each first; ends when none of them is left, too."""
        left = set(job_ids)
        async for news in self.watch(job_ids):
            for one in news.values():
                if one.state is None:
                    left.discard(one.job_id)
                yield one.event(write)
            if not left:
                return

    async def watch(self, job_ids: Collection[str]) -> AsyncIterator[dict[str, News]]:
        """What these jobs have come to, now and with each change; ends at shutdown and after `LONGEST_S`."""
        viewer = Viewer(job_ids)
        for job_id in viewer.job_ids & self._news.keys():
            viewer.tell(self._news[job_id])
        self._viewers[viewer] = None
        self._start()
        ends = asyncio.get_running_loop().time() + self._longest_s
        try:
            while not self._closing:
                # Around the wait alone: whoever takes the states may be in the middle of sending them.
                with suppress(TimeoutError):
                    await asyncio.wait_for(viewer.wake.wait(), ends - asyncio.get_running_loop().time())
                if news := viewer.take():
                    yield news
                if asyncio.get_running_loop().time() >= ends:
                    return
        finally:
            self._viewers.pop(viewer, None)

    def close(self) -> None:
        """Let every stream end now."""
        self._closing = True
        for viewer in self._viewers:
            viewer.wake.set()
        if self._poller is not None:
            self._poller.cancel()

    def _start(self) -> None:
        if (self._poller is None or self._poller.done()) and not self._closing:
            self._poller = asyncio.create_task(self._poll())

    async def _poll(self) -> None:
        """Poll until nobody watches any more."""
        clock = asyncio.get_running_loop().time
        with suppress(asyncio.CancelledError):
            while self._viewers:
                next_at = clock() + self._every_s
                try:
                    await self._tell(await self._poll_once())
                except Exception as error:  # noqa: BLE001 (a database that is away is looked at again)
                    log.warning("web_live_failed", error=describe(error))
                await asyncio.sleep(max(next_at - clock(), self._every_s * (1 - SPREAD)))
        self._versions.clear()
        self._news.clear()

    async def _poll_once(self) -> Mapping[str, News]:
        """Whatever is another than before. What nobody watches any more, or is gone, is forgotten."""
        wanted = frozenset[str]().union(*(viewer.job_ids for viewer in self._viewers))
        found = await run_in_threadpool(self._read_changes, {job_id: self._versions.get(job_id) for job_id in wanted})
        self._versions = {job_id: version for job_id, (version, _) in found.items()}
        changed = {job_id: News(job_id, state) for job_id, (_, state) in found.items() if state is not None}
        self._news = {job_id: changed.get(job_id) or self._news[job_id] for job_id in found}
        return changed | {job_id: News(job_id, None) for job_id in wanted - found.keys()}

    async def _tell(self, news: Mapping[str, News]) -> None:
        audience = [viewer for viewer in self._viewers if not viewer.job_ids.isdisjoint(news)]
        pause_s = self._every_s * SPREAD / max(1, math.ceil(len(audience) / AT_ONCE))
        for number, viewer in enumerate(audience):
            if number and number % AT_ONCE == 0:
                await asyncio.sleep(pause_s)
            for job_id in viewer.job_ids & news.keys():
                viewer.tell(news[job_id])
