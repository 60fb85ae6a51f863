"""What is sent and fetched as a file: the workbook, decisions in a returned one, a check, the empty workbook."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Form, UploadFile
from fastapi.responses import FileResponse, Response
from starlette.background import BackgroundTask

from worker.jobs.finish import find_workbook
from worker.messages.decision_replies import NOT_A_REVIEW
from worker.report.build import template_sheets
from worker.report.xlsx_writer import write_workbook
from worker.review.returned_workbook import read_review, settle_returned
from worker.upload.check import Uploaded, check_file
from worker.web.access import Anyone, Visitor
from worker.web.api.jobs import get_job
from worker.web.bodies import TakenInWorkbook, Text
from worker.web.forms import FRAME, Id, read_config, read_file
from worker.web.parts import Given, Parts
from worker.web.problems import Refused

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TEMPLATE_NAME = "modele-questions.xlsx"


def build_router(max_upload_bytes: int) -> APIRouter:
    """Routes of files; an upload is refused by its length before a byte of it is read."""
    router = APIRouter(tags=["files"])
    book: dict[int | str, dict[str, Any]] = {
        200: {"content": {XLSX: {"schema": {"type": "string", "format": "binary"}}}}
    }
    most = max_upload_bytes + FRAME
    router.get("/jobs/{job_id}/workbook", response_class=FileResponse, responses=book)(workbook)
    router.post("/jobs/{job_id}/decisions", max_body_size=most)(decisions)
    router.post("/check", max_body_size=most)(check)
    router.get("/template.xlsx", response_class=Response, responses=book)(template)
    return router


def send_workbook(parts: Parts, job_id: str) -> FileResponse:
    """The corrected workbook, copied from the storage to a file of this request's own; for the page too."""
    job = get_job(parts, job_id)
    url = find_workbook(parts.database, parts.storage, job, embedded=parts.is_embedded)
    folder = tempfile.TemporaryDirectory(prefix="medq-web-")
    try:
        path = Path(folder.name) / "workbook.xlsx"
        parts.storage.copy_to(url, path)
    except BaseException:
        folder.cleanup()
        raise
    name = unquote(url.rpartition("/")[2])
    return FileResponse(path, media_type=XLSX, filename=name, background=BackgroundTask(folder.cleanup))


def workbook(parts: Given, visitor: Anyone, job_id: Id) -> FileResponse:  # noqa: ARG001
    """The corrected workbook; of a job that goes on, with what is done so far."""
    return send_workbook(parts, job_id)


def take_in(parts: Parts, visitor: Visitor, job_id: str, file: UploadFile | None) -> TakenInWorkbook:
    """Settle what a returned workbook of this job decides; for the page too."""
    upload = read_file(file, parts.max_upload_bytes)
    job = get_job(parts, job_id)
    with parts.reading():
        sheets = read_review(upload.file.read(), upload.filename or "", parts.settings)
    if not sheets:
        raise Refused(422, NOT_A_REVIEW)
    taken = list(settle_returned(parts.database, sheets, visitor.person.id, job_id=job.id))
    for row in taken:
        if row.item_id and row.decided and row.decided.needs_explanation:
            parts.explain_later(row.item_id)
    return TakenInWorkbook.of(taken)


def decisions(parts: Given, visitor: Anyone, job_id: Id, file: UploadFile) -> TakenInWorkbook:
    """Take in the decisions of a returned workbook, row by row; sent again it changes nothing."""
    return take_in(parts, visitor, job_id, file)


def check_upload(parts: Parts, file: UploadFile | None, config: str | None) -> dict[str, Any]:
    """What a job would make of this file, as `medq check --json` tells it; for the page too."""
    upload = read_file(file, parts.max_upload_bytes)
    options = read_config(config)
    with parts.reading():
        sent = Uploaded(upload.file.read(), upload.filename or "", options)
        found = check_file(sent, parts.settings, parts.prices)
    return found.to_json()


def check(
    parts: Given,
    visitor: Anyone,  # noqa: ARG001
    file: UploadFile,
    config: Annotated[Text | None, Form()] = None,
) -> dict[str, Any]:
    """Read a file as a job would, without AI and without cost: the document of `medq check --json`."""
    return check_upload(parts, file, config)


def template(visitor: Anyone) -> Response:  # noqa: ARG001
    """An empty workbook with the headers that are read for sure."""
    with tempfile.TemporaryDirectory(prefix="medq-web-") as folder:
        path = Path(folder) / TEMPLATE_NAME
        write_workbook(template_sheets(), path)
        data = path.read_bytes()
    return Response(data, media_type=XLSX, headers={"content-disposition": f'attachment; filename="{TEMPLATE_NAME}"'})
