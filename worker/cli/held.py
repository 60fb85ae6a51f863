"""Commands on passages that are kept out of the search: courses held, courses allow. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.output import program, say, tell, tell_json
from worker.errors import UsageError

if TYPE_CHECKING:
    from worker.courses.document import HeldPassage
    from worker.courses.document_store import StoredDocument

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def list_kept_out(*, as_json: JsonFlag = False) -> None:
    """List the passages that give orders to whoever answers, instead of teaching. No question is shown them.

    `medq courses allow` has those searched that only look so.

    \b
    Example:
      medq courses held
    """
    from worker.cli.site import open_site
    from worker.courses.ingest import list_courses, list_held
    from worker.db.engine import Database

    with open_site() as site:
        database = Database(site.engine)
        held, documents = list_held(database), list_courses(database)
    is_all = not say_unchecked(documents)
    if as_json:
        tell_json([{**held_entry(passage), "title": passage.title} for passage in held])
        return
    if not held and is_all:
        say("No passage is kept out of the search.")
    for passage in held:
        tell(f"{passage.id}  {_place(passage)}: {_quoted(passage)}")


def allow(
    passages: Annotated[
        list[str],
        typer.Argument(metavar="PASSAGE…", help="Ids, as `medq courses held` lists them.", show_default=False),
    ],
) -> None:
    """Have passages searched that were kept out. It lasts: the same sentences of that document need nobody again.

    \b
    Example:
      medq courses allow cab12…
    """
    from worker.cli.site import open_site
    from worker.courses.ingest import allow_passages, list_held
    from worker.db.engine import Database

    with open_site() as site:
        database = Database(site.engine)
        known = {passage.id for passage in list_held(database)}
        unknown = [passage for passage in passages if passage not in known]
        if unknown:
            raise UsageError(f"No passage {unknown[0]!r} is kept out. List them with `{program()} courses held`.")
        allowed = allow_passages(database, passages)
    tell(f"{count_passages(allowed)} searched now.")


def say_held(path: str, held: Sequence[HeldPassage]) -> None:
    """Which passages of a file are kept out, why, and what has them searched."""
    for passage in held:
        where = f", p. {passage.page}" if passage.page is not None else ""
        say(
            f"{path}{where}: {_quoted(passage)} gives an order to whoever answers, so this passage is kept out. "
            f"If it is right, run `{program()} courses allow {passage.id}`."
        )


def say_unchecked(documents: Sequence[StoredDocument]) -> bool:
    """How many documents are searched although they were not looked at for orders, if any."""
    count = sum(document.is_unchecked and not document.is_outdated for document in documents)
    if count:
        were = "document is searched and was" if count == 1 else "documents are searched and were"
        say(f"{count} {were} not looked at for orders by the rules of this release. Run `{program()} courses reindex`.")
    return count > 0


def count_passages(count: int) -> str:
    """`2 passages are`."""
    return f"{count} passage{' is' if count == 1 else 's are'}"


def _place(passage: HeldPassage) -> str:
    return passage.title if passage.page is None else f"{passage.title}, p. {passage.page}"


def _quoted(passage: HeldPassage) -> str:
    from worker.courses.orders import quote_order

    return " ".join(f"« {quote_order(sentence)} »" for sentence in passage.sentences)


def held_entry(passage: HeldPassage) -> dict[str, object]:
    """For JSON."""
    return {"id": passage.id, "page": passage.page, "sentences": list(passage.sentences)}
