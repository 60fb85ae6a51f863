"""How well and how fast course passages are found: recall, MRR, injection off the subject, search and ingest times.

    python -m bench.retrieval relevance [--database-url URL]
    python -m bench.retrieval speed [--chunks 100000] [--database-url URL]
    python -m bench.retrieval ingest [--pages 1000]
    python -m bench.retrieval empty [--pairs 5]

Without a URL an embedded PostgreSQL runs in a temporary folder. Vectors are measured where MEDQ_EMBEDDING_MODEL and an
endpoint are set.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from tests.support.courses import AskedQuestion, make_courses, make_questions
from tests.support.probes import cpu_s
from tests.support.relevance import Search, finish_index, measure_relevance, our_search, store
from worker.courses import document_store, passage_search
from worker.courses.document import Chunk, CourseLabels, CourseQuery, NewDocument
from worker.courses.embeddings import EmbeddingClient
from worker.courses.files import find_files
from worker.courses.ingest import embed_chunks, ingest_files
from worker.courses.search import compose_query
from worker.db.engine import Database, connect, sqlalchemy_url
from worker.db.schema import upgrade
from worker.embedded import open_services
from worker.settings import Settings
from worker.system.urls import libpq_url


@contextmanager
def fresh_database(url: str | None) -> Iterator[Database]:
    """A migrated database of its own on the server at `url`, or on an embedded one."""
    with tempfile.TemporaryDirectory(prefix="medq-bench-") as home:
        values = {"MEDQ_HOME": home, "DATABASE_URL": url, "REDIS_URL": "redis://not-started"}
        with open_services(Settings.model_validate(values)) as services:
            server = sa.create_engine(sqlalchemy_url(services.database_url), isolation_level="AUTOCOMMIT")
            name = f"medq_bench_{int(time.time())}"
            with server.connect() as connection:
                connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
            own = server.url.set(database=name).render_as_string(hide_password=False)
            try:
                upgrade(own)
                database = Database(connect(libpq_url(own.replace("+psycopg", "")), name="bench"))
                yield database
                database.close()
            finally:
                with server.connect() as connection:
                    connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')
                server.dispose()


# --- relevance --------------------------------------------------------------------------------------------------


def server_search(database: Database, config: str, *, folded: bool) -> Search:
    """For comparison: one of PostgreSQL's own configurations and ts_rank, without a threshold."""
    fold = "translate(lower({}), 'àâäéèêëîïôöùûüç', 'aaaeeeeiioouuuc')" if folded else "{}"
    text, asked_text = fold.format('c."text" || \' \' || d."title"'), fold.format(":text")
    table = f"bench_{config}_{'folded' if folded else 'plain'}"
    make = sa.text(f"""
        CREATE TABLE IF NOT EXISTS {table} AS
        SELECT c."text", to_tsvector('{config}', {text}) AS words
        FROM "CourseChunk" c JOIN "CourseDocument" d ON d."id" = c."documentId"
    """)  # noqa: S608 (constants)
    database.transact(lambda c: c.execute(make))
    statement = sa.text(f"""
        SELECT t."text" FROM {table} t,
             (SELECT replace(plainto_tsquery('{config}', {asked_text})::text, '&', '|')::tsquery AS query) q
        WHERE t.words @@ q.query ORDER BY ts_rank(t.words, q.query) DESC LIMIT 5
    """)  # noqa: S608 (constants)

    def search(asked: Sequence[AskedQuestion]) -> list[list[str]]:
        def one(connection: sa.Connection, question: AskedQuestion) -> list[str]:
            query = compose_query("1", question.question)
            return list(connection.execute(statement, {"text": query.text}).scalars())

        return [database.transact(partial(one, question=q)) for q in asked]

    return search


