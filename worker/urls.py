"""Database URLs as Prisma writes them, turned into what libpq understands, and addresses of HTTP services checked.

Nothing is connected here.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from worker import liveness
from worker.errors import UsageError

_HOST = re.compile(r"[\w.-]+|[0-9a-f:.]+(?:%\w+)?")  # a name, in any script, or an IPv6 address
# Parameters of Prisma's own engine, meaningless to libpq.
PRISMA_ONLY = frozenset(
    {
        "connection_limit",
        "pool_timeout",
        "max_connection_lifetime",
        "max_idle_connection_lifetime",
        "pgbouncer",
        "socket_timeout",
        "statement_cache_size",
        "sslidentity",
        "sslpassword",
        "sslaccept",
    }
)

UNREADABLE = (
    "DATABASE_URL cannot be read. Write it as postgresql://user:password@host:5432/database, "
    "with special signs of the password percent-encoded (# as %23, / as %2F, : as %3A)."
)


def libpq_url(url: str) -> str:
    """`postgresql://…?schema=x&connection_limit=5` → a libpq URL that looks into schema x, in UTC.

    Several hosts (`postgresql://u@first:5432,second:5432/db`) are tried in their order, at every connection anew.
    Raises `UsageError` for anything that is not a PostgreSQL URL; the sentence never holds the password.
    """
    parts = _split(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    user, at, host = parts.netloc.rpartition("@")
    if host[:3].lower() == "%2f":
        # The folder of a Unix socket. SQLAlchemy would look for it encoded.
        folder, _, port = host.partition(":")
        query = {"host": unquote(folder), **({"port": port} if port else {}), **query}
        host = ""
    elif "," in host:
        # SQLAlchemy takes them in the query only.
        places = [urlsplit(f"//{place}") for place in host.split(",")]
        names, ports = (place.hostname or "" for place in places), (str(place.port or 5432) for place in places)
        query = {"host": ",".join(names), "port": ",".join(ports), **query}
        host = ""
    options = query.pop("options", "")
    if schema := query.pop("schema", ""):
        options += f" -csearch_path={_quote_schema(schema)}"
    # Prisma and this worker write TIMESTAMP(3) without zone: both must mean UTC.
    options += " -ctimezone=UTC"
    kept = {name: value for name, value in query.items() if name not in PRISMA_ONLY}
    kept["options"] = options.strip()
    return f"postgresql://{_encode(user)}{at}{host}{parts.path}?{urlencode(kept, quote_via=quote)}"


def session_url(url: str) -> str:
    """The libpq URL with which a session is opened: `libpq_url`, and the time-outs of both of its ends.

    What the operator's URL says of them itself stands. Idempotent. Raises `UsageError` as `libpq_url` does.
    """
    parts = urlsplit(libpq_url(url))
    query = {**liveness.LIBPQ, **dict(parse_qsl(parts.query, keep_blank_values=True))}
    options = query["options"]
    missing = {name: value for name, value in liveness.POSTGRESQL.items() if f"{name}=" not in options}
    query["options"] = " ".join([options, *(f"-c{name}={value}" for name, value in missing.items())])
    return f"postgresql://{parts.netloc}{parts.path}?{urlencode(query, quote_via=quote)}"


def _split(url: str) -> SplitResult:
    """The parts of a PostgreSQL URL whose password is not mistaken for anything else."""
    try:
        parts = urlsplit(url)
        unreadable = bool(parts.fragment) or ("@" not in parts.netloc and "@" in f"{parts.path}{parts.query}")
        for place in parts.netloc.rpartition("@")[2].split(","):
            _ = urlsplit(f"//{place}").port
    except ValueError:
        raise UsageError(UNREADABLE) from None
    scheme = parts.scheme.partition("+")[0]
    if scheme not in ("postgresql", "postgres"):
        raise UsageError(
            f"DATABASE_URL must begin with postgresql:// (it begins with {scheme or 'nothing'}). "
            "Give the address of a PostgreSQL database, or leave it empty for the embedded one."
        )
    if unreadable:
        raise UsageError(UNREADABLE)
    return parts


def _encode(user: str) -> str:
    """`user:password` as libpq wants it: Prisma lets an `@` stand in a password, libpq would cut there."""
    return ":".join(quote(unquote(part), safe="") for part in user.split(":", 1))


def _quote_schema(schema: str) -> str:
    """A schema's name in `options`: quoted, since Prisma keeps its capitals; blanks escaped, since libpq cuts there."""
    quoted = schema.replace('"', '""')
    return re.sub(r"([\\\s])", r"\\\1", f'"{quoted}"')


def safe_url(url: str) -> str:
    """The same URL without its password, for logs and messages. Any scheme; a malformed URL hides too much."""
    url = re.sub(r"((?:^|[?&\s])(?:ssl)?password=)[^&#\s]*", r"\1***", url, flags=re.IGNORECASE)
    scheme, separator, rest = url.partition("://")
    # The last @, whatever signs the password holds that it should not.
    credentials, at, place = rest.rpartition("@")
    user, colon, _ = credentials.partition(":")
    return f"{scheme}{separator}{user}{colon}***{at}{place}" if colon else url


def check_http_url(url: str) -> str:
    """The address as it is; `ValueError` says what is wrong with it, without showing it: it may hold a password."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("the host or the port of this address cannot be read") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("an address begins with http:// or https://")
    if not host or port == 0 or not _HOST.fullmatch(host):
        raise ValueError("the host or the port of this address cannot be read")
    if not url.isprintable() or " " in url:
        raise ValueError("an address holds no blank or control character")
    return url
