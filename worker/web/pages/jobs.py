"""Tâches and Tâche: upload, list, watch, stop, resume, fetch the workbook and send it back."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request, UploadFile
from fastapi.responses import Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel

from models.states import JobStatus
from worker.jobs import queries
from worker.jobs.queries import JobOverview
from worker.messages import web_problems
from worker.web.access import Admin, Anyone
from worker.web.api import files as api_files
from worker.web.api import jobs as api_jobs
from worker.web.bodies import Text
from worker.web.forms import FRAME, Cursor, Id, Search, digest
from worker.web.live import Live
from worker.web.pages.fields import live_fields, write_fields
from worker.web.pages.render import duration, go, page
from worker.web.parts import Given
from worker.web.problems import Refused

ON_A_PAGE = 20


def build_router(max_upload_bytes: int) -> APIRouter:
    """Pages of jobs; an upload is refused by its length before a byte of it is read."""
    router = APIRouter()
    most = max_upload_bytes + FRAME
    router.get("/")(list_page)
    router.post("/taches", max_body_size=most)(create)
    router.get("/taches/{job_id}")(job_page)
    router.post("/taches/{job_id}/arreter")(stop)
    router.post("/taches/{job_id}/reprendre")(resume)
    router.post("/taches/{job_id}/supprimer")(delete)
    router.get("/taches/{job_id}/classeur")(workbook)
    router.post("/taches/{job_id}/decisions", max_body_size=most)(decisions)
    router.get("/evenements", response_class=EventSourceResponse)(events)
    return router


class Filter(BaseModel):
    """Which jobs the list shows."""

    statut: JobStatus | None = None
    q: Search = None
    cursor: Cursor = None


def list_page(request: Request, parts: Given, visitor: Anyone, shown: Annotated[Filter, Query()]) -> Response:
    """The jobs, the newest first, and where a file is dropped."""
    wanted = api_jobs.Wanted(status=shown.statut, q=shown.q, cursor=shown.cursor, limit=ON_A_PAGE)
    found = api_jobs.list_all(parts, visitor, wanted)
    states = queries.read_states(parts.reads, [job.id for job in found.jobs])
    jobs = [(states[job.id].job, live_fields(states[job.id])) for job in found.jobs if job.id in states]
    return page(
        request, "jobs.html", visitor, jobs=jobs, next=found.next, chosen=shown.statut, q=shown.q or "",
        is_filtered=bool(shown.statut or shown.q or shown.cursor), once=secrets.token_urlsafe(16),
    )  # fmt: skip


async def read_sent(
    file: UploadFile | None = None,
    instructions: Annotated[Text | None, Form()] = None,
    config: Annotated[Text | None, Form()] = None,
    once: Annotated[str | None, Form(max_length=64)] = None,
) -> api_jobs.Sent:
    """The fields of the form. `once` is another one each time the form is shown, unless a browser restores it."""
    return api_jobs.Sent(file, instructions, config, once or None)


def create(parts: Given, visitor: Anyone, sent: Annotated[api_jobs.Sent, Depends(read_sent)]) -> Response:
    """A job of the file; a form that is sent twice makes one."""
    job, _ = api_jobs.store(parts, visitor, replace(sent, key=_key_of(sent)))
    return go(f"/taches/{job.id}")


def _key_of(sent: api_jobs.Sent) -> str | None:
    """The same for a form that is sent twice; another one for what else goes with a form that was gone back to."""
    if sent.key is None or sent.file is None:
        return None
    whole = (sent.key, sent.file.filename, digest(sent.file.file), sent.instructions, sent.config)
    return hashlib.sha256(repr(whole).encode()).hexdigest()


def job_page(request: Request, parts: Given, visitor: Anyone, job_id: Id) -> Response:
    """Everything about one job."""
    return page(request, "job.html", visitor, **_whole(parts, job_id))


def _whole(parts: Given, job_id: str) -> dict[str, Any]:
    state = queries.read_states(parts.reads, [job_id]).get(job_id)
    if state is None:
        raise Refused(404, web_problems.NO_SUCH_JOB)
    return {
        "job": state.job,
        "fields": live_fields(state),
        "outcomes": state.outcomes,
        "findings": queries.count_findings(parts.reads, job_id),
        "notes": queries.read_notes(parts.reads, job_id),
        "spending": queries.sum_spending(parts.reads, job_id),
        "can_resume": state.job.status in ("failed", "cancelled") or state.outcomes["failed"] > 0,
        # Asked only where nothing moves: else the page would hold its peace while a job waits for ever.
        "is_left": state.job.status == "queued" and queries.count_workers(parts.reads) == 0,
        "took": _took(state.job),
        "taken": None,
    }


def _took(job: JobOverview) -> str | None:
    """How long it went on, once it has ended."""
    if job.started_at is None or job.completed_at is None:
        return None
    return duration((job.completed_at - job.started_at).total_seconds())


def stop(parts: Given, visitor: Admin, job_id: Id) -> Response:
    """Stop it; what is done stays."""
    api_jobs.cancel(parts, visitor, job_id)
    return go(f"/taches/{job_id}")


def resume(parts: Given, visitor: Admin, job_id: Id) -> Response:
    """Go on with what is not done."""
    api_jobs.resume(parts, visitor, job_id)
    return go(f"/taches/{job_id}")


def delete(parts: Given, visitor: Admin, job_id: Id) -> Response:
    """Remove it."""
    api_jobs.delete(parts, visitor, job_id)
    return go("/")


def workbook(parts: Given, visitor: Anyone, job_id: Id) -> Response:  # noqa: ARG001
    """The corrected workbook."""
    return api_files.send_workbook(parts, job_id)


def decisions(request: Request, parts: Given, visitor: Anyone, job_id: Id, file: UploadFile | None = None) -> Response:
    """Take a returned workbook in, and say row by row what became of it."""
    taken = api_files.take_in(parts, visitor, job_id, file)
    return page(request, "job.html", visitor, **_whole(parts, job_id) | {"taken": taken})


async def events(
    request: Request,
    visitor: Anyone,  # noqa: ARG001
    tache: Annotated[list[Annotated[str, Query(pattern=r"^[\w.:-]{1,191}$")]], Query(max_length=100)],
) -> AsyncIterator[ServerSentEvent]:
    """The fields of the jobs that a page shows, with each change."""
    live: Live = request.app.state.live
    async for event in live.stream(tache, write_fields):
        yield event
