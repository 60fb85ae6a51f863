"""The API over HTTP, on jobs that real workers did."""

from __future__ import annotations

import io
import json
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import openpyxl
import pytest

from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform, plain
from tests.support.web_server import TOKEN, Web, add_maintainers, serving

TEACHER, ADMIN = "prof@medq.test", "admin@medq.com"
OPTIONS = {letter: f"Proposition {letter}" for letter in "ABCDE"}
HEADER = [
    "matiere",
    "cours",
    "niveau",
    "semestre",
    "texte de la question",
    *(f"option {c}" for c in "abcde"),
    "reponse",
]
STEMS = [f"Question numéro {n} ?" for n in range(6)]


def workbook_of(stems: list[str], key: str = "AC") -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "qcm"
    sheet.append(HEADER)
    for stem in stems:
        sheet.append(["Pédiatrie", "Urgences", "DCEM2", "S1", stem, *OPTIONS.values(), key])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


@pytest.fixture
def site(platform: Platform) -> Platform:
    add_maintainers(platform, {TEACHER: "Prof"})
    return platform


@pytest.fixture
def web(site: Platform) -> Iterator[Web]:
    with serving(site.worker_environment()) as server:
        yield server


def ok(answer: Any, status: int = 200) -> Any:
    assert answer.status == status, answer.text
    return plain(answer.json())


def detail(answer: Any, status: int) -> str:
    assert answer.status == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(plain(answer.json()["detail"]))


def test_a_file_is_uploaded_watched_decided_and_fetched(site: Platform, web: Web, llm: ScriptedLlm) -> None:
    llm.configure(truth={stem: [OPTIONS["B"], OPTIONS["D"]] for stem in STEMS})
    fields = {"instructions": " Niveau DCEM2. ", "config": '{"batchSize": 3}'}
    made = ok(web.post_file("/api/v1/jobs", "QCM pédiatrie.xlsx", workbook_of(STEMS), fields, user=TEACHER), 201)
    assert (made["status"], made["userId"], made["originalFileName"]) == ("queued", "prof", "QCM pédiatrie.xlsx")
    assert (made["instructions"], made["config"]) == ("Niveau DCEM2.", {"batchSize": 3})
    job = f"/api/v1/jobs/{made['id']}"
    with site.workers(1):
        site.wait_for_job(made["id"])

    # The job says everything at once, and the row the same
    whole = ok(web.ask(job, user=TEACHER))
    assert (whole["progress"], whole["openItems"], whole["outcomes"]["contested"]) == (100, 6, 6)
    assert whole["hasWorkbook"]
    assert not {"fileUrl", "outputUrl"} & set(whole)
    assert whole["llmCalls"]["calls"] > 0
    assert whole["message"] == site.job(made["id"])["message"]

    # Its rows come page by page, each once
    first = ok(web.ask(f"{job}/items?open=true&limit=4", user=TEACHER))
    second = ok(web.ask(f"{job}/items?open=true&limit=4&cursor={first['next']}", user=TEACHER))
    items = first["items"] + second["items"]
    assert [item["question"]["text"] for item in items] == STEMS
    assert second["next"] is None
    assert [look["key"] for look in items[0]["looks"]] == ["BD", "BD"]
    assert (items[0]["proposed"], items[0]["question"]["officialKey"]) == ("BD", "AC")

    # A teacher decides, once
    door = f"/api/v1/items/{items[0]['id']}/decision"
    order = {"action": "accept", "version": items[0]["version"]}
    made_decision = ok(web.post_json(door, order, user=TEACHER))
    assert (made_decision["isNew"], made_decision["item"]["stored"]["official"]) == (True, "BD")
    assert ok(web.post_json(door, order, user=TEACHER))["isNew"] is False
    assert "a déjà tranché" in detail(web.post_json(door, {**order, "action": "keep"}, user=ADMIN), 409)
    assert "a changé" in detail(web.post_json(door, {**order, "action": "keep"}, user=TEACHER), 409)
    assert ok(web.post_json(door, {"action": "undo"}, user=TEACHER))["item"]["isOpen"]
    (source,) = site.rows('SELECT DISTINCT "source", "userId" FROM "AiValidationDecision"')
    assert (source["source"], source["userId"]) == ("api", "prof")

    # The workbook, and back with decisions
    answer = web.ask(f"{job}/workbook", user=TEACHER)
    assert "QCM%20p%C3%A9diatrie-corrige.xlsx" in answer.headers["content-disposition"]
    book = openpyxl.load_workbook(io.BytesIO(answer.body))
    review = book["À revoir"]
    column = [cell.value for cell in review[1]].index("décision") + 1
    for row, word in ((2, "accepter"), (3, "garder"), (4, "peut-être")):
        review.cell(row, column, word)
    returned = io.BytesIO()
    book.save(returned)
    sent = web.post_file(f"{job}/decisions", "QCM-corrige.xlsx", returned.getvalue(), user=TEACHER)
    taken = ok(sent)
    # The first one was settled and reopened since the workbook was written: it is shown anew
    assert [row["state"] for row in taken["rows"]] == ["refused", "settled", "refused"]
    assert (taken["settled"], taken["refused"]) == (1, 2)
    assert "n'est pas une décision" in taken["rows"][2]["reason"]

    stats = ok(web.ask("/api/v1/stats", user=ADMIN))
    assert stats["decisions"] == {"accept": 1, "undo": 1, "keep": 1}
    assert stats["jobs"] == {"completed": 1}
    assert sum(day["calls"] for day in stats["costs"]) == whole["llmCalls"]["calls"]


