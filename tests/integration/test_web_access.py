"""Who may do what over HTTP: every route of the application against everybody who may ask."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.routing import iter_route_contexts

from tests.support.log_capture import events_of
from tests.support.surroundings import Platform
from tests.support.web_server import TOKEN, Web, serving
from worker.errors import UsageError
from worker.settings import Settings
from worker.web import guard
from worker.web.access import Access, read_access
from worker.web.guard import ASSETS, OPEN, SAFE

MAINTAINER, ADMIN, FORMER, STUDENT = "prof@medq.test", "chef@medq.test", "parti@medq.test", "eleve@medq.test"
# Whom each route answers. A route that is new fails the test until it has a row here.
ROUTES: dict[tuple[str, str], str] = {
    ("GET", "/healthz"): "everybody",
    ("GET", "/readyz"): "everybody",
    ("GET", "/entrer"): "everybody",
    ("GET", "/metrics"): "admin",
    ("GET", "/api/v1/openapi.json"): "maintainer",
    ("HEAD", "/api/v1/openapi.json"): "maintainer",
    ("POST", "/api/v1/jobs"): "maintainer",
    ("GET", "/api/v1/jobs"): "maintainer",
    ("GET", "/api/v1/jobs/{job_id}"): "maintainer",
    ("DELETE", "/api/v1/jobs/{job_id}"): "admin",
    ("POST", "/api/v1/jobs/{job_id}/cancel"): "admin",
    ("POST", "/api/v1/jobs/{job_id}/resume"): "admin",
    ("GET", "/api/v1/jobs/{job_id}/workbook"): "maintainer",
    ("POST", "/api/v1/jobs/{job_id}/decisions"): "maintainer",
    ("GET", "/api/v1/jobs/{job_id}/events"): "maintainer",
    ("GET", "/api/v1/jobs/{job_id}/items"): "maintainer",
    ("GET", "/api/v1/items/{item_id}"): "maintainer",
    ("POST", "/api/v1/items/{item_id}/decision"): "maintainer",
    ("POST", "/api/v1/check"): "maintainer",
    ("GET", "/api/v1/template.xlsx"): "maintainer",
    ("GET", "/api/v1/stats"): "admin",
    ("GET", "/"): "maintainer",
    ("POST", "/taches"): "maintainer",
    ("GET", "/taches/{job_id}"): "maintainer",
    ("POST", "/taches/{job_id}/arreter"): "admin",
    ("POST", "/taches/{job_id}/reprendre"): "admin",
    ("POST", "/taches/{job_id}/supprimer"): "admin",
    ("GET", "/taches/{job_id}/classeur"): "maintainer",
    ("POST", "/taches/{job_id}/decisions"): "maintainer",
    ("GET", "/evenements"): "maintainer",
    ("GET", "/a-trancher"): "maintainer",
    ("POST", "/a-trancher/{item_id}"): "maintainer",
    ("GET", "/verifier"): "maintainer",
    ("POST", "/verifier"): "maintainer",
    ("GET", "/exploitation"): "admin",
}
CLOSED = {route: who for route, who in ROUTES.items() if who != "everybody"}
CHANGES = [route for route in CLOSED if route[0] not in SAFE]


def add_people(platform: Platform) -> None:
    for email, role, active in (
        (MAINTAINER, "maintainer", True),
        (ADMIN, "admin", True),
        (FORMER, "admin", False),
        (STUDENT, "user", True),
    ):
        platform.execute(
            'INSERT INTO "User" ("id", "email", "name", "role", "isActive", "updatedAt") '
            "VALUES (:id, :email, :name, :role, :active, now())",
            id=email.partition("@")[0], email=email, name=email.partition("@")[0].title(), role=role, active=active,
        )  # fmt: skip


@pytest.fixture
def web(platform: Platform) -> Iterator[Web]:
    add_people(platform)
    with serving(platform.worker_environment()) as server:
        yield server


def routes(web: Web) -> set[tuple[str, str]]:
    """Method and path of every route; of what is mounted, that it is the assets."""
    found = list(iter_route_contexts(web.server.app.routes))
    assert {one.path for one in found if not one.methods} == {ASSETS.rstrip("/")}
    return {(method, str(one.path)) for one in found for method in one.methods or ()}


def concrete(path: str) -> str:
    return re.sub(r"\{\w+\}", "cnichtda", path)


BEARER = {"Authorization": f"Bearer {TOKEN}"}
NOBODY: dict[str, dict[str, str]] = {
    "nobody": {},
    "wrong token": {"Authorization": "Bearer jeton-faux-0123456789", "X-Medq-User": ADMIN},
    "another scheme": {"Authorization": f"Basic {TOKEN}", "X-Medq-User": ADMIN},
    "token without user": BEARER,
    "inactive user": {**BEARER, "X-Medq-User": FORMER},
    "student": {**BEARER, "X-Medq-User": STUDENT},
    "unknown user": {**BEARER, "X-Medq-User": "personne@medq.test"},
    "forged header": {"X-Medq-User": ADMIN},
    "forged proxy": {"X-Forwarded-User": ADMIN, "X-Forwarded-For": "10.0.0.1"},
    "forged cookie": {"Cookie": "medq_session=WyJhIiwiY2hlZiJd.aaaa.bbbb"},
}


def test_every_route_answers_whom_it_is_for_and_nobody_else(web: Web) -> None:
    assert routes(web) == ROUTES.keys()
    assert {path for (_, path), who in ROUTES.items() if who == "everybody"} == set(OPEN)
    for (method, path), who in CLOSED.items():
        asked = concrete(path)
        for stranger, headers in NOBODY.items():
            answer = web.ask(asked, method=method, headers=headers)
            assert answer.status == 401, (method, path, stranger)
            assert not set(answer.headers) & {"Set-Cookie", "set-cookie"}
        body = b"" if method == "POST" else None
        as_maintainer = web.ask(asked, method=method, user=MAINTAINER, data=body)
        as_admin = web.ask(asked, method=method, user=ADMIN, data=body)
        assert (as_maintainer.status == 403) == (who == "admin"), (method, path)
        for answer in (as_maintainer, as_admin):
            assert answer.status not in (401, 500), (method, path)
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
        assert as_admin.status != 403, (method, path)


def test_what_is_done_and_who_is_refused_stands_in_the_log(web: Web, platform: Platform) -> None:
    with events_of(guard) as events:
        for method, path in CHANGES:
            web.ask(concrete(path), method=method, user=ADMIN, data=b"")
        web.ask("/api/v1/stats", user=MAINTAINER)
        web.ask("/api/v1/jobs", headers=NOBODY["wrong token"])
        # A line is written behind its answer
        platform.wait_until(lambda: sum(event["event"] == "web_action" for event in events) >= len(CHANGES) + 2)
    done = [event for event in events if event["event"] == "web_action"]

    def logged(**what: object) -> bool:
        return any(what.items() <= event.items() for event in done)

    for method, path in CHANGES:
        assert logged(method=method, path=concrete(path), user_id="chef", door="token"), (method, path)
    assert logged(path="/api/v1/stats", status=403, user_id="prof")
    assert logged(path="/api/v1/jobs", status=401, user_id=None)
    assert TOKEN not in str(done)


def test_what_does_not_exist_is_closed_too(web: Web) -> None:
    for path in ("/api/v1/nichts", "/docs", "/redoc", "/openapi.json", "/../etc/passwd", "/healthz/", "/entrer/x"):
        assert web.ask(path).status == 401
        assert web.ask(path, user=ADMIN).status in (404, 307)


def test_health_tells_nothing_and_needs_nobody(web: Web, platform: Platform) -> None:
    assert web.ask("/healthz").json() == {"status": "ok"}
    ready = web.ask("/readyz", headers={"Host": "10.1.2.3"})
    assert (ready.status, ready.json()["status"]) == (200, "ok")
    platform.execute("UPDATE medq_version SET version_num = '001'")
    assert web.ask("/readyz").status == 503


def test_a_door_is_told_in_french_and_binds_the_browser(web: Web) -> None:
    answer = web.ask("/api/v1/jobs")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].replace("\u00a0", " ").startswith("L'accès est fermé : ")
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in {name.lower() for name in answer.headers}


def test_a_fault_that_nobody_foresaw_is_told_like_any_other(web: Web, platform: Platform) -> None:
    platform.execute('ALTER TABLE "AiValidationJob" RENAME "message" TO "anders"')
    answer = web.ask("/api/v1/jobs", user=ADMIN)
    assert (answer.status, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "anders" not in answer.text
    assert "AiValidationJob" not in answer.text


def test_a_user_who_is_deactivated_is_out_at_once(web: Web, platform: Platform) -> None:
    assert web.ask("/api/v1/jobs", user=MAINTAINER).status == 200
    platform.execute('UPDATE "User" SET "isActive" = false WHERE "email" = :email', email=MAINTAINER)
    assert web.ask("/api/v1/jobs", user=MAINTAINER).status == 401


def test_an_email_is_known_whatever_its_case_unless_two_could_be_meant(web: Web, platform: Platform) -> None:
    assert web.ask("/api/v1/jobs", user=MAINTAINER.upper()).status == 200
    platform.execute(
        'INSERT INTO "User" ("id", "email", "role", "updatedAt") VALUES (\'zwei\', :email, \'admin\', now())',
        email=MAINTAINER.title(),
    )
    assert web.ask("/api/v1/jobs", user=MAINTAINER.upper()).status == 401
    assert web.ask("/api/v1/jobs", user=MAINTAINER).status == 200


# -- a browser ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def local(platform: Platform) -> Iterator[Web]:
    """Without token and proxy: the link alone opens."""
    add_people(platform)
    with serving(platform.worker_environment(), link_user=ADMIN, MEDQ_WEB_TOKEN="") as server:
        yield server


def enter(web: Web, link: str, **headers: str) -> str | None:
    answer = web.ask(f"/entrer?jeton={quote(link)}", headers=headers)
    if answer.status != 303:
        assert answer.status == 401
        return None
    kept = answer.headers["set-cookie"]
    assert "HttpOnly" in kept
    assert "SameSite=strict" in kept
    return kept.partition(";")[0]


def test_the_link_opens_once(local: Web) -> None:
    link = local.access.new_link()
    cookie = enter(local, link, Cookie="medq_session=vorher-gesetzt")
    assert cookie is not None
    assert "vorher" not in cookie
    assert enter(local, link) is None
    assert enter(local, local.access.new_link()) not in (None, cookie)
    assert enter(local, "falsch") is None
    assert local.ask("/api/v1/jobs", headers={"Cookie": cookie}).status == 200
    assert local.ask("/api/v1/jobs", headers={"Cookie": cookie[:-2] + "xx"}).status == 401
    # A token that was never configured opens nothing
    assert local.ask("/api/v1/jobs", headers={"Authorization": "Bearer ", "X-Medq-User": ADMIN}).status == 401


def test_what_a_browser_sends_by_itself_changes_nothing_without_our_pages_token(local: Web) -> None:
    cookie = enter(local, local.access.new_link())
    other = enter(local, local.access.new_link())
    assert cookie
    assert other

    def resume(**headers: str) -> int:
        return local.ask("/api/v1/jobs/cnichtda/resume", method="POST", data=b"", headers=headers).status

    signer = local.access._signer("csrf")
    nonce = local.access._signer("session").loads(cookie.partition("=")[2])[0]
    token = signer.dumps(f"session:{nonce}")
    assert resume(Cookie=cookie) == 403
    assert resume(Cookie=cookie, **{"X-CSRF-Token": "falsch"}) == 403
    assert resume(Cookie=other, **{"X-CSRF-Token": token}) == 403
    assert resume(Cookie=cookie, **{"X-CSRF-Token": token, "Sec-Fetch-Site": "cross-site"}) == 403
    assert resume(Cookie=cookie, **{"X-CSRF-Token": token, "Sec-Fetch-Site": "same-origin"}) == 404


def test_no_route_does_anything_for_a_browser_that_was_sent_there_from_elsewhere(local: Web) -> None:
    cookie = enter(local, local.access.new_link()) or ""
    for method, path in CHANGES:
        bare = local.ask(concrete(path), method=method, data=b"", headers={"Cookie": cookie})
        assert bare.status == 403, (method, path)
        for form in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"):
            sent = {"Cookie": cookie, "Content-Type": form}
            assert local.ask(concrete(path), method=method, data=b"csrf=falsch", headers=sent).status in (400, 403)
    for method, path in CLOSED:
        named = local.ask(concrete(path), method=method, headers={"Cookie": cookie, "Host": "evil.example"})
        assert named.status == 421, (method, path)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.nip.io", "["])
def test_a_page_elsewhere_does_not_reach_it_under_its_own_name(local: Web, host: str) -> None:
    cookie = enter(local, local.access.new_link()) or ""
    assert local.ask("/api/v1/jobs", headers={"Cookie": cookie, "Host": "localhost:1234"}).status == 200
    assert local.ask("/api/v1/jobs", headers={"Cookie": cookie, "Host": host}).status == 421
    assert local.ask(f"/entrer?jeton={quote(local.access.new_link())}", headers={"Host": host}).status == 421


# -- a proxy -----------------------------------------------------------------------------------------------------------


def test_a_header_is_believed_from_the_named_proxies_alone(platform: Platform) -> None:
    add_people(platform)
    named: dict[str, Any] = {"MEDQ_WEB_TOKEN": "", "MEDQ_WEB_USER_HEADER": "X-Forwarded-User"}
    with serving(platform.worker_environment(), MEDQ_WEB_TRUSTED_PROXIES="127.0.0.0/8", **named) as web:
        asked = {"X-Forwarded-User": ADMIN, "Host": "medq.example"}
        assert web.ask("/api/v1/jobs", headers=asked).status == 200
        assert web.ask("/api/v1/jobs", headers={"X-Forwarded-User": STUDENT}).status == 401
        assert web.ask("/api/v1/jobs", headers={"X-Forwarded-User": ""}).status == 401
        # The proxy's session is sent by browsers of their own accord
        assert web.ask("/api/v1/jobs/c/resume", method="POST", data=b"", headers=asked).status == 403
    with serving(platform.worker_environment(), MEDQ_WEB_TRUSTED_PROXIES="10.0.0.0/8,::1", **named) as web:
        assert web.ask("/api/v1/jobs", headers={"X-Forwarded-User": ADMIN}).status == 401


# -- where it may listen -----------------------------------------------------------------------------------------------


def access_on(host: str, **settings: str) -> Access:
    return read_access(Settings.model_validate(settings), lambda _user: None, host=host, link_user=ADMIN)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "medq.example", "192.168.1.1"])  # noqa: S104
def test_without_token_or_proxy_it_listens_on_this_machine_alone(host: str) -> None:
    with pytest.raises(UsageError, match="this machine alone"):
        access_on(host)
    assert access_on(host, MEDQ_WEB_TOKEN=TOKEN).link_user is None
    assert access_on(host, MEDQ_WEB_USER_HEADER="X-User", MEDQ_WEB_TRUSTED_PROXIES="10.0.0.1").link_user is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.9.1"])
def test_on_this_machine_the_link_opens(host: str) -> None:
    assert access_on(host).link_user == ADMIN


@pytest.mark.parametrize(
    "settings",
    [{"MEDQ_WEB_USER_HEADER": "X-User"}, {"MEDQ_WEB_TRUSTED_PROXIES": "10.0.0.1"}],
)
def test_half_a_proxy_is_refused(settings: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="belong together"):
        access_on("127.0.0.1", **settings)
