"""A job as it goes on, as server-sent events: the whole state at each change. `web/live` reads and writes them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from worker.jobs.queries import JobState
from worker.web.access import Anyone
from worker.web.api.jobs import get_job
from worker.web.bodies import LiveJob, component
from worker.web.forms import Id
from worker.web.live import Live
from worker.web.parts import Given

router = APIRouter(tags=["jobs"])


async def known_job(parts: Given, visitor: Anyone, job_id: Id) -> str:  # noqa: ARG001
    """A job that exists, asked before the stream begins: later there is no status to say otherwise."""
    return (await run_in_threadpool(get_job, parts, job_id)).id


DATA = {"type": "string", "contentMediaType": "application/json", "contentSchema": component(LiveJob)}
EVENTS = {"200": {"content": {EventSourceResponse.media_type: {"itemSchema": {"properties": {"data": DATA}}}}}}


@router.get("/jobs/{job_id}/events", response_class=EventSourceResponse, openapi_extra={"responses": EVENTS})
async def events(request: Request, job_id: Annotated[str, Depends(known_job)]) -> AsyncIterator[ServerSentEvent]:
    """Events named `job`, each the whole state (`LiveJob`), the present one first; `gone` when it was deleted."""
    live: Live = request.app.state.live
    async for event in live.stream([job_id], write_state):
        yield event


def write_state(state: JobState) -> str:
    """A `LiveJob` as JSON."""
    return LiveJob.of_state(state).model_dump_json(by_alias=True)
