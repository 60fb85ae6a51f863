"""Authentication: a token with a user, a trusted proxy's header, or the signed cookie of the one-time link.

Pure but for the look-up of the user, which is asked anew with every request: whoever is deactivated is out at once.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Literal

from fastapi import Depends, Request
from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import HTTPConnection

from worker.errors import UsageError
from worker.messages import web_problems
from worker.settings import Settings
from worker.web.people import Person
from worker.web.problems import Refused

COOKIE = "medq_session"
USER_HEADER = "x-medq-user"
SESSION_S = 12 * 3600
LINK_S = 3600
CSRF_S = 12 * 3600

AuthScheme = Literal["token", "proxy", "session"]
FindPerson = Callable[[str], Person | None]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who was let in. What a browser adds by itself is bound by a CSRF token to `binding`."""

    person: Person
    scheme: AuthScheme
    binding: str

    @property
    def needs_csrf(self) -> bool:
        """A bearer token is never sent by a browser of its own accord; cookies and a proxy's session are."""
        return self.scheme != "token"


@dataclass(frozen=True)
class Access:
    """The configured ways in. `find` gives the active admin or maintainer of an e-mail or id."""

    find: FindPerson
    token: str | None = None
    user_header: str | None = None
    proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    link_user: str | None = None  # for whom the one-time link opens; None: there is no link
    hosts: frozenset[str] = frozenset()  # names under which a browser may ask
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _links: dict[str, None] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def new_link(self) -> str:
        """The secret part of a link that opens once, within an hour."""
        nonce = secrets.token_urlsafe(32)
        with self._lock:
            self._links[nonce] = None
        return self._signer("link").dumps(nonce)

    def follow_link(self, secret: str) -> str | None:
        """A new session's cookie for a link that nobody has followed yet; None for any other."""
        try:
            nonce = self._signer("link").loads(secret, max_age=LINK_S)
        except BadData:
            return None
        with self._lock:
            if nonce not in self._links or self.link_user is None:
                return None
            del self._links[nonce]
        # Nothing of a session that was there before goes on: its value is new.
        return self._signer("session").dumps([secrets.token_urlsafe(16), self.link_user])

    def recognise(self, request: HTTPConnection) -> Visitor | None:
        """Who asks, or None for nobody. Wrong credentials for one way in do not lead to another one."""
        if "authorization" in request.headers:
            return self._by_token(request)
        if self.user_header is not None and self.user_header.lower() in request.headers:
            return self._by_proxy(request)
        return self._by_session(request)

    def is_trusted_proxy(self, request: HTTPConnection) -> bool:
        """Whether the other end of this very connection is one of the proxies."""
        try:
            address = ipaddress.ip_address(request.client.host if request.client else "")
        except ValueError:
            return False
        return any(address in network for network in self.proxies)

    def csrf_token(self, visitor: Visitor) -> str:
        """What a form of this visitor's shows."""
        return self._signer("csrf").dumps(visitor.binding)

    def is_csrf_token(self, visitor: Visitor, token: str) -> bool:
        """Whether we gave this token to this visitor, not long ago."""
        try:
            bound = self._signer("csrf").loads(token, max_age=CSRF_S)
        except BadData:
            return False
        return hmac.compare_digest(str(bound), visitor.binding)

    def _by_token(self, request: HTTPConnection) -> Visitor | None:
        scheme, _, given = request.headers["authorization"].partition(" ")
        right = self.token is not None and hmac.compare_digest(_digest(given.strip()), _digest(self.token))
        if scheme.lower() != "bearer" or not right or len(request.headers.getlist("authorization")) > 1:
            return None
        return self._visitor(_single(request, USER_HEADER), "token", "")

    def _by_proxy(self, request: HTTPConnection) -> Visitor | None:
        if not self.is_trusted_proxy(request):
            return None
        user = _single(request, self.user_header or "")
        return self._visitor(user, "proxy", f"proxy:{user}")

    def _by_session(self, request: HTTPConnection) -> Visitor | None:
        if (cookie := request.cookies.get(COOKIE)) is None:
            return None
        try:
            nonce, user = self._signer("session").loads(cookie, max_age=SESSION_S)
        except (BadData, ValueError, TypeError):
            return None
        return self._visitor(str(user), "session", f"session:{nonce}")

    def _visitor(self, user: str | None, scheme: AuthScheme, binding: str) -> Visitor | None:
        person = self.find(user) if user else None
        return None if person is None else Visitor(person, scheme, binding)

    def _signer(self, purpose: str) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self.secret, salt=f"medq-{purpose}", signer_kwargs={"digest_method": sha256})


def read_access(settings: Settings, find: FindPerson, *, host: str, link_user: str | None) -> Access:
    """The ways in that the settings open. Raises `UsageError` when they would leave the page open to a network."""
    if (settings.web_user_header is None) != (not settings.web_trusted_proxies):
        raise UsageError(
            "MEDQ_WEB_USER_HEADER and MEDQ_WEB_TRUSTED_PROXIES belong together: a header is believed from a proxy that "
            "is named. Set both, or none."
        )
    is_open = settings.web_token is not None or bool(settings.web_trusted_proxies)
    if not is_open and not is_loopback(host):
        raise UsageError(
            f"--host {host}: without MEDQ_WEB_TOKEN or a trusted proxy the page is served on this machine alone. Set "
            "MEDQ_WEB_TOKEN (or MEDQ_WEB_USER_HEADER and MEDQ_WEB_TRUSTED_PROXIES), or leave --host out."
        )
    given = sha256(b"medq-web " + settings.web_token.encode()).digest() if settings.web_token else None
    return Access(
        find=find,
        token=settings.web_token,
        user_header=settings.web_user_header,
        proxies=tuple(ipaddress.ip_network(network) for network in settings.web_trusted_proxies),
        link_user=None if is_open else link_user,
        hosts=frozenset({"localhost", "127.0.0.1", "::1", host.lower()}),
        secret=given or secrets.token_bytes(32),
    )


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can connect to it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _let_in(request: Request) -> Visitor:
    visitor: Visitor | None = request.scope.get("state", {}).get("visitor")
    if visitor is None:
        raise Refused(401, web_problems.NOT_YOU)
    return visitor


async def visitor_of(request: Request) -> Visitor:
    """Who asks, for a route: the guard let nobody else pass."""
    return _let_in(request)


async def admin_of(request: Request) -> Visitor:
    """Who asks, for a route that is an admin's."""
    visitor = _let_in(request)
    if not visitor.person.is_admin:
        raise Refused(403, web_problems.NO_RIGHT)
    return visitor


Anyone = Annotated[Visitor, Depends(visitor_of)]
Admin = Annotated[Visitor, Depends(admin_of)]


def _single(request: HTTPConnection, name: str) -> str | None:
    """A header that is there once; sent twice, nobody knows whose it is."""
    values = request.headers.getlist(name)
    if len(values) != 1:
        return None
    try:
        return values[0].encode("latin-1").decode().strip() or None
    except UnicodeError:
        return None


def _digest(text: str) -> bytes:
    return sha256(text.encode(errors="replace")).digest()
