"""What a Python web app imports: one light function that stores an upload and creates its job row.

Redis is not needed here: the inserted row's trigger creates the first task and wakes the workers.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from worker import failpoints
from worker.db.statements import load_driver_statements
from worker.errors import UsageError
from worker.failpoints import Point
from worker.system.urls import Address, read_address
from worker.text.characters import storable
from worker.upload.storage import Storage

SQL = load_driver_statements(__file__)


def enqueue_job(
    file: str | os.PathLike[str] | BinaryIO,
    *,
    user: str,
    file_name: str | None = None,
    instructions: str | None = None,
    config: Mapping[str, Any] | None = None,
    database_url: str | None = None,
    storage_url: str | None = None,
    idempotency_key: str | None = None,
) -> str:
    """Store `file`, insert its `queued` job, return the job's id.

    `user` is the e-mail or the id of a row of "User". `database_url` and `storage_url` default to the
    environment (DATABASE_URL, MEDQ_STORAGE_URL, else the folder `storage` under MEDQ_HOME). Given again with the same
    `idempotency_key` by the same user, nothing is stored and the id is that of the first time. Raises `UsageError`
    when the file or the user does not exist, or `config` is no JSON; then nothing is stored and no job is created.
    """
    from worker.db.sessions import begin_statement, open_session

    address = _read_database_url(database_url)
    dumped = _dump(config)
    storage = Storage(storage_url or default_storage_url())
    data, name = _open(file, file_name)
    with data, open_session(address, name="medq-enqueue") as connection:
        connection.execute(begin_statement(address))
        user_id = _find_user(connection, user)
        job_id = new_job_id() if idempotency_key is None else job_id_of(user_id, idempotency_key)
        if idempotency_key is not None and _is_there(connection, job_id):
            return job_id
        with _noted(storage, job_id):
            url, size = storage.save_upload(data, job_id, name)
            failpoints.reached(Point.STORED)
            row = {"id": job_id, "user_id": user_id, "original_file_name": _text(name), "config": dumped}
            stored = {"file_name": Path(url).name, "file_url": url, "file_size": size}
            connection.execute(SQL["insert_job"], {**row, **stored, "instructions": _text(instructions)})
            failpoints.reached(Point.INSERTED)
        _commit(connection, storage, job_id)
    return job_id


def _commit(connection: Any, storage: Storage, job_id: str) -> None:
    # Should this fail, the job may exist all the same: the workers find out, and tidy up if it does not.
    connection.commit()
    failpoints.reached(Point.ENQUEUED)
    with suppress(OSError):  # the job is there; the workers forget the note
        storage.settle_upload(job_id)


@contextmanager
def _noted(storage: Storage, job_id: str) -> Iterator[None]:
    """Killed inside, a note lets the workers remove a file that no job came of; failed inside, it is removed here."""
    storage.announce_upload(job_id)
    failpoints.reached(Point.ANNOUNCED)
    try:
        yield
    except BaseException:
        storage.discard_upload(job_id)
        raise


def _read_database_url(url: str | None) -> Address:
    url = url or os.environ.get("DATABASE_URL")
    if not url:
        raise UsageError("DATABASE_URL is not set. Give the address of the platform's PostgreSQL.")
    return read_address(url)


def default_storage_url() -> str:
    """MEDQ_STORAGE_URL, or the folder `storage` under MEDQ_HOME."""
    home = os.environ.get("MEDQ_HOME") or ".medq"
    return os.environ.get("MEDQ_STORAGE_URL") or str(Path(home) / "storage")


def new_job_id() -> str:
    """An id shaped like the cuid() that Prisma makes: `c` and 24 lower-case letters or digits."""
    return "c" + secrets.token_hex(12)


def job_id_of(user_id: str, idempotency_key: str) -> str:
    """The id of the one job that this user's key makes, shaped like any other."""
    return "c" + hashlib.sha256(f"{user_id}\n{idempotency_key}".encode(errors="surrogatepass")).hexdigest()[:24]


def _is_there(connection: Any, job_id: str) -> bool:
    """Whether the job exists. Whoever asks for the same one meanwhile waits until this transaction ends."""
    connection.execute(SQL["lock_id"], {"id": job_id})
    return connection.execute(SQL["find_job"], {"id": job_id}).fetchone() is not None


def _open(file: str | os.PathLike[str] | BinaryIO, file_name: str | None) -> tuple[BinaryIO, str]:
    if isinstance(file, str | os.PathLike):
        path = Path(file)
        if not path.is_file():
            raise UsageError(f"{path}: no such file. Give the path of a workbook or a CSV file.")
        return path.open("rb"), file_name or path.name
    if not file_name:
        raise UsageError("file_name is needed when the upload is given as an open file.")
    return file, file_name


def _find_user(connection: Any, user: str) -> str:
    row = connection.execute(SQL["find_user"], {"user": user}).fetchone()
    if row is None:
        raise UsageError(f"No user {user!r} in the database. Give the e-mail of an existing admin.")
    return str(row[0])


def _text(value: str | None) -> str | None:
    """Without what no PostgreSQL text can hold: NUL, and halves of characters."""
    return value and storable(value)


def _dump(config: Mapping[str, Any] | None) -> str | None:
    """The column's JSON. Raises `UsageError` for what no database takes: NaN, NUL, half a character, no JSON at all."""
    if config is None:
        return None
    try:
        text = json.dumps(dict(config), ensure_ascii=False, allow_nan=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"config cannot be stored as JSON ({error}). Give plain numbers, texts and lists.") from None
    if "\\u0000" in text:
        raise UsageError("config holds a NUL character, which no database takes. Leave it out.")
    return text