def test_the_same_key_makes_one_job(site: Platform, web: Web) -> None:
    data, headers = workbook_of(STEMS), {"Idempotency-Key": str(uuid.uuid4())}
    first = ok(web.post_file("/api/v1/jobs", "a.xlsx", data, user=TEACHER, headers=headers), 201)
    again = ok(web.post_file("/api/v1/jobs", "a.xlsx", data, user=TEACHER, headers=headers), 200)
    assert again["id"] == first["id"]
    other = web.post_file("/api/v1/jobs", "a.xlsx", data, {"instructions": "Autre"}, user=TEACHER, headers=headers)
    assert "a déjà servi" in detail(other, 422)
    # Another file of the same name and size is another one: what was corrected in it is not lost
    corrected = data[:-1] + bytes([data[-1] ^ 1])
    other = web.post_file("/api/v1/jobs", "a.xlsx", corrected, user=TEACHER, headers=headers)
    assert "a déjà servi" in detail(other, 422)
    # A key is its user's
    assert ok(web.post_file("/api/v1/jobs", "a.xlsx", data, user=ADMIN, headers=headers), 201)["id"] != first["id"]
    assert ok(web.post_file("/api/v1/jobs", "a.xlsx", data, user=TEACHER), 201)["id"] != first["id"]
    assert site.value('SELECT count(*) FROM "AiValidationJob"') == 3
    assert len(list(Path(site.storage_url).glob("uploads/*/*"))) == 3


def test_many_who_send_the_same_at_once_make_one_job(site: Platform, web: Web) -> None:
    from concurrent.futures import ThreadPoolExecutor

    data, headers = workbook_of(STEMS), {"Idempotency-Key": "k"}
    with ThreadPoolExecutor(6) as threads:
        answers = list(
            threads.map(
                lambda _: web.post_file("/api/v1/jobs", "a.xlsx", data, user=TEACHER, headers=headers), range(6)
            )
        )
    assert {answer.status for answer in answers} <= {200, 201}
    (job_id,) = {answer.json()["id"] for answer in answers}
    assert [path.parent.name for path in Path(site.storage_url).glob("uploads/*/*")] == [job_id]
    assert list(Path(site.storage_url).glob("pending/*")) == []


def test_an_upload_that_is_too_large_is_refused_before_it_is_read(site: Platform) -> None:
    with serving(site.worker_environment(), MEDQ_MAX_FILE_MB="1") as web:
        address = urlsplit(web.url)

        def begin(headers: str, path: str = "/api/v1/jobs") -> bytes:
            with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
                connection.sendall(
                    f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
                    f"X-Medq-User: {TEACHER}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
                    f"Connection: close\r\n{headers}\r\n".encode()
                )
                return b"".join(iter(lambda: connection.recv(4096), b""))

        # By its length, of which no byte was sent; whoever may not come in at all is told so first
        assert b" 413 " in begin(f"Content-Length: {3 * 1024 * 1024}\r\n")
        assert b" 413 " in begin(f"Content-Length: {3 * 1024 * 1024}\r\n", "/api/v1/check")
        # In French, as any refusal
        long = begin(f"Content-Length: {3 * 1024 * 1024}\r\n", "/api/v1/items/c/decision")
        assert b" 413 " in long
        assert "trop volumineux" in long.decode()
        # And by what comes, where no length was told
        big = web.post_file("/api/v1/jobs", "a.xlsx", b"x" * (1024 * 1024 + 10), user=TEACHER)
        assert "taille maximale de 1 Mo" in detail(big, 413)
    assert site.value('SELECT count(*) FROM "AiValidationJob"') == 0


