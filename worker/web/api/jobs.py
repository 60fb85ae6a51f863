"""Jobs: create, list, look at, cancel, resume, delete."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Header, Query, Response, UploadFile
from pydantic import BaseModel

from models.states import JobStatus
from worker.enqueue import enqueue_job, job_id_of
from worker.errors import JobFailed
from worker.jobs import queries
from worker.jobs.commands import cancel_job, retry_job
from worker.jobs.queries import JobOverview
from worker.jobs.retention import Retention, StillRunning
from worker.messages import web_problems
from worker.web.access import Admin, Anyone, Visitor
from worker.web.bodies import Job, JobDetail, JobPage, Text
from worker.web.forms import (
    FRAME,
    Cursor,
    Id,
    Search,
    digest,
    read_config,
    read_file,
    read_instructions,
    read_job_cursor,
    write_cursor,
)
from worker.web.parts import Given, Parts
from worker.web.problems import Refused

Answers = dict[int | str, dict[str, Any]]


def build_router(max_upload_bytes: int) -> APIRouter:
    """Routes on jobs; an upload is refused by its length before a byte of it is read."""
    router = APIRouter(tags=["jobs"])
    conflict: Answers = {409: {"description": "The job is not in a state in which this can be done."}}
    missing: Answers = {404: {"description": "There is no such job."}}
    router.post(
        "/jobs",
        status_code=201,
        responses={200: {"description": "This key was used before: the job that it made.", "model": Job}},
        max_body_size=max_upload_bytes + FRAME,
    )(create)
    router.get("/jobs")(list_all)
    router.get("/jobs/{job_id}", responses=missing)(show)
    router.delete("/jobs/{job_id}", status_code=204, responses={**missing, **conflict})(delete)
    router.post("/jobs/{job_id}/cancel", responses={**missing, **conflict})(cancel)
    router.post("/jobs/{job_id}/resume", responses={**missing, **conflict})(resume)
    return router


@dataclass(frozen=True)
class Sent:
    """What a request for a job carries. `key` makes the same request sent again the same job."""

    file: UploadFile | None
    instructions: str | None = None
    config: str | None = None
    key: str | None = None


async def read_sent(
    file: UploadFile,
    instructions: Annotated[Text | None, Form()] = None,
    config: Annotated[Text | None, Form(description="JSON object of the job's options.")] = None,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> Sent:
    """The parts of a multipart request, and its key."""
    return Sent(file, instructions, config, idempotency_key)


def create(parts: Given, visitor: Anyone, response: Response, sent: Annotated[Sent, Depends(read_sent)]) -> Job:
    """Store a file and create its job. Sent again with the same `Idempotency-Key`, it makes no second one."""
    job, is_new = store(parts, visitor, sent)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/api/v1/jobs/{job.id}"
    return Job.of(job)


def store(parts: Parts, visitor: Visitor, sent: Sent) -> tuple[JobOverview, bool]:
    """The job of this upload, and whether it is new; for the page too."""
    upload = read_file(sent.file, parts.max_upload_bytes)
    options, words = read_config(sent.config), read_instructions(sent.instructions)
    before = None if sent.key is None else queries.get_job(parts.reads, job_id_of(visitor.person.id, sent.key))
    if before is None:
        job_id = enqueue_job(
            upload.file,
            user=visitor.person.id,
            file_name=upload.filename,
            instructions=words,
            config=options,
            database_url=parts.settings.database_url,
            storage_url=parts.storage_url,
            idempotency_key=sent.key,
        )
    else:
        job_id = before.id
    job = get_job(parts, job_id)
    is_same = sent.key is None or _is_request_of(job, upload, words, options)
    if not is_same or (before is not None and _is_other_file(parts, job, upload)):
        raise Refused(422, web_problems.OTHER_REQUEST)
    return job, before is None


def _is_request_of(job: JobOverview, upload: UploadFile, words: str | None, options: object) -> bool:
    """Whether this job came of the same request, as far as its row tells."""
    stored = (job.original_file_name, job.file_size, job.instructions or None, job.config or None)
    return stored == (upload.filename, upload.size, words, options or None)


def _is_other_file(parts: Parts, job: JobOverview, upload: UploadFile) -> bool:
    """Whether other bytes are stored: a key corrected in a sheet changes neither its name nor its size."""
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(folder) / "stored"
        try:
            parts.storage.copy_to(job.file_url or "", stored)
        except JobFailed:  # it was removed since
            return False
        with stored.open("rb") as file:
            return digest(file) != digest(upload.file)


class Wanted(BaseModel):
    """Which jobs. `user` is an id, `q` a part of the file's name."""

    status: JobStatus | None = None
    user: Search = None
    q: Search = None
    cursor: Cursor = None
    limit: Annotated[int, Query(ge=1, le=100)] = 20


