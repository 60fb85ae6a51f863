"""How measured figures are shown: a table on the terminal, docs/performance.md between its markers, a curve as SVG."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from tests.support.pages import DOCS, put_between

BEGIN, END = "<!-- figures: begin (written by `make bench`) -->", "<!-- figures: end -->"


@dataclass(frozen=True)
class Figure:
    """One measured value. `target` is the most it may be, or the least where `more_is_better`."""

    name: str
    value: float
    unit: str
    target: float | None = None
    bound: float | None = None  # what no worker could do better, computed in the same run
    more_is_better: bool = False

    @property
    def is_reached(self) -> bool | None:
        """None where nothing was asked for."""
        if self.target is None:
            return None
        shown = round(self.value, _digits(self.value))  # beyond what is shown a figure is chance
        return shown >= self.target if self.more_is_better else shown <= self.target


@dataclass(frozen=True)
class Result:
    """What one measure gave. `others_share`: of the machine's CPU, what foreign processes used meanwhile (0–1)."""

    title: str
    others_share: float
    figures: Sequence[Figure]


def show(result: Result) -> None:
    """Print one result."""
    title = f"{result.title} · others used {result.others_share:.0%} of the machine"
    table = Table(title=title, title_justify="left", title_style="bold")
    for heading in ("figure", "measured", "bound", "target", ""):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
    for figure in result.figures:
        table.add_row(*_cells(figure))
    Console(width=120).print(table)


def write(results: Mapping[str, Result]) -> None:
    """Put the results into docs/performance.md; those of other measures stay as they were."""
    path = DOCS / "performance.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept |= {name: asdict(result) for name, result in results.items()}
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    known = {
        name: Result(r["title"], r["others_share"], [Figure(**figure) for figure in r["figures"]])
        for name, r in kept.items()
    }
    put_between(DOCS / "performance.md", BEGIN, END, "\n".join(map(_section, known.values())))
    if "sizes" in known:
        (DOCS / "time-per-question.svg").write_text(_curve(known["sizes"].figures))


def _section(result: Result) -> str:
    lines = [
        f"**{result.title[0].upper()}{result.title[1:]}** (others used {result.others_share:.0%} of the machine)",
        "",
        "| figure | measured | bound | target | |",
        "|---|---:|---:|---:|---|",
    ]
    lines += ["| " + " | ".join(_cells(figure)) + " |" for figure in result.figures]
    return "\n".join(lines) + "\n"


def _cells(figure: Figure) -> list[str]:
    sign = "≥" if figure.more_is_better else "≤"
    unit = f" {figure.unit}" if figure.unit and figure.unit != "/s" else figure.unit
    return [
        figure.name,
        _number(figure.value) + unit,
        "" if figure.bound is None else _number(figure.bound) + unit,
        "" if figure.target is None else f"{sign} {_number(figure.target)}{unit}",
        {None: "", True: "reached", False: "**not reached**"}[figure.is_reached],
    ]


def _number(value: float) -> str:
    return f"{value:,.{_digits(value)}f}"


def _digits(value: float) -> int:
    return 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2


# --- the curve --------------------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 320, 70, 50, 30


def _curve(figures: Sequence[Figure]) -> str:
    """Time per question against the size of the job, both logarithmic; the bound dashed."""
    values = [(figure.value, figure.bound or figure.value) for figure in figures]
    low = math.floor(math.log10(min(min(pair) for pair in values)))
    high = math.ceil(math.log10(max(max(pair) for pair in values)))

    def x(index: int) -> float:
        return LEFT + index * (WIDTH - LEFT - 30) / max(1, len(figures) - 1)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (math.log10(value) - low) / (high - low) * (HEIGHT - BOTTOM - TOP)

    def line(points: Sequence[float], style: str) -> str:
        path = " ".join(f"{x(i):.1f},{y(v):.1f}" for i, v in enumerate(points))
        return f'<polyline points="{path}" fill="none" {style}/>'

    grid = [
        f'<line x1="{LEFT}" x2="{WIDTH - 30}" y1="{y(10.0**p):.1f}" y2="{y(10.0**p):.1f}" stroke="#ddd"/>'
        f'<text x="{LEFT - 8}" y="{y(10.0**p) + 4:.1f}" text-anchor="end">{10**p:g} ms</text>'
        for p in range(low, high + 1)
    ]
    marks = [
        f'<circle cx="{x(i):.1f}" cy="{y(f.value):.1f}" r="4" fill="#1f6feb"/>'
        f'<text x="{x(i):.1f}" y="{y(f.value) - 10:.1f}" text-anchor="middle">{_number(f.value)}</text>'
        f'<text x="{x(i):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{f.name.split()[0]}</text>'
        for i, f in enumerate(figures)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"',
            ' font-size="12" role="img" aria-label="Time per question against the number of questions">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
            *grid,
            line([figure.bound or figure.value for figure in figures], 'stroke="#999" stroke-dasharray="5 4"'),
            line([figure.value for figure in figures], 'stroke="#1f6feb" stroke-width="2"'),
            *marks,
            f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">',
            "questions in the job (line: enqueued to completed; dashed: calls × latency / calls at once)</text>",
            "</svg>\n",
        ]
    )
