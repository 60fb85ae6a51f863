"""Uploads and corrected workbooks in storage: a folder, or anything fsspec speaks. Their content is not looked at.

Only addresses under the storage root, or under a root the operator allowed, are ever opened.
"""

from __future__ import annotations

import errno
import hashlib
import mimetypes
import os
import re
import secrets
import shutil
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol
from urllib.parse import unquote

from worker.errors import JobFailed, MedqError, StorageUnavailable, UsageError
from worker.messages import file_refusals
from worker.system.private_files import create_file, make_folder
from worker.upload.storage_errors import judge

NAME_CHARACTERS, NAME_BYTES, SUFFIX_CHARACTERS = 150, 200, 10  # file systems stop at 255 bytes
RESULT_SUFFIX = "-corrige.xlsx"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_FORBIDDEN_IN_NAMES = re.compile(r'[<>:"|?*#%]')  # to Windows, or in a URL that is not encoded
CONNECT_S, ANSWER_S = 10, 60  # how long a storage elsewhere may take for a connection, and for each next bytes of it

PENDING = "pending"  # notes of uploads whose job does not exist yet

Fill = Callable[[BinaryIO], object]


class Storage:
    """Where uploads and results live. Addresses it gives are URLs: `file:///…` for a folder, the full URL elsewhere.

    A name in an address is not percent-encoded: every name it gives is free of the signs that would need it.
    """

    def __init__(self, root_url: str, allowed_roots: Sequence[str] = ()) -> None:
        """`root_url` is a folder, `file://…` or any fsspec URL; `allowed_roots` may be read, never written.

        An allowed root may be a scheme alone (`s3://`). Raises `UsageError` when a scheme is unknown or its
        package is missing; nothing is connected or created yet.
        """
        self._root = _open_root(root_url)
        self._roots = (self._root, *(_open_root(url) for url in allowed_roots))

    def save_upload(self, data: bytes | BinaryIO, job_id: str, file_name: str) -> tuple[str, int]:
        """Store an upload whole or not at all; (its URL, its size in bytes)."""

        def fill(target: BinaryIO) -> None:
            if isinstance(data, bytes):
                target.write(data)
            else:
                shutil.copyfileobj(data, target, 1024 * 1024)

        return self._root.put(f"uploads/{safe_id(job_id)}/{safe_name(file_name)}", fill)

    def announce_upload(self, job_id: str) -> None:
        """Note that an upload is about to be stored for a job that does not exist yet.

        A producer that is killed between storing and inserting leaves this note, by which its file is found.
        """
        self._root.put(f"{PENDING}/{safe_id(job_id)}", lambda target: target.write(job_id.encode()))

    def settle_upload(self, job_id: str) -> None:
        """Forget the note: the job exists, or nothing of it does."""
        self._root.remove(self._root.place(f"{PENDING}/{safe_id(job_id)}"))

    def unsettled_uploads(self, older_than_s: float) -> list[str]:
        """The ids of announced uploads whose note is older than that. None where a storage keeps no times."""
        old = [name for name, age_s in self._root.ages(PENDING) if age_s > older_than_s]
        for name in old:
            if name.startswith("."):  # a note whose writer was killed
                self._root.remove(self._root.place(f"{PENDING}/{name}"))
        return [name for name in old if not name.startswith(".")]

    def discard_upload(self, job_id: str) -> None:
        """Remove whatever was stored for a job that never came to exist, and then its note."""
        self._root.remove_folder(f"uploads/{safe_id(job_id)}")
        self.settle_upload(job_id)

    def discard_job(self, job_id: str, *, keep_upload: bool = False) -> None:
        """Remove the workbook of a job that is gone, and its upload. Raises when the storage does not take that."""
        folder = safe_id(job_id)
        for name in ("results",) if keep_upload else ("results", "uploads"):
            self._root.remove_folder(f"{name}/{folder}", is_sure=True)

    def save_result(self, job_id: str, file_name: str, source: Fill | Path) -> str:
        """Store a job's workbook as `<original stem>-corrige.xlsx`, whole or not at all, over an earlier one; its URL.

        `source` writes into the binary file it is given, or is the path of a finished local file. Raises
        `StorageUnavailable` when the storage is away, `OSError` when there is no room or no right.
        """

        def fill(target: BinaryIO) -> None:
            if isinstance(source, Path):
                with source.open("rb") as finished:
                    shutil.copyfileobj(finished, target, 1024 * 1024)
            else:
                source(target)

        return self._root.put(f"results/{safe_id(job_id)}/{result_name(file_name)}", fill)[0]

    def read(self, url: str | None, max_bytes: int) -> bytes:
        """The bytes of an upload. Raises `JobFailed` when it is missing, not allowed or larger than `max_bytes`.

        `url` is a URL under an allowed root, an absolute path under one, or a key relative to the storage root.
        Raises `StorageUnavailable` for any other fault of the storage: it may be gone in a minute.
        """
        with self._reading(url, missing=file_refusals.UPLOAD_MISSING):
            root, path = self._find(url)
            data = root.read(path, max_bytes)
        if data is None:
            raise JobFailed(file_refusals.too_large(max_bytes))
        return data

    def copy_to(self, url: str, path: Path) -> None:
        """Copy a stored file to `path`, whole or not at all. Raises as `read` does."""
        with self._reading(url, missing=file_refusals.FILE_MISSING):
            root, stored = self._find(url)
            if not root.exists(stored):
                raise FileNotFoundError
        with _replacing(path) as part:
            root.fetch(stored, part)

    def exists(self, url: str) -> bool:
        """Whether there is a file at this address. Raises `JobFailed` when it is not allowed."""
        try:
            root, path = self._find(url)
            return root.exists(path)
        except OSError as error:
            if judge(error) == "missing":
                return False
            raise

    def remove(self, url: str) -> None:
        """Remove a file of the storage root; nothing happens when there is none. Allowed roots are read-only."""
        root, path = self._find(url)
        if root is not self._root:
            raise JobFailed(file_refusals.ADDRESS_NOT_ALLOWED)
        root.remove(path)

    @contextmanager
    def _reading(self, url: str | None, *, missing: str) -> Iterator[None]:
        """Faults that no retry mends become sentences; they name no address, for it may hold credentials."""
        try:
            yield
        except MedqError:
            raise
        except Exception as error:
            verdict = judge(error)
            root, path = self._find(url)
            if verdict == "away" or root.is_away(path):
                root.reopen()
                raise StorageUnavailable(type(error).__name__) from error
            raise JobFailed(file_refusals.NO_RIGHT_TO_READ if verdict == "refused" else missing) from None

    def _find(self, url: str | None) -> tuple[_Root, str]:
        """The root an address belongs to and the path there; `JobFailed` when it belongs to none."""
        if not url:
            raise JobFailed(file_refusals.NO_ADDRESS)
        if "::" in url or "\\" in url or any(unicodedata.category(c) in ("Cc", "Cs") for c in url):
            raise JobFailed(file_refusals.ADDRESS_NOT_ALLOWED)
        if not _SCHEME.match(url) and not url.startswith("/"):
            path = self._root.locate_key(url)
            if path is not None:
                return self._root, path
        for root in self._roots:
            path = root.locate(url)
            if path is not None:
                return root, path
        raise JobFailed(file_refusals.ADDRESS_NOT_ALLOWED)


