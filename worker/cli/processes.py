"""Commands that start processes: `medq worker` and `medq services …`. Supervision and the servers are elsewhere."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.output import EMBEDDED_MODEL_WARNING, program, say, shell, tell, tell_json
from worker.errors import UsageError
from worker.system.private_files import make_folder

if TYPE_CHECKING:
    from worker.cli.site import Site
    from worker.embedded import ServiceStatus

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def worker() -> None:
    """Work on jobs until SIGTERM; what the Procfile runs.

    MEDQ_PROCESSES processes, each restarted when it dies, with MEDQ_THREADS calls at once in each.
    Start as many of these as you like, on as many machines as you like. The first SIGTERM (or Ctrl-C) lets calls in
    flight end, the second leaves at once; nothing is lost either way.

    \b
    Example:
      MEDQ_PROCESSES=4 medq worker
    """
    from worker.cli.site import open_site
    from worker.logging import configure_logging
    from worker.runtime.supervisor import Workers, serve

    configure_logging()
    with open_site(broker=True, create=True) as site, language_model(site) as environment:
        settings = site.settings
        site.engine.dispose()  # the supervisor asks the database nothing more
        raise typer.Exit(serve(Workers(settings.processes, environment, settings.grace_s)))


def serve(
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; this machine alone unless access is set up.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes any that is free.")] = 8080,
    user: Annotated[
        str | None,
        typer.Option("--user", metavar="EMAIL", help="For whom the one-time link opens; default: the oldest admin."),
    ] = None,
    opened: Annotated[
        bool, typer.Option("--open", help="Open the newest job's page in this machine's browser, where there is one.")
    ] = False,
    with_worker: Annotated[
        bool,
        typer.Option("--with-worker", help="Run workers beside it, as `medq worker` does: one machine, one command."),
    ] = False,
) -> None:
    """Serve the page and the API until SIGTERM; needs the extra `web`.

    Closed by default: without MEDQ_WEB_TOKEN or a trusted proxy (MEDQ_WEB_USER_HEADER, MEDQ_WEB_TRUSTED_PROXIES) it
    listens on this machine alone and prints a link that opens once.

    \b
    Examples:
      medq serve
      medq serve --open --with-worker
      MEDQ_WEB_TOKEN=… medq serve --host 0.0.0.0 --port 8080
    """
    from worker.cli.site import open_site
    from worker.logging import configure_logging

    serving = _load_page()
    configure_logging()
    with open_site(broker=True, create=True) as site, _workers(site) if with_worker else nullcontext():
        site.engine.dispose()
        place = serving.Place(host, port, user, site.environment()["MEDQ_STORAGE_URL"])
        raise typer.Exit(serving.serve(site.settings, place, tell=say, show=_show if opened else None))


def _load_page() -> ModuleType:
    try:
        from worker.web import serving
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The page needs a package that is not installed ({error.name}). Install the extra web: "
            "pip install 'medq-worker[web]'."
        ) from None
    return serving


@contextmanager
def _workers(site: Site) -> Iterator[None]:
    """Workers while the block runs."""
    from worker.runtime.supervisor import Workers

    with language_model(site) as environment:
        workers = Workers(site.settings.processes, environment, site.settings.grace_s)
        workers.start()
        try:
            yield
        finally:
            workers.stop()


def _show(address: str) -> None:
    """In the person's own browser; nothing where no screen is."""
    has_screen = any(os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))
    if has_screen or not sys.platform.startswith("linux"):
        webbrowser.open(address)


@contextmanager
def language_model(site: Site) -> Iterator[dict[str, str]]:
    """The environment of worker processes, with the embedded model running when no LLM is configured."""
    from worker.cli.jobs import uses_embedded_model

    environment = site.environment()
    if site.settings.embedded_llm_url or not uses_embedded_model(site):
        yield environment
        return
    from worker.embedded.llm import EmbeddedLlm

    say(EMBEDDED_MODEL_WARNING)
    make_folder(site.settings.home)
    with EmbeddedLlm(log_path=site.settings.home / "llm.log") as model:
        yield environment | {"MEDQ_EMBEDDED_LLM_URL": model.start()}


services = typer.Typer(
    help="The embedded PostgreSQL and Redis: start, stop, status.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@services.command("start")
def start(as_json: JsonFlag = False) -> None:
    """Start them, leave them running, print their URLs. Idempotent; they keep their URLs after a restart.

    \b
    Example:
      medq services start
    """
    from worker.cli.site import load_settings
    from worker.embedded import psql_command, services_status, start_services

    settings = load_settings()
    started = start_services(settings, say=say)
    if as_json:
        tell_json(_as_json(services_status(settings)))
        return
    tell(f"DATABASE_URL={started.database_url}")
    tell(f"REDIS_URL={started.redis_url}")
    if started.embedded:
        say(f"They run until `{program()} services stop`. Look inside: {shell(psql_command(started.database_url))}")


@services.command("stop")
def stop() -> None:
    """Stop them, or let their last user stop them. Stopping what is stopped is no error.

    \b
    Example:
      medq services stop
    """
    from worker.embedded import stop_services
    from worker.settings import Settings

    settings = Settings.load()
    if settings.database_url and settings.redis_url:
        tell("DATABASE_URL and REDIS_URL are configured: there is nothing of ours to stop.")
        return
    ended = stop_services(settings)
    if ended.users:
        who = ", ".join(str(pid) for pid in ended.users if pid)
        tell(f"Still in use{f' by process {who}' if who else ''}: they stop when their last user ends.")
    elif ended.stopped:
        tell(f"Stopped: {', '.join(ended.stopped)}.")
    else:
        tell("Nothing was running.")


@services.command("status")
def show(as_json: JsonFlag = False) -> None:
    """Say what runs and where; start nothing.

    \b
    Example:
      medq services status --json
    """
    from worker.embedded import services_status
    from worker.settings import Settings

    found = services_status(Settings.load())
    if as_json:
        tell_json(_as_json(found))
        return
    for service in found:
        kind = "embedded" if service.embedded else "configured"
        tell(f"{service.name}: {kind}, {service.url or 'not running'}")


def _as_json(found: Iterable[ServiceStatus]) -> dict[str, dict[str, object]]:
    return {row.name: {"embedded": row.embedded, "running": row.url is not None, "url": row.url} for row in found}
