"""Database URLs as Prisma writes them, turned into what libpq understands, and addresses of HTTP services checked.

Nothing is connected here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from worker.errors import UsageError
from worker.system import keepalive

_HOST = re.compile(r"[\w.-]+|[0-9a-f:.]+(?:%\w+)?")  # a name, in any script, or an IPv6 address
_OPTION = re.compile(r"(?<!\S)-(?:c\s*|-)([\w.-]+)=((?:\\.|\S)*)")  # of a session, as a server's command line has them
# Parameters of Prisma's own engine, meaningless to libpq.
PRISMA_ONLY = frozenset(
    {
        "connection_limit",
        "pool_timeout",
        "max_connection_lifetime",
        "max_idle_connection_lifetime",
        "socket_timeout",
        "statement_cache_size",
        "sslidentity",
        "sslpassword",
        "sslaccept",
    }
)

# What a session may ask of the server's log whatever its role: no values of statements that fail.
DISCREET = {"log_parameter_max_length_on_error": "0"}

UNREADABLE = (
    "DATABASE_URL cannot be read. Write it as postgresql://user:password@host:5432/database, "
    "with special signs of the password percent-encoded (# as %23, / as %2F, : as %3A)."
)

PAST_THE_POOLER = (
    "DATABASE_URL says pgbouncer=true, and this needs a session of its own, which a pooler does not give: run it with "
    "the address of PostgreSQL itself (DATABASE_URL=postgresql://… and the command behind it)."
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where sessions are opened, and with what settings: `settings` ours, `options` those of the operator's own.

    Where `is_pooled`, the operator says that a connection pooler gives each transaction another session: then nothing
    is told at the start, and whoever begins a transaction tells it.
    """

    url: str  # as libpq reads it
    settings: Mapping[str, str]
    options: Mapping[str, str]
    is_pooled: bool


def read_address(url: str) -> Address:
    """A URL of PostgreSQL, or of a pooler before it, as this worker opens it: in UTC, in the schema that it names.

    Raises `UsageError` as `libpq_url` does.
    """
    parsed = _parse(url)
    options, rest = _split_options(parsed.options)
    settings = {"search_path": _quote(parsed.schema)} if parsed.schema else {}
    # The other end of a pooler's own connections is none of ours.
    ends = {} if parsed.is_pooled else keepalive.POSTGRESQL
    told = {name: value for name, value in {**DISCREET, **ends}.items() if name not in options}
    settings = {**settings, "TimeZone": "UTC", **told}
    kept = rest if parsed.is_pooled else parsed.options
    query = {**keepalive.LIBPQ, **parsed.query, **({"options": kept} if kept else {})}
    return Address(parsed.join(query), settings, options, parsed.is_pooled)


def libpq_url(url: str) -> str:
    """`postgresql://…?schema=x&connection_limit=5` → a libpq URL that looks into schema x, in UTC: for other programs.

    Several hosts (`postgresql://u@first:5432,second:5432/db`) are tried in their order, at every connection anew.
    Raises `UsageError` for anything that is not a PostgreSQL URL; the sentence never holds the password.
    """
    parsed = _parse(url)
    options = parsed.options
    if not parsed.is_pooled:
        if parsed.schema:
            options += f" -csearch_path={_escape(_quote(parsed.schema))}"
        # Prisma and this worker write TIMESTAMP(3) without zone: both must mean UTC.
        options += " -ctimezone=UTC"
    return parsed.join({**parsed.query, **({"options": options.strip()} if options else {})})


def session_url(url: str) -> str:
    """`libpq_url`, the time-outs of both ends of a session, `DISCREET`: for who opens one without `worker.db.sessions`.

    What the operator's URL says of them itself stands. Idempotent. Raises `UsageError` as `libpq_url` does, and for a
    declared pooler: what it is told at the start is lost there.
    """
    parts = urlsplit(libpq_url(past_pooler(url)))
    query = {**keepalive.LIBPQ, **dict(parse_qsl(parts.query, keep_blank_values=True))}
    options = query["options"]
    missing = {name: value for name, value in {**keepalive.POSTGRESQL, **DISCREET}.items() if f"{name}=" not in options}
    query["options"] = " ".join([options, *(f"-c{name}={value}" for name, value in missing.items())])
    return f"postgresql://{parts.netloc}{parts.path}?{urlencode(query, quote_via=quote)}"


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A URL in its parts: `query` is libpq's, without what is beside it here."""

    place: str
    query: Mapping[str, str]
    schema: str
    options: str
    is_pooled: bool

    def join(self, query: Mapping[str, str]) -> str:
        return f"{self.place}?{urlencode(query, quote_via=quote)}" if query else self.place


def _parse(url: str) -> _Parsed:
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
    if "," in query.get("host", ""):
        # Of several, the one that takes writes: never a standby, nor what was the primary before.
        query.setdefault("target_session_attrs", "read-write")
    schema, options = query.pop("schema", ""), query.pop("options", "")
    pooled = query.pop("pgbouncer", "false").lower()
    if pooled not in ("true", "false"):
        raise UsageError("DATABASE_URL: pgbouncer is true (a pooler in transaction mode is in between) or false.")
    kept = {name: value for name, value in query.items() if name not in PRISMA_ONLY}
    place = f"postgresql://{_encode(user)}{at}{host}{parts.path}"
    return _Parsed(place, kept, schema, options, pooled == "true")


def _split_options(options: str) -> tuple[dict[str, str], str]:
    """`-c name=value …` as settings, and what else stands there: words that some poolers read (`project=…`)."""
    settings = {}

    def take(found: re.Match[str]) -> str:
        settings[found[1].replace("-", "_")] = re.sub(r"\\(.)", r"\1", found[2])
        return " "

    rest = _OPTION.sub(take, options)
    return settings, " ".join(rest.split())


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


def _quote(schema: str) -> str:
    """A schema's name in a search path: quoted, since Prisma keeps its capitals."""
    quoted = schema.replace('"', '""')
    return f'"{quoted}"'


def _escape(value: str) -> str:
    """A value in `options`: blanks escaped, since libpq cuts there."""
    return re.sub(r"([\\\s])", r"\\\1", value)


def past_pooler(url: str) -> str:
    """The URL as it is; `UsageError` when it declares a pooler: for what needs a session of its own."""
    if _parse(url).is_pooled:
        raise UsageError(PAST_THE_POOLER)
    return url


def passwordless_url(url: str) -> str:
    """The libpq URL without its password, for a command line that is shown; libpq then asks for it."""
    parts = urlsplit(libpq_url(url))
    user, at, place = parts.netloc.rpartition("@")
    query = {name: value for name, value in parse_qsl(parts.query) if name != "password"}
    plain = f"postgresql://{user.partition(':')[0]}{at}{place}{parts.path}"
    return f"{plain}?{urlencode(query, quote_via=quote)}" if query else plain


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
