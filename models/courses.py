"""Course documents cut into chunks, for retrieval. How they are searched is not said here."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Id, created_at_column, reference, updated_at_column


class CourseDocument(Base):
    """A document that an operator ingested. `contentHash` is unique: the same file is kept once."""

    __tablename__ = "CourseDocument"
    __table_args__ = (Index("CourseDocument_contentHash_key", "contentHash", unique=True),)

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


class CourseChunk(Base):
    """One passage of a document, numbered from 0. `page` counts from 1, where the document has pages."""

    __tablename__ = "CourseChunk"
    __table_args__ = (Index("CourseChunk_documentId_position_key", "documentId", "position", unique=True),)

    id: Mapped[Id]
    document_id: Mapped[str] = mapped_column("documentId", reference("CourseDocument.id", "CASCADE"))
    position: Mapped[int]
    page: Mapped[int | None]
    heading: Mapped[str | None]
    text: Mapped[str]
