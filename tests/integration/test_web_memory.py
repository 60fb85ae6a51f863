"""Large uploads through `medq serve` as a process of its own: its memory does not grow with them."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.surroundings import ADMIN, Platform
from tests.support.web_server import TOKEN

MEGABYTE = 1024 * 1024
SIZE = 48 * MEGABYTE
MOST_MB = 24  # beside two uploads of 48 MB at once; either of them whole in memory would be twice that


@contextmanager
def served(platform: Platform) -> Iterator[tuple[str, int]]:
    """Address and process id of the command."""
    environment = {**os.environ, **platform.worker_environment(MEDQ_WEB_TOKEN=TOKEN)}
    command = [sys.executable, "-c", "from worker.cli import main; main()", "serve", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as web:
        assert web.stdout is not None
        try:
            line = next(line for line in web.stdout if "Serving on" in line)
            found = re.search(r"http://[\w.:]+\d", line)
            assert found
            yield found[0], web.pid
        finally:
            web.terminate()


def peak_mb(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def upload(url: str, size: int) -> int:
    """Sent in pieces, so that this side holds none of it; the status."""
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="grand - qcm.csv"\r\n\r\n'
    tail = b"\r\n--x--\r\n"
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    connection.request(
        "POST", "/api/v1/jobs", (head, *(b"a;b;c\n" * (MEGABYTE // 6) for _ in range(size // MEGABYTE)), tail),
        {
            "Authorization": f"Bearer {TOKEN}", "X-Medq-User": ADMIN, "Content-Type": "multipart/form-data; boundary=x",
            "Content-Length": str(len(head) + size // MEGABYTE * (MEGABYTE // 6) * 6 + len(tail)),
        },
    )  # fmt: skip
    status = connection.getresponse().status
    connection.close()
    return status


def test_uploads_of_48_megabytes_go_through_at_flat_memory(platform: Platform) -> None:
    with served(platform) as (url, pid):
        assert upload(url, MEGABYTE) == 201  # everything is loaded
        before = peak_mb(pid)
        answers: list[int] = []
        threads = [threading.Thread(target=lambda: answers.append(upload(url, SIZE))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        grown = peak_mb(pid) - before
    assert answers == [201, 201]
    assert grown < MOST_MB
    sizes = platform.rows('SELECT "fileSize" FROM "AiValidationJob" ORDER BY 1')
    assert [row["fileSize"] // MEGABYTE for row in sizes] == [0, 47, 47]
