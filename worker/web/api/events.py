"""A job as it goes on, as server-sent events: the whole state at each change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from worker.web.access import Anyone
from worker.web.api.jobs import get_job
from worker.web.bodies import LiveJob
from worker.web.forms import Id
from worker.web.live import Live
from worker.web.parts import Given

BACK_MS = 2_000  # a browser whose stream ended comes back after so long

router = APIRouter(tags=["jobs"])


async def known_job(parts: Given, visitor: Anyone, job_id: Id) -> str:  # noqa: ARG001
    """A job that exists, asked before the stream begins: later there is no status to say otherwise."""
    return (await run_in_threadpool(get_job, parts, job_id)).id


@router.get("/jobs/{job_id}/events", response_class=EventSourceResponse)
async def events(request: Request, job_id: Annotated[str, Depends(known_job)]) -> AsyncIterator[ServerSentEvent]:
    """Events named `job`, each the whole state (`LiveJob`), the present one first; `gone` when it was deleted."""
    live: Live = request.app.state.live
    async for event in stream(live, [job_id]):
        yield event


async def stream(live: Live, job_ids: list[str]) -> AsyncIterator[ServerSentEvent]:
    """Events of one or several jobs; for the page too. Ends when none of them is left."""
    left = set(job_ids)
    async for news in live.watch(job_ids):
        for job_id, state in news.items():
            if state is None:
                left.discard(job_id)
                yield ServerSentEvent(event="gone", data={"id": job_id})
            else:
                body = LiveJob.of_state(state).model_dump(mode="json", by_alias=True)
                yield ServerSentEvent(event="job", data=body, retry=BACK_MS)
        if not left:
            return