def test_a_list_goes_on_where_it_ended(site: Platform, web: Web) -> None:
    for number in range(5):
        site.enqueue(Path("examples/questions.xlsx"), file_name=f"fichier {number} 100%.xlsx")
    site.execute('UPDATE "AiValidationJob" SET "createdAt" = \'2026-01-01\' WHERE "originalFileName" LIKE \'% 1 %\'')
    site.execute('UPDATE "AiValidationJob" SET "createdAt" = \'2026-01-01\' WHERE "originalFileName" LIKE \'% 2 %\'')
    seen: list[str] = []
    cursor = ""
    while True:
        page = ok(web.ask(f"/api/v1/jobs?limit=2{cursor}", user=TEACHER))
        seen += [job["id"] for job in page["jobs"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert len(seen) == len(set(seen)) == 5
    found = ok(web.ask(f"/api/v1/jobs?q={quote('R 3 100%')}", user=TEACHER))["jobs"]
    assert [job["originalFileName"] for job in found] == ["fichier 3 100%.xlsx"]
    assert ok(web.ask("/api/v1/jobs?status=failed", user=TEACHER))["jobs"] == []
    assert ok(web.ask("/api/v1/jobs?user=prof", user=TEACHER))["jobs"] == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/jobs?cursor=%25%25", 422),
        ("/api/v1/jobs?cursor=WyJ4IiwgMV0", 422),
        ("/api/v1/jobs?q=%00", 422),
        ("/api/v1/jobs?status=fertig", 422),
        ("/api/v1/jobs?limit=0", 422),
        ("/api/v1/jobs/cnichtda", 404),
        ("/api/v1/jobs/cnichtda/items", 404),
        ("/api/v1/jobs/cnichtda/events", 404),
        ("/api/v1/jobs/cnichtda/workbook", 404),
        ("/api/v1/jobs/%00", 422),
        ("/api/v1/items/c%25", 422),
        ("/api/v1/items/cnichtda", 404),
    ],
)
def test_what_cannot_be_answered_is_told(unhurried: Web, path: str, status: int) -> None:
    assert detail(unhurried.ask(path, user=TEACHER), status).endswith(".")


@pytest.fixture(scope="module")
def unhurried(
    services: Any, create_database: Any, url_of: Any, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Web]:
    """One server for questions that change nothing."""
    folder = tmp_path_factory.mktemp("web")
    platform = Platform(url_of(create_database(template)), services.redis_url, folder, "http://127.0.0.1:9/v1")
    platform.execute(
        'INSERT INTO "User" ("id", "email", "role", "updatedAt") VALUES (\'prof\', :email, \'maintainer\', now())',
        email=TEACHER,
    )
    with serving(platform.worker_environment()) as server:
        yield server
    platform.engine.dispose()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"config": "{"}, "pas du JSON"),
        ({"config": '{"x": 1}'}, "inconnue"),
        ({"config": '{"batchSize": "3"}'}, "nombre entier attendu"),
        ({"config": "[1]"}, "objet JSON"),
        ({"config": '{"defaultCourse": "a\\u0000"}'}, "caractère nul"),
        ({"config": '{"maxCostUsd": NaN}'}, "pas du JSON"),
        ({"instructions": "x" * 100_001}, "trop longues"),
    ],
)
def test_a_config_that_means_nothing_is_refused_with_the_jobs_own_sentence(
    unhurried: Web, fields: dict[str, str], sentence: str
) -> None:
    answer = unhurried.post_file("/api/v1/jobs", "a.xlsx", b"x", fields, user=TEACHER)
    assert sentence in detail(answer, 422)
    empty = unhurried.ask("/api/v1/jobs", user=TEACHER)
    assert ok(empty)["jobs"] == []


