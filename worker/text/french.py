"""How a French sentence is set: spaces that do not break before `: ; ! ? %` and inside « ».

Sentences are written with plain spaces, and set once where they leave for the row, the workbook or an explanation. What
stands between guillemets is somebody else's, and stays byte for byte; texts of uploads never come here.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

NO_BREAK = "\u00a0"  # everywhere: the narrow one, U+202F, is missing in fonts that teachers have

_QUOTED = re.compile(r"«[ \u00a0\u202f]?([^«»]*?)[ \u00a0\u202f]?»")
_BEFORE_SIGN = re.compile(r"(?<!\s) (?=[:;!?%](?![^\s.,)\]]))")

Text = TypeVar("Text", str, str | None)


def typeset(sentence: Text) -> Text:
    """The sentence with spaces that do not break where French wants them; nothing but spaces changes."""
    if not sentence:
        return sentence
    parts: list[str] = []
    at = 0
    for quoted in _QUOTED.finditer(sentence):
        parts += [_set(sentence[at : quoted.start()]), f"«{NO_BREAK}{quoted[1]}{NO_BREAK}»"]
        at = quoted.end()
    return "".join([*parts, _set(sentence[at:])])


def typeset_fields(document: dict[str, Any], *names: str) -> dict[str, Any]:
    """The document with these of its texts set."""
    return document | {name: typeset(document[name]) for name in names if document.get(name)}


def _set(text: str) -> str:
    return _BEFORE_SIGN.sub(NO_BREAK, text)