def relevance(url: str | None) -> None:
    """Print the table of docs/retrieval.md."""
    courses, asked = make_courses(), make_questions()
    texts = {passage.key: passage.text for course in courses for passage in course.passages}
    known = sum(question.key is not None for question in asked)
    print(f"{len(texts)} passages, {known} questions with a known passage, {len(asked) - known} without one\n")
    with fresh_database(url) as database:
        store(database, courses)
        corpus = database.transact(passage_search.read_corpus)
        ways: list[tuple[str, Search]] = [
            ("PostgreSQL `simple`, ts_rank", server_search(database, "simple", folded=False)),
            ("PostgreSQL `french`, ts_rank", server_search(database, "french", folded=False)),
            ("PostgreSQL `french`, accents folded", server_search(database, "french", folded=True)),
            ("**full text alone**", our_search(database, corpus)),
        ]
        settings = Settings.load()
        if settings.embedding_model:
            embedder = EmbeddingClient(settings)
            list(embed_chunks(database, embedder))
            ways.append((f"with vectors ({settings.embedding_model})", our_search(database, corpus, embedder)))
        rows = [(name, measure_relevance(search, asked, texts)) for name, search in ways]
    print("| search | recall@1 | recall@5 | MRR | shown | injected off the subject |")
    print("|---|---|---|---|---|---|")
    for name, f in rows:
        print(f"| {name} | {f.recall_1:.3f} | {f.recall_5:.3f} | {f.mrr:.3f} | {f.shown:.1f} | {f.off_corpus:.0%} |")
    print("\nrecall@5 by kind of question")
    for name, f in rows:
        print(f"  {name}: " + ", ".join(f"{kind} {value:.2f}" for kind, value in f.by_kind.items()))


# --- speed ------------------------------------------------------------------------------------------------------

VOCABULARY = 60_000
TERMS_PER_CHUNK, TERMS_PER_QUESTION = 110, 28


