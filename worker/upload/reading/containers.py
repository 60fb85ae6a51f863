"""What an upload is, by its first bytes and its container, and whether it is safe to open.

Only containers: nothing here knows a sheet or a cell.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping

from worker.errors import JobFailed
from worker.messages import file_refusals
from worker.text.characters import BINARY

MAX_ENTRIES = 5_000
MAX_RATIO = 400  # an unzipped/zipped ratio that no table of text reaches (deflate's own limit is 1032)
RATIO_FROM_BYTES = 10_000_000
PARTS = (".xml", ".rels", ".bin", "mimetype")

SIGNATURES = (
    (b"%PDF", file_refusals.PDF),
    (b"\x89PNG", file_refusals.IMAGE),
    (b"\xff\xd8\xff", file_refusals.IMAGE),
    (b"GIF8", file_refusals.IMAGE),
    (b"BM", file_refusals.IMAGE),
    (b"II*\x00", file_refusals.IMAGE),
    (b"MM\x00*", file_refusals.IMAGE),
    (b"{\\rtf", file_refusals.RTF),
    (b"\x1f\x8b", file_refusals.ARCHIVE),
    (b"7z\xbc\xaf", file_refusals.ARCHIVE),
    (b"Rar!", file_refusals.ARCHIVE),
    (b"BZh", file_refusals.ARCHIVE),
    (b"\xfd7zXZ", file_refusals.ARCHIVE),
    (b"MZ", file_refusals.PROGRAM),
    (b"\x7fELF", file_refusals.PROGRAM),
)
_MARKUP = re.compile(rb"\s*<(?:!doctype|html|\?xml|head|body|table|svg)\b", re.IGNORECASE)
_BIFF_BEGIN = re.compile(rb"\x09\x08[\x08\x10]\x00\x00[\x05\x06]\x05\x00")  # BOF of a BIFF5 or BIFF8 workbook
_TEXT_CONTROL = re.compile(f"[{BINARY}]".encode())


def not_a_spreadsheet(what: str | None = None) -> JobFailed:
    """The error for a file of another kind; `what` it is, in French, where that is known."""
    return JobFailed(file_refusals.not_a_spreadsheet(what))


def refuse_foreign_signature(data: bytes) -> None:
    """Raise `JobFailed` unless bytes that are neither zip nor OLE can be text."""
    for signature, what in SIGNATURES:
        # Two letters alone are no proof: a CSV may begin with them.
        if data.startswith(signature) and (len(signature) > 2 or _TEXT_CONTROL.search(data[:512])):
            raise not_a_spreadsheet(what)
    if _MARKUP.match(data.removeprefix(b"\xef\xbb\xbf")[:200]):
        raise not_a_spreadsheet(file_refusals.MARKUP)


def check_zip(data: bytes, max_bytes: int) -> Mapping[str, bytes]:
    """Unzip a workbook within `max_bytes` and return its XML and binary parts by name.

    Declared sizes may lie, so every entry is inflated here, within bounds, before a library sees the bytes.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except Exception as error:  # zipfile raises half a dozen types on crafted bytes
        raise JobFailed(file_refusals.CORRUPT) from error
    entries = archive.infolist()
    _refuse_foreign_archive({entry.filename.lower() for entry in entries}, data)
    if any(entry.flag_bits & 1 for entry in entries):
        raise JobFailed(file_refusals.PROTECTED)
    _check_declared(entries, len(data), max_bytes)
    parts: dict[str, bytes] = {}
    left = max_bytes
    for entry in entries:
        content = _inflate(data, entry, left, max_bytes)
        left -= len(content)
        if entry.filename.endswith(PARTS):
            parts[entry.filename] = content
    if b"encryption-data" in parts.get("META-INF/manifest.xml", b""):
        raise JobFailed(file_refusals.PROTECTED)
    mime_type = parts.get("mimetype", b"")
    if mime_type.startswith(b"application/vnd.oasis.") and b"spreadsheet" not in mime_type:
        raise not_a_spreadsheet(file_refusals.OPEN_DOCUMENT)
    return parts


