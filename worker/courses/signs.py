"""The signs that lists and tables of contents are set with, in whatever format a course comes."""

from __future__ import annotations

import re

# Within the brackets of a regular expression, and what stands in for them on a keyboard.
BULLETS = "•▪◦●‣►▶▸➢➤❖✓✔■◆◼"
DASHES = "·–—-"
# The dots that lead from an entry to its page.
MIN_LEADERS = 4
LEADERS = re.compile(rf"(?:\s?[.·]){{{MIN_LEADERS},}}")
