"""What the environment says, tried before anything is started: a wrong setting is one sentence at the beginning.

Nothing is connected here, and nothing heavy imported: what can only be known by asking is the doctor's.
"""

from __future__ import annotations

import ssl
import urllib.request
from importlib.util import find_spec
from os import environ
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from worker.errors import UsageError
from worker.llm.prices import load_prices
from worker.system.urls import read_address, safe_url
from worker.upload.storage import Storage

if TYPE_CHECKING:
    from worker.settings import Settings

# What a client of HTTP can go through, as its library reads it; socks needs a package of its own.
PROXY_SCHEMES = frozenset(("http", "https"))
SOCKS_SCHEMES = frozenset(("socks5", "socks5h"))


def check_settings(settings: Settings) -> None:
    """Raise `UsageError` for the first setting with which a worker could not start or a job not be done."""
    if settings.database_url:
        _check_database_url(settings.database_url)
    if settings.redis_url:
        _check_redis_url(settings.redis_url)
    load_prices(settings.prices)
    Storage(settings.storage_url or str(settings.home / "storage"), settings.allowed_roots)
    _check_proxies()
    _check_certificates()


def _check_database_url(url: str) -> None:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        conninfo_to_dict(read_address(url).url)
    except psycopg.ProgrammingError as error:
        cause = str(error).strip().split("\n", 1)[0]
        raise UsageError(
            f"DATABASE_URL cannot be read ({safe_url(cause)}). Write it as postgresql://user:password@host:5432/database."
        ) from None


def _check_redis_url(url: str) -> None:
    import redis

    try:
        redis.ConnectionPool.from_url(url).make_connection()
    except (ValueError, TypeError, AttributeError, redis.RedisError):
        # The library's own words may quote the password.
        raise UsageError(
            "REDIS_URL cannot be read. Write it as redis://:password@host:6379/0 (rediss:// with TLS, "
            "unix:// for a socket), with special signs of the password percent-encoded."
        ) from None


def _check_proxies() -> None:
    """The proxies of the environment, as every client of HTTP here takes them over."""
    for kind, url in urllib.request.getproxies().items():
        if kind not in ("http", "https", "all"):
            continue
        name = next((n for n in (f"{kind}_proxy", f"{kind.upper()}_PROXY") if environ.get(n)), f"{kind.upper()}_PROXY")
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            is_whole = bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            is_whole, parts = False, urlsplit("")
        if not is_whole or parts.scheme not in PROXY_SCHEMES | SOCKS_SCHEMES:
            raise UsageError(
                f"{name}: {safe_url(url)} is no proxy that can be used. Write it as http://host:port, or unset it."
            )
        if parts.scheme in SOCKS_SCHEMES and find_spec("socksio") is None:
            raise UsageError(
                f"{name} names a SOCKS proxy, which needs a package that is not installed: "
                "pip install socksio. Or give an http:// proxy, or unset it."
            )


def _check_certificates() -> None:
    """What replaces the machine's own certificates."""
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"):
        path = environ.get(name)
        if not path:
            continue
        try:
            ssl.create_default_context(cafile=path)
        except OSError as error:  # ssl.SSLError is one too
            cause = getattr(error, "strerror", None) or "no certificates in it"
            raise UsageError(
                f"{name}: {path} cannot be used ({cause}). Name a file of certificates in PEM form, or unset it."
            ) from None
    folder = environ.get("SSL_CERT_DIR")
    if folder and not any(Path(part).is_dir() for part in folder.split(":")):
        raise UsageError(f"SSL_CERT_DIR: {folder} is no folder. Name a folder of certificates, or unset it.")
