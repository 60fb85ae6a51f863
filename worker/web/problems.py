"""Everything that can go wrong with a request, as one French sentence: problem+json for the API, a page for people."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.types import Scope

from worker.db.engine import is_infrastructure_fault
from worker.errors import DecisionConflict, DecisionRefused, JobFailed, LeaseLost, StorageUnavailable, UsageError
from worker.logging import describe, get_logger
from worker.messages import web_problems
from worker.text.french import typeset
from worker.upload.reading import ReaderKilled

log = get_logger()

MEDIA_TYPE = "application/problem+json"
API = "/api/"

SENTENCES = {
    400: web_problems.NOT_READABLE,
    401: web_problems.NOT_YOU,
    403: web_problems.NO_RIGHT,
    404: web_problems.NO_SUCH_PAGE,
    405: web_problems.WRONG_METHOD,
    413: web_problems.TOO_LARGE,
    421: web_problems.WRONG_HOST,
}


class Refused(HTTPException):
    """A request that is refused with this French sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(status, sentence)
        self.sentence = sentence


def respond(scope: Scope, status: int, sentence: str) -> Response:
    """The refusal as whoever asked can read it."""
    sentence = typeset(sentence)
    if not str(scope["path"]).startswith(API) and (page := _page_of(scope)) is not None:
        response: Response = page(scope, status, sentence)
        return response
    phrase = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": phrase, "status": status, "detail": sentence}
    return JSONResponse(body, status, media_type=MEDIA_TYPE)


def _page_of(scope: Scope) -> Any:
    app = scope.get("app")
    return getattr(app.state, "problem_page", None) if app is not None else None


def install(app: FastAPI) -> None:
    """Teach the application what each error means to whoever asked."""

    def tell(error_type: type[Exception], status: int, sentence: str | None = None) -> None:
        def handler(request: Request, error: Exception) -> Response:
            return respond(request.scope, status, sentence or str(error))

        app.add_exception_handler(error_type, handler)

    tell(DecisionRefused, 422)
    tell(DecisionConflict, 409)
    tell(JobFailed, 422)
    tell(LeaseLost, 404, web_problems.NO_SUCH_JOB)
    tell(StorageUnavailable, 503, web_problems.STORAGE_AWAY)
    tell(ReaderKilled, 503, web_problems.READER_KILLED)
    tell(PoolTimeoutError, 503, web_problems.DATABASE_AWAY)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(DBAPIError, _database)
    app.add_exception_handler(UsageError, _unexpected)
    app.add_exception_handler(Exception, _unexpected)


def _http(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    sentence = getattr(error, "sentence", None) or SENTENCES.get(status, SENTENCES[400])
    response = respond(request.scope, status, sentence)
    for name, value in (getattr(error, "headers", None) or {}).items():
        response.headers[name] = value
    return response


def _invalid(request: Request, error: Exception) -> Response:
    places = [".".join(str(p) for p in e["loc"][1:] or e["loc"]) for e in getattr(error, "errors", list)()]
    names = [place for place in dict.fromkeys(places) if place]
    return respond(request.scope, 422, web_problems.wrong_values(names) if names else SENTENCES[400])


def _database(request: Request, error: Exception) -> Response:
    if is_infrastructure_fault(error):
        log.warning("web_database_away", error=describe(error))
        return respond(request.scope, 503, web_problems.DATABASE_AWAY)
    return _unexpected(request, error)


def _unexpected(request: Request, error: Exception) -> Response:
    log.error("web_fault", path=request.scope["path"], error=describe(error), exc_info=error)
    return respond(request.scope, 500, web_problems.UNEXPECTED)
