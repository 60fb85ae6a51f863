"""Exploitation: workers, queue, limits, cost, decisions, for an admin."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from worker.web.access import Admin
from worker.web.api.stats import read_stats
from worker.web.pages.render import page
from worker.web.parts import Given

router = APIRouter()


@router.get("/exploitation")
def operations_page(request: Request, parts: Given, visitor: Admin) -> Response:
    """All of it at one moment."""
    return page(request, "operations.html", visitor, stats=read_stats(parts))
