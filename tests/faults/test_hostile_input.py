"""Uploads, names, addresses and replies made to hurt: a clear sentence or harmless text, for that job alone."""

from __future__ import annotations

import http.server
import io
import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import openpyxl
import pytest

from tests.faults.hostile import HEADERS, HOSTILE, question, row, workbook
from tests.faults.record import record
from tests.support.harness import Jobs, Watcher, check_at_rest
from tests.support.nursery import Nursery
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import ADMIN, Platform
from worker.enqueue import enqueue_job

BOUND_MB = 300  # of the worker; each of its two readers may have a gigabyte of its own


def peak_mb(pid: int) -> int:
    """The most memory that a process ever had, as the kernel counts it."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024


@pytest.mark.timeout(400)
def test_hostile_files_hurt_nobody(platform: Platform, llm: ScriptedLlm, nursery: Nursery) -> None:
    # Given every kind of hostile file, and a good one among them
    ids: dict[str, str] = {}
    for name, (file_name, make, _) in HOSTILE.items():
        path = platform.folder / file_name
        path.write_bytes(make())
        ids[name] = platform.enqueue(path)
    good = Jobs(platform, questions=5)
    good.add()
    # When one worker takes them all
    with Watcher(platform.database_url):
        pid = nursery.start(platform.worker_environment(MEDQ_THREADS="2"))
        jobs = Jobs(platform, ids=[*ids.values(), *good.ids])
        jobs.wait_for_all(300)
        peak = peak_mb(pid)
        assert nursery.living == {pid}, "a file took the worker down"
        nursery.stop_all()
    # Then each ended as its kind does, told in one French sentence that gives nothing away
    for name, job_id in ids.items():
        job = platform.job(job_id)
        readable = HOSTILE[name][2]
        assert job["status"] == ("completed" if readable else "failed"), (name, job["errorMessage"])
        if not readable:
            assert job["errorMessage"].endswith("."), name
            assert job["totalItems"] == 0, name
    everything = json.dumps(platform.rows('SELECT "question", "original", "result" FROM "AiValidationItem"'))
    assert "root:" not in everything
    assert platform.job(good.ids[0])["status"] == "completed"
    assert nursery.count("task_crashed") == 0
    assert peak < BOUND_MB, f"{peak} MB"
    check_at_rest(platform)
    record("hostile files", files=len(HOSTILE), disturbed=0, peak_mb=peak, bound_mb=BOUND_MB)


def test_orders_and_formulas_in_a_cell_stay_text(platform: Platform, llm: ScriptedLlm, nursery: Nursery) -> None:
    path = platform.folder / "ordres.xlsx"
    path.write_bytes(HOSTILE["orders in a cell"][1]())
    jobs = Jobs(platform, ids=[platform.enqueue(path)])
    nursery.start(platform.worker_environment(MEDQ_THREADS="2"))
    jobs.wait_for_all()
    nursery.stop_all()
    # The workbook shows what was uploaded, and nothing of it is a formula
    book = openpyxl.load_workbook(platform.job(jobs.ids[0])["outputUrl"].removeprefix("file://"))
    cells = [cell for sheet in book for line in sheet.iter_rows() for cell in line if cell.value is not None]
    assert [cell.coordinate for cell in cells if cell.data_type == "f"] == []
    assert any(str(cell.value).startswith("=HYPERLINK(") for cell in cells)
    # And the key is what the file says, not what the cell orders
    assert {r["correctAnswer"] for r in platform.rows('SELECT "correctAnswer" FROM "Question"')} == {"AC"}


NAMES = (
    "../../etc/passwd",
    "a\x00b.xlsx",
    "x" * 300 + ".xlsx",
    "\u202egnp.xlsx",
    "..",
    "C:\\temp\\a.xlsx",
    "moitié \ud800.xlsx",
)


def test_a_hostile_name_is_only_a_name(platform: Platform, nursery: Nursery) -> None:
    content = workbook(row(1, *HEADERS) + question(2, "Une question"))
    urls: dict[str, Any] = {"database_url": platform.database_url, "storage_url": platform.storage_url}
    jobs = Jobs(platform)
    for name in NAMES:
        jobs.ids.append(
            enqueue_job(io.BytesIO(content), user=ADMIN, file_name=name, instructions=f"Voir {name}", **urls)
        )
    nursery.start(platform.worker_environment(MEDQ_THREADS="2"))
    jobs.wait_for_all()
    nursery.stop_all()
    storage = Path(platform.storage_url).resolve()
    for name, job_id in zip(NAMES, jobs.ids, strict=True):
        job = platform.job(job_id)
        assert job["status"] == "completed", (name, job["errorMessage"])
        for url in (job["fileUrl"], job["outputUrl"]):
            stored = Path(url.removeprefix("file://"))
            assert stored.resolve().is_relative_to(storage), name
            assert stored.is_file(), name


ADDRESSES = (
    "http://169.254.169.254/latest/meta-data/",
    "http://localhost:{port}/inside.xlsx",
    "http://127.0.0.1.nip.io:{port}/inside.xlsx",
    "https://127.0.0.1:{port}/redirect",
    "file:///etc/passwd",
    "file://example.org/etc/passwd",
    "ftp://127.0.0.1:{port}/a.xlsx",
    "s3://somebody/else.xlsx",
    "zip://a::http://127.0.0.1:{port}/a.zip",
    "uploads/../../../../etc/passwd",
    "%2e%2e/%2e%2e/etc/passwd",
    "uploads/lien.xlsx",  # a link that somebody with access to the storage left there
    "uploads/dossier/passwd",
)


class Visited(http.server.BaseHTTPRequestHandler):
    """Counts who comes by: nobody should."""

    visits: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.visits.append(self.path)
        self.send_response(302)
        self.send_header("Location", "file:///etc/passwd")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        return


@pytest.fixture
def inside() -> Iterator[int]:
    """A server that a job's address must never reach; its port."""
    Visited.visits.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Visited) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_no_address_leads_out_of_storage(platform: Platform, nursery: Nursery, inside: int) -> None:
    uploads = Path(platform.storage_url) / "uploads"
    uploads.mkdir(parents=True)
    (uploads / "lien.xlsx").symlink_to("/etc/passwd")
    (uploads / "dossier").symlink_to("/etc")
    for number, address in enumerate(ADDRESSES):
        platform.execute(
            'INSERT INTO "AiValidationJob" ("id", "fileName", "originalFileName", "fileSize", "fileUrl", "userId", '
            '"updatedAt") SELECT :id, \'a.xlsx\', \'a.xlsx\', 1, :url, "id", now() FROM "User" WHERE "email" = :email',
            id=f"address{number}",
            url=address.format(port=inside),
            email=ADMIN,
        )
    jobs = Jobs(platform, ids=[f"address{number}" for number in range(len(ADDRESSES))])
    nursery.start(platform.worker_environment(MEDQ_THREADS="2"))
    jobs.wait_for_all()
    nursery.stop_all()
    assert set(jobs.statuses().values()) == {"failed"}
    told = platform.rows('SELECT "errorMessage" FROM "AiValidationJob"')
    assert not any("169.254" in row["errorMessage"] or "passwd" in row["errorMessage"] for row in told)
    assert Visited.visits == []
    record("hostile addresses", addresses=len(ADDRESSES), opened=0)