# -- names ---------------------------------------------------------------------------------------------------------


def safe_name(name: str) -> str:
    """A file name that is safe in any folder, bucket or URL, and still the uploader's: accents and extension stay."""
    last = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    # Categories C: control, direction marks, lone surrogates; Zl and Zp break lines.
    visible = "".join(c for c in last if unicodedata.category(c)[0] != "C" and unicodedata.category(c) not in _BREAKS)
    cleaned = " ".join(_FORBIDDEN_IN_NAMES.sub("_", visible).split()).strip(". ")
    stem, suffix = _split_suffix(cleaned)
    return _cut(stem, NAME_CHARACTERS - len(suffix), NAME_BYTES - len(suffix.encode())) + suffix or "fichier"


def result_name(name: str) -> str:
    """`QCM 2.csv` → `QCM 2-corrige.xlsx`."""
    stem, _ = _split_suffix(safe_name(name))
    return _cut(stem, NAME_CHARACTERS - len(RESULT_SUFFIX), NAME_BYTES - len(RESULT_SUFFIX)) + RESULT_SUFFIX


_BREAKS = ("Zl", "Zp")


def _split_suffix(name: str) -> tuple[str, str]:
    path = PurePosixPath(name)
    return (path.stem, path.suffix) if 1 < len(path.suffix) <= SUFFIX_CHARACTERS else (name, "")