def test_a_file_is_checked_without_a_job(unhurried: Web) -> None:
    found = ok(unhurried.post_file("/api/v1/check", "a.xlsx", workbook_of(STEMS), user=TEACHER))
    assert (found["wouldFail"], found["rows"]) == (False, 6)
    broken = ok(unhurried.post_file("/api/v1/check", "a.xlsx", b"PK\x03\x04", user=TEACHER))
    assert broken["wouldFail"]


def test_the_template_is_read_back_without_a_column_left(unhurried: Web) -> None:
    answer = unhurried.ask("/api/v1/template.xlsx", user=TEACHER)
    book = openpyxl.load_workbook(io.BytesIO(answer.body))
    assert book.sheetnames == ["qcm", "qroc", "cas_qcm", "cas_qroc"]
    sheet = book["qcm"]
    values = {"matiere": "Pédiatrie", "cours": "Urgences", "niveau": "DCEM2", "texte de la question": "Une ?",
              "option a": "Une", "option b": "Deux", "reponse": "A"}  # fmt: skip
    sheet.append([values.get(str(cell.value)) for cell in sheet[1]])
    file = io.BytesIO()
    book.save(file)
    found = ok(unhurried.post_file("/api/v1/check", "a.xlsx", file.getvalue(), user=TEACHER))
    assert (found["wouldFail"], found["rows"], found["refused"]["rows"]) == (False, 1, 0)
    unread = [c["header"] for s in found["sheets"] for c in s["columns"] if c["became"] is None and not c["onPurpose"]]
    assert unread == []


def test_stop_resume_and_delete_are_the_admins(site: Platform, web: Web) -> None:
    made = ok(web.post_file("/api/v1/jobs", "a.xlsx", workbook_of(STEMS), user=TEACHER), 201)
    job = f"/api/v1/jobs/{made['id']}"
    assert "en cours" in detail(web.ask(job, method="DELETE", user=ADMIN), 409)
    assert "il n'y a pas de classeur" in detail(web.ask(f"{job}/workbook", user=TEACHER), 422)
    for _ in range(2):
        assert ok(web.post_json(f"{job}/cancel", {}, user=ADMIN))["status"] == "cancelled"
    for _ in range(2):
        assert ok(web.post_json(f"{job}/resume", {}, user=ADMIN))["status"] == "queued"
    assert ok(web.post_json(f"{job}/cancel", {}, user=ADMIN))["status"] == "cancelled"
    assert web.ask(job, method="DELETE", user=ADMIN).status == 204
    assert web.ask(job, method="DELETE", user=ADMIN).status == 404
    assert list(Path(site.storage_url).glob("uploads/*/*")) == []


def test_a_returned_workbook_of_another_job_settles_nothing(site: Platform, web: Web, llm: ScriptedLlm) -> None:
    llm.configure(truth={stem: [OPTIONS["B"]] for stem in STEMS})
    data = workbook_of(STEMS[:1])
    first, second = (
        ok(web.post_file("/api/v1/jobs", f"{name}.xlsx", workbook_of([stem]), user=TEACHER), 201)["id"]
        for name, stem in (("a", STEMS[0]), ("b", STEMS[1]))
    )
    with site.workers(1):
        for job_id in (first, second):
            site.wait_for_job(job_id)
    book = openpyxl.load_workbook(io.BytesIO(web.ask(f"/api/v1/jobs/{first}/workbook", user=TEACHER).body))
    review = book["À revoir"]
    review.cell(2, [cell.value for cell in review[1]].index("décision") + 1, "garder")
    file = io.BytesIO()
    book.save(file)
    taken = ok(web.post_file(f"/api/v1/jobs/{second}/decisions", "a-corrige.xlsx", file.getvalue(), user=TEACHER))
    assert "autre tâche" in taken["rows"][0]["reason"]
    assert site.value('SELECT count(*) FROM "AiValidationDecision"') == 0
    # A file that was never ours says so
    answer = web.post_file(f"/api/v1/jobs/{first}/decisions", "a.xlsx", data, user=TEACHER)
    assert "À revoir" in detail(answer, 422)


