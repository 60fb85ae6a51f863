"""Nothing is waited for without a deadline, nothing from outside read without an end: each exception has its reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import worker

ROOT = Path(worker.__file__).parent
WAITS = ("wait", "join", "acquire", "communicate", "read", "readline", "readlines", "recv", "result")
PROGRAMS = ("run", "check_call", "check_output", "call")

BOUNDED_OTHERWISE = {
    "runtime/supervisor.py: self._watching.join()": "its loop looks every 0.2 s whether it is to stop",
    "runtime/supervisor.py: self.process.wait()": "just killed",
    "runtime/sandbox.py: child.wait()": "just killed",
    "embedded/llm.py: child.wait()": "just killed",
    "courses/extract/child.py: child.wait()": "it was killed just before",
    "courses/extract/child.py: self.begin(path, data).result()": "a timer ends what it reads after TIMEOUT_S",
    "courses/ingest.py: reading.result()": "as before; one other file at most stands before it",
    "courses/extract/child.py: sys.stdin.buffer.readline()": "in the child: a closed pipe ends it",
    "upload/reading/child.py: child.wait()": "a timer kills it after TIMEOUT_S",
    "upload/reading/child.py: sys.stdin.buffer.readline()": "in the child, which a timer kills; its parent sends it",
    "upload/reading/child.py: sys.stdin.buffer.read()": "as before; MEDQ_MAX_FILE_MB at most",
    "runtime/sandbox_main.py: sys.stdin.readline()": "its parent sends it at once, or is dead",
    "system/transport.py: response.read()": "within Bounds: bytes and seconds",
    "web/live.py: viewer.wake.wait()": "within LONGEST_S, and told at shutdown",
    "web/api/files.py: upload.file.read()": "a temporary file of ours, of MEDQ_MAX_FILE_MB at most",
    "embedded/postgres.py: file.read()": "what initdb or pg_ctl said, in a file of ours",
}


def find_endless(path: Path, root: Path = ROOT) -> Iterator[str]:
    """Calls that wait for something with no argument that could bound it, and programs run without a time-out."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        place = f"{path.relative_to(root)}: {ast.unparse(node.func)}()"
        if node.func.attr in WAITS and not node.args and not node.keywords:
            yield place
        owner = node.func.value
        is_program = isinstance(owner, ast.Name) and owner.id == "subprocess" and node.func.attr in PROGRAMS
        if is_program and "timeout" not in {keyword.arg for keyword in node.keywords}:
            yield place


def test_nothing_is_waited_for_without_a_deadline() -> None:
    found = {place for path in ROOT.rglob("*.py") for place in find_endless(path)}
    assert found - BOUNDED_OTHERWISE.keys() == set(), "give it a time-out, or a reason here"
    assert BOUNDED_OTHERWISE.keys() - found == set(), "these are gone: take them out"


def test_a_wait_without_a_deadline_would_be_found(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("child.wait()\nchild.wait(3)\nsubprocess.run(['a'])\nsubprocess.run(['a'], timeout=3)\n")
    assert list(find_endless(file, tmp_path)) == ["a.py: child.wait()", "a.py: subprocess.run()"]
