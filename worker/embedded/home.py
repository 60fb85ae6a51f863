"""MEDQ_HOME: who uses the embedded services, their ports and secret, and whether they were pinned.

Two lock files, because "am I the last user?" and "is somebody starting?" are different questions. The kernel frees
a killed process's locks, so nothing here can go stale.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from worker.errors import UsageError
from worker.system.private_files import make_folder

START_TIMEOUT_S = 120.0


class Home:
    """The folder of one set of embedded services."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()

    def exists(self) -> bool:
        """Whether anything was ever started here."""
        return (self.path / "starting.lock").exists()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else starts or stops anything meanwhile. Waits for whoever does, 120 s at most."""
        self._make()
        with self._open("starting.lock") as lock:
            deadline = time.monotonic() + START_TIMEOUT_S
            while not _try_lock(lock, fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    raise UsageError(
                        f"Another process has been starting services in {self.path} for too long. "
                        "End it, or choose another folder with MEDQ_HOME."
                    )
                time.sleep(0.05)
            yield

    @contextmanager
    def shared(self, *, on_last: Callable[[], None]) -> Iterator[AbstractContextManager[None]]:
        """Count as a user of the services. `on_last` runs at exit when there is no other user.

        Yields a context in which to start them: it begins held, and leaving it lets others start.
        """
        self._make()
        with self._open("services.lock") as user:
            try:
                yield self._joining(user)
            finally:
                with self.exclusive():
                    # Upgrading one's own shared lock fails exactly when somebody else holds it too.
                    if _try_lock(user, fcntl.LOCK_EX):
                        on_last()

    def in_use(self) -> bool:
        """Whether any process uses the services. Call with `exclusive` held."""
        with self._open("services.lock") as lock:
            return not _try_lock(lock, fcntl.LOCK_EX)

    @contextmanager
    def caretaking(self) -> Iterator[bool]:
        """Be the one caretaker of this home while the block runs; False when there is one already."""
        with self._open("caretaker.lock") as lock:
            yield _try_lock(lock, fcntl.LOCK_EX)

    def users(self) -> list[int]:
        """The processes that use the services, as far as this machine tells: Linux does."""
        try:
            inode = (self.path / "services.lock").stat().st_ino
            locks = Path("/proc/locks").read_text()
        except OSError:
            return []
        # "1: FLOCK  ADVISORY  READ 4711 fd:01:123456 0 EOF"; a file system may show another device than `stat` does.
        rows = [line.split() for line in locks.splitlines()]
        return sorted({int(row[4]) for row in rows if row[1] == "FLOCK" and row[5].rpartition(":")[2] == str(inode)})

    def pin(self) -> None:
        """Keep the services running when their last user leaves."""
        (self.path / "pinned").touch()

    def unpin(self) -> None:
        """Undo `pin`."""
        (self.path / "pinned").unlink(missing_ok=True)

    def is_pinned(self) -> bool:
        """Whether `medq services start` asked to keep the services running."""
        return (self.path / "pinned").exists()

    def secret(self) -> str:
        """The password of both services, made at the first call: other users of this machine reach loopback too."""
        path = self.path / "secret"
        try:
            found = path.read_text().strip()
        except FileNotFoundError:
            found = ""
        if found:
            return found
        made = secrets.token_hex(16)
        self._write_private("secret", made)
        return made

    def port(self, name: str) -> int | None:
        """The loopback port that `name` used last."""
        ports = self._ports()
        return ports.get(name)

    def save_port(self, name: str, port: int) -> None:
        """Remember the port of `name`, so that its URL stays the same after a restart."""
        self._write_private("ports.json", json.dumps({**self._ports(), name: port}))

    def _ports(self) -> dict[str, int]:
        try:
            ports = json.loads((self.path / "ports.json").read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return {str(name): int(port) for name, port in ports.items()}

    def _write_private(self, name: str, text: str) -> None:
        # Renamed into place, and flushed before: a power cut leaves the old file or the new one.
        draft = self.path / f"{name}.new"
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path / name)

    @contextmanager
    def _joining(self, user: int) -> Iterator[None]:
        with self.exclusive():
            _try_lock(user, fcntl.LOCK_SH)
            yield

    def _make(self) -> None:
        try:
            make_folder(self.path)
        except OSError as error:
            raise UsageError(
                f"{self.path} cannot be made ({error.strerror}). Choose a folder you may write to with MEDQ_HOME."
            ) from None

    @contextmanager
    def _open(self, name: str) -> Iterator[int]:
        try:
            descriptor = os.open(self.path / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UsageError(
                f"{self.path / name} cannot be opened ({error.strerror}). Run as the user that owns the folder, "
                "or choose another one with MEDQ_HOME."
            ) from None
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def choose_port(preferred: int | None) -> int:
    """A free loopback port, the preferred one when it is free."""
    for port in (preferred, 0):
        if port is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise UsageError("No loopback port is free. Close some programs and try again.")


def works_in(pid_file: Path, folder: Path) -> int | None:
    """The process whose number `pid_file` begins with, when it lives and works in `folder`. None where nothing tells.

    A number alone proves nothing: after a power cut it belongs to another program.
    """
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
        return pid if Path(f"/proc/{pid}/cwd").readlink() == folder.resolve() else None
    except (OSError, ValueError):
        return None


def can_tell_processes() -> bool:
    """Whether `works_in` can tell: Linux and what is like it."""
    return Path("/proc/self").exists()


def is_alive(pid: int) -> bool:
    """Whether it still runs. One that is ending has left its folder already; a zombie has ended."""
    if not can_tell_processes():
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] not in ("Z", "X")
    except (OSError, IndexError):
        return False


def wait_until_gone(is_gone: Callable[[], bool], timeout_s: float) -> bool:
    """Look again and again; whether it was gone in time."""
    deadline = time.monotonic() + timeout_s
    while not is_gone():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def rotate_log(path: Path, *, limit_bytes: int = 10_000_000) -> None:
    """Keep one older log once this one is large."""
    if path.exists() and path.stat().st_size > limit_bytes:
        path.replace(path.with_suffix(".old.log"))


def last_lines(path: Path, count: int = 3) -> str:
    """The end of a log on one line, for the sentence of an error."""
    try:
        lines = path.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return " / ".join(line.strip() for line in lines[-count:])
