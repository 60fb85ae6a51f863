"""The signs that lists and tables of contents are set with, and words that lead back, in whatever format."""

from __future__ import annotations

import re

# Within the brackets of a regular expression, and what stands in for them on a keyboard.
TICKS = "✓✔□☐☑☒❑❏◻"  # and boxes to tick: one may stand before a single line
BULLETS = "•▪◦●○‣►▶▷▸➢➤❖■◆◼" + TICKS
DASHES = "·–—-"
MARK = "•"  # before an item whose mark is drawn, or told by the format
# A stroke that a line ends with, and the hyphen that print puts behind it.
BROKEN_STROKE = re.compile(r"(?<=/)[-\u2010\ufffe\x02\u00ad]$")
_BEHIND_STROKE = re.compile(r"[a-zà-ÿœµ\d]|[A-ZÀ-Þ](?![a-zà-ÿœ])")  # `kg`, `L`, `ALAT`; `travail/⏎Éléments` is two
_STROKE = re.compile(r"[^\W_]/[-\u2010\ufffe\x02\u00ad]?$")
# The dots that lead from an entry to its page.
MIN_LEADERS = 4
LEADERS = re.compile(rf"(?:\s?[.·]){{{MIN_LEADERS},}}")
# Where a line leads that leads back: up to the top of its page, or to the page that lists all.
BACK_TO = (
    r"(?:haut(?:\s+de\s+(?:la\s+)?page)?|sommaire|accueil|index|menu|début|plan|table\s+des\s+matières|top|"
    r"page\s+(?:d['\u2019]\s?accueil|principale|précédente))"
)
BACK = r"(?:retour|revenir|remonter)\s+(?:à|au|aux|en|vers)\s+(?:la\s+|le\s+|l['\u2019]\s?)?" + BACK_TO


def join_cell(text: str, rest: str, sign: str = " ") -> str:
    """Two lines of a cell in one, with a sign between; a measure goes on behind its stroke (`mg/⏎kg`, `mg/-⏎sem`)."""
    goes_on = _STROKE.search(text) is not None and _BEHIND_STROKE.match(rest) is not None
    return BROKEN_STROKE.sub("", text) + rest if goes_on else f"{text}{sign}{rest}"
