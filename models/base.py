"""What every table shares: the base class, ids, and timestamps in UTC milliseconds. No table lives here."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Annotated, Any

from sqlalchemy import ForeignKey, MetaData, Text, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, MappedColumn, mapped_column
from sqlalchemy.types import TypeDecorator

ID_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


def new_id() -> str:
    """Make an id shaped like Prisma's `cuid()`: "c" and 24 lower-case base-36 characters."""
    return "c" + "".join(secrets.choice(ID_ALPHABET) for _ in range(24))


def utc_now() -> datetime:
    """Return the time in UTC, cut to the millisecond that `TIMESTAMP(3)` keeps."""
    return to_milliseconds(datetime.now(UTC))


def to_milliseconds(moment: datetime) -> datetime:
    """Cut what `TIMESTAMP(3)` would round, so that a value read back equals the value written."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class UtcTimestamp(TypeDecorator[datetime]):
    """`TIMESTAMP(3)` without zone holding UTC, as Prisma reads and writes it; aware datetimes in Python.

    A naive datetime raises `ValueError`: nobody could say which zone it means.
    """

    impl = TIMESTAMP(precision=3)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Convert an aware datetime to naive UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A timestamp needs a time zone.")
        return to_milliseconds(value.astimezone(UTC).replace(tzinfo=None))

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Convert naive UTC to an aware datetime."""
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Base of all tables. Names of keys and indexes follow Prisma's convention, which is the seed's."""

    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (read by SQLAlchemy, never changed)
        str: Text,
        datetime: UtcTimestamp,
        dict[str, Any]: JSONB(none_as_null=True),
        list[dict[str, Any]]: JSONB(none_as_null=True),
    }


def reference(column: str, on_delete: str, *, one: str = "", back: str = "") -> ForeignKey:
    """Make a foreign key to `column` ("Table.id"); every key of this schema follows an update.

    `one` and `back` name this and the other side of the relation in schema.prisma, where its usual names do not.
    """
    return ForeignKey(column, ondelete=on_delete, onupdate="CASCADE", info={"one": one, "back": back})


Id = Annotated[str, mapped_column(primary_key=True, default=new_id)]
Count = Annotated[int, mapped_column(default=0, server_default=text("0"))]


def created_at_column(*, index: bool = False) -> MappedColumn[datetime]:
    """Make `createdAt`, set in UTC by Python: the server's default follows the session's time zone."""
    return mapped_column("createdAt", default=utc_now, server_default=text("CURRENT_TIMESTAMP"), index=index)


def updated_at_column() -> MappedColumn[datetime]:
    """Make `updatedAt`, which has no default in the database: Prisma and these models set it at every write."""
    return mapped_column("updatedAt", default=utc_now, onupdate=utc_now)


def is_active_column() -> MappedColumn[bool]:
    """Make `isActive`, true unless said otherwise."""
    return mapped_column("isActive", default=True, server_default=text("true"), index=True)
