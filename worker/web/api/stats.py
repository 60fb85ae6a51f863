"""What an operator looks at, over all jobs."""

from __future__ import annotations

from fastapi import APIRouter

from worker.jobs import queries
from worker.jobs.usage import read_usage
from worker.web.access import Admin
from worker.web.bodies import EndpointLimits, Stats
from worker.web.parts import Given, Parts

router = APIRouter(tags=["stats"])


def read_stats(parts: Parts) -> Stats:
    """Workers, queue, limits, cost by day and model, decisions; for the page too."""
    engine = parts.engine
    return Stats.of(
        read_usage(engine, zone=parts.settings.time_zone),
        workers=queries.count_workers(engine),
        waited_s=round(queries.waited_s(engine), 1),
        limits=_limits(parts),
    )


def _limits(parts: Parts) -> list[EndpointLimits]:
    """None where Redis is away: it holds nothing that must be known."""
    found = ((limits.endpoint, limits.read_state()) for limits in parts.limits)
    return [
        EndpointLimits(
            endpoint=endpoint, requests=state.requests or None, tokens=state.tokens or None, pause_s=state.pause_s
        )
        for endpoint, state in found
        if state is not None
    ]


@router.get("/stats")
def stats(parts: Given, visitor: Admin) -> Stats:  # noqa: ARG001
    """All of it at one moment."""
    return read_stats(parts)
