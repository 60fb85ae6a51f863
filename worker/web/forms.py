"""What a form or a part of a multipart request holds, understood or refused with a French sentence."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, BinaryIO

from fastapi import Path, Query, UploadFile

from models.reading import MAX_CONFIG, MAX_INSTRUCTIONS
from worker.errors import JobFailed
from worker.messages import file_refusals, job_config, web_problems
from worker.queue.job import JobConfig
from worker.web.bodies import Text
from worker.web.problems import Refused

FRAME = 1024 * 1024  # of a multipart request beside its file
AT_ONCE = 1024 * 1024  # bytes of a file that are read
SMALL = 1024 * 1024  # of any request without a file

Id = Annotated[str, Path(pattern=r"^[\w.:-]{1,191}$")]
OptionalId = Annotated[str | None, Query(pattern=r"^[\w.:-]{1,191}$")]
Search = Annotated[Text | None, Query(max_length=200)]
Cursor = Annotated[str | None, Query(max_length=500)]


def read_config(text: str | None) -> Mapping[str, Any] | None:
    """The job's options as typed. Raises `JobFailed` with the sentence that the job itself would fail with."""
    if text is None or not text.strip():
        return None
    if len(text) > MAX_CONFIG or "\\u0000" in text:
        raise JobFailed(job_config.CONFIG_NOT_STORABLE)
    try:
        config = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise JobFailed(job_config.CONFIG_NOT_JSON) from None
    JobConfig.parse(config if config is not None else [])
    found: Mapping[str, Any] = config
    return found


def _no_number(_name: str) -> None:
    raise ValueError


def read_instructions(text: str | None) -> str | None:
    """The admin's own words; nothing where there are none. Raises `JobFailed` beyond what a job takes."""
    words = (text or "").strip()
    if len(words) > MAX_INSTRUCTIONS:
        raise JobFailed(job_config.typed_instructions_too_long(MAX_INSTRUCTIONS))
    return words or None


def read_file(file: UploadFile | None, max_bytes: int) -> UploadFile:
    """The upload, which lies in a temporary file. Raises `Refused` when there is none or it is too large."""
    if file is None or not file.filename:
        raise Refused(422, web_problems.NO_FILE)
    if (file.size or 0) > max_bytes:
        raise Refused(413, file_refusals.too_large(max_bytes))
    return file


def digest(file: BinaryIO) -> str:
    """64 hex digits over all bytes of the file, which is then at its beginning again."""
    found = hashlib.sha256()
    file.seek(0)
    while part := file.read(AT_ONCE):
        found.update(part)
    file.seek(0)
    return found.hexdigest()


def write_cursor(*parts: str | int) -> str:
    """Where a list goes on, as a word that nobody need understand."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def read_job_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    """`createdAt` and id of the last job seen."""
    if cursor is None:
        return None
    moment, job_id = _parts(cursor, str, str)
    try:
        return datetime.fromisoformat(moment).astimezone(UTC), _plain(job_id)
    except (ValueError, OverflowError):
        raise Refused(422, web_problems.WRONG_CURSOR) from None


def read_item_cursor(cursor: str | None) -> int:
    """The position of the last row seen; -1 before the first."""
    if cursor is None:
        return -1
    (position,) = _parts(cursor, int)
    if not -1 <= position < 2**31:
        raise Refused(422, web_problems.WRONG_CURSOR)
    return int(position)


def _parts(cursor: str, *types: type) -> list[Any]:
    try:
        parts = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise Refused(422, web_problems.WRONG_CURSOR) from None
    if not isinstance(parts, list) or [type(part) for part in parts] != list(types):
        raise Refused(422, web_problems.WRONG_CURSOR)
    return parts


def _plain(text: str) -> str:
    if "\x00" in text:
        raise ValueError
    text.encode()
    return text
