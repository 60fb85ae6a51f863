"""What traces cost a worker: CPU of the spans of one batch, made and sent to a collector. `python -m bench.spans`.

A batch is one task with one call (most) or two. The collector is another process, whose CPU is not counted.
"""

from __future__ import annotations

import subprocess
import sys
import time

from worker import tracing

BATCHES = 20_000
COLLECTOR = """
import sys
from tests.support.otlp_collector import collecting
with collecting() as collector:
    print(collector.url, flush=True)
    sys.stdin.read()
"""


def trace_batch(calls: int) -> None:
    """The spans of one batch, as the executor and the dispatcher make them."""
    with tracing.task_span("analyse", job_id="c" * 25, task_id="t" * 25, attempt=1) as task:
        for _ in range(calls):
            with tracing.call_span(
                "gpt-5.4-mini", purpose="analyse", endpoint="https://api.openai.com/v1", questions=5, max_tokens=900
            ) as call:
                tracing.add_reply(call, model="gpt-5.4-mini", prompt=1500, cached=100, completion=700)
        task.set_attribute("medq.task.end", "done")


def measure(calls: int) -> float:
    """Microseconds of CPU per batch, sending included."""
    before = time.process_time()
    for number in range(BATCHES):
        trace_batch(calls)
        if number % 40 == 0:  # slower than the collector takes them, as work is
            time.sleep(0.01)
    tracing.flush()
    return (time.process_time() - before) / BATCHES * 1e6


def main() -> None:
    """Entry of `python -m bench.spans`."""
    print(f"off, one call:   {measure(1):6.1f} µs of CPU per batch")
    with subprocess.Popen(
        [sys.executable, "-c", COLLECTOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as collector:
        assert collector.stdout is not None
        assert collector.stdin is not None
        url = collector.stdout.readline().strip()
        for calls, name in ((1, "on, one call:   "), (2, "on, two calls:  ")):
            tracing.configure(url, service="bench")
            print(f"{name} {measure(calls):6.1f} µs of CPU per batch")
        collector.stdin.close()


if __name__ == "__main__":
    main()
