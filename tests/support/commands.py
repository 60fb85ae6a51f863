"""`medq` as an operator types it: inside this process, which spares a second of imports, or as one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.surroundings import Platform, plain
from worker.cli import call

MEDQ = Path(sys.executable).with_name("medq")


@dataclass
class Done:
    """What a command left."""

    code: int
    stdout: str
    stderr: str


@dataclass
class Medq:
    """Calls `medq` against one platform, in a working directory of its own."""

    platform: Platform
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        environment = {"PATH": os.environ["PATH"], **self.platform.worker_environment(**more)}
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [str(MEDQ), *arguments], cwd=self.folder, env=environment, stdout=pipe, stderr=pipe, text=True
        )

    def finish(self, process: subprocess.Popen[str], *, code: int = 0) -> Done:
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, (out, err)
        return Done(process.returncode, plain(out), plain(err))

    def __call__(self, *arguments: str, code: int = 0, **more: str) -> Done:
        self.capsys.readouterr()
        with self.monkeypatch.context() as context:
            context.chdir(self.folder)
            for name, value in self.platform.worker_environment(**more).items():
                context.setenv(name, value)
            found = call(arguments)
        printed = self.capsys.readouterr()
        assert found == code, (arguments, printed.out, printed.err)
        assert "Traceback" not in printed.err
        return Done(found, plain(printed.out), plain(printed.err))

    def json(self, *arguments: str, code: int = 0, **more: str) -> Any:
        return json.loads(self(*arguments, "--json", code=code, **more).stdout)


def run_medq(platform: Platform, *arguments: str) -> str:
    """What a command of its own process prints; it must succeed."""
    environment = {**os.environ, **platform.worker_environment()}
    command = [str(MEDQ), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
