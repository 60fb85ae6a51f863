"""Course documents in PostgreSQL: stored with their vocabulary, listed, removed, indexed anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from models import new_id, utc_now
from worker.courses.document import INDEX_VERSION, Chunk, CourseLabels, NewDocument
from worker.courses.held import Standing, judge, read_allowed
from worker.courses.index_terms import OLDER_STEM, lexemes, stored_stem, vector_text
from worker.courses.orders import ORDERS_VERSION
from worker.courses.recall import StoredPassage
from worker.db.statements import load_statements

# "cour" in ASCII: ingests take turns, for they all count in the same vocabulary.
LOCK_KEY = 0x636F7572

SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """One ingested document, as `medq courses` lists it."""

    id: str
    title: str
    file_name: str
    labels: CourseLabels
    page_count: int | None
    chunk_count: int
    updated_at: datetime
    is_outdated: bool = False
    is_unchecked: bool = False  # it was not looked at for orders by the rules of this release


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A passage as far as its stems are made of it."""

    id: str
    heading: str | None
    text: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class IndexedDocument:
    """A stored document as far as its stems are made of it."""

    title: str
    labels: CourseLabels
    chunks: tuple[StoredChunk, ...]


def find_same(connection: sa.Connection, content_hash: str) -> str | None:
    """The id of the document with this content, if it is stored."""
    found: str | None = connection.execute(SQL["find_same"], {"hash": content_hash}).scalar_one_or_none()
    return found


def relabel_document(
    connection: sa.Connection, document_id: str, *, title: str, file_name: str, labels: CourseLabels, key: str | None
) -> bool:
    """Correct what is said of a stored document; False when it said so already."""
    parameters = {
        "id": document_id,
        "title": title,
        "file_name": file_name,
        **_labels(labels),
        "specialty_key": key,
        "now": utc_now(),
    }
    return connection.execute(SQL["relabel"], parameters).rowcount == 1


def store_document(connection: sa.Connection, document: NewDocument) -> tuple[str, int]:
    """Store a document and its passages in place of an earlier one of the same name; (its id, how many it replaced).

    Ingests take turns until their transactions end.
    """
    wait_for_lock(connection)
    standings, searched = _judge(document, read_allowed(connection, document.file_name))
    replaced = remove_named(connection, document.file_name)
    document_id = new_id()
    connection.execute(
        SQL["insert_document"],
        {
            "id": document_id,
            "title": document.title,
            "file_name": document.file_name,
            "hash": document.content_hash,
            **_labels(document.labels),
            "specialty_key": document.specialty_key,
            "pages": document.page_count,
            "chunks": len(document.chunks),
            "version": INDEX_VERSION,
            "terms": sum(sum(terms.values()) for terms in searched if terms is not None),
            "orders": ORDERS_VERSION,
            "now": utc_now(),
        },
    )
    _insert_chunks(connection, document_id, document.chunks, standings, searched)
    _count_terms(connection, [terms for terms in searched if terms is not None])
    return document_id, replaced


def _insert_chunks(
    connection: sa.Connection,
    document_id: str,
    chunks: Sequence[Chunk],
    standings: Sequence[Standing],
    searched: Sequence[Mapping[str, int] | None],
) -> None:
    connection.execute(
        SQL["insert_chunks"],
        {
            "document_id": document_id,
            "ids": [new_id() for _ in chunks],
            "positions": [chunk.position for chunk in chunks],
            "pages": [chunk.page for chunk in chunks],
            "last_pages": [chunk.last_page for chunk in chunks],
            "headings": [chunk.heading for chunk in chunks],
            "texts": [chunk.text for chunk in chunks],
            "terms": [None if terms is None else lexemes(terms) for terms in searched],
            **_standings(standings),
        },
    )


def remove_document(connection: sa.Connection, document_id: str) -> int:
    """Remove a document, its passages and their share of the vocabulary; how many documents that was (0 or 1)."""
    wait_for_lock(connection)
    connection.execute(SQL["uncount_terms"], {"id": document_id})
    connection.execute(SQL["drop_unused_terms"])
    return connection.execute(SQL["delete_document"], {"id": document_id}).rowcount


def remove_named(connection: sa.Connection, file_name: str, *, but: str | None = None) -> int:
    """Remove the documents of this file name, save one; how many."""
    found = connection.execute(SQL["find_named"], {"file_name": file_name, "but": but}).scalars().all()
    return sum(remove_document(connection, document_id) for document_id in found)


def list_documents(connection: sa.Connection) -> list[StoredDocument]:
    """Every document, by level, specialty, course and title."""
    return [
        StoredDocument(
            id=row["id"],
            title=row["title"],
            file_name=row["fileName"],
            labels=CourseLabels(row["level"], row["specialty"], row["course"], row["source"]),
            page_count=row["pageCount"],
            chunk_count=row["chunkCount"],
            updated_at=row["updatedAt"],
            is_outdated=row["indexVersion"] < INDEX_VERSION,
            is_unchecked=row["ordersVersion"] < ORDERS_VERSION,
        )
        for row in connection.execute(SQL["list_documents"]).mappings()
    ]


