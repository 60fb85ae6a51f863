"""Commands on the database's schema: upgrade, downgrade, check. The revisions themselves are in the package schema."""

from __future__ import annotations

from typing import Annotated

import typer

from worker.cli.output import program, say, tell, tell_json
from worker.errors import UsageError

app = typer.Typer(
    help="The database's schema: upgrade, downgrade, check.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("upgrade")
def upgrade(
    revision: Annotated[str, typer.Argument(metavar="[REVISION]", help="001, 002, … or head.")] = "head",
) -> None:
    """Bring the database up to REVISION, or to the newest. `001` stops at the exact seed. Idempotent.

    \b
    Examples:
      medq schema upgrade
      medq schema upgrade 001
    """
    from worker.adapters.overview import find_revision
    from worker.cli.revisions import upgrade_schema
    from worker.cli.site import open_site

    with open_site(create=True, check_schema=False) as site:
        before = find_revision(site.engine)
        upgrade_schema(site.services.database_url, revision)
        after = find_revision(site.engine)
    moved = f"from {before or 'nothing'} to {after}" if before != after else f"at {after} already"
    tell(f"The database's schema is {moved}." if before == after else f"The database's schema went {moved}.")


@app.command("downgrade")
def downgrade(
    revision: Annotated[str, typer.Argument(metavar="REVISION", help="001, 002, … or base.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. What only newer revisions hold is lost.")] = False,
) -> None:
    """Take the database back to REVISION. What only the newer revisions hold is lost.

    \b
    Example:
      medq schema downgrade 004 --yes
    """
    from worker.adapters.overview import find_revision
    from worker.cli.revisions import downgrade_schema
    from worker.cli.site import open_site

    if not yes:
        raise UsageError(f"Going back to {revision} loses what newer revisions hold. Add --yes if you mean it.")
    with open_site(check_schema=False) as site:
        downgrade_schema(site.services.database_url, revision)
        tell(f"The database's schema is at {find_revision(site.engine) or 'nothing'}.")


@app.command("check")
def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Compare the models, the database and the Prisma schema; exit 1 when they differ.

    \b
    Example:
      medq schema check
    """
    from schema.config import head_revision
    from worker.adapters.overview import find_revision
    from worker.cli.site import open_site

    with open_site(check_schema=False) as site:
        revision, head = find_revision(site.engine), head_revision()
        differences = compare(site.services.database_url) if revision == head else []
    if as_json:
        tell_json({"revision": revision, "head": head, "differences": differences})
    elif revision == head and not differences:
        tell(f"The database is at {head}; models, database and Prisma schema agree.")
    for line in [] if as_json else differences:
        tell(line)
    if revision != head:
        say(f"medq: The database is at {revision or 'none'}, not at {head}. Run `{program()} schema upgrade`.")
    if revision != head or differences:
        raise typer.Exit(1)


def compare(database_url: str) -> list[str]:
    """What differs between models, database and Prisma schema, one line each."""
    raise NotImplementedError(database_url)