def _cut(text: str, characters: int, size: int) -> str:
    return text[:characters].encode()[:size].decode(errors="ignore").rstrip(". ")


def safe_id(job_id: str) -> str:
    """Job ids are ours; one that some client made up must not become a path."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", job_id):
        return job_id
    return hashlib.sha256(job_id.encode(errors="surrogatepass")).hexdigest()[:32]


# -- roots ---------------------------------------------------------------------------------------------------------


class _Root(Protocol):
    """One place that may be read. A path is what `locate` gave: already checked to lie inside."""

    def locate(self, url: str) -> str | None: ...
    def locate_key(self, key: str) -> str | None: ...
    def put(self, key: str, fill: Fill) -> tuple[str, int]: ...
    def read(self, path: str, max_bytes: int) -> bytes | None: ...
    def fetch(self, path: str, target: Path) -> None: ...
    def exists(self, path: str) -> bool: ...
    def remove(self, path: str) -> None: ...
    def place(self, key: str) -> str: ...
    def ages(self, folder: str) -> list[tuple[str, float]]: ...
    def remove_folder(self, folder: str, *, is_sure: bool = False) -> None: ...
    def is_away(self, path: str) -> bool: ...
    def reopen(self) -> None: ...


def _open_root(url: str) -> _Root:
    scheme, found, rest = url.partition("://")
    if not found or scheme.lower() == "file":
        try:
            return _Folder(Path("/" + rest.partition("/")[2]) if found else Path(url).expanduser())
        except (RuntimeError, OSError) as error:  # nobody's home, links in a circle, a name too long
            raise UsageError(f"The storage folder {url[:200]} cannot be used ({error}). Name another one.") from None
    return _Remote(scheme.lower(), url)


class _Folder:
    """A folder of this machine. Links are followed before anything is compared."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def locate(self, url: str) -> str | None:
        """The real path of a `file:` URL or an absolute path that lies inside, else None."""
        scheme, colon, rest = url.partition(":")
        if colon and scheme.lower() == "file":
            if rest.startswith("//"):
                host, _, rest = rest[2:].partition("/")
                if host not in ("", "localhost"):
                    return None
                rest = "/" + rest
            # A web app may or may not have percent-encoded the name.
            candidates = [rest, unquote(rest)]
        else:
            candidates = [url]
        inside = [path for path in map(self._inside, candidates) if path is not None]
        existing = [path for path in inside if Path(path).exists()]
        return next(iter([*existing, *inside]), None)

    def locate_key(self, key: str) -> str | None:
        return self._inside(f"{self._folder}/{key}")

    def _inside(self, text: str) -> str | None:
        if not text.startswith("/") or _climbs(text) or "\0" in text:
            return None
        real = Path(os.path.realpath(text))  # unlike Path.resolve, it survives a loop of links
        return str(real) if real.is_relative_to(self._folder) and real != self._folder else None

    def put(self, key: str, fill: Fill) -> tuple[str, int]:
        target = self._folder / key
        try:
            make_folder(target.parent)
            with _replacing(target) as part, create_file(part) as file:
                fill(file)
                size = file.seek(0, os.SEEK_END)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            if error.errno in _GONE:
                raise StorageUnavailable(type(error).__name__) from error
            raise
        return f"file://{target}", size

    def reopen(self) -> None:
        """A folder is opened at each look."""

    def is_away(self, path: str) -> bool:  # noqa: ARG002 (one folder holds them all)
        """Whether the folder itself is not there: a disk that is not mounted."""
        try:
            return not self._folder.is_dir()
        except OSError:
            return True

    def read(self, path: str, max_bytes: int) -> bytes | None:
        file = Path(path)
        if not file.is_file():  # a pipe or a device would block the worker
            file.stat()  # says which it is: missing or unreadable
            raise IsADirectoryError(errno.EISDIR, "not a regular file")
        with file.open("rb") as source:
            data = source.read(max_bytes + 1)
        return data if len(data) <= max_bytes else None

    def fetch(self, path: str, target: Path) -> None:
        shutil.copyfile(path, target)

    def exists(self, path: str) -> bool:
        return Path(path).is_file()

    def remove(self, path: str) -> None:
        Path(path).unlink(missing_ok=True)

    def place(self, key: str) -> str:
        return str(self._folder / key)

    def ages(self, folder: str) -> list[tuple[str, float]]:
        """File names and their ages in seconds."""
        found = []
        with suppress(FileNotFoundError):
            for entry in os.scandir(self._folder / folder):
                with suppress(FileNotFoundError):  # somebody else tidies too
                    found.append((entry.name, time.time() - entry.stat().st_mtime))
        return found

    def remove_folder(self, folder: str, *, is_sure: bool = False) -> None:
        """With `is_sure` it is gone afterwards, or this raises."""
        if is_sure and not self._folder.is_dir():
            raise StorageUnavailable("NotADirectoryError")  # a disk that is not mounted holds it still
        with suppress(FileNotFoundError):
            shutil.rmtree(self._folder / folder, ignore_errors=not is_sure)


