"""The README's client for a Next.js app: generated from the document, checked by TypeScript, run by Node."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import openpyxl
import pytest

from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import ADMIN, Platform, plain
from tests.support.web_server import TOKEN, serving

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "nextjs"


def run(*command: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, built; skipped where Node or its packages cannot be had."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("Node is not installed (Debian packages nodejs and npm)")
    if int(run("node", "-p", "process.versions.node.split('.')[0]", cwd=ROOT)) < 20:
        pytest.skip("Node 20 is needed")
    folder = tmp_path_factory.mktemp("client") / "examples" / "nextjs"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules", "built", "api.d.ts"))
    (folder.parents[1] / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "openapi.json", folder.parents[1] / "docs")
    install = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--fetch-retries=1"]
    if subprocess.run(install, cwd=folder, capture_output=True, timeout=200, check=False).returncode != 0:
        pytest.skip("the packages of the example cannot be had")
    run("npm", "run", "--silent", "generate", cwd=folder)
    run("npm", "run", "--silent", "build", cwd=folder)
    return folder


def test_a_file_goes_from_upload_to_corrected_workbook(
    client: Path, platform: Platform, llm: ScriptedLlm, tmp_path: Path
) -> None:
    llm.configure(truth={})
    target = tmp_path / "corrige.xlsx"
    with platform.workers(1), serving(platform.worker_environment()) as web:
        told = run(
            "node", "demo.mjs", str(ROOT / "examples" / "questions.xlsx"), str(target), cwd=client,
            MEDQ_URL=web.url, MEDQ_WEB_TOKEN=TOKEN, MEDQ_USER=ADMIN,
        )  # fmt: skip
    lines = [plain(line).split(" ") for line in told.splitlines()]
    ids = next(line[1:] for line in lines if line[0] == "job")
    assert ids[0] == ids[1]  # sent twice with one key
    progress = [int(line[1]) for line in lines if line[0] == "progress"]
    assert progress == sorted(progress)
    assert progress[-1] == 100
    settled = [line for line in lines if line[0] == "settled"]
    assert settled
    assert {line[3] for line in settled} == {"false"}
    refused = [line for line in lines if line[0] == "refused"]
    assert len(refused) == len(settled)
    assert "409" in {line[1] for line in refused} <= {"409", "422"}  # or there is no official answer to keep
    decided = 'SELECT count(DISTINCT "itemId") FROM "AiValidationDecision" WHERE "source" = \'api\''
    assert platform.value(decided) >= len(settled)
    assert openpyxl.load_workbook(target).sheetnames


def test_the_readme_shows_the_example() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "examples/nextjs" in readme
    for name in ("upload", "follow", "openItems", "decide", "workbook"):
        assert f"medq.{name}(" in readme
        assert f"function {name}(" in (EXAMPLE / "medq.ts").read_text(encoding="utf-8").replace(
            "function* ", "function "
        )
