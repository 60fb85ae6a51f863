"""Storage: what may be read, what is written and under which name. Folders of tmp_path and fsspec's memory only."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import fsspec
import pytest

from tests.support.probes import as_nobody, readable_from_outside
from worker.errors import JobFailed, StorageUnavailable, UsageError
from worker.upload.storage import Storage, result_name, safe_name
from worker.upload.storage_errors import judge

LIMIT = 1000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A storage root that holds one upload."""
    upload = tmp_path / "root" / "uploads" / "j1" / "é 1.csv"
    upload.parent.mkdir(parents=True)
    upload.write_bytes(b"data")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    return tmp_path / "root"


@pytest.fixture
def memory() -> Iterator[str]:
    """The root of an empty object store."""
    fsspec.filesystem("memory").store.clear()
    yield "memory://bucket/medq"
    fsspec.filesystem("memory").store.clear()


# -- writing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"abc", io.BytesIO(b"abc")])
def test_an_upload_is_stored_and_read_back(tmp_path: Path, data: bytes | BinaryIO) -> None:
    storage = Storage(str(tmp_path / "new" / "root"))

    url, size = storage.save_upload(data, "c123", "Mon fichier été.xlsx")

    assert url == f"file://{tmp_path}/new/root/uploads/c123/Mon fichier été.xlsx"
    assert size == 3
    assert storage.read(url, LIMIT) == b"abc"
    assert storage.exists(url)


def test_a_remote_root_gives_full_urls(memory: str, tmp_path: Path) -> None:
    storage = Storage(memory)

    url, size = storage.save_upload(b"abc", "c123", "a.csv")
    result = storage.save_result("c123", "a.csv", lambda target: target.write(b"workbook"))

    assert (url, size) == ("memory://bucket/medq/uploads/c123/a.csv", 3)
    assert result == "memory://bucket/medq/results/c123/a-corrige.xlsx"
    assert storage.read(url, LIMIT) == b"abc"
    storage.copy_to(result, tmp_path / "copy.xlsx")
    assert (tmp_path / "copy.xlsx").read_bytes() == b"workbook"
    storage.remove(url)
    assert not storage.exists(url)


def test_a_result_comes_from_a_writer_or_a_finished_file_and_replaces_the_earlier_one(tmp_path: Path) -> None:
    storage = Storage(f"file://{tmp_path}/root")
    finished = tmp_path / "finished"
    finished.write_bytes(b"second, longer")

    first = storage.save_result("j", "QCM 2.csv", lambda target: target.write(b"first"))
    second = storage.save_result("j", "QCM 2.csv", finished)

    assert first == second == f"file://{tmp_path}/root/results/j/QCM 2-corrige.xlsx"
    assert storage.read(first, LIMIT) == b"second, longer"


@pytest.mark.parametrize("root", ["folder", "memory"])
def test_a_writer_that_fails_leaves_the_earlier_result_and_no_trace(root: str, tmp_path: Path, memory: str) -> None:
    storage = Storage(str(tmp_path) if root == "folder" else memory)
    url = storage.save_result("j", "a.xlsx", lambda target: target.write(b"good"))

    def fail(target: BinaryIO) -> None:
        target.write(b"half")
        raise ConnectionError("the database went away")

    with pytest.raises(ConnectionError):
        storage.save_result("j", "a.xlsx", fail)

    assert storage.read(url, LIMIT) == b"good"
    if root == "folder":
        assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a-corrige.xlsx"]


def test_an_id_that_some_client_made_up_is_no_path(tmp_path: Path) -> None:
    url, _ = Storage(str(tmp_path / "root")).save_upload(b"x", "../../evil", "a.csv")

    assert Path(url.removeprefix("file://")).is_relative_to(tmp_path / "root" / "uploads")
    assert ".." not in url


