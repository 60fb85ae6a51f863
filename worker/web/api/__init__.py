"""The API under /api/v1. Each route reads its request, calls what a command calls, and says what came of it."""

from fastapi import APIRouter

from worker.web.api import events, files, items, jobs, stats
from worker.web.bodies import Problem, component
from worker.web.problems import MEDIA_TYPE

REFUSALS = {
    400: "Not to be read as what it says it is.",
    401: "Nobody who may ask.",
    403: "No right to this.",
    404: "There is no such job, row or address.",
    413: "Larger than is taken.",
    422: "Refused; the sentence says why.",
    500: "A fault that nobody foresaw.",
    503: "Database or storage is away for the moment.",
}


def build_router(max_upload_bytes: int) -> APIRouter:
    """All routes. No request is read beyond `max_upload_bytes` and the frame around a file."""
    refusals = {
        status: {"description": words, "content": {MEDIA_TYPE: {"schema": component(Problem)}}}
        for status, words in REFUSALS.items()
    }
    router = APIRouter(prefix="/api/v1", responses=refusals)  # type: ignore[arg-type]
    for part in (
        jobs.build_router(max_upload_bytes),
        files.build_router(max_upload_bytes),
        events.router,
        items.router,
        stats.router,
    ):
        router.include_router(part)
    return router