def find_outdated(connection: sa.Connection) -> list[tuple[str, str]]:
    """Documents whose stems an earlier release made, or that it looked at by other rules for orders: (id, title)."""
    versions = {"version": INDEX_VERSION, "orders": ORDERS_VERSION}
    return [(row[0], row[1]) for row in connection.execute(SQL["find_outdated"], versions)]


def read_document(connection: sa.Connection, document_id: str) -> IndexedDocument | None:
    """What stems are made of, or None when the document is gone."""
    found = connection.execute(SQL["read_document"], {"id": document_id}).one_or_none()
    if found is None:
        return None
    rows = connection.execute(SQL["read_chunks"], {"id": document_id})
    chunks = tuple(StoredChunk(row[0], row[1], row[2], Standing(row[3], row[4])) for row in rows)
    return IndexedDocument(found[0], CourseLabels(*found[1:]), chunks)


def index_document(
    connection: sa.Connection,
    document_id: str,
    terms: Mapping[str, Mapping[str, int]],
    standings: Mapping[str, Standing],
) -> None:
    """Give a stored document these stems, by passage id, beside those of the release before this one alone.

    A passage that is held has none, of no release, and no vector.
    """
    connection.execute(SQL["uncount_terms"], {"id": document_id})
    searched = [None if standings[chunk_id].is_held else of_one for chunk_id, of_one in terms.items()]
    texts = [None if of_one is None else lexemes(of_one) for of_one in searched]
    told = _standings([standings[chunk_id] for chunk_id in terms])
    connection.execute(SQL["reindex_chunks"], {"ids": list(terms), "terms": texts, "kept": OLDER_STEM, **told})
    if any(one.is_held for one in standings.values()) and connection.execute(SQL["may_forget_vectors"]).scalar_one():
        connection.execute(SQL["forget_vectors"], {"id": document_id})
    connection.execute(SQL["recount_terms"], {"id": document_id})
    connection.execute(SQL["drop_unused_terms"])
    length = sum(sum(of_one.values()) for of_one in searched if of_one is not None)
    versions = {"version": INDEX_VERSION, "orders": ORDERS_VERSION}
    connection.execute(SQL["note_index"], {**versions, "length": length, "id": document_id})


def list_passages(connection: sa.Connection) -> list[StoredPassage]:
    """Every passage, document by document in their order. For measuring; a store may hold many."""
    rows = connection.execute(SQL["list_passages"]).mappings()
    return [StoredPassage(r["id"], r["fileName"], r["text"], r["page"], r["lastPage"]) for r in rows]


def flush_index(connection: sa.Connection) -> None:
    """Put what the GIN index keeps waiting into its lists: each look-up would read all that waits.

    Only the owner of the tables may; to others autovacuum does it, later.
    """
    connection.execute(SQL["flush_index"])


def add_vectors(connection: sa.Connection, model: str, dimensions: int) -> bool:
    """Make room for this model's vectors, where the server can."""
    return bool(connection.execute(SQL["add_vectors"], {"model": model, "dimensions": dimensions}).scalar_one())


def find_unembedded(connection: sa.Connection, model: str, *, most: int) -> list[tuple[str, str]]:
    """Passages that may be searched and have no vector of this model: (id, text), at most so many."""
    rows = connection.execute(SQL["find_unembedded"], {"model": model, "most": most})
    return [(row[0], row[1]) for row in rows]


def store_vectors(connection: sa.Connection, model: str, vectors: Mapping[str, Sequence[float]]) -> None:
    """Store vectors by passage id. A passage that is gone or held by now is left out."""
    parameters = {
        "model": model,
        "ids": list(vectors),
        "embeddings": [vector_text(vector) for vector in vectors.values()],
    }
    connection.execute(SQL["store_vectors"], parameters)


def wait_for_lock(connection: sa.Connection) -> None:
    """Wait for other ingests that are storing, until the transaction ends: all count in the same vocabulary."""
    connection.execute(SQL["wait_for_lock"], {"key": LOCK_KEY})


def _count_terms(connection: sa.Connection, chunk_terms: Sequence[Mapping[str, int]]) -> None:
    counts = Counter(stored_stem(term) for terms in chunk_terms for term in terms)
    terms = sorted(counts)
    connection.execute(SQL["count_terms"], {"terms": terms, "counts": [counts[term] for term in terms]})


def _judge(
    document: NewDocument, allowed: Mapping[str, datetime]
) -> tuple[list[Standing], list[Mapping[str, int] | None]]:
    """How each passage stands, and the stems that it is searched by: None for one that is held."""
    orders = document.chunk_orders or [()] * len(document.chunks)
    standings = [judge(sentences, allowed) for sentences in orders]
    searched = [None if one.is_held else terms for terms, one in zip(document.chunk_terms, standings, strict=True)]
    return standings, searched


def _standings(standings: Sequence[Standing]) -> dict[str, list[Any]]:
    return {
        "held_for": [one.held_for for one in standings],
        "allowed_at": [one.allowed_at for one in standings],
    }


def _labels(labels: CourseLabels) -> dict[str, str | None]:
    return {
        "level": labels.level,
        "specialty": labels.specialty,
        "course": labels.course,
        "source": labels.source,
    }
