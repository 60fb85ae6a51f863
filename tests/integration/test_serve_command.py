"""`medq serve` as a process: what `make serve` runs."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform


def test_one_command_opens_the_newest_job_and_works_on_what_is_uploaded(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    llm.configure(truth={})
    job_id = platform.enqueue(Path("examples/questions.xlsx"))
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.new && mv {opened}.new {opened}\n')
    browser.chmod(browser.stat().st_mode | stat.S_IEXEC)
    environment = os.environ | platform.worker_environment() | {"BROWSER": str(browser)}
    command = [str(Path(sys.executable).with_name("medq")), "serve", "--port", "0", "--open", "--with-worker"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        # Its worker takes the job that waits, and the browser is sent to that job's page
        platform.wait_for_job(job_id)
        platform.wait_until(opened.exists, what="the browser")
        address = opened.read_text().strip()
        assert re.fullmatch(rf"http://127\.0\.0\.1:\d+/entrer\?jeton=[\w.-]+&tache={job_id}", address)
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(), urllib.request.ProxyHandler({}))
        with opener.open(address, timeout=30) as page:
            assert page.url.endswith(f"/taches/{job_id}")
            assert "terminée" in page.read().decode()
    finally:
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    assert f"Opens once, within an hour, for admin@medq.com: {address}" in told