# -- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("QCM DCEM 2 - été.xlsx", "QCM DCEM 2 - été.xlsx"),
        ("e\u0301te\u0301.csv", "été.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\a.xlsx", "a.xlsx"),
        ("a\x00b\nc\x7f.xlsx", "abc.xlsx"),
        ("rapport\u202exslx.csv", "rapportxslx.csv"),
        ("\u200f\u2066a\u2069.csv", "a.csv"),
        ("\ud800a.csv", "a.csv"),
        ("100 % #1 ?.csv", "100 _ _1 _.csv"),
        ('<a>:"b"|*.csv', "_a___b___.csv"),
        (".htaccess", "htaccess"),
        ("..", "fichier"),
        ("", "fichier"),
        ("a/", "fichier"),
        ("  a   b .xlsx ", "a b.xlsx"),
    ],
)
def test_names_are_made_safe_and_stay_readable(given: str, safe: str) -> None:
    assert safe_name(given) == safe


@pytest.mark.parametrize("letter", ["a", "é", "漢", "😀"])
def test_long_names_are_cut_before_their_extension(letter: str) -> None:
    for name in (safe_name(letter * 400 + ".xlsx"), result_name(letter * 400 + ".xlsx")):
        assert name.endswith(".xlsx")
        assert 50 <= len(name) <= 150
        assert len(name.encode()) <= 200


@pytest.mark.parametrize(
    ("given", "result"),
    [("QCM 2.csv", "QCM 2-corrige.xlsx"), ("a.b.xls", "a.b-corrige.xlsx"), ("", "fichier-corrige.xlsx")],
)
def test_a_result_is_named_after_the_upload(given: str, result: str) -> None:
    assert result_name(given) == result


# -- what may be read ----------------------------------------------------------------------------------------------


def test_url_key_and_absolute_path_name_the_same_upload(folder: Path) -> None:
    storage = Storage(str(folder))
    key = "uploads/j1/é 1.csv"

    for address in (
        key,
        f"{folder}/{key}",
        f"file://{folder}/{key}",
        f"file://localhost{folder}/{key}",
        f"file:{folder}/{key}",
        (folder / key).as_uri(),  # percent-encoded
    ):
        assert storage.read(address, LIMIT) == b"data", address


def test_a_root_behind_a_link_is_the_same_root(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)

    assert Storage(str(tmp_path / "link")).read(f"{tmp_path}/link/uploads/j1/é 1.csv", LIMIT) == b"data"
    assert Storage(str(tmp_path / "link")).read(f"{folder}/uploads/j1/é 1.csv", LIMIT) == b"data"


@pytest.mark.parametrize(
    "address",
    [
        "../secret.txt",
        "uploads/../../secret.txt",
        "file://{root}/../secret.txt",
        "file://{root}/%2e%2e/secret.txt",
        "{root}/../secret.txt",
        "{parent}/secret.txt",
        "{root}",
        "{root}-other/a.csv",
        "file:///etc/passwd",
        "file://host{root}/uploads/j1/é 1.csv",
        "/etc/passwd",
        "link/secret.txt",
        "http://169.254.169.254/latest/meta-data",
        "https://user:hunter2@example.org/a.csv",
        "s3://bucket/a.csv",
        "memory://bucket/a.csv",
        "data:text/csv;base64,YQ==",
        "simplecache::file://{root}/uploads/j1/é 1.csv",
        "zip://a.csv::file://{root}/uploads/a.zip",
        "uploads\\..\\..\\secret.txt",
        "uploads/j1/\x00.csv",
        "uploads/\ud800.csv",
        "C:/a.csv",
    ],
)
def test_any_other_address_is_refused_without_repeating_it(folder: Path, tmp_path: Path, address: str) -> None:
    # Given a link inside the root that leads out of it
    (folder / "link").symlink_to(tmp_path)
    storage = Storage(str(folder))
    url = address.format(root=folder, parent=tmp_path)

    for use in (
        lambda: storage.read(url, LIMIT),
        lambda: storage.copy_to(url, tmp_path / "x"),
        lambda: storage.exists(url),
    ):
        with pytest.raises(JobFailed, match="n'est pas autorisée") as caught:
            use()
        assert "hunter2" not in str(caught.value)
        assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "memory://bucket/medq/../other/a.csv",
        "memory://bucket/medq/%2e%2e/other/a.csv",
        "memory://bucket/medq/%252e%252e/other/a.csv",
        "memory://bucket/medq2/a.csv",
        "memory://bucket/medq",
        "memory://other/medq/a.csv",
        "../other/a.csv",
        "/etc/passwd",
        "file:///etc/passwd",
    ],
)
def test_a_remote_root_is_not_left_either(memory: str, address: str) -> None:
    fsspec.filesystem("memory").pipe_file("/bucket/other/a.csv", b"secret")

    with pytest.raises(JobFailed, match="n'est pas autorisée"):
        Storage(memory).read(address, LIMIT)


