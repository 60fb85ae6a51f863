"""Text as whoever reads it sees it, and in plain letters: what is hidden, or dressed up, is read as what it says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

# Letters of other scripts and small capitals that look like Latin ones. Latin letters in other clothes (fullwidth,
# bold, circled) are NFKC's.
_FOREIGN = "аеорсухіјѕԁһӏԛԝьвкмнтАВЕКМНОРСТУХІЈЅɑɡıοαειυνρτκχΑΒΕΖΗΙΚΜΝΟΡΤΥΧᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ"
_LATIN = "aeopcyxijsdhlqwbvkmntABEKMHOPCTYXIJSagioaeiuvptkxABEZHIKMNOPTYXabcdefghijklmnoprstuvwyz"
# Letters in dark circles and squares, and those that flags are made of.
_IN_SIGNS: Mapping[int, str] = {
    first + n: chr(ord("A") + n) for first in (0x1F150, 0x1F170, 0x1F1E6) for n in range(26)
}
_LOOKALIKES: Mapping[int, str] = {**dict(zip(map(ord, _FOREIGN), _LATIN, strict=True)), **_IN_SIGNS}
_ASCII_TAGS = {0xE0000 + code: chr(code) for code in range(0x20, 0x7F)}  # seen by nobody, read by models
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\U000e0000-\U000e0fff]"
)
# Lines through letters, and all else that composes with none.
_MARKS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_LOOSE_MARK = re.compile(f"[{_MARKS}]")
# Where all of these stand, and little else: a search for them one by one takes ten times as long.
_BEYOND_LATIN = re.compile("[\u0131\u0250-\u1fff\u20d0-\u20ff\ua700-\U0010ffff]")
_CLUSTER = re.compile(f".[{_MARKS}]*", re.DOTALL)


def show(text: str) -> str:
    """Without what nobody sees; what only a model sees is made to be seen."""
    if _INVISIBLE.search(text) is None:
        return text
    return _INVISIBLE.sub("", text.translate(_ASCII_TAGS))


def unmask(text: str) -> str:
    """In Latin letters."""
    if text.isascii():
        return text
    composed = unicodedata.normalize("NFKC", text)
    return _LOOSE_MARK.sub("", composed).translate(_LOOKALIKES) if _BEYOND_LATIN.search(composed) else composed


def places_of(text: str) -> list[int]:
    """For each character of the unmasked text, and its end, where in the text it stands."""
    places: list[int] = []
    for cluster in _CLUSTER.finditer(text):
        places += [cluster.start()] * len(unmask(cluster[0]))
    return [*places, len(text)]