class _Remote:
    """Anything else, through fsspec. A folder does without: importing fsspec costs a web app 0.15 s."""

    def __init__(self, scheme: str, url: str) -> None:
        from fsspec.core import url_to_fs

        self._scheme = scheme
        self._names = _split_url(url)
        # Another process writes here: a listing must never come from memory. A redirect would leave the root.
        options = {"use_listings_cache": False, **({"allow_redirects": False} if scheme in ("http", "https") else {})}
        options |= _time_outs(scheme)
        try:
            self._open = partial(url_to_fs, url, **options)
            self._fs, base = self._open()
        except (ImportError, ValueError):
            raise UsageError(
                f"Storage on {scheme}:// needs a package that is not installed, or does not exist. "
                "For s3:// install the extra s3 (pip install 'medq-worker[s3]')."
            ) from None
        self._base = str(base).rstrip("/")

    def reopen(self) -> None:
        """Begin anew with whatever the key is now: a session keeps the one that it found first."""
        self._fs, _ = self._open(skip_instance_cache=True)

    def locate(self, url: str) -> str | None:
        """The path of a URL below this one, whatever credentials either holds, else None."""
        scheme, found, rest = url.partition("://")
        if not found or scheme.lower() != self._scheme:
            return None
        names = _split_url(url)
        depth = len(self._names)
        if names[:depth] != self._names or len(names) == depth:
            return None
        if self._names:
            return self.locate_key("/".join(names[depth:]))
        rest = "/".join(names)
        return None if _climbs(rest) else str(self._fs._strip_protocol(f"{self._scheme}://{rest}"))

    def locate_key(self, key: str) -> str | None:
        return None if _climbs(key) else f"{self._base}/{key}"

    def put(self, key: str, fill: Fill) -> tuple[str, int]:
        # The whole file first: an object store shows an object once it is complete, but also a cut one on error.
        with tempfile.TemporaryDirectory(prefix="medq-storage-") as folder:
            part = Path(folder) / f"file{PurePosixPath(key).suffix}"  # a bucket's content type is read from its name
            with part.open("xb") as file:
                fill(file)
            self._send(part, f"{self._base}/{key}")
            size = part.stat().st_size
        return f"{self._scheme}://{'/'.join([*self._names, key])}", size

    def _send(self, part: Path, path: str) -> None:
        try:
            self._fs.put_file(str(part), path)
        except Exception as error:
            if judge(error) == "refused" and not self.is_away(path):
                raise PermissionError(errno.EACCES, "the storage refuses the file") from error
            self.reopen()
            raise StorageUnavailable(type(error).__name__) from error

    def is_away(self, path: str) -> bool:
        """What the bucket says of itself: a look at a file in it is answered without a reason."""
        try:
            if self._scheme not in ("http", "https"):
                self._fs.ls(path.split("/", 1)[0], detail=False)
        except Exception as error:  # noqa: BLE001 (each storage has its own)
            return judge(error) == "away"
        return False

    def read(self, path: str, max_bytes: int) -> bytes | None:
        info = self._fs.info(path)
        if info.get("type") == "directory":
            raise IsADirectoryError(errno.EISDIR, "not a file")
        size = info.get("size")
        if size is not None and size > max_bytes:
            return None
        with self._fs.open(path, "rb") as source:
            data: Any = source.read(max_bytes + 1)
        return bytes(data) if len(data) <= max_bytes else None

    def fetch(self, path: str, target: Path) -> None:
        self._fs.get_file(path, str(target))

    def exists(self, path: str) -> bool:
        return bool(self._fs.isfile(path))

    def remove(self, path: str) -> None:
        if self._fs.exists(path):
            self._fs.rm_file(path)

    def place(self, key: str) -> str:
        return f"{self._base}/{key}"

    def ages(self, folder: str) -> list[tuple[str, float]]:
        """File names and their ages in seconds; nothing where the storage keeps no times."""
        found = []
        with suppress(FileNotFoundError):
            for path in self._fs.ls(self.place(folder), detail=False):
                with suppress(FileNotFoundError, NotImplementedError):
                    changed = self._fs.modified(path)
                    found.append((path.rsplit("/", 1)[-1], time.time() - changed.timestamp()))
        return found

    def remove_folder(self, folder: str, *, is_sure: bool = False) -> None:  # noqa: ARG002 (it always is)
        with suppress(FileNotFoundError):
            self._fs.rm(self.place(folder), recursive=True)