def read_events(
    web: Web, path: str, *, until: Any, timeout_s: float = 60, last: str | None = None
) -> list[tuple[str, Any]]:
    """Events of a stream until one of them is what is waited for."""
    import http.client

    address = urlsplit(web.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=timeout_s)
    back = {"Last-Event-ID": last} if last else {}
    connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}", "X-Medq-User": TEACHER, **back})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("x-accel-buffering")) == (200, "no")
    seen: list[tuple[str, Any]] = []
    name = ""
    for raw in answer:
        line = raw.decode().rstrip("\n")
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            seen.append((name, json.loads(line.removeprefix("data: "))))
            if until(*seen[-1]):
                break
    connection.close()
    return seen


def test_whoever_watches_sees_the_whole_state_to_its_end(site: Platform, web: Web, llm: ScriptedLlm) -> None:
    from threading import Thread

    llm.configure(truth={stem: [OPTIONS["A"], OPTIONS["C"]] for stem in STEMS})
    made = ok(web.post_file("/api/v1/jobs", "a.xlsx", workbook_of(STEMS), user=TEACHER), 201)
    path = f"/api/v1/jobs/{made['id']}/events"
    seen: list[list[tuple[str, Any]]] = [[], [], []]

    def watch(number: int) -> None:
        seen[number] = read_events(
            web, path, until=lambda name, state: name == "job" and state["status"] == "completed"
        )

    viewers = [Thread(target=watch, args=(number,)) for number in range(3)]
    for viewer in viewers:
        viewer.start()
    with site.workers(1):
        site.wait_for_job(made["id"])
        for viewer in viewers:
            viewer.join(30)
    for events in seen:
        states = [state for _, state in events]
        assert states[0]["id"] == made["id"]
        assert [s["progress"] for s in states] == sorted(s["progress"] for s in states)
        assert (states[-1]["progress"], states[-1]["outcomes"]["confirmed"]) == (100, 6)
        for state in states:
            assert sum(state["outcomes"].values()) == state["totalItems"]
    # Whoever comes back begins with what is true now; a job that was deleted says so
    (event,) = read_events(web, path, until=lambda *_: True, last="long-ago")
    assert event[1]["status"] == "completed"
    site.execute('DELETE FROM "AiValidationJob"')


def test_streams_end_at_shutdown(site: Platform) -> None:
    from threading import Thread

    ended: list[float] = []
    with serving(site.worker_environment()) as web:
        job_id = site.enqueue(Path("examples/questions.xlsx"))
        path = f"/api/v1/jobs/{job_id}/events"

        def watch() -> None:
            read_events(web, path, until=lambda *_: False)
            ended.append(time.monotonic())

        viewers = [Thread(target=watch) for _ in range(5)]
        for viewer in viewers:
            viewer.start()
        while len(web.server.app.state.live._viewers) < 5:
            time.sleep(0.02)
        web.server.should_exit = True
        for viewer in viewers:
            viewer.join(30)
    assert len(ended) == 5


def test_times_say_that_they_are_utc_and_a_job_under_way_how_long_it_still_takes(
    site: Platform, web: Web, llm: ScriptedLlm
) -> None:
    llm.configure(truth={stem: [OPTIONS["A"], OPTIONS["C"]] for stem in STEMS}, latency_s=0.2)
    options = {"config": '{"batchSize": 1}'}
    made = ok(web.post_file("/api/v1/jobs", "a.xlsx", workbook_of(STEMS), options, user=TEACHER), 201)
    job = f"/api/v1/jobs/{made['id']}"
    with site.workers(1, MEDQ_THREADS="1"):
        site.wait_until(lambda: ok(web.ask(job, user=TEACHER))["secondsLeft"] is not None, what="time left")
        site.wait_for_job(made["id"])
    ended = ok(web.ask(job, user=TEACHER))
    times = [ended[name] for name in ("createdAt", "startedAt", "completedAt", "updatedAt")]
    assert all(time.endswith(("Z", "+00:00")) for time in times), times
    # A list goes on where it ended, whatever the machine's own zone
    ok(web.post_file("/api/v1/jobs", "b.xlsx", workbook_of(STEMS), user=TEACHER), 201)
    page = ok(web.ask("/api/v1/jobs?limit=1", user=TEACHER))
    (second,) = ok(web.ask(f"/api/v1/jobs?limit=1&cursor={page['next']}", user=TEACHER))["jobs"]
    assert second["id"] == made["id"]
