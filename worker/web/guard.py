"""The middleware before every route: host names, who asks, headers that bind a browser, the log of what was done.

A route is closed unless it is listed here as open: nobody can forget to close one.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worker.logging import get_logger
from worker.messages import web_problems
from worker.web.access import Access, Visitor
from worker.web.problems import SENTENCES, Refused, respond

log = get_logger()

PROBES = frozenset({"/healthz", "/readyz"})  # asked by machines under any name; they tell nothing of anybody
OPEN = (*PROBES, "/entrer")
ASSETS = "/statique/"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf"

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not no-referrer: a form would then be sent with the origin null.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """The outermost part of the application."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app = app
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return  # there is no websocket here
        answered = _Answer(scope, send)
        request = HTTPConnection(scope)
        visitor: Visitor | None = None
        try:
            visitor = await self._let_in(request)
        except Refused as refused:
            _log(request, None, refused.status_code)
            await respond(scope, refused.status_code, refused.sentence)(scope, receive, answered)
            return
        except Exception as error:  # noqa: BLE001 (told by the handler that any route's error gets)
            await _tell(request, error)(scope, receive, answered)
            return
        if visitor is not None:
            scope.setdefault("state", {})["visitor"] = visitor
        try:
            await self.app(scope, receive, answered)
        except Exception as error:  # here, so that this answer too has the headers
            if answered.has_begun:
                raise
            await _tell(request, error)(scope, receive, answered)
        finally:
            if scope["method"] not in SAFE or answered.status in (401, 403):
                _log(request, visitor, answered.status)

    async def _let_in(self, request: HTTPConnection) -> Visitor | None:
        """The visitor; None for what is open to everybody. Raises `Refused` for anybody else."""
        path = request.scope["path"]
        if path in PROBES:
            return None
        is_open = path in OPEN or path.startswith(ASSETS)
        visitor = None if is_open else await run_in_threadpool(self.access.recognise, request)
        # A page elsewhere can make a browser ask here under its own name, but not with a bearer token.
        if not (visitor is not None and visitor.scheme == "token") and not self._knows_host(request):
            raise Refused(421, SENTENCES[421])
        if visitor is None and not is_open:
            raise Refused(401, SENTENCES[401])
        if request.scope["method"] not in SAFE and not _is_same_site(request) and visitor and visitor.needs_csrf:
            raise Refused(403, web_problems.PAGE_EXPIRED)
        return visitor

    def _knows_host(self, request: HTTPConnection) -> bool:
        if self.access.is_trusted_proxy(request):
            return True
        try:
            name = urlsplit(f"//{request.headers.get('host', '')}").hostname
        except ValueError:
            return False
        return name in self.access.hosts


class _Answer:
    """Sends with the headers that every answer has, and keeps its status."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self.status = 500
        self.has_begun = False
        self._is_retold = False

    async def __call__(self, message: Message) -> None:
        if self._is_retold:
            return
        if _is_bare_refusal(message):
            await respond(self._scope, 413, SENTENCES[413])(self._scope, _nothing_more, self)
            self._is_retold = True
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.has_begun = True
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            # Assets are asked for again and seldom sent again.
            kept = "no-cache" if self._scope["path"].startswith(ASSETS) else "no-store"
            headers.setdefault("cache-control", kept)
        await self._send(message)


def _is_bare_refusal(message: Message) -> bool:
    """Whether this begins what the framework says itself of a body that is too large: two English words."""
    if message["type"] != "http.response.start" or message["status"] != 413:
        return False
    return Headers(raw=message["headers"]).get("content-type", "").startswith("text/plain")


async def _nothing_more() -> Message:
    return {"type": "http.disconnect"}


def _tell(request: HTTPConnection, error: Exception) -> ASGIApp:
    handlers = request.scope["app"].exception_handlers
    found = next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)
    answer: ASGIApp = found(Request(request.scope), error)
    return answer


def _is_same_site(request: HTTPConnection) -> bool:
    """What browsers say of where a request came from; those that say nothing are held by the token alone."""
    return request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")


def _log(request: HTTPConnection, visitor: Visitor | None, status: int) -> None:
    scope = request.scope
    log.info(
        "web_action",
        method=scope["method"],
        path=scope["path"][:200],
        status=status,
        user_id=visitor.person.id if visitor else None,
        door=visitor.scheme if visitor else None,
        peer=request.client.host if request.client else None,
    )


async def check_csrf(request: Request) -> None:
    """A dependency of every route: what a browser sends of itself shows a token that only our pages hold."""
    visitor: Visitor | None = request.scope.get("state", {}).get("visitor")
    if visitor is None or not visitor.needs_csrf or request.method in SAFE:
        return
    token = request.headers.get(CSRF_HEADER)
    if token is None and request.headers.get("content-type", "").startswith(
        ("multipart/form-data", "application/x-www-form-urlencoded")
    ):
        token = str((await request.form()).get(CSRF_FIELD, ""))
    if not request.app.state.access.is_csrf_token(visitor, token or ""):
        raise Refused(403, web_problems.PAGE_EXPIRED)
