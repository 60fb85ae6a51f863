"""The one-time link: whoever follows it has a session."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from worker.messages import web_problems
from worker.web.access import COOKIE, SESSION_S, Access
from worker.web.forms import OptionalId
from worker.web.problems import Refused

router = APIRouter(include_in_schema=False)


@router.get("/entrer")
async def enter(request: Request, jeton: str = "", tache: OptionalId = None) -> Response:
    """Follow the one-time link: a new session, and on to a job or the list of jobs, without the link in the address."""
    access: Access = request.app.state.access
    cookie = access.follow_link(jeton)
    if cookie is None:
        raise Refused(401, web_problems.LINK_SPENT)
    answer = RedirectResponse(f"/taches/{tache}" if tache else "/", 303)
    answer.set_cookie(COOKIE, cookie, max_age=SESSION_S, httponly=True, samesite="strict", path="/")
    return answer
