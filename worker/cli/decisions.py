"""Commands for whoever settles what an analysis left open: items, decide. What a decision does is in `review`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.jobs import JobId, JsonFlag, NotFound, find_job
from worker.cli.output import program, say, tell, tell_json
from worker.errors import JobFailed, UsageError

if TYPE_CHECKING:
    from worker.cli.site import Site
    from worker.questions.decision import Action, Decided, Order
    from worker.questions.sheets import RawSheet
    from worker.review.decision_store import ItemView
    from worker.review.returned_workbook import TakenIn

STATUSES = ("pending", "confirmed", "corrected", "completed", "contested", "duplicate", "rejected", "failed")


def items(
    job_id: JobId,
    status: Annotated[
        str | None, typer.Option("--status", metavar="S", help=f"Only rows of this status: {', '.join(STATUSES)}.")
    ] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only what waits for a person's decision.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """List the rows of a job: official answer, both analyses, outcome, decision.

    \b
    Examples:
      medq items cab12… --open
      medq items cab12… --status contested --json
    """
    if status is not None and status not in STATUSES:
        raise UsageError(f"--status {status}: no such status. Use one of {', '.join(STATUSES)}.")
    from worker.cli.site import open_site
    from worker.review.decision_store import list_items

    with open_site() as site:
        job = find_job(site, job_id)
        with site.engine.connect() as connection:
            found = list_items(connection, job.id, status=status, open_only=open_only)
    if as_json:
        tell_json([_describe(item) for item in found])
        return
    for item in found:
        _show(item)
    if not found:
        say("No row waits for a decision." if open_only else "No such row.")
    elif open_only:
        say(f"{len(found)} to settle: `{program()} decide ITEM accept|keep|edit|discard --user EMAIL`.")


def decide(  # noqa: PLR0917 (a command has as many options as it has)
    item_id: Annotated[
        str,
        typer.Argument(metavar="ITEM", help="Id of the row, as `medq items` lists it, or its first characters."),
    ],
    action: Annotated[str, typer.Argument(metavar="ACTION", help="accept, keep, edit, discard or undo.")],
    user: Annotated[str, typer.Option("--user", metavar="EMAIL", help="Who decides: an active admin or maintainer.")],
    key: Annotated[str | None, typer.Option("--key", help="edit: letters of the key, e.g. ACE.")] = None,
    answer: Annotated[str | None, typer.Option("--answer", help="edit: the short answer.")] = None,
    explanation: Annotated[str | None, typer.Option("--explanation", help="edit: what students read.")] = None,
    comment: Annotated[str | None, typer.Option("--comment", help="Kept with the decision.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Settle one row; every row of the same content is settled with it.

    \b
    accept   the analysis' key or answer, with its explanation
    keep     the official key or answer, with what the file explains
    edit     --key or --answer, and --explanation
    discard  the question is shown to nobody
    undo     takes the last decision back

    The question is then validated in the name of --user. The same decision given twice changes nothing.

    \b
    Examples:
      medq decide cit34… accept --user prof@medq.com
      medq decide cit34… edit --key ACE --explanation "…" --user prof@medq.com
    """
    from worker.questions.decision import Order

    order = Order(item_id, _read_action(action), user, "command", key, answer, explanation, comment)
    if action != "edit" and (key or answer or explanation):
        raise UsageError(f"--key, --answer and --explanation belong to `edit`, not to `{action}`.")
    item, decided = _settle(order)
    if as_json:
        tell_json(asdict(decided))
    else:
        _tell_what_was_decided(item, action, decided)


def _read_action(text: str) -> Action:
    from worker.questions.decision import ACTIONS

    for action in ACTIONS:
        if text == action:
            return action
    raise UsageError(f"{text}: no such decision. Use one of {', '.join(ACTIONS)}.")


def _settle(order: Order) -> tuple[ItemView, Decided]:
    """The row, named by its id or the first characters of it, and what the order came to on the row as it is now."""
    from worker.cli.site import open_site
    from worker.db.engine import Database
    from worker.review.decide import decide as settle

    _keep_log_quiet()
    with open_site(broker=explains()) as site:
        item = find_item(site, order.item_id)
        decided = settle(Database(site.engine), replace(order, item_id=item.id, version=item.version))
        if decided.needs_explanation and explain(site, [item.id]):
            decided = replace(decided, needs_explanation=False)
    return item, decided


def _tell_what_was_decided(item: ItemView, action: str, decided: Decided) -> None:
    if not decided.is_new:
        tell(
            f"Row {item.id}: this very decision stands already.{'' if decided.needs_explanation else ' Nothing to do.'}"
        )
        return
    others = f" Settled with it: {decided.other_items} more." if decided.other_items else ""
    tell(f"Row {item.id} ({item.sheet}, row {item.row_number}): {action}, question {decided.question_id}.{others}")
    if decided.needs_explanation:
        say("Nobody has explained what stands now: the question says « Explication à rédiger ».")