def speed(url: str | None, chunks: int, batches: int) -> None:
    """Time of one batch's search (five questions) over a large store whose words occur as words do (Zipf)."""
    rng = random.Random(1)
    words = [f"mot{number:05d}" for number in range(VOCABULARY)]
    shares = list(itertools.accumulate(1 / (rank + 20) ** 1.05 for rank in range(VOCABULARY)))
    with fresh_database(url) as database:
        started = time.perf_counter()
        for number in range(chunks // 250):
            document = _zipf_document(number, rng, words, shares)
            database.transact(partial(document_store.store_document, document=document))
        finish_index(database)
        print(f"{chunks} passages stored in {time.perf_counter() - started:.0f} s")
        corpus = database.transact(passage_search.read_corpus)
        batches_asked = [[_zipf_query(n, rng, words, shares) for n in range(5)] for _ in range(batches)]
        times = []
        with database.engine.connect() as connection:
            pid = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
            used_s = cpu_s(pid)
            for queries in batches_asked:
                started = time.perf_counter()
                passage_search.search_passages(connection, queries, corpus)
                times.append((time.perf_counter() - started) * 1000)
            used_ms = 1000 * (cpu_s(pid) - used_s) / batches
        times.sort()
        print(f"one batch: median {times[len(times) // 2]:.0f} ms, p95 {times[int(len(times) * 0.95)]:.0f} ms")
        print(f"server CPU per batch {used_ms:.0f} ms; load of the machine {os.getloadavg()[0]:.1f}")
        with database.engine.begin() as connection:
            weighed = passage_search.weigh_queries(connection, batches_asked[-1], corpus)
            statement, parameters = passage_search.search_statement(batches_asked[-1], weighed)
            plan = connection.execute(sa.text(f"EXPLAIN {statement.text}"), parameters).scalars()
            print("\n".join(line for line in plan if re.search(r"(Index|Heap|Seq|Tid) Scan", line)))


def _zipf_document(number: int, rng: random.Random, words: Sequence[str], shares: Sequence[float]) -> NewDocument:
    text = "Texte de cours sur une maladie, ses signes, ses examens et son traitement. " * 13
    return NewDocument(
        title=f"Cours {number}",
        file_name=f"cours-{number}",
        content_hash=str(number),
        labels=CourseLabels("DCEM2", f"Spécialité {number % 20}", None, None),
        specialty_key=f"specialite {number % 20}",
        page_count=84,
        chunks=tuple(Chunk(i, text, None, i // 3 + 1, i // 3 + 1) for i in range(250)),
        chunk_terms=tuple(Counter(rng.choices(words, cum_weights=shares, k=TERMS_PER_CHUNK)) for _ in range(250)),
    )


def _zipf_query(number: int, rng: random.Random, words: Sequence[str], shares: Sequence[float]) -> CourseQuery:
    drawn = rng.choices(words, cum_weights=shares, k=TERMS_PER_QUESTION)
    terms = {word: rng.choice([1.0, 0.6, 0.4]) for word in dict.fromkeys(drawn)}
    return CourseQuery(str(number), terms, "", "DCEM2", f"specialite {rng.randrange(20)}")


# --- ingest -----------------------------------------------------------------------------------------------------


def ingest(url: str | None, pages: int) -> None:
    """Pages a second from PDF files to searchable passages."""
    from tests.support.pdfs import write_pdf

    sentences = [p.text for course in make_courses() for p in course.passages]
    rng = random.Random(3)
    with tempfile.TemporaryDirectory() as folder, fresh_database(url) as database:
        for number in range(pages // 100):
            texts = [" ".join(rng.sample(sentences, 3)) for _ in range(100)]
            write_pdf(Path(folder) / f"cours-{number}.pdf", texts)
        files = find_files([Path(folder)])
        started = time.perf_counter()
        done = list(ingest_files(database, files, CourseLabels("DCEM2", "Cardiologie", None, None)))
        taken = time.perf_counter() - started
        read = sum(file.pages for file in done)
        print(
            f"{read} pages, {sum(file.chunks for file in done)} passages in {taken:.1f} s: {read / taken:.0f} pages/s"
        )


# --- no documents -----------------------------------------------------------------------------------------------


def empty(pairs: int, count: int = 1_000) -> None:
    """What retrieval costs where there is no document: jobs with `rag` on and off in turn, in one run."""
    from bench.meters import CpuMeter, count_transactions
    from bench.site import open_ground, open_site
    from tests.support.uploads import write_csv, write_truth

    cpu_ms: dict[bool, list[float]] = {True: [], False: []}
    transactions: dict[bool, list[float]] = {True: [], False: []}
    batches = count / 5
    with open_ground() as (services, folder), open_site(services, folder, "empty", truth=write_truth(count)) as site:
        site.folder.mkdir(parents=True, exist_ok=True)
        path = write_csv(site.folder / "qcm.csv", count)
        for rag in [True, *[True, False] * pairs]:  # the first one warms up
            with site.engine.begin() as connection:
                connection.exec_driver_sql('TRUNCATE "LlmCall", "AiValidationJob", "Question" CASCADE')
            before = count_transactions(site.engine)
            with site.workers(1, 8) as workers:
                meter = CpuMeter(site, workers.pids())
                polls = site.wait_for_job(site.enqueue(path, rag=rag))["polls"]
                used = meter.read()
            cpu_ms[rag].append(1000 * (used.workers_s + used.server_s) / batches)
            transactions[rag].append((count_transactions(site.engine) - before - polls) / batches)
    with_ms, without_ms = statistics.median(cpu_ms[True][1:]), statistics.median(cpu_ms[False])
    print(f"{pairs} jobs of {count} questions each way, no document, no latency; medians, workers and PostgreSQL:")
    print(f"CPU per batch: rag {with_ms:.2f} ms, no rag {without_ms:.2f} ms, ratio {with_ms / without_ms:.3f}")
    told = [f"{name} {statistics.median(transactions[rag]):.2f}" for name, rag in (("rag", True), ("no rag", False))]
    print(f"transactions per batch: {', '.join(told)}")


def main() -> None:
    """Run one of the measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("relevance", "speed", "ingest", "empty"))
    parser.add_argument("--database-url")
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=5)
    given = parser.parse_args()
    if given.what == "relevance":
        relevance(given.database_url)
    elif given.what == "speed":
        speed(given.database_url, given.chunks, given.batches)
    elif given.what == "ingest":
        ingest(given.database_url, given.pages)
    else:
        empty(given.pairs)


if __name__ == "__main__":
    main()
