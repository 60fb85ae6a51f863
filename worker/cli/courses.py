"""Commands on course documents: ingest, courses and what is below it. Reading and searching them is done elsewhere."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from worker.cli.held import allow, count_passages, held_entry, list_kept_out, say_held, say_unchecked
from worker.cli.output import out, program, say, tell, tell_json
from worker.errors import ProviderUnavailable, UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from worker.cli.site import Site
    from worker.courses.document import CourseLabels
    from worker.courses.document_store import StoredDocument
    from worker.courses.ingest import IngestedFile
    from worker.db.engine import Database

app = typer.Typer(
    help="Course documents for retrieval: list, remove, reindex, allow.",
    invoke_without_command=True,
    rich_markup_mode=None,
)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def ingest(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH…", help="Course documents, or folders of them.", show_default=False)
    ],
    *,
    level: Annotated[str | None, typer.Option("--level", help="E.g. DCEM2; default: told by the folders.")] = None,
    specialty: Annotated[
        str | None, typer.Option("--specialty", help="E.g. Cardiologie; default: the folder below the level's.")
    ] = None,
    course: Annotated[str | None, typer.Option("--course", help="Default: the folder below the specialty's.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Who wrote it; stands first in citations.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Read course documents, so that analyses can lean on them and quote them.

    PDF, DOCX, PPTX, HTML, Markdown and text. Folders tell level and specialty (DCEM2/Cardiologie/…). The same file
    again changes nothing, a changed one replaces its passages. Hidden files and linked folders are passed over. Exit 1
    when a file could not be read.

    \b
    Examples:
      medq ingest courses/
      medq ingest ecg.pdf --level DCEM2 --specialty Cardiologie
    """
    from worker.courses.document import CourseLabels

    files = _find_files(paths)
    done, embedded = _ingest(files, CourseLabels(level=level, specialty=specialty, course=course, source=source))
    if as_json:
        tell_json({"files": [_describe(ingested) for ingested in done], "vectors": embedded})
    else:
        _tell_what_was_done(done, embedded)
    if any(ingested.status == "refused" for ingested in done):
        raise typer.Exit(1)


def _find_files(paths: Sequence[Path]) -> list[Path]:
    """The documents below the paths; what is left out is said. Raises UsageError when there is none."""
    from worker.courses.files import count_other_kinds, find_files, find_links_out

    files = find_files(paths)
    if others := count_other_kinds(paths):
        say(
            "Left out, as files of other kinds: " + ", ".join(f"{n} {kind}" for kind, n in sorted(others.items())) + "."
        )
    if links := find_links_out(paths):
        named = ", ".join(str(link) for link in links[:5]) + (" …" if len(links) > 5 else "")
        say(f"Left out, as links out of their folder: {named}. Name the files themselves to have them read.")
    if not files:
        raise UsageError("There is no course document in there. PDF, DOCX, PPTX, HTML, MD and TXT files are read.")
    return files


def _ingest(files: Sequence[Path], given: CourseLabels) -> tuple[list[IngestedFile], int]:
    """What became of each file, and how many passages got a vector. Interrupted, the next call goes on."""
    from worker.cli.site import open_site
    from worker.courses.ingest import ingest_files
    from worker.db.engine import Database

    done: list[IngestedFile] = []
    with open_site(create=True) as site:
        database = Database(site.engine)
        try:
            _reindex(database)
            with _progress("Reading", len(files)) as step:
                for ingested in ingest_files(database, files, given):
                    done.append(ingested)
                    step(1)
                    _remark(ingested)
            return done, _embed(site, database)
        except KeyboardInterrupt:
            say(f"medq: stopped. {len(done)} of {len(files)} files are done; the same command goes on.")
            raise


def _tell_what_was_done(done: Sequence[IngestedFile], embedded: int) -> None:
    counts = Counter(ingested.status for ingested in done)
    tell(
        f"{len(done)} file{'' if len(done) == 1 else 's'}: "
        + ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
        + "."
    )
    tell(f"{sum(i.pages for i in done)} pages, {sum(i.chunks for i in done)} passages stored, {embedded} vectors.")