def test_credentials_of_an_address_do_not_matter_and_never_come_back(memory: str) -> None:
    storage = Storage(memory.replace("memory://", "memory://key:hunter2@"))

    url, _ = storage.save_upload(b"abc", "j", "a.csv")

    assert "hunter2" not in url
    assert storage.read(url.replace("://", "://somebody:else@"), LIMIT) == b"abc"


def test_an_allowed_root_is_read_and_never_written(folder: Path, tmp_path: Path, memory: str) -> None:
    # Given an upload in a folder and in a store that the operator allowed, beside the root
    fsspec.filesystem("memory").pipe_file("/bucket/medq/a.csv", b"remote")
    storage = Storage(str(tmp_path / "own"), [str(folder), memory])

    assert storage.read(f"file://{folder}/uploads/j1/é 1.csv", LIMIT) == b"data"
    assert storage.read("memory://bucket/medq/a.csv", LIMIT) == b"remote"
    with pytest.raises(JobFailed):
        storage.read("memory://bucket/other.csv", LIMIT)
    with pytest.raises(JobFailed):
        storage.remove("memory://bucket/medq/a.csv")
    assert storage.save_upload(b"x", "j", "a.csv")[0].startswith(f"file://{tmp_path}/own/")


def test_a_whole_scheme_may_be_allowed(tmp_path: Path, memory: str) -> None:
    fsspec.filesystem("memory").pipe_file("/any/a.csv", b"remote")

    assert Storage(str(tmp_path), ["memory://"]).read("memory://any/a.csv", LIMIT) == b"remote"


# -- faults --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["uploads/none.csv", "uploads/j1", "uploads/j1/é 1.csv/x", "x" * 400, "loop/a", "pipe"])
def test_a_missing_upload_says_so(folder: Path, key: str) -> None:
    (folder / "loop").symlink_to(folder / "loop")
    os.mkfifo(folder / "pipe")

    with pytest.raises(JobFailed, match="Le fichier téléversé est introuvable"):
        Storage(str(folder)).read(key, LIMIT)
    assert not Storage(str(folder)).exists(key)


def test_a_missing_remote_upload_says_so(memory: str) -> None:
    storage = Storage(memory)
    storage.save_upload(b"x", "j", "a.csv")

    for key in ("uploads/none.csv", "uploads/j"):
        with pytest.raises(JobFailed, match="Le fichier téléversé est introuvable"):
            storage.read(key, LIMIT)
        assert not storage.exists(key)


