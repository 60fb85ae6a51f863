"""Which characters a text may hold, wherever it comes from and wherever it goes: one set of rules.

What an upload means by an escape, or a PDF by a control character, is known to their readers.
"""

from __future__ import annotations

import re

# Within the brackets of a regular expression. Control characters but line break and tab, halves of characters, and what
# is no character: PostgreSQL, XML or whoever reads would refuse them, and nobody sees them.
CONTROL = "\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff"
# What turns the direction of writing, and what breaks lines unseen.
DIRECTIONS = "\u200e\u200f\u2028-\u202e\u2066-\u2069"
# Of which a text file holds none, but for a stray one.
BINARY = "\x00-\x08\x0e-\x1a\x1c-\x1f"

_BREAK = re.compile("\r\n?|\x85")
_UNWANTED = re.compile(f"[{CONTROL}\ufeff]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean_text(text: str) -> str:
    r"""Line breaks as \n, nothing of `CONTROL` but those and tabs, no mark of byte order; spaces at the ends stay."""
    if text.isprintable() or not _UNWANTED.search(text):
        return text
    return without_control(_BREAK.sub("\n", text))


def without_control(text: str) -> str:
    """The text without what `clean_text` removes; a carriage return is removed, not read as a line break."""
    return _UNWANTED.sub("", text)


def storable(text: str) -> str:
    """Without what a database refuses: NUL, and halves of characters. What was paid for stays as it came otherwise."""
    return _UNSTORABLE.sub("", text)
