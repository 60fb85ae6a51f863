"""Reading schema.prisma: the project's own file, and what the reader says of files it cannot take."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from models import Base
from schema.catalogue import Part
from schema.config import PRISMA_SCHEMA
from worker.db.schema.compare import list_differences
from worker.db.schema.prisma import PrismaSyntaxError, read_prisma

SMALL = """
// A comment { with braces }
model Author {
  id    String @id @default(cuid())
  name  String @default("it's // me") // trailing
  books Book[]
}

model Book {
  id        String   @id
  price     Decimal? @db.Decimal(5, 2)
  tags      String[] @default([])
  notes     Json     @default("[]")
  pages     Int      @default(1)
  isbn      String   @unique
  createdAt DateTime @default(now())
  updatedAt DateTime @updatedAt
  authorId  String

  author Author @relation(fields: [authorId], references: [id], onDelete: Cascade)

  @@unique([authorId, isbn])
  @@index([authorId, createdAt(sort: Desc)], map: "Book_newest_idx")
}

model alembic_version {
  version_num String @id(map: "alembic_version_pkc") @db.VarChar(32)

  @@ignore
}
"""


def test_the_projects_file_names_every_table_and_column_of_the_models() -> None:
    described = read_prisma(PRISMA_SCHEMA.read_text(encoding="utf-8"))

    assert {t: set(table.c.keys()) for t, table in described.tables.items()} == {
        t: set(table.c.keys()) for t, table in Base.metadata.tables.items()
    }


def test_models_become_tables_as_prisma_would_create_them() -> None:
    tables = read_prisma(SMALL).tables
    assert set(tables) == {"Author", "Book"}
    book = tables["Book"]

    assert not isinstance(book.c.price.type, sa.ARRAY)
    assert (str(book.c.price.type), book.c.price.nullable) == ("NUMERIC(5, 2)", True)
    assert isinstance(book.c.tags.type, sa.ARRAY)
    assert [key.name for key in book.primary_key.columns] == ["id"]
    indexes = {index.name: index for index in book.indexes}
    assert {name: bool(index.unique) for name, index in indexes.items()} == {
        "Book_isbn_key": True,
        "Book_authorId_isbn_key": True,
        "Book_newest_idx": False,
    }
    (newest,) = [index for index in book.indexes if index.name == "Book_newest_idx"]
    assert [str(part) for part in newest.expressions] == [
        "Book.authorId",
        '"Book"."createdAt" DESC',
    ]
    (key,) = book.foreign_key_constraints
    assert (key.name, key.ondelete, key.onupdate) == ("Book_authorId_fkey", "CASCADE", "CASCADE")


@pytest.mark.parametrize(
    ("table", "column", "default"),
    [
        ("Author", "id", None),
        ("Author", "name", "'it''s // me'"),
        ("Book", "tags", "'{}'"),
        ("Book", "notes", "'[]'::jsonb"),
        ("Book", "pages", "1"),
        ("Book", "createdAt", "CURRENT_TIMESTAMP"),
        ("Book", "updatedAt", None),
    ],
)
def test_defaults_are_those_that_the_database_holds(table: str, column: str, default: str | None) -> None:
    found = read_prisma(SMALL).tables[table].c[column].server_default
    assert (str(found.arg) if isinstance(found, sa.DefaultClause) else found) == default


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  books Book[]\n", "", "author has 0 opposite fields in Author"),
        ("  books Book[]\n", "  books Book[]\n  more  Book[]\n", "author has 2 opposite fields"),
        ("pages     Int ", "pages     Long", "unknown type Long"),
        ("@@unique([authorId, isbn])", "@@fulltext([isbn])", "cannot read '@@fulltext"),
        ("  isbn      String   @unique\n", "  isbn\n", "cannot read 'isbn'"),
    ],
)
def test_what_cannot_be_read_is_named(old: str, new: str, message: str) -> None:
    assert old in SMALL
    with pytest.raises(PrismaSyntaxError, match=message.replace("[", r"\[")):
        read_prisma(SMALL.replace(old, new))


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