def list_all(
    parts: Given,
    visitor: Anyone,  # noqa: ARG001 (every route names whom it is for)
    wanted: Annotated[Wanted, Query()],
) -> JobPage:
    """The newest jobs first. `user` is an id, `q` a part of the file's name."""
    found = queries.list_jobs(
        parts.reads,
        limit=wanted.limit + 1,
        status=wanted.status,
        user_id=wanted.user,
        name_holds=wanted.q,
        after=read_job_cursor(wanted.cursor),
    )
    page = found[: wanted.limit]
    last = page[-1] if len(found) > wanted.limit else None
    return JobPage(
        jobs=[Job.of(job) for job in page],
        next=None if last is None else write_cursor(last.created_at.isoformat(), last.id),
    )


def get_job(parts: Parts, job_id: str) -> JobOverview:
    """The job, or a 404."""
    job = queries.get_job(parts.reads, job_id)
    if job is None:
        raise Refused(404, web_problems.NO_SUCH_JOB)
    return job


def describe(parts: Parts, job_id: str) -> JobDetail:
    """Everything about a job; for the page too."""
    state = queries.read_states(parts.reads, [job_id]).get(job_id)
    if state is None:
        raise Refused(404, web_problems.NO_SUCH_JOB)
    return JobDetail.of_whole(
        state,
        queries.count_findings(parts.reads, job_id),
        queries.read_notes(parts.reads, job_id),
        queries.sum_spending(parts.reads, job_id),
    )


def show(parts: Given, visitor: Anyone, job_id: Id) -> JobDetail:  # noqa: ARG001
    """One job: figures, outcomes, findings, what of the file was not used, cost."""
    return describe(parts, job_id)


def delete(parts: Given, visitor: Admin, job_id: Id) -> None:  # noqa: ARG001
    """Remove a job with its rows and files; not what its calls cost, nor what people decided. Cancel it first."""
    get_job(parts, job_id)
    settings = parts.settings
    retention = Retention(parts.database, parts.storage, straggle_s=settings.call_timeout_s + settings.lease_s)
    try:
        retention.forget(job_id)
    except StillRunning:
        raise Refused(409, web_problems.STILL_OPEN) from None


def cancel(parts: Given, visitor: Admin, job_id: Id) -> Job:  # noqa: ARG001
    """Stop a job; what is done stays. Of a cancelled one nothing is asked."""
    if not cancel_job(parts.engine, job_id) and get_job(parts, job_id).status != "cancelled":
        raise Refused(409, web_problems.NOT_CANCELLED)
    return Job.of(get_job(parts, job_id))


def resume(parts: Given, visitor: Admin, job_id: Id) -> Job:  # noqa: ARG001
    """Run again what is not done; of an open one nothing is asked."""
    if not retry_job(parts.engine, job_id) and not get_job(parts, job_id).is_open:
        raise Refused(409, web_problems.NOT_RESUMED)
    return Job.of(get_job(parts, job_id))
