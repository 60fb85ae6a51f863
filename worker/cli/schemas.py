"""Commands on the database's schema. The revisions themselves are in the package schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.output import program, say, tell, tell_json
from worker.errors import UsageError

if TYPE_CHECKING:
    from worker.cli.site import Site

app = typer.Typer(
    help="The database's schema: upgrade, downgrade, check, grants.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("upgrade")
def upgrade(
    revision: Annotated[str, typer.Argument(metavar="[REVISION]", help="001, 002, … or head.")] = "head",
    patience_s: Annotated[
        float,
        typer.Option("--patience", metavar="SECONDS", min=0, help="How long to wait for who keeps a table locked."),
    ] = 600,
) -> None:
    """Bring the database up to REVISION, or to the newest. `001` stops at the exact seed. Idempotent.

    It may run while the platform and the workers do: nobody waits for it longer than a moment.
    A database that the platform made is completed: nothing of it is dropped, no row is changed or added.

    \b
    Examples:
      medq schema upgrade
      medq schema upgrade 001
    """
    from worker.cli.site import open_site
    from worker.db.engine import sqlalchemy_url
    from worker.db.schema import upgrade as upgrade_schema
    from worker.jobs.queries import find_revision

    with open_site(create=True, check_schema=False) as site:
        before, found = find_revision(site.engine), _describe_unversioned(site)
        url = sqlalchemy_url(site.services.database_url)
        after = upgrade_schema(url, revision, patience_s=patience_s, say=tell)
    if before == after:
        tell(f"The database is at {after} already.")
    else:
        tell(f"The database went from {before or found} to {after}.")


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
    from worker.cli.site import open_site
    from worker.db.engine import sqlalchemy_url
    from worker.db.schema import downgrade as downgrade_schema

    if not yes:
        raise UsageError(f"Going back to {revision} loses what newer revisions hold. Add --yes if you mean it.")
    with open_site(check_schema=False) as site:
        after = downgrade_schema(sqlalchemy_url(site.services.database_url), revision)
        found = _describe_unversioned(site)
    tell(f"The database is at {after or found}.")


def _describe_unversioned(site: Site) -> str:
    from schema.adoption import is_there

    with site.engine.connect() as connection:
        return "the platform's own tables" if is_there(connection) else "an empty schema"


@app.command("check")
def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Compare the database with the models, from which the Prisma schema is made; exit 1 when they differ.

    \b
    Example:
      medq schema check
    """
    from worker.cli.site import open_site
    from worker.db.engine import sqlalchemy_url
    from worker.db.schema import check as find_differences
    from worker.jobs.queries import find_revision

    with open_site(check_schema=False) as site:
        revision = find_revision(site.engine)
        differences = find_differences(sqlalchemy_url(site.services.database_url))
    if as_json:
        tell_json({"revision": revision, "agree": not differences, "differences": differences})
    elif differences:
        for line in differences:
            tell(line)
        say(f"medq: The database at revision {revision or 'none'} differs. `{program()} schema upgrade` may mend it.")
    else:
        tell(f"The database is at {revision}; models, database and Prisma schema agree.")
    if differences:
        raise typer.Exit(1)


@app.command("grants")
def grants(
    worker: Annotated[str | None, typer.Option("--worker", metavar="ROLE", help="The role of the workers.")] = None,
    web: Annotated[str | None, typer.Option("--web", metavar="ROLE", help="The role of the web app.")] = None,
) -> None:
    """Print the GRANTs that a worker's role and a web app's role need, and no more. Changes nothing.

    Give them to psql as the owner of the tables, and again after each `medq schema upgrade`.

    \b
    Examples:
      medq schema grants --worker medq_worker --web web_app
      medq schema grants --worker medq_worker | psql postgresql://owner@db/medq
    """
    from worker.cli.site import open_site
    from worker.db.schema import rights

    if not worker and not web:
        raise UsageError("Name a role: --worker ROLE, --web ROLE, or both. It has to be there (CREATE ROLE … LOGIN).")
    with open_site() as site, site.engine.connect() as connection:
        place = rights.read_place(connection)
        wanted = ((worker, rights.worker_rights(place)), (web, rights.web_rights(place)))
        for role, of_role in wanted:
            for line in rights.print_grants(connection, of_role, role, place) if role else ():
                tell(line)