def test_a_missing_result_leaves_the_target_alone(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.xlsx"
    target.write_bytes(b"earlier")

    with pytest.raises(JobFailed, match="introuvable"):
        Storage(str(folder)).copy_to("results/j/none.xlsx", target)

    assert target.read_bytes() == b"earlier"
    assert list(tmp_path.glob(".*")) == []


def test_size_is_bounded_and_the_bound_itself_allowed(folder: Path, memory: str) -> None:
    remote = Storage(memory)
    remote.save_upload(b"data", "j1", "a.csv")

    for storage, key in ((Storage(str(folder)), "uploads/j1/é 1.csv"), (remote, "uploads/j1/a.csv")):
        assert storage.read(key, 4) == b"data"
        with pytest.raises(JobFailed, match="taille maximale"):
            storage.read(key, 3)
    (folder / "big").write_bytes(bytes(1572865))
    with pytest.raises(JobFailed, match="maximale de 1,5 Mo"):
        Storage(str(folder)).read("big", 1572864)


@pytest.mark.parametrize("address", [None, ""])
def test_a_job_without_a_file_says_so(folder: Path, address: str | None) -> None:
    with pytest.raises(JobFailed, match="fileUrl est vide"):
        Storage(str(folder)).read(address, LIMIT)


def test_an_unreadable_upload_says_so(folder: Path) -> None:
    (folder / "uploads" / "j1" / "é 1.csv").chmod(0)

    with readable_from_outside(folder), as_nobody(), pytest.raises(JobFailed, match="droit de lire"):
        Storage(str(folder)).read("uploads/j1/é 1.csv", LIMIT)


def test_a_passing_fault_is_not_the_jobs_end(folder: Path) -> None:
    # Given a file whose reading fails as a disk or a network does (the kernel refuses to read this one at 0)
    storage = Storage(str(folder), ["/proc/self"])

    with pytest.raises(StorageUnavailable):
        storage.read(f"/proc/{os.getpid()}/mem", LIMIT)


@pytest.mark.parametrize("url", ["nonsense://user:hunter2@host/x", "s3a1://x"])
def test_an_unknown_scheme_is_the_operators_error(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Storage(url)
    assert "hunter2" not in str(caught.value)


def test_removing_twice_is_nothing(folder: Path) -> None:
    storage = Storage(str(folder))

    storage.remove("uploads/j1/é 1.csv")
    storage.remove("uploads/j1/é 1.csv")

    assert not storage.exists("uploads/j1/é 1.csv")


def test_a_folder_that_is_not_mounted_is_away(folder: Path) -> None:
    storage = Storage(str(folder / "mounted"))
    with pytest.raises(StorageUnavailable):
        storage.read("uploads/j1/a.csv", LIMIT)
    (folder / "mounted").mkdir()
    with pytest.raises(JobFailed, match="introuvable"):
        storage.read("uploads/j1/a.csv", LIMIT)


def test_a_disk_that_goes_away_while_the_workbook_is_written_is_away(folder: Path) -> None:
    def fill(_target: BinaryIO) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    with pytest.raises(StorageUnavailable):
        Storage(str(folder)).save_result("j1", "a.csv", fill)


class _Answer(Exception):
    def __init__(self, status: int) -> None:
        super().__init__("an answer of the storage")
        self.status = status


@pytest.mark.parametrize(
    ("cause", "verdict"),
    [
        (_Answer(404), "missing"),
        (_Answer(410), "missing"),
        (_Answer(403), "refused"),
        (_Answer(503), "away"),
        (_Answer(429), "away"),
        (TimeoutError(), "away"),
        (ConnectionRefusedError(), "away"),
        (None, "missing"),
    ],
)
def test_what_a_library_calls_missing_is_judged_by_the_answer(cause: Exception | None, verdict: str) -> None:
    error = FileNotFoundError("https://storage/a.csv")
    error.__cause__ = cause
    assert judge(error) == verdict


# -- for the user's eyes alone -----------------------------------------------------------------------------------------


def modes(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): oct(stat.S_IMODE(path.stat().st_mode)) for path in folder.rglob("*")}


def test_uploads_and_results_are_their_users_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        storage = Storage(str(tmp_path / "a" / "storage"))
        storage.save_upload(b"x", "c1", "exam.xlsx")
        storage.save_result("c1", "exam.xlsx", lambda file: file.write(b"y"))
    finally:
        os.umask(before)

    assert modes(tmp_path) == {
        "a": "0o700",
        "a/storage": "0o700",
        "a/storage/uploads": "0o700",
        "a/storage/uploads/c1": "0o700",
        "a/storage/uploads/c1/exam.xlsx": "0o600",
        "a/storage/results": "0o700",
        "a/storage/results/c1": "0o700",
        "a/storage/results/c1/exam-corrige.xlsx": "0o600",
    }


def test_a_folder_that_is_shared_with_its_group_stays_so(tmp_path: Path) -> None:
    # Given a web app of another user, and a folder whose setgid bit says that its group may read
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o2770)

    Storage(str(tmp_path / "shared")).save_upload(b"x", "c1", "exam.xlsx")

    assert modes(tmp_path / "shared") == {
        "uploads": "0o2750",
        "uploads/c1": "0o2750",
        "uploads/c1/exam.xlsx": "0o640",
    }
