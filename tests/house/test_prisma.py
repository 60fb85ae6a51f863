"""schema.prisma is made from the models: the file in the project is what they give, and what they say is said in it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from models.base import Base, Id, UtcTimestamp, created_at_column, reference, updated_at_column
from schema.catalogue import Part
from schema.config import PRISMA_SCHEMA
from worker.db.schema.compare import list_differences
from worker.db.schema.prisma import write_prisma


class Small(DeclarativeBase):
    """A schema of two tables with a little of everything."""

    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = {str: sa.Text, datetime: UtcTimestamp}  # noqa: RUF012


class Author(Small):
    """Who writes.

    What follows is for whoever changes the code.
    """

    __tablename__ = "Author"
    __table_args__ = (sa.CheckConstraint("\"role\" IN ('editor', 'writer')", name="Author_role_check"),)

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(server_default=sa.text("'nobody'"), doc="as printed")
    role: Mapped[str]


class Portrait(Small):
    """Of an author, who has one at most."""

    __tablename__ = "Portrait"

    author_id: Mapped[str] = mapped_column("authorId", reference("Author.id", "CASCADE"), primary_key=True)


class Book(Small):
    """What is written."""

    __tablename__ = "Book"
    __table_args__ = (
        sa.Index("Book_isbn_key", "isbn", unique=True),
        sa.Index("Book_authorId_isbn_key", "authorId", "isbn", unique=True),
        sa.Index("Book_newest_idx", "authorId", sa.text('"createdAt" DESC')),
        sa.Index("Book_words_idx", "words", postgresql_using="gin"),
        sa.Index("Book_cheap_idx", "price", postgresql_where=sa.text('"price" < 5')),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(5, 2))
    tags: Mapped[list[str]] = mapped_column(sa.ARRAY(sa.Text), server_default=sa.text("'{}'::text[]"))
    notes: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=sa.text("'[]'::jsonb"))
    pages: Mapped[int] = mapped_column(server_default=sa.text("1"))
    isbn: Mapped[str]
    words: Mapped[str | None] = mapped_column(TSVECTOR)
    created_at: Mapped[datetime] = created_at_column()
    updated_at: Mapped[datetime] = updated_at_column()
    author_id: Mapped[str] = mapped_column("authorId", reference("Author.id", "CASCADE"))
    sequel_id: Mapped[str | None] = mapped_column("sequelId", reference("Book.id", "SET NULL", back="prequels"))


EXPECTED = """\
/// Who writes.
model Author {
  id   String @id @default(cuid())
  name String @default("nobody") // as printed
  role String // 'editor', 'writer'

  portrait Portrait?
  books    Book[]
}

/// Of an author, who has one at most.
model Portrait {
  authorId String @id

  author Author @relation(fields: [authorId], references: [id], onDelete: Cascade)
}

/// What is written.
model Book {
  id        String                   @id
  price     Decimal?                 @db.Decimal(5, 2)
  tags      String[]                 @default([])
  notes     Json                     @default("[]")
  pages     Int                      @default(1)
  isbn      String                   @unique
  words     Unsupported("tsvector")?
  createdAt DateTime                 @default(now())
  updatedAt DateTime                 @updatedAt
  authorId  String
  sequelId  String?

  author   Author @relation(fields: [authorId], references: [id], onDelete: Cascade)
  sequel   Book?  @relation("Prequels", fields: [sequelId], references: [id], onDelete: SetNull)
  prequels Book[] @relation("Prequels")

  @@unique([authorId, isbn])
  @@index([words], type: Gin)
  @@index([authorId, createdAt(sort: Desc)], map: "Book_newest_idx")
}
"""


def test_the_projects_file_is_what_the_models_give() -> None:
    assert PRISMA_SCHEMA.read_text(encoding="utf-8") == write_prisma(), "run `make prisma`"


def test_tables_columns_and_both_sides_of_relations_are_written_as_prisma_formats_them() -> None:
    assert write_prisma(Small, "// models\n") == EXPECTED


def test_what_prisma_has_no_words_for_is_named() -> None:
    class Odd(DeclarativeBase):
        pass

    class Place(Odd):
        __tablename__ = "Place"

        id: Mapped[str] = mapped_column(sa.LargeBinary, primary_key=True)

    assert Place.__tablename__ in Odd.metadata.tables
    with pytest.raises(ValueError, match="no Prisma type for LargeBinary"):
        write_prisma(Odd, "// models\n")


def test_differences_are_sentences_and_a_missing_table_is_one_of_them() -> None:
    both = {Part("T", "table", "T"): "present"}
    expected = {
        **both,
        Part("T", "column", "a"): "text",
        Part("T", "column", "b"): "text",
        Part("U", "table", "U"): "present",
        Part("U", "column", "c"): "text",
    }
    found = {**both, Part("T", "column", "a"): "integer", Part("T", "index", "i"): "CREATE INDEX i"}

    sentences = list_differences(expected, found, "models/")
    assert len(sentences) == 4
    assert sentences[0] == 'Different for the column "a" of "T": in the database integer, in models/ text.'
    assert 'lacks the column "b" of "T"' in sentences[1]
    assert 'has the index "i" of "T"' in sentences[2]
    assert 'lacks the table "U"' in sentences[3]
    assert list_differences(expected, expected, "models/") == []
