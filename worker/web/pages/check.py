"""Vérifier un fichier: what a job would make of it, without AI and without cost."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, UploadFile
from fastapi.responses import Response

from worker.web.access import Anyone
from worker.web.api.files import check_upload
from worker.web.bodies import Text
from worker.web.forms import FRAME
from worker.web.pages.render import page
from worker.web.parts import Given


def build_router(max_upload_bytes: int) -> APIRouter:
    """The form, and what came of it."""
    router = APIRouter()
    router.get("/verifier")(form)
    router.post("/verifier", max_body_size=max_upload_bytes + FRAME)(check)
    return router


def form(request: Request, visitor: Anyone) -> Response:
    """Where a file is dropped."""
    return page(request, "check.html", visitor, found=None, config="")


def check(
    request: Request,
    parts: Given,
    visitor: Anyone,
    file: UploadFile | None = None,
    config: Annotated[Text | None, Form()] = None,
) -> Response:
    """Sheets, columns, refused rows, conflicts, cost."""
    found = check_upload(parts, file, config)
    return page(request, "check.html", visitor, found=found, config=config or "")