def take_in(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A corrected workbook with decisions in « À revoir ».")],
    user: Annotated[str, typer.Option("--user", metavar="EMAIL", help="Who decides: an active admin or maintainer.")],
    as_json: JsonFlag = False,
) -> None:
    """Settle what a returned workbook decides in « À revoir », row by row.

    A decision stands on what the person saw: a question that changed since the workbook was written is refused, with
    the reason, and the others go on. Taking the same workbook in again changes nothing. Exit code 1 when any row was
    refused.

    \b
    Examples:
      medq decisions exam-corrige.xlsx --user prof@medq.com
    """
    from worker.cli.site import open_site
    from worker.db.engine import Database
    from worker.review.returned_workbook import settle_returned

    sheets = _read_review(file)
    _keep_log_quiet()
    with open_site(broker=explains()) as site:
        taken = []
        for row in settle_returned(Database(site.engine), sheets, user):
            taken.append(row)
            if not as_json:
                tell(_told(row))
        waiting = [row.item_id for row in taken if row.item_id and row.decided and row.decided.needs_explanation]
        explained = explain(site, waiting) if waiting else 0
    counts = {state: sum(row.state == state for row in taken) for state in ("settled", "stands", "refused")}
    if as_json:
        tell_json({"rows": [_taken(row) for row in taken], **counts, "explained": explained})
    elif not taken:
        say("No decision is filled in.")
    else:
        say(f"{counts['settled']} settled, {counts['stands']} stood already, {counts['refused']} refused.")
        if len(waiting) > explained:
            say(f"{len(waiting) - explained} without explanation: the question says « Explication à rédiger ».")
    if counts["refused"]:
        raise typer.Exit(1)


def _keep_log_quiet() -> None:
    """What is decided is told as a result; the log's own lines never stand among results."""
    import logging

    from worker.logging import configure_logging

    configure_logging(logging.WARNING)


def _read_review(file: Path) -> Sequence[RawSheet]:
    from worker.review.returned_workbook import read_review
    from worker.settings import Settings

    if not file.is_file():
        raise UsageError(f"{file}: no such file.")
    try:
        found = read_review(file.read_bytes(), file.name, Settings.load())
    except JobFailed as error:
        raise UsageError(f"{file}: {error}") from error
    if not found:
        raise UsageError(f"{file}: no sheet « À revoir » with a column « décision ». Is it a corrected workbook?")
    return found


def _taken(row: TakenIn) -> dict[str, Any]:
    return _camel(asdict(row)) | {"decided": _camel(asdict(row.decided)) if row.decided else None}


def _told(row: TakenIn) -> str:
    place = f"{row.sheet}, row {row.row_number}: "
    if row.state == "refused":
        return f"{place}refused. {row.reason}"
    others = row.decided.other_items if row.decided else 0
    more = f" Settled with it: {others} more." if others else ""
    return f"{place}{row.word}{', stood already' if row.state == 'stands' else ''} (row {row.item_id}).{more}"


def explains() -> bool:
    """Whether a model is configured that could explain what a person kept. The embedded one never does."""
    from worker.runtime.container import can_explain
    from worker.settings import Settings

    return can_explain(Settings.load())


def explain(site: Site, item_ids: Sequence[str]) -> int:
    """Have the model explain what was settled about these rows and nobody has explained; how many questions it was."""
    from worker.runtime.container import explain_decided

    return explain_decided(site.settings, site.engine, item_ids)


def find_item(site: Site, item_id: str) -> ItemView:
    """The item with this id, or the one whose id begins so; `NotFound` for none, `UsageError` for several."""
    from worker.review.decision_store import find_items

    with site.engine.connect() as connection:
        found = find_items(connection, item_id) if item_id else []
    exact = [item for item in found if item.id == item_id] or found
    if len(exact) > 1:
        raise UsageError(f"{item_id!r} is the beginning of several rows' ids. Give more characters of it.")
    if not exact:
        raise NotFound(f"There is no row {item_id!r}. List them with `{program()} items JOB`.")
    return exact[0]


def _camel(document: Mapping[str, Any]) -> dict[str, Any]:
    def camel(name: str) -> str:
        first, *rest = name.split("_")
        return first + "".join(part.title() for part in rest)

    return {camel(name): value for name, value in document.items()}


def _describe(item: ItemView) -> dict[str, Any]:
    document = _camel(asdict(item))
    return document | {"updatedAt": item.updated_at.isoformat(timespec="milliseconds") + "Z"}


def _show(item: ItemView) -> None:
    question, result = item.question or {}, item.result or {}
    mark = "open" if item.is_open else "decided: " + item.decision["action"] if item.decision else "-"
    tell(f"{item.id}  {item.sheet}, row {item.row_number}  {item.type}  {item.status}  {mark}")
    if text := question.get("text"):
        tell(f"  {_short(text)}")
    official = question.get("official_key") or question.get("official_answer") or "none"
    looks = _looks(result.get("looks") or ())
    tell(f"  official {official}{' · ' + looks if looks else ''}")
    if item.reason:
        tell(f"  {item.reason}")


def _looks(looks: Sequence[Mapping[str, Any]]) -> str:
    told = (f"{look.get('key') or look.get('answer')} ({look.get('confidence'):.0%})" for look in looks)
    return " · ".join(f"analysis {number} {text}" for number, text in enumerate(told, start=1))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else line[:99] + "…"
