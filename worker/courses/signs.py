"""The signs that lists and tables of contents are set with, and words that lead back, in whatever format."""

from __future__ import annotations

import re

# Within the brackets of a regular expression, and what stands in for them on a keyboard.
BULLETS = "•▪◦●○‣►▶▷▸➢➤❖✓✔■◆◼□☐☑☒❑❏◻"
DASHES = "·–—-"
MARK = "•"  # before an item whose mark is drawn, or told by the format
# The dots that lead from an entry to its page.
MIN_LEADERS = 4
LEADERS = re.compile(rf"(?:\s?[.·]){{{MIN_LEADERS},}}")
# Where a line leads that leads back: up to the top of its page, or to the page that lists all.
BACK_TO = (
    r"(?:haut(?:\s+de\s+(?:la\s+)?page)?|sommaire|accueil|index|menu|début|plan|table\s+des\s+matières|top|"
    r"page\s+(?:d['\u2019]\s?accueil|principale|précédente))"
)
BACK = r"(?:retour|revenir|remonter)\s+(?:à|au|aux|en|vers)\s+(?:la\s+|le\s+|l['\u2019]\s?)?" + BACK_TO
