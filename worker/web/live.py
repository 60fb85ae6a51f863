"""Jobs as they go on, for everybody who watches: one poller for all viewers, the whole state with each change.

Each viewer keeps only the latest state of a job, so whoever is slow misses steps and never the end; whoever comes back
begins with what is true now, and nothing has to be replayed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

from starlette.concurrency import run_in_threadpool

from worker.logging import describe, get_logger

log = get_logger()

EVERY_S = 1.0
LONGEST_S = 600.0  # of a stream: the browser comes back, and is asked anew who it is

State = Any
Versions = Callable[[Collection[str]], Mapping[str, str]]
States = Callable[[Collection[str]], Mapping[str, State]]


class Viewer:
    """One stream: what it watches, and what of it has not been sent yet. `None` as a state: the job is gone."""

    def __init__(self, job_ids: Collection[str]) -> None:
        self.job_ids = frozenset(job_ids)
        self.waiting: dict[str, State | None] = {}
        self.gone = set[str]()  # told once
        self.news = asyncio.Event()

    def tell(self, job_id: str, state: State | None) -> None:
        """Keep the latest."""
        self.waiting[job_id] = state
        self.news.set()

    def take(self) -> dict[str, State | None]:
        """What is new, once."""
        found, self.waiting = self.waiting, {}
        self.news.clear()
        return found


class Live:
    """The viewers of one process. `versions` is asked once in `every_s` while anybody watches, `states` for changes."""

    def __init__(
        self, versions: Versions, states: States, *, every_s: float = EVERY_S, longest_s: float = LONGEST_S
    ) -> None:
        self._read_versions = versions
        self._read_states = states
        self._every_s = every_s
        self._longest_s = longest_s
        self._viewers: set[Viewer] = set()
        self._seen: dict[str, str] = {}
        self._states: dict[str, State] = {}
        self._poller: asyncio.Task[None] | None = None
        self._closing = False

    async def watch(self, job_ids: Collection[str]) -> AsyncIterator[dict[str, State | None]]:
        """The states of these jobs, now and with each change; ends at shutdown and after `LONGEST_S`."""
        viewer = Viewer(job_ids)
        for job_id in viewer.job_ids & self._states.keys():
            viewer.tell(job_id, self._states[job_id])
        self._viewers.add(viewer)
        self._start()
        ends = asyncio.get_running_loop().time() + self._longest_s
        try:
            while not self._closing:
                # Around the wait alone: whoever takes the states may be in the middle of sending them.
                with suppress(TimeoutError):
                    await asyncio.wait_for(viewer.news.wait(), ends - asyncio.get_running_loop().time())
                if news := viewer.take():
                    yield news
                if asyncio.get_running_loop().time() >= ends:
                    return
        finally:
            self._viewers.discard(viewer)

    def close(self) -> None:
        """Let every stream end now."""
        self._closing = True
        for viewer in self._viewers:
            viewer.news.set()
        if self._poller is not None:
            self._poller.cancel()

    def _start(self) -> None:
        if (self._poller is None or self._poller.done()) and not self._closing:
            self._poller = asyncio.create_task(self._poll())

    async def _poll(self) -> None:
        """Look until nobody watches any more."""
        with suppress(asyncio.CancelledError):
            while self._viewers:
                try:
                    await self._look()
                except Exception as error:  # noqa: BLE001 (a database that is away is looked at again)
                    log.warning("web_live_failed", error=describe(error))
                await asyncio.sleep(self._every_s)
        self._seen.clear()
        self._states.clear()

    async def _look(self) -> None:
        wanted = frozenset[str]().union(*(viewer.job_ids for viewer in self._viewers))
        versions = await run_in_threadpool(self._read_versions, wanted)
        changed = {job_id for job_id, version in versions.items() if self._seen.get(job_id) != version}
        states = await run_in_threadpool(self._read_states, changed) if changed else {}
        for job_id in self._seen.keys() - wanted:
            del self._seen[job_id]
            self._states.pop(job_id, None)
        for job_id, state in states.items():
            self._seen[job_id] = versions[job_id]
            self._states[job_id] = state
        gone = wanted - versions.keys()
        for job_id in gone:
            self._seen.pop(job_id, None)
            self._states.pop(job_id, None)
        for viewer in self._viewers:
            for job_id in viewer.job_ids:
                if job_id in states:
                    viewer.tell(job_id, states[job_id])
                elif job_id in gone - viewer.gone:
                    viewer.gone.add(job_id)
                    viewer.tell(job_id, None)
