"""Metrics say what the rows say, what only grows never goes down, and nobody's text or name is in a label."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform
from tests.support.uploads import write_csv, write_truth
from worker.metrics.prometheus import Exporter

Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


def read(exporter: Exporter) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(exporter.render().decode())
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return sum(v for (found, has), v in samples.items() if found == name and labels.items() <= dict(has).items())


@pytest.fixture
def exporter(platform: Platform) -> Exporter:
    return Exporter(platform.engine, max_age_s=0)


def only_growing(samples: Samples) -> Samples:
    ends = ("_total", "_bucket", "_count", "_sum")
    return {key: v for key, v in samples.items() if key[0].endswith(ends)}


def test_what_is_counted_equals_the_rows_and_never_goes_down(
    platform: Platform, llm: ScriptedLlm, exporter: Exporter, tmp_path: Path
) -> None:
    # Given somebody who looks all the time, from before the first call
    llm.configure(truth=write_truth(60), latency_s=0.05)
    first = read(exporter)
    assert value(first, "medq_llm_calls_total") == 0
    looks: list[Samples] = [first]
    stopped = threading.Event()

    def look() -> None:
        while not stopped.wait(0.05):
            looks.append(read(exporter))

    # When a job is done, and somebody stops one
    with platform.workers(2):
        thread = threading.Thread(target=look)
        thread.start()
        try:
            job_id = platform.enqueue(write_csv(tmp_path / "a - qcm.csv", 60))
            platform.wait_for_job(job_id)
        finally:
            stopped.set()
            thread.join()
        platform.wait_until(lambda: value(read(exporter), "medq_worker_processes") == 2, what="both are up")
        seen = read(exporter)

    # Then every figure is that of the rows
    calls = platform.value("SELECT count(*) FROM \"LlmCall\" WHERE \"status\" IN ('succeeded', 'failed')")
    assert value(seen, "medq_llm_calls_total") == value(seen, "medq_llm_call_duration_seconds_count") == calls > 0
    tokens = platform.value('SELECT sum("completionTokens") FROM "LlmCall"')
    assert value(seen, "medq_llm_tokens_total", type="completion") == tokens
    tasks = platform.value('SELECT count(*) FROM "AiValidationTask"')
    assert value(seen, "medq_task_duration_seconds_count") == value(seen, "medq_tasks") == tasks
    assert value(seen, "medq_items", type="qcm") == value(seen, "medq_items") == 60
    assert value(seen, "medq_jobs", status="completed") == 1
    assert value(seen, "medq_worker_processes") == 2
    assert len(looks) > 5
    for before, after in zip(looks, [*looks[1:], seen], strict=True):
        grown = only_growing(after)
        assert all(grown.get(key, 0) >= number for key, number in only_growing(before).items())
    # And one who begins to look now sees the same
    again = read(Exporter(platform.engine))
    assert only_growing(again) == pytest.approx(only_growing(seen))


def test_what_is_pruned_stays_counted_and_what_is_forgotten_stands_no_more(
    platform: Platform, llm: ScriptedLlm, exporter: Exporter, tmp_path: Path
) -> None:
    llm.configure(truth=write_truth(10))
    with platform.workers(1):
        job_id = platform.enqueue(write_csv(tmp_path / "secret name - qcm.csv", 10))
        platform.wait_for_job(job_id)
    before = read(exporter)
    # No label holds an id, a name or a text
    text = exporter.render().decode()
    for word in (job_id, "secret name", platform.value('SELECT "email" FROM "User" LIMIT 1')):
        assert word not in text
    known = {"version", "status", "kind", "type", "endpoint", "model", "purpose", "code", "action", "le"}
    assert {label for _, labels in before for label, _ in labels} <= known

    platform.execute('DELETE FROM "LlmCall"')
    platform.execute('DELETE FROM "AiValidationJob"')

    after = read(exporter)
    assert only_growing(after) == only_growing(before)
    assert value(after, "medq_items") == value(after, "medq_tasks") == value(after, "medq_jobs") == 0


def test_an_open_queue_shows_its_age_and_a_dead_worker_its_lease(
    platform: Platform, exporter: Exporter, tmp_path: Path
) -> None:
    platform.enqueue(write_csv(tmp_path / "a - qcm.csv", 5))
    platform.execute(
        "UPDATE \"AiValidationTask\" SET \"createdAt\" = timezone('UTC', clock_timestamp()) - interval '90 s'"
    )
    waiting = read(exporter)
    assert 90 <= value(waiting, "medq_oldest_ready_task_age_seconds") < 120
    assert value(waiting, "medq_tasks", kind="prepare", status="ready") == 1
    assert value(waiting, "medq_expired_leases") == 0

    platform.execute(
        'UPDATE "AiValidationTask" SET "status" = \'running\', "leaseOwner" = \'gone\', '
        "\"leaseExpiresAt\" = timezone('UTC', clock_timestamp()) - interval '1 s'"
    )

    dead = read(exporter)
    assert value(dead, "medq_expired_leases") == 1
    assert value(dead, "medq_oldest_ready_task_age_seconds") == 0


def test_one_look_serves_all_who_ask_within_a_while(platform: Platform) -> None:
    now = 0.0
    exporter = Exporter(platform.engine, max_age_s=15, clock=lambda: now)
    first = exporter.render()
    assert exporter.render() is first

    now = 15.0
    assert exporter.render() is not first


def test_who_scrapes_never_waits_for_the_look_that_reads_every_row(platform: Platform) -> None:
    class Slow(Exporter):
        goes_on = threading.Event()

        def render(self) -> bytes:
            assert self.goes_on.wait(30)
            return super().render()

    now = 0.0
    exporter = Slow(platform.engine, clock=lambda: now)
    # While the first look goes on, nobody is made to wait for it, and there is one
    assert not exporter.is_fresh
    assert not exporter.read_ahead(0.01)
    assert not exporter.read_ahead(0.01)
    assert sum(thread.name == "metrics" for thread in threading.enumerate()) == 1
    exporter.goes_on.set()
    assert exporter.read_ahead(30)
    assert exporter.is_fresh
    # Nor for one after a long silence, which reads whatever has ended since
    now = 3600.0
    assert not exporter.is_fresh
    assert exporter.read_ahead(30)


def test_a_look_that_fails_is_made_again(platform: Platform) -> None:
    class Away(Exporter):
        is_away = True

        def render(self) -> bytes:
            if self.is_away:
                raise OSError("away")
            return super().render()

    exporter = Away(platform.engine)
    assert not exporter.read_ahead(30)
    exporter.is_away = False
    assert exporter.read_ahead(30)


ALERTS = Path(__file__).parents[2] / "docs" / "monitoring" / "alerts.yml"


def test_alerts_are_read_by_prometheus_itself() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    checked = subprocess.run(
        [promtool, "check", "rules", str(ALERTS)], capture_output=True, text=True, timeout=60, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_alerts_ask_for_metrics_that_there_are(platform: Platform) -> None:
    text = Exporter(platform.engine).render().decode()
    there = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    # Redis is asked for these two, and a counter's family has no suffix in its text.
    wanted = set(
        re.findall(r"\bmedq_\w+", " ".join(re.findall(r"expr:(.*?)(?=\n +(?:for|labels):)", ALERTS.read_text(), re.S)))
    )
    assert wanted <= there | {f"{name}_total" for name in there}


DASHBOARD = ALERTS.with_name("dashboard.json")


def dashboard_expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [target["expr"].replace("$__rate_interval", "5m") for panel in panels for target in panel["targets"]]


def test_the_dashboard_shows_every_metric_that_there_is_and_no_other(platform: Platform) -> None:
    text = Exporter(platform.engine).render().decode()
    there = {
        f"{name}_bucket" if kind == "histogram" else name
        for name, kind in re.findall(r"^# TYPE (\w+) (\w+)", text, re.MULTILINE)
    }
    shown = set(re.findall(r"\bmedq_\w+", " ".join(dashboard_expressions())))
    assert there - shown <= {"medq_build_info"}
    assert shown - there <= {"medq_worker_processes", "medq_llm_pause_seconds", "medq_llm_rate_limit_per_minute"}


def test_the_dashboard_is_laid_out_as_grafana_takes_it() -> None:
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        own = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not own & cells, panel["title"]
        cells |= own
        assert panel["type"] in ("stat", "timeseries")
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
    assert [variable["name"] for variable in board["templating"]["list"]] == ["datasource"]


def test_what_the_dashboard_asks_is_read_by_prometheus_itself(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    rules = [{"record": f"a:b{n}", "expr": expression} for n, expression in enumerate(dashboard_expressions())]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    checked = subprocess.run(
        [promtool, "check", "rules", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
