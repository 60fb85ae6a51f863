"""What the bytes of a text spell, as far as every reader agrees: a mark, UTF-16 without one, UTF-8 but for a few bytes.

What else they may be each reader knows best: an upload is told by the French that it makes, a course is Windows' own.
"""

from __future__ import annotations

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins as UTF-16's does: first
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_HIGH_BYTE = re.compile(rb"[\x80-\xff]")
SAMPLE = 4096

# What Windows puts where Latin-1 has control characters: œ, ’, … and their like.
WINDOWS = {code: bytes([code]).decode("cp1252", errors="ignore") or chr(code) for code in range(0x80, 0xA0)}


def decode_wide(data: bytes) -> str | None:
    """The text of bytes that begin with a mark (BOM), or are UTF-16 without one; None for others."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace")
    sample = data[:SAMPLE]
    if len(sample) < 2 or sample.count(0) * 4 <= len(sample):
        return None
    # Western letters in UTF-16: every other byte is zero.
    is_big = sample[0::2].count(0) > sample[1::2].count(0)
    return data.decode("utf-16-be" if is_big else "utf-16-le", errors="replace")


def decode_utf8(data: bytes) -> str | None:
    """As UTF-8, a few wrong bytes among more right ones as Windows'; None for what is another encoding."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        right = sum(map(len, _SEQUENCE.findall(data)))
        if 2 * right <= len(_HIGH_BYTE.findall(data)):
            return None
        return data.decode("utf-8", errors="medq_as_cp1252")


def decode_windows(data: bytes) -> str:
    """As browsers read what calls itself Latin-1. Never fails."""
    return data.decode("latin-1").translate(WINDOWS)


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    """Error handler of the codecs: the bytes that are not UTF-8 came from a cp1252 source."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", errors="replace"), error.end


codecs.register_error("medq_as_cp1252", _as_cp1252)