def _time_outs(scheme: str) -> dict[str, Any]:
    """Options under which no storage is waited for without end; an operator's own (fsspec's) go before."""
    from fsspec.config import conf

    if scheme == "s3":
        own = (conf.get("s3") or {}).get("config_kwargs") or {}
        return {
            "config_kwargs": {
                "connect_timeout": CONNECT_S,
                "read_timeout": ANSWER_S,
                "retries": {"max_attempts": 2},
                **own,
            }
        }
    if scheme in ("http", "https"):
        from aiohttp import ClientTimeout

        own = (conf.get(scheme) or {}).get("client_kwargs") or {}
        return {"client_kwargs": {"timeout": ClientTimeout(sock_connect=CONNECT_S, sock_read=ANSWER_S), **own}}
    return {}


def _split_url(url: str) -> list[str]:
    """Host (or bucket) without credentials, then the names of the path."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    host = host.rpartition("@")[2]
    host = host.lower() if scheme.lower() in ("http", "https") else host
    return [name for name in (host, *path.rstrip("/").split("/")) if name]


def _climbs(key: str) -> bool:
    """Whether some server could read `.` or `..` in it, encoded once or twice."""
    texts = (key, unquote(key), unquote(unquote(key)))
    return any(name in (".", "..") for text in texts for name in re.split(r"[/\\]", text))


# -- writing -------------------------------------------------------------------------------------------------------

# A disk that is away: not mounted, a server that does not answer, a cable.
_GONE = frozenset(
    {errno.ESTALE, errno.EIO, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENOTCONN, errno.ENXIO}
)

mimetypes.add_type("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".xlsx")


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A path beside `target` to fill; it becomes `target` at once when all went well, and vanishes otherwise."""
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
