"""Course documents cut into chunks, for retrieval. How they are searched is not said here.

Vectors have no model: "CourseVector" exists only where pgvector does (see revision 007).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, column, func, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Id, created_at_column, reference, updated_at_column


class CourseDocument(Base):
    """A document that an operator ingested. `contentHash` is unique: the same file is kept once.

    `fileName` is the file's own name and up to two folders above it; `specialtyKey` the specialty without accents,
    case and signs. `indexVersion` says whose stems its passages have, `termCount` how many; `ordersVersion` by which
    rules its passages were looked at for orders, 0: by none yet.
    """

    __tablename__ = "CourseDocument"
    __table_args__ = (
        Index("CourseDocument_contentHash_key", "contentHash", unique=True),
        Index("CourseDocument_fileName_idx", "fileName"),
    )

    id: Mapped[Id]
    title: Mapped[str]
    file_name: Mapped[str] = mapped_column("fileName")
    content_hash: Mapped[str] = mapped_column("contentHash")
    level: Mapped[str | None]
    specialty: Mapped[str | None]
    course: Mapped[str | None]
    source: Mapped[str | None]
    page_count: Mapped[int | None] = mapped_column("pageCount")
    created_at: Mapped[datetime] = created_at_column()
    updated_at: Mapped[datetime] = updated_at_column()
    specialty_key: Mapped[str | None] = mapped_column("specialtyKey")
    chunk_count: Mapped[int] = mapped_column("chunkCount", default=0, server_default=text("0"))
    index_version: Mapped[int] = mapped_column("indexVersion", default=1, server_default=text("1"))
    term_count: Mapped[int] = mapped_column("termCount", default=0, server_default=text("0"))
    orders_version: Mapped[int] = mapped_column("ordersVersion", default=0, server_default=text("0"))


class CourseChunk(Base):
    """One passage of a document, numbered from 0. `page` and `lastPage` count from 1, where the document has pages.

    `search` holds the passage's stems, made by the worker with accents folded, each with a prefix for the version of
    the index and as many positions as it occurs. `heldFor` holds the sentences, one on a line, that give orders to
    whoever answers: until `allowedAt` the passage is kept out of the search, and `search` is NULL.
    """

    __tablename__ = "CourseChunk"
    __table_args__ = (
        Index("CourseChunk_documentId_position_key", "documentId", "position", unique=True),
        Index("CourseChunk_search_idx", "search", postgresql_using="gin"),
    )

    id: Mapped[Id]
    document_id: Mapped[str] = mapped_column("documentId", reference("CourseDocument.id", "CASCADE", back="chunks"))
    position: Mapped[int]
    page: Mapped[int | None]
    heading: Mapped[str | None]
    text: Mapped[str]
    last_page: Mapped[int | None] = mapped_column("lastPage")
    search: Mapped[str | None] = mapped_column(TSVECTOR)
    held_for: Mapped[str | None] = mapped_column("heldFor")
    allowed_at: Mapped[datetime | None] = mapped_column("allowedAt")


class CourseTerm(Base):
    """A stem of the vocabulary, and how many passages hold it. It is found by its beginning and by its end too."""

    __tablename__ = "CourseTerm"
    __table_args__ = (
        Index(
            "CourseTerm_beginning_idx",
            func.length(column("term")),
            "term",
            postgresql_ops={"term": "text_pattern_ops"},
        ),
        Index(
            "CourseTerm_end_idx",
            func.length(column("term")),
            func.left(column("term"), text("3")),
            func.reverse(column("term")).label("reversed"),
            postgresql_ops={"reversed": "text_pattern_ops"},
        ),
    )

    term: Mapped[str] = mapped_column(primary_key=True)
    chunk_count: Mapped[int] = mapped_column("chunkCount")
