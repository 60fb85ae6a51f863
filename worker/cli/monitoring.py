"""`medq doctor --database`: how the server does, in the specification's four queries, and what its log may quote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker.cli.output import out, tell, tell_json

if TYPE_CHECKING:
    from worker.db.monitoring import LogRisk, QueryResult

MOST_ROWS = 20
HOW_TO_SET = "an administrator sets it: in postgresql.conf, or ALTER ROLE … SET …"
NOT_SHOWN = "not shown to this role: GRANT pg_monitor TO …"


def show_database(*, as_json: bool) -> None:
    """Show connections, slow queries, table sizes and index usage."""
    from worker.cli.site import open_site
    from worker.db.monitoring import find_log_risks, run_queries

    with open_site(check_schema=False) as site:
        results, risks = run_queries(site.engine), find_log_risks(site.engine)
    if as_json:
        tell_json(_as_json(results, risks))
        return
    for result in results:
        _show(result)
    for risk in risks:
        tell(f"warn  server log: {risk.finding} → {risk.advice}; {HOW_TO_SET}")
    if not risks:
        tell("ok    server log: no setting brings values of rows into it")


def _show(result: QueryResult) -> None:
    from rich.table import Table

    if result.missing:
        tell(f"{result.title}: {result.missing}.")
        tell()
        return
    table = Table(title=result.title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in result.columns:
        table.add_column(column)
    for row in result.rows[:MOST_ROWS]:
        table.add_row(*(NOT_SHOWN if cell is None else str(cell) for cell in row))
    out().print(table)
    if (more := len(result.rows) - MOST_ROWS) > 0:
        tell(f"… and {more} more: --json shows all.")
    tell()


def _as_json(results: list[QueryResult], risks: list[LogRisk]) -> dict[str, Any]:
    return {
        **{result.name: _rows(result) for result in results},
        "missing": {result.name: result.missing for result in results if result.missing},
        "serverLog": [{"finding": risk.finding, "advice": risk.advice} for risk in risks],
    }


def _rows(result: QueryResult) -> list[dict[str, Any]]:
    return [dict(zip(result.columns, map(_plain, row), strict=True)) for row in result.rows]


def _plain(cell: Any) -> Any:
    return cell if cell is None or isinstance(cell, int | str) else float(cell)
