"""How the parts of a published explanation are put together: one text per question, as the specification has it.

`A — …` per option, the general explanation, the courses' quotes, `Image : …` and `Rappel : …` as uploaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from worker.messages import published_text

MAX_QUOTES, MAX_QUOTE = 3, 300  # of courses, under one explanation; characters of each


def join_blocks(*blocks: str | None) -> str:
    """The blocks that hold something, an empty line between them."""
    return "\n\n".join(block for block in blocks if block)


def option_lines(explanations: Mapping[str, str]) -> str:
    """`A — …`, one line per option in the order of the letters."""
    return "\n".join(f"{letter} — {text}" for letter, text in sorted(explanations.items()))


def reminder_block(reminder: str | None) -> str | None:
    """`Rappel : …`, the text byte for byte."""
    return None if reminder is None else published_text.reminder(reminder)


def image_block(image: str | None) -> str | None:
    """`Image : …`, the link as uploaded: the platform's questions have no column for it."""
    return None if image is None else published_text.image(image)


def quoted_sources(cited: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The first of these (quote, place) pairs, each quote once, between guillemets and of a readable length."""
    places = dict(cited)
    return [(published_text.quoted(_shortened(quote)), place) for quote, place in places.items()][:MAX_QUOTES]


def source_lines(quoted: Iterable[tuple[str, str]]) -> str:
    """`Source : place : « … »`, one line per quote of `quoted_sources`."""
    return "\n".join(published_text.source(place, quote) for quote, place in quoted)


def _shortened(quote: str) -> str:
    words = " ".join(quote.split())
    return words if len(words) <= MAX_QUOTE else words[:MAX_QUOTE].rsplit(" ", 1)[0].rstrip(" ,;:") + " …"
