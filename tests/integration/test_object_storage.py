"""A whole job on S3, and on storages that are away: refused connections, 503, no bucket, expired keys."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform
from tests.support.workbooks import knowing, make_workbook
from worker.db.engine import Database
from worker.enqueue import enqueue_job
from worker.errors import JobFailed, StorageUnavailable
from worker.jobs.finish import find_workbook
from worker.jobs.queries import get_job
from worker.messages.file_refusals import FILE_MISSING, UPLOAD_MISSING
from worker.upload.storage import Storage

pytest.importorskip("moto.server", reason="moto is not installed")
pytest.importorskip("s3fs", reason="the extra s3 is not installed")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class Bucket:
    """An S3 endpoint on loopback with one bucket, that can fail."""

    name = "medq"

    def __init__(self) -> None:
        from botocore.session import get_session
        from moto.server import ThreadedMotoServer

        self.failing: tuple[int, str] | None = None
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        self._server._server.app = self._fail_or(self._server._server.app)  # type: ignore[union-attr]
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self.client = get_session().create_client(
            "s3", endpoint_url=self.url, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="k"
        )

    def _fail_or(self, app: Any) -> Any:
        def serve(environ: Any, start_response: Any) -> Any:
            if self.failing is None or environ.get("HTTP_USER_AGENT", "").startswith("Botocore"):
                return app(environ, start_response)
            status, code = self.failing
            start_response(f"{status} Failing", [("Content-Type", "application/xml")])
            body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

        return serve

    def make(self) -> None:
        self.client.create_bucket(Bucket=self.name)

    def drop(self) -> dict[str, bytes]:
        """Remove the bucket; what was in it."""
        kept = {}
        for entry in self.client.list_objects_v2(Bucket=self.name).get("Contents", []):
            kept[entry["Key"]] = self.client.get_object(Bucket=self.name, Key=entry["Key"])["Body"].read()
            self.client.delete_object(Bucket=self.name, Key=entry["Key"])
        self.client.delete_bucket(Bucket=self.name)
        return kept

    def stop(self) -> None:
        self._server.stop()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    # Given keys of a server that is not Amazon's
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "k")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    found = Bucket()
    monkeypatch.setenv("AWS_ENDPOINT_URL", found.url)
    found.make()
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()  # it keeps the endpoint of the test before
    yield found
    found.stop()


@pytest.fixture
def storage(bucket: Bucket) -> Storage:
    return Storage(f"s3://{bucket.name}/medq")


FAULTS = {
    "503": (503, "SlowDown"),
    "500": (500, "InternalError"),
    "expired": (400, "ExpiredToken"),
    "another key": (403, "InvalidAccessKeyId"),
    "clock": (403, "RequestTimeTooSkewed"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_storage_that_is_away_is_not_a_missing_file(bucket: Bucket, storage: Storage, fault: tuple[int, str]) -> None:
    # Given a file in a bucket
    url, _ = storage.save_upload(b"x", "j", "a.csv")
    bucket.failing = fault
    # When the storage fails, then both ways are away
    with pytest.raises(StorageUnavailable):
        storage.read(url, 100)
    with pytest.raises(StorageUnavailable):
        storage.save_result("j", "a.csv", lambda target: target.write(b"y"))
    # And nothing is lost
    bucket.failing = None
    assert storage.read(url, 100) == b"x"


def test_a_missing_file_is_missing_and_a_forbidden_one_forbidden(bucket: Bucket, storage: Storage) -> None:
    storage.save_upload(b"x", "j", "a.csv")
    with pytest.raises(JobFailed) as missing:
        storage.read(f"s3://{bucket.name}/medq/uploads/j/b.csv", 100)
    assert str(missing.value) == UPLOAD_MISSING
    bucket.failing = (403, "AccessDenied")
    with pytest.raises(JobFailed) as forbidden:
        storage.read(f"s3://{bucket.name}/medq/uploads/j/a.csv", 100)
    assert "droit" in str(forbidden.value)
    with pytest.raises(PermissionError):
        storage.save_result("j", "a.csv", lambda target: target.write(b"y"))


def test_a_bucket_that_is_not_there_is_away(bucket: Bucket, storage: Storage, tmp_path: Path) -> None:
    url, _ = storage.save_upload(b"x", "j", "a.csv")
    bucket.drop()
    with pytest.raises(StorageUnavailable):
        storage.read(url, 100)
    with pytest.raises(StorageUnavailable):
        storage.copy_to(url, tmp_path / "a")
    with pytest.raises(StorageUnavailable):
        storage.save_result("j", "a.csv", lambda target: target.write(b"y"))
    bucket.make()
    with pytest.raises(JobFailed, match=FILE_MISSING[:20]):
        storage.copy_to(url, tmp_path / "a")


def test_nobody_who_listens_is_away(bucket: Bucket, storage: Storage) -> None:
    url, _ = storage.save_upload(b"x", "j", "a.csv")
    bucket.stop()
    with pytest.raises(StorageUnavailable):
        storage.read(url, 100)


def enqueue(platform: Platform, path: Path, bucket: Bucket) -> str:
    return enqueue_job(
        path, user="admin@medq.com", database_url=platform.database_url, storage_url=f"s3://{bucket.name}/medq"
    )


def test_a_whole_job_on_s3_waits_for_its_storage_at_both_ends(
    platform: Platform, llm: ScriptedLlm, bucket: Bucket, tmp_path: Path
) -> None:
    # Given a bucket that fails while the file is to be read
    llm.configure(truth=knowing(5))
    job_id = enqueue(platform, make_workbook(tmp_path / "a.xlsx", 5), bucket)
    bucket.failing = (503, "SlowDown")
    with platform.workers(1, MEDQ_STORAGE_URL=f"s3://{bucket.name}/medq", MEDQ_THREADS="2"):
        # When a worker takes the job, then its row says what it waits for
        waits = "L'espace de stockage des fichiers ne répond pas"
        platform.wait_until(lambda: waits in (platform.job(job_id)["message"] or ""), what="said")
        assert platform.job(job_id)["status"] == "processing"
        # When it answers, but has no bucket when the workbook is to be stored
        llm.configure(latency_s=1.0)
        bucket.failing = None
        platform.wait_until(lambda: platform.job(job_id)["totalItems"] == 5, what="read")
        # Then nothing is left of that wait: what comes is counted from its own beginning
        assert platform.rows('SELECT * FROM "AiValidationPause"') == []
        kept = bucket.drop()
        platform.wait_until(lambda: waits in (platform.job(job_id)["message"] or ""), what="said again")
        # Then it goes on by itself once the bucket is there
        bucket.make()
        job = platform.wait_for_job(job_id)
    assert (job["status"], job["errorMessage"]) == ("completed", None)
    assert kept
    assert platform.value('SELECT max("deaths") FROM "AiValidationTask"') == 0
    key = job["outputUrl"].removeprefix(f"s3://{bucket.name}/")
    stored = bucket.client.get_object(Bucket=bucket.name, Key=key)
    assert stored["ContentType"] == XLSX
    assert openpyxl.load_workbook(io.BytesIO(stored["Body"].read()))["qcm"].max_row == 6
    # When somebody removes the workbook, then it is written again for whoever asks for it
    bucket.client.delete_object(Bucket=bucket.name, Key=key)
    storage = Storage(f"s3://{bucket.name}/medq")
    found = get_job(platform.engine, job_id)
    assert found is not None
    assert find_workbook(Database(platform.engine), storage, found, embedded=False) == job["outputUrl"]
    assert bucket.client.get_object(Bucket=bucket.name, Key=key)["ContentType"] == XLSX


def test_a_job_whose_storage_stays_away_fails_and_can_be_resumed(
    platform: Platform, llm: ScriptedLlm, bucket: Bucket, tmp_path: Path
) -> None:
    llm.configure(truth=knowing(5))
    job_id = enqueue(platform, make_workbook(tmp_path / "a.xlsx", 5), bucket)
    bucket.failing = (503, "SlowDown")
    environment = {"MEDQ_STORAGE_URL": f"s3://{bucket.name}/medq", "MEDQ_OUTAGE_SECONDS": "2", "MEDQ_THREADS": "2"}
    with platform.workers(1, **environment):
        job = platform.wait_for_job(job_id)
        assert job["status"] == "failed"
        assert "L'espace de stockage des fichiers est resté indisponible" in job["errorMessage"]
        # When it answers again and the job is put back, then its own wait begins anew, and it is done
        bucket.failing = None
        platform.execute('UPDATE "AiValidationJob" SET "status" = \'queued\' WHERE "id" = :id', id=job_id)
        platform.wait_until(lambda: platform.job(job_id)["status"] == "completed", what="completed")
