"""The application, put together: routes, the guard before them, and what an error becomes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fastapi import Depends, FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from worker.jobs.queries import read_changes
from worker.metrics.prometheus import Exporter
from worker.web import api, health, login, pages, problems
from worker.web.access import Access
from worker.web.forms import SMALL
from worker.web.guard import Guard, check_csrf
from worker.web.live import Live
from worker.web.openapi import Application
from worker.web.pages.render import problem_page
from worker.web.parts import Parts

BOOT_WAIT_S = 2.0
TITLE = "medq-worker"
ABOUT = (
    "Jobs of exam questions: upload, watch, decide, download. Errors are problem+json with a French `detail`. "
    "Every request names an active admin or maintainer: `Authorization: Bearer MEDQ_WEB_TOKEN` with `X-Medq-User`."
)


def build_app(parts: Parts, access: Access) -> FastAPI:
    """The application of these parts. Nothing is connected yet."""
    app = Application(
        title=TITLE,
        description=ABOUT,
        version="1",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its page is made of files from elsewhere
        redoc_url=None,
        dependencies=[Depends(check_csrf)],
        lifespan=_lifespan,
    )
    app.state.parts = parts
    app.state.access = access
    app.state.exporter = Exporter(parts.engine, parts.limits)
    app.state.live = Live(partial(read_changes, parts.reads))
    app.include_router(health.router)
    app.include_router(login.router)
    app.include_router(api.build_router(parts.max_upload_bytes))
    app.include_router(pages.build_router(parts.max_upload_bytes))
    app.mount("/statique", StaticFiles(directory=Path(__file__).parent / "static"))
    app.state.problem_page = problem_page
    problems.install(app)
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=SMALL)  # routes of files have limits of their own
    app.add_middleware(Guard, access=access)  # the outermost
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    # Every row that there is, read before anybody asks for metrics; beside millions it goes on while others are served.
    await run_in_threadpool(app.state.exporter.read_ahead, BOOT_WAIT_S)
    yield
    app.state.live.close()
    app.state.parts.close()