def _refuse_foreign_archive(names: set[str], data: bytes) -> None:
    if not names:
        raise JobFailed(file_refusals.CORRUPT) if len(data) > 22 else not_a_spreadsheet(file_refusals.ZIP_ARCHIVE)
    if any(name.endswith(("workbook.xml", "workbook.bin")) for name in names):
        return
    if "content.xml" in names and "mimetype" in names:
        return
    if any(name.startswith("word/") for name in names):
        raise not_a_spreadsheet(file_refusals.WORD)
    if any(name.startswith("ppt/") for name in names):
        raise not_a_spreadsheet(file_refusals.POWERPOINT)
    if "[content_types].xml" in names:
        raise JobFailed(file_refusals.CORRUPT)
    raise not_a_spreadsheet(file_refusals.ZIP_ARCHIVE)


def _check_declared(entries: list[zipfile.ZipInfo], size: int, max_bytes: int) -> None:
    declared = sum(entry.file_size for entry in entries)
    overlapping = sum(entry.compress_size for entry in entries) > size
    if len(entries) > MAX_ENTRIES or overlapping:
        raise JobFailed(file_refusals.ZIP_BOMB)
    if declared > RATIO_FROM_BYTES and declared > MAX_RATIO * size:
        raise JobFailed(file_refusals.ZIP_BOMB)
    if declared > max_bytes:
        raise too_big(max_bytes)


def _inflate(data: bytes, entry: zipfile.ZipInfo, left: int, max_bytes: int) -> bytes:
    """One entry's real bytes, `left` at most; whatever its headers say."""
    start = entry.header_offset
    if data[start : start + 4] != b"PK\x03\x04":
        raise JobFailed(file_refusals.CORRUPT)
    name_size, extra_size = struct.unpack_from("<HH", data, start + 26)
    start += 30 + name_size + extra_size
    packed = data[start : start + entry.compress_size]
    if entry.compress_type == zipfile.ZIP_STORED:
        content = packed
    elif entry.compress_type == zipfile.ZIP_DEFLATED:
        try:
            content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, left + 1)
        except zlib.error as error:
            raise JobFailed(file_refusals.CORRUPT) from error
    else:
        raise JobFailed(file_refusals.CORRUPT)
    if len(content) > left:
        raise too_big(max_bytes)
    if len(content) != entry.file_size or zlib.crc32(content) != entry.CRC:
        raise JobFailed(file_refusals.CORRUPT)
    return content


def too_big(max_bytes: int) -> JobFailed:
    """The error for a file that holds more than it may, once it is unzipped."""
    return JobFailed(file_refusals.too_large_unzipped(max_bytes))


def check_ole(data: bytes) -> None:
    """Raise `JobFailed` unless an OLE file (.xls) is a workbook that opens without a password."""
    names = _ole_names(data)
    if names & {"EncryptedPackage", "EncryptionInfo"} or _has_file_pass(data):
        raise JobFailed(file_refusals.PROTECTED)
    if names & {"Workbook", "Book"}:
        return
    if "WordDocument" in names:
        raise not_a_spreadsheet(file_refusals.WORD)
    if "PowerPoint Document" in names:
        raise not_a_spreadsheet(file_refusals.POWERPOINT)
    raise not_a_spreadsheet() if names else JobFailed(file_refusals.CORRUPT)


def _has_file_pass(data: bytes) -> bool:
    """True when one of the first records of an .xls is FILEPASS: the rest is encrypted ([MS-XLS] 2.4.117)."""
    begin = _BIFF_BEGIN.search(data)
    place = begin.start() if begin else len(data)
    for _ in range(4):
        kind, size = struct.unpack_from("<HH", data, place) if place + 4 <= len(data) else (0, 0)
        if kind == 0x002F:
            return True
        place += 4 + size
    return False


def _ole_names(data: bytes) -> set[str]:
    """Names in the directory: its entries are 128 bytes long, wherever the sectors lie."""
    known = ("EncryptedPackage", "EncryptionInfo", "Workbook", "Book", "WordDocument", "PowerPoint Document")
    names = set()
    for name in (*known, "Root Entry"):
        field = (name + "\0").encode("utf-16-le")
        place = data.find(field)
        while place >= 0:
            if place % 128 == 0 and data[place + 64 : place + 66] == struct.pack("<H", len(field)):
                names.add(name)
                break
            place = data.find(field, place + 1)
    return names
