"""The pages of docs/, of which programs write a part."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def put_between(page: Path, begin: str, end: str, text: str) -> None:
    """Write `text` into a page, between the two marks that stand in it."""
    before, _, rest = page.read_text().partition(begin)
    page.write_text(f"{before}{begin}\n\n{text}\n{end}{rest.partition(end)[2]}")
