"""Routes that machines ask: whether this process is alive, whether it is ready, and the metrics."""

from __future__ import annotations

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from schema.config import head_revision
from worker.errors import UsageError
from worker.jobs.queries import find_revision
from worker.logging import describe, get_logger
from worker.messages import web_problems
from worker.metrics.prometheus import CONTENT_TYPE, Exporter
from worker.web.access import Admin
from worker.web.parts import Given
from worker.web.problems import Refused

log = get_logger()
router = APIRouter(include_in_schema=False)

SCRAPE_WAIT_S = 0.02  # for a look that reads much; a scrape never waits for a whole one


@router.get("/healthz")
async def healthz() -> JSONResponse:
    """This process answers; nothing is asked of anybody."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
def readyz(request: Request, parts: Given) -> JSONResponse:
    """The database answers, and its schema is the one that this code knows; whether `/metrics` has read it yet."""
    try:
        revision = find_revision(parts.reads)
    except (sa.exc.SQLAlchemyError, UsageError) as error:  # away, or behind a pooler that refuses what is asked
        log.warning("web_not_ready", error=describe(error))
        return JSONResponse({"status": "unavailable", "database": "away"}, 503)
    is_current = revision == head_revision()
    exporter: Exporter = request.app.state.exporter
    body = {
        "status": "ok" if is_current else "unavailable",
        "database": "ok",
        "schema": revision,
        "metrics": "ok" if exporter.is_fresh else "not read yet",
    }
    return JSONResponse(body, 200 if is_current else 503)


@router.get("/metrics")
def metrics(request: Request, visitor: Admin) -> Response:  # noqa: ARG001
    """What `medq metrics` prints, an admin's like all figures over all jobs; read from the rows once in 15 s."""
    exporter: Exporter = request.app.state.exporter
    if not exporter.is_fresh and not exporter.read_ahead(SCRAPE_WAIT_S):
        raise Refused(503, web_problems.METRICS_LATER)
    return Response(exporter.render(), media_type=CONTENT_TYPE)
