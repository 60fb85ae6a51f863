"""Commands that save the database and bring it back. How that is done is in worker/backups."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.output import program, say, shorten, tell
from worker.errors import UsageError

if TYPE_CHECKING:
    from worker.cli.site import Site
    from worker.db.contents import Contents


def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go; made if missing.")],
    keep_days: Annotated[
        int, typer.Option("--keep-days", min=1, help="Remove older backups of this database, but never the newest.")
    ] = 30,
) -> None:
    """Save the database into DIR: whole, and its structure alone.

    Two compressed files, each read through before it gets its name, readable by this user alone. The programs of
    PostgreSQL that it takes are found by the server's version. Uploads and workbooks are not in the database: copy
    their folder or bucket too.

    \b
    Example:
      medq backup /backups/medq
    """
    from worker.backups import back_up, megabytes
    from worker.cli.site import open_site

    with open_site(check_schema=False) as site:
        done = back_up(site.engine, _direct(site), folder, keep_days=keep_days, say=say)
        for path in done.files:
            tell(f"{shorten(path)}  {megabytes(path.stat().st_size)}")
        for path in done.removed:
            say(f"Removed {shorten(path)}: older than {keep_days} days.")
        _say_what_is_left_out(site, done.contents)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `medq backup` wrote.", show_default=False)],
    replace: Annotated[
        bool, typer.Option("--replace", help="The database holds tables: drop those that the backup holds for it.")
    ] = False,
    with_rights: Annotated[
        bool,
        typer.Option("--with-rights", help="Owners and rights too; the roles must exist. Else all is this role's."),
    ] = False,
) -> None:
    """Bring a backup into an empty database: all of it, or nothing.

    One transaction. A database that holds tables is refused without --replace; one that workers are at work on,
    always.

    \b
    Examples:
      medq restore /backups/medq/medq_full_medq_20261129_021500.dump
    """
    from worker.backups import restore as bring_back
    from worker.cli.site import open_site
    from worker.jobs.queries import count_workers, find_revision

    with open_site(create=True, check_schema=False) as site:
        if count := count_workers(site.engine):
            raise UsageError(f"{count} worker processes are at work on this database. Stop them first.")
        held = bring_back(site.engine, _direct(site), file, replace=replace, with_rights=with_rights, say=say)
        revision = find_revision(site.engine)
        tell(f"Restored: {held.tables} tables and views, revision {revision or 'none'}.")
        _say_what_is_next(site, revision, with_rights=with_rights)


def _direct(site: Site) -> str:
    from worker.system.urls import past_pooler

    return past_pooler(site.services.database_url)


def _say_what_is_left_out(site: Site, contents: Contents) -> None:
    if contents.elsewhere:
        say(f"Not in it: other schemas of this database that hold tables ({', '.join(contents.elsewhere)}).")
    say(f"Not in it: uploads and workbooks ({storage_of(site)}). Copy them too; docs/operations.md says how.")


def storage_of(site: Site) -> str:
    """Where uploads and workbooks are, without a password."""
    from worker.system.urls import safe_url

    return safe_url(site.environment()["MEDQ_STORAGE_URL"])


def _say_what_is_next(site: Site, revision: str | None, *, with_rights: bool) -> None:
    from schema.config import head_revision

    steps = []
    if revision != head_revision():
        steps.append(f"`{program()} schema upgrade`")
    steps.append(f"`{program()} schema check` and `{program()} doctor --invariants --whole`")
    if not with_rights:
        steps.append(f"the rights of other roles (`{program()} schema grants` prints them)")
    steps.append(f"uploads and workbooks back to {storage_of(site)}")
    steps.append(f"then `{program()} worker`")
    say("What is next: " + "; ".join(steps) + ".")
