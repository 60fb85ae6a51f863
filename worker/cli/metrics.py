"""`medq metrics`: what `/metrics` shows, for the textfile collector of a node exporter, or to look at."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.output import tell
from worker.errors import UsageError


def metrics(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Replace FILE at once, never half written."),
    ] = None,
) -> None:
    """Print the metrics of the line in Prometheus' text format, read from the database.

    Needs the extra `web`. With -o for the textfile collector of a node exporter, called by cron or a timer. What only
    grows begins anew after `medq prune`, where histograms are concerned.

    \b
    Examples:
      medq metrics
      medq metrics -o /var/lib/node_exporter/medq.prom
    """
    from worker.cli.site import open_site

    try:
        from worker.metrics.prometheus import Exporter
        from worker.runtime.container import build_limits
    except ImportError as error:
        raise UsageError(f"{error.name} is missing: pip install 'medq-worker[web]'") from None
    with open_site(broker=True) as site:
        text = Exporter(site.engine, build_limits(site.settings)).render()
    if output is None:
        tell(text.decode().rstrip("\n"))
        return
    try:
        _replace(output, text)
    except OSError as error:
        raise UsageError(f"{output} cannot be written ({error.strerror}).") from None


def _replace(path: Path, text: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(text)
        os.fchmod(file.fileno(), 0o644)  # the collector is another user; nothing in it is anybody's secret
    Path(file.name).replace(path)
