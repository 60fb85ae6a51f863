"""Commands on what is old or no longer wanted: prune, forget. They say what went, and what stays."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.jobs import JsonFlag, NotFound, find_job
from worker.cli.output import say, tell, tell_json
from worker.errors import UsageError

if TYPE_CHECKING:
    from worker.cli.site import Site
    from worker.jobs.removal import Removed
    from worker.jobs.retention import Retention

WithReplies = Annotated[
    bool,
    typer.Option("--replies", help="Also the model's replies that stored questions rest on: they would be paid again."),
]
STAYS = "Stay: the questions, what people decided, course documents, and the totals of the calls (LlmDailyTotal)."


def prune(
    keep_days: Annotated[
        int | None, typer.Option("--keep-days", metavar="N", min=1, help="Instead of MEDQ_KEEP_DAYS (400).")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Remove what is old: jobs that ended, with their rows, calls, replies and files.

    A job goes whole, once nobody has touched it for so many days, or stays whole. May be stopped and called again at
    any time, also while workers are at work.

    \b
    Examples:
      medq prune --dry-run
      medq prune --keep-days 800
    """
    from worker.cli.site import open_site

    with open_site() as site:
        retention = _retention(site)
        before = retention.cut_off(keep_days or site.settings.keep_days)
        if dry_run:
            gone, files = retention.preview(before), 0
        else:
            gone = retention.prune(before, _progress())
            files = retention.tidy(older_than_s=site.settings.stray_s)
    if as_json:
        tell_json({"before": f"{before:%Y-%m-%dT%H:%M:%S}Z", "dryRun": dry_run, **_figures(gone)})
        return
    tell(f"{'Would remove' if dry_run else 'Removed'} what ended before {before:%Y-%m-%d} (UTC): {_count(gone)}.")
    if files:
        tell(f"And the files of {_of(files, 'job')} whose rows somebody deleted.")
    tell(STAYS)


def forget(
    job_id: Annotated[
        str | None, typer.Argument(metavar="[JOB]", help="Id of the job, or its first characters.", show_default=False)
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", metavar="EMAIL", help="Every job of this user instead.", show_default=False)
    ] = None,
    replies: WithReplies = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask (for --user).")] = False,
) -> None:
    """Remove one job with its rows and files, or every job of a user.

    A job that is not over is refused: cancel it first.

    \b
    Examples:
      medq forget cab12…
      medq forget --user prof@medq.com
    """
    if (job_id is None) == (user is None):
        raise UsageError("Give either a JOB or --user EMAIL.")
    from worker.cli.site import open_site

    with open_site() as site:
        if user is not None:
            _forget_user(site, user, with_replies=replies, yes=yes)
            return
        job = find_job(site, job_id or "")
        gone = _retention(site).forget(job.id, with_replies=replies)
        tell(f"Removed job {job.id}: {_count(gone)}.")
        _say_what_stays(with_replies=replies)


def _forget_user(site: Site, user: str, *, with_replies: bool, yes: bool) -> None:
    from worker.jobs import removal

    with site.engine.connect() as connection:
        found = removal.find_user(connection, user)
        jobs = removal.find_jobs_of(connection, found[0]) if found else []
    if found is None:
        raise NotFound(f"There is no user {user!r}.")
    user_id, email = found
    if not yes:
        _confirm(f"Remove {_of(len(jobs), 'job')} of {email}, with all rows and files, for good?")
    gone, decisions = _retention(site).forget_user(user_id, with_replies=with_replies)
    tell(f"Removed of {email}: {_count(gone)}. {_of(decisions, 'decision')} of this user stay without a name.")
    _say_what_stays(with_replies=with_replies)
    tell('The account itself is the platform\'s, as is "validatedBy" on the questions: remove the row of "User" there.')


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Add --yes if you mean it.")
    if not typer.confirm(question, err=True):
        raise typer.Abort


def _say_what_stays(*, with_replies: bool) -> None:
    tell(STAYS)
    if not with_replies:
        tell("So do, of no job any more, the replies on which a stored question rests: `--replies` removes them too.")


def _retention(site: Site) -> Retention:
    from worker.db.engine import Database
    from worker.jobs.retention import Retention

    settings = site.settings
    return Retention(Database(site.engine), site.storage, straggle_s=settings.call_timeout_s + settings.lease_s)


def _progress() -> Any:
    """Says now and then how far it came, where somebody watches."""
    import time

    last = time.monotonic()

    def told(so_far: Removed) -> None:
        nonlocal last
        if sys.stderr.isatty() and time.monotonic() > last + 2:
            last = time.monotonic()
            say(f"{_count(so_far)} so far")

    return told


def _count(gone: Removed) -> str:
    parts = [f"{_of(gone.jobs, 'job')} ({_of(gone.items, 'row')}, {_of(gone.calls, 'call')})"]
    if gone.open_items:
        parts.append(f"{_of(gone.open_items, 'row')} of these waited for a person")
    if gone.unlinked_calls:
        parts.append(f"{_of(gone.unlinked_calls, 'call')} of jobs that were deleted before")
    return ", ".join(parts)


def _of(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _figures(gone: Removed) -> dict[str, int]:
    names = {"open_items": "openItems", "unlinked_calls": "unlinkedCalls"}
    return {names.get(name, name): value for name, value in asdict(gone).items()}
