"""Database URLs as Prisma writes them, turned into what libpq understands. Nothing is connected here."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from worker.errors import UsageError

# Parameters of Prisma's own engine, meaningless to libpq.
PRISMA_ONLY = frozenset(
    {
        "connection_limit",
        "pool_timeout",
        "pgbouncer",
        "socket_timeout",
        "statement_cache_size",
        "sslidentity",
        "sslpassword",
        "sslaccept",
    }
)


def libpq_url(url: str) -> str:
    """`postgresql://…?schema=x&connection_limit=5` → a libpq URL that looks into schema x, in UTC.

    Raises `UsageError` for anything that is not a PostgreSQL URL; the sentence never holds the password.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.partition("+")[0]
    if scheme not in ("postgresql", "postgres"):
        raise UsageError(
            f"DATABASE_URL must begin with postgresql:// (it begins with {scheme or 'nothing'}). "
            "Give the address of a PostgreSQL database, or leave it empty for the embedded one."
        )
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    options = query.pop("options", "")
    schema = query.pop("schema", "")
    if schema:
        options += f" -csearch_path={schema}"
    # Prisma and this worker write TIMESTAMP(3) without zone: both must mean UTC.
    options += " -ctimezone=UTC"
    kept = {name: value for name, value in query.items() if name not in PRISMA_ONLY}
    kept["options"] = options.strip()
    return urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(kept, quote_via=quote), ""))


def safe_url(url: str) -> str:
    """The same URL without its password, for logs and messages."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))
