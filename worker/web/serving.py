"""`medq serve` as a process: the parts from the settings, the server, and its end."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn

from worker import tracing
from worker.db.engine import connect
from worker.errors import UsageError
from worker.jobs.queries import find_default_user, list_jobs
from worker.llm.prices import load_prices
from worker.runtime.container import build_limits, can_explain, explain_decided, make_storage
from worker.web.access import Access, read_access
from worker.web.app import build_app
from worker.web.parts import Parts
from worker.web.people import find_person

if TYPE_CHECKING:
    from fastapi import FastAPI

    from worker.settings import Settings

POOL = 8  # connections for all requests together
GRACE_S = 10  # for requests under way at SIGTERM; streams end at once


def build_parts(settings: Settings, *, storage_url: str) -> Parts:
    """Everything that requests need; `settings` has the address of the database."""
    engine = connect(settings.database_url or "", pool_size=POOL, name="medq-web")
    return Parts(
        settings=settings,
        engine=engine,
        storage=make_storage(settings),
        prices=load_prices(settings.prices),
        storage_url=storage_url,
        is_embedded=not can_explain(settings),
        limits=build_limits(settings),
        explain=partial(explain_decided, settings, engine) if can_explain(settings) else None,
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where it listens, for whom the one-time link opens (None: for the oldest active admin), where files lie."""

    host: str
    port: int
    user: str | None
    storage_url: str


def serve(
    settings: Settings, place: Place, *, tell: Callable[[str], None], show: Callable[[str], object] | None = None
) -> int:
    """Serve until SIGTERM; the exit code. `tell` says where, on a line of its own; `show` opens the newest job there.

    Raises `UsageError` when it would be open to a network, nobody could enter by the link, or the port is taken.
    """
    parts = build_parts(settings, storage_url=place.storage_url)
    tracing.configure(settings.otlp_endpoint, service="medq-web")  # of calls that explain what was decided
    try:
        access = configure_access(parts, host=place.host, user=place.user)
        app = build_app(parts, access)
        with bind(place.host, place.port) as bound:
            host = f"[{place.host}]" if ":" in place.host else place.host
            where = f"http://{host}:{bound.getsockname()[1]}"
            tell(f"Serving on {where}.")
            newest = _newest_job(parts) if show is not None else None
            address = f"{where}/taches/{newest}" if newest else where
            if access.link_user is not None:
                address = f"{where}/entrer?jeton={access.new_link()}{f'&tache={newest}' if newest else ''}"
                tell(f"Opens once, within an hour, for {access.link_user}: {address}")
            if show is not None:
                show(address)  # who comes before the server has begun waits for it: the port is open
            server = make_server(app)
            with suppress(KeyboardInterrupt):  # raised anew by the server once it has ended in order
                server.run(sockets=[bound])
            return 0 if server.started else 1
    finally:
        tracing.flush()
        parts.engine.dispose()


def _newest_job(parts: Parts) -> str | None:
    found = list_jobs(parts.reads, limit=1)
    return found[0].id if found else None


def configure_access(parts: Parts, *, host: str, user: str | None) -> Access:
    """Who may come in. The link is for `user`, else for the oldest active admin."""
    find = partial(find_person, parts.reads)
    name = user or find_default_user(parts.reads)
    access = read_access(parts.settings, find, host=host, link_user=name)
    if access.token is None and not access.proxies and (name is None or find(name) is None):
        raise UsageError(
            f"{name or 'Nobody'} is no active admin or maintainer: name one with --user EMAIL, so that the link opens."
        )
    return access


def bind(host: str, port: int) -> socket.socket:
    """A socket of its own, so that a port that is taken is said before anything else."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise UsageError(f"{host}:{port} cannot be used ({error.strerror or error}). Choose another --port.") from None
    return bound


class Server(uvicorn.Server):
    """Ends the streams before it waits for the requests under way: they would not end by themselves."""

    app: Any = None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.app.state.live.close()
        await super().shutdown(sockets)


def make_server(app: FastAPI) -> Server:
    """The server of this application; `run(sockets=…)` serves until `should_exit`, or SIGTERM in the main thread."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whose connection it is decides whether a header is believed
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=32 * 1024,
        http="h11",
        ws="none",
    )
    server = Server(config)
    server.app = app
    return server
