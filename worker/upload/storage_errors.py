"""What a storage's fault means: the file is missing, the service may not, or the storage is away and may come back."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Literal

Verdict = Literal["missing", "refused", "away"]

MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
# S3 says of these that a request is not allowed, or that something is not there: somebody mends them, and it goes on.
_MAY_COME_BACK = frozenset(
    {
        "NoSuchBucket",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidToken",
        "TokenRefreshRequired",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
    }
)


def judge(error: BaseException) -> Verdict:
    """What the fault of a read says. Libraries wrap a 503 into "file not found": the answer itself decides."""
    for link in _links(error):
        status, code = _answer(link)
        if code in _MAY_COME_BACK:
            return "away"
        if status is not None:
            return "missing" if status in (404, 410) else "refused" if status in (401, 403) else "away"
    innermost = error
    while innermost.__cause__ is not None:
        innermost = innermost.__cause__
    if isinstance(innermost, PermissionError):
        return "refused"
    if isinstance(innermost, MISSING) or getattr(innermost, "errno", None) in (errno.ENAMETOOLONG, errno.ELOOP):
        return "missing"
    return "away"


def _links(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _answer(error: BaseException) -> tuple[int | None, str | None]:
    """The status and code of the reply that an error holds, as aiohttp and botocore keep them."""
    status = getattr(error, "status", None)
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        metadata, fault = response.get("ResponseMetadata") or {}, response.get("Error") or {}
        return metadata.get("HTTPStatusCode"), fault.get("Code")
    return (status, None) if isinstance(status, int) else (None, None)