class Spoiler(http.server.BaseHTTPRequestHandler):
    """Passes calls on to the scripted model, and puts what no text may hold into its explanations."""

    upstream = ""
    requests: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.requests.append(json.loads(body))
        sent = urllib.request.Request(self.upstream + self.path, data=body)  # noqa: S310 (our own loopback address)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(sent, timeout=30) as reply:
            completion = json.load(reply)
        message = completion["choices"][0]["message"]
        document = json.loads(message["content"])
        for result in document["results"]:
            result["explanation"] += " NUL \x00, moitié \ud800, <script>alert(1)</script>, =cmd()"
        message["content"] = json.dumps(document)
        spoiled = json.dumps(completion).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(spoiled)))
        self.end_headers()
        self.wfile.write(spoiled)

    def log_message(self, *args: Any) -> None:
        return


def test_nul_and_half_characters_of_a_model_are_harmless(
    platform: Platform, llm: ScriptedLlm, nursery: Nursery
) -> None:
    Spoiler.upstream, Spoiler.requests = llm.root, []
    llm.configure(truth={f"concernant le tableau numéro {n} lot 1 :": right(n) for n in range(1, 6)})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Spoiler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        jobs = Jobs(platform, questions=5)
        jobs.add()
        url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        nursery.start(platform.worker_environment(MEDQ_THREADS="2", OPENAI_BASE_URL=url))
        jobs.wait_for_all()
        nursery.stop_all()
        server.shutdown()
    assert platform.outcomes(jobs.ids[0]) == {"confirmed": 5}
    explanations = [r["explanation"] for r in platform.rows('SELECT "explanation" FROM "Question"')]
    assert all("NUL" in text and "\x00" not in text for text in explanations)
    assert all(text.encode() for text in explanations), "half a character came through"
    openpyxl.load_workbook(platform.job(jobs.ids[0])["outputUrl"].removeprefix("file://"))
    # What was uploaded reached the model as data of the one document, and the official key never did
    for request in Spoiler.requests:
        *instructions, last = request["messages"]
        assert not any("tableau numéro" in message["content"] for message in instructions)
        assert all(q["officialAnswer"] is None for q in json.loads(last["content"])["questions"])


def right(number: int) -> list[str]:
    return [f"Proposition {letter} du numéro {number} lot 1" for letter in "AC"]