@app.callback()
def list_all(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List the course documents, remove some with `rm`, make their index anew with `reindex`.

    `held` lists passages that give orders to whoever answers and are kept out of the search; `allow` has them searched.

    \b
    Examples:
      medq courses
      medq courses rm cab12…
    """
    if context.invoked_subcommand is not None:
        return
    from worker.cli.site import open_site
    from worker.courses.ingest import list_courses, list_held
    from worker.db.engine import Database

    with open_site() as site:
        database = Database(site.engine)
        found, held = list_courses(database), list_held(database)
    if as_json:
        tell_json([_list_entry(document) for document in found])
        return
    if not found:
        say(f"No course document. Add some with `{program()} ingest PATH`.")
        return
    out().print(make_table(found))
    if outdated := sum(document.is_outdated for document in found):
        say(f"{outdated} of them are not searched: an earlier release indexed them. Run `{program()} courses reindex`.")
    say_unchecked(found)
    if held:
        say(f"{count_passages(len(held))} kept out of the search. Run `{program()} courses held` to see why.")


@app.command("rm")
def remove(
    documents: Annotated[
        list[str], typer.Argument(metavar="DOCUMENT…", help="Ids, as `medq courses` lists them.", show_default=False)
    ],
) -> None:
    """Remove course documents with all their passages. What was written with their help stays.

    \b
    Example:
      medq courses rm cab12… cde34…
    """
    from worker.cli.site import open_site
    from worker.courses.ingest import list_courses, remove_courses
    from worker.db.engine import Database

    with open_site() as site:
        database = Database(site.engine)
        known = {document.id for document in list_courses(database)}
        unknown = [document for document in documents if document not in known]
        if unknown:
            raise UsageError(f"There is no document {unknown[0]!r}. List them with `{program()} courses`.")
        removed = remove_courses(database, documents)
    tell(f"{removed} removed.")


app.command("held")(list_kept_out)
app.command("allow")(allow)


@app.command("reindex")
def reindex() -> None:
    """Make the search words of documents anew that an earlier release made, and look for orders in them.

    Workers search on meanwhile. After an upgrade whose release notes say so: run it before the workers are restarted,
    and they miss nothing.
    Documents that are up to date are left as they are.

    \b
    Example:
      medq courses reindex
    """
    from worker.cli.site import open_site
    from worker.db.engine import Database

    with open_site() as site:
        done = _reindex(Database(site.engine))
    tell(f"{done} document{'' if done == 1 else 's'} reindexed.")


def _reindex(database: Database) -> int:
    from worker.courses.ingest import count_outdated, reindex_courses

    outdated = count_outdated(database)
    if not outdated:
        return 0
    done = 0
    with _progress("Reindexing", outdated) as step:
        for _ in reindex_courses(database):
            done += 1
            step(1)
    return done


def make_table(found: Sequence[StoredDocument]) -> Table:
    """The documents, each on a line, for a terminal of any width."""
    from rich.markup import escape
    from rich.table import Column, Table

    # `rm` wants the whole id, however narrow the terminal.
    ids = Column("document", no_wrap=True, min_width=max(len(document.id) for document in found))
    table = Table(ids, "title", "level", "specialty", "course", "pages", "passages", box=None, pad_edge=False)
    for document in found:
        labels, pages = document.labels, document.page_count
        table.add_row(
            document.id,
            *(escape(text or "") for text in (document.title, labels.level, labels.specialty, labels.course)),
            "" if pages is None else str(pages),
            str(document.chunk_count),
        )
    return table


def _remark(ingested: IngestedFile) -> None:
    """What a person should know of a file."""
    path = str(ingested.path).encode(errors="replace").decode()
    if ingested.reason:
        say(f"{path}: {ingested.reason}.")
    if ingested.pages_without_text:
        say(f"{path}: {ingested.pages_without_text} of {ingested.pages} pages hold no text (pictures or scans).")
    say_held(path, ingested.held)


def _embed(site: Site, database: Database) -> int:
    """Vectors for what has none; without them search goes by words, so a fault here fails nothing."""
    if not site.settings.embedding_model:
        return 0
    from worker.courses.embeddings import EmbeddingClient
    from worker.courses.ingest import embed_chunks

    client = EmbeddingClient(site.settings)
    made = 0
    try:
        with _progress("Vectors", None) as step:
            for number in embed_chunks(database, client):
                made += number
                step(number)
    except ProviderUnavailable as error:
        say(f"medq: {error}: {made} vectors made. The same command goes on; until then words alone are searched.")
    except UsageError as error:
        say(f"medq: {error}")
    finally:
        client.close()
    return made


class Step(Protocol):
    """Says that so many more are done."""

    def __call__(self, number: int, /) -> None: ...


@contextmanager
def _progress(what: str, total: int | None) -> Iterator[Step]:
    """A bar on a terminal; nothing in a log."""
    if not sys.stderr.isatty():
        yield _silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True, highlight=False)) as progress:
        task = progress.add_task(what, total=total)
        yield lambda number: progress.advance(task, number)


def _silent(_number: int) -> None:
    return None


def _describe(ingested: IngestedFile) -> dict[str, object]:
    told = asdict(ingested)
    told["held"] = [held_entry(passage) for passage in ingested.held]
    told["pagesWithoutText"] = told.pop("pages_without_text")
    return {**told, "path": str(ingested.path).encode(errors="replace").decode()}


def _list_entry(document: StoredDocument) -> dict[str, object]:
    labels = asdict(document.labels)
    return {
        "id": document.id,
        "title": document.title,
        "fileName": document.file_name,
        **labels,
        "pageCount": document.page_count,
        "chunkCount": document.chunk_count,
        "outdated": document.is_outdated,
        "unchecked": document.is_unchecked,
        "updatedAt": document.updated_at.isoformat(),
    }
