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
from worker.text.french import typeset
from worker.upload.reading import ReaderKilled

log = get_logger()

MEDIA_TYPE = "application/problem+json"
API = "/api/"

NOT_YOU = (
    "L'accès est fermé : se présenter par le lien que « medq serve » affiche, par la plateforme, ou avec le jeton et "
    "l'en-tête « X-Medq-User »."
)
NO_RIGHT = "Ce compte n'a pas le droit de faire cela : le demander à un administrateur."
NO_SUCH_JOB = "Cette tâche n'existe pas, ou n'existe plus : la chercher dans la liste des tâches."
NO_SUCH_PAGE = "Il n'y a rien à cette adresse : revenir à la liste des tâches."
DATABASE_AWAY = "La base de données ne répond pas : réessayer dans un instant. Rien n'est perdu."
STORAGE_AWAY = "L'espace de stockage des fichiers ne répond pas : réessayer dans un instant. Rien n'est perdu."
READER_KILLED = "La lecture du fichier a été interrompue faute de mémoire : réessayer dans un instant."
UNEXPECTED = "Une erreur inattendue s'est produite : réessayer, puis prévenir l'exploitant avec l'heure qu'il est."
SENTENCES = {
    400: "La demande n'est pas lisible : la corriger, puis l'envoyer de nouveau.",
    401: NOT_YOU,
    403: NO_RIGHT,
    404: NO_SUCH_PAGE,
    405: "Cette adresse ne prend pas cette sorte de demande.",
    413: "L'envoi est trop volumineux : le réduire, puis l'envoyer de nouveau.",
    421: "Ce nom d'hôte n'est pas celui de ce service : utiliser l'adresse que « medq serve » affiche.",
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
    tell(LeaseLost, 404, NO_SUCH_JOB)
    tell(StorageUnavailable, 503, STORAGE_AWAY)
    tell(ReaderKilled, 503, READER_KILLED)
    tell(PoolTimeoutError, 503, DATABASE_AWAY)
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
    names = ", ".join(f"« {place[:80]} »" for place in dict.fromkeys(places) if place)
    sentence = f"Une valeur de la demande n'est pas valable ({names}) : la corriger, puis l'envoyer de nouveau."
    return respond(request.scope, 422, sentence if names else SENTENCES[400])


def _database(request: Request, error: Exception) -> Response:
    if is_infrastructure_fault(error):
        log.warning("web_database_away", error=describe(error))
        return respond(request.scope, 503, DATABASE_AWAY)
    return _unexpected(request, error)


def _unexpected(request: Request, error: Exception) -> Response:
    log.error("web_fault", path=request.scope["path"], error=describe(error), exc_info=error)
    return respond(request.scope, 500, UNEXPECTED)
