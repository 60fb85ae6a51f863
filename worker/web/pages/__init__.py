"""The pages, in French: each shows what the API gives, and does what the API does. They work without JavaScript."""

from fastapi import APIRouter

from worker.web.pages import check, jobs, review, site


def build_router(max_upload_bytes: int) -> APIRouter:
    """All pages."""
    router = APIRouter(include_in_schema=False)
    for part in (
        jobs.build_router(max_upload_bytes),
        review.router,
        check.build_router(max_upload_bytes),
        site.router,
    ):
        router.include_router(part)
    return router
