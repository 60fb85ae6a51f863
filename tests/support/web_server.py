"""The page and the API as a real server on loopback, in a thread of the test's own process."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from functools import partial
from typing import Any
from urllib.parse import urlencode

from worker.settings import Settings
from worker.web.access import Access, read_access
from worker.web.app import build_app
from worker.web.people import find_person
from worker.web.serving import Server, bind, build_parts, make_server

TOKEN = "jeton-des-essais-0123456789"


@dataclass
class Answer:
    status: int
    headers: Message
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode().replace("\u00a0", " ")


def add_maintainers(platform: Any, people: Mapping[str, str]) -> None:
    """Users who may decide, by e-mail with their names; the id is what stands before the @."""
    for email, name in people.items():
        platform.execute(
            'INSERT INTO "User" ("id", "email", "name", "role", "updatedAt") '
            "VALUES (:id, :email, :name, 'maintainer', now())",
            id=email.partition("@")[0],
            email=email,
            name=name,
        )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


OPENER = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))


@dataclass
class Web:
    """A running server. `ask` sends one request; headers of `as_user` are those of a web app with the token."""

    url: str
    access: Access
    server: Server
    cookie: str | None = field(default=None)

    def ask(
        self, path: str, *, method: str = "GET", user: str | None = None, data: bytes | None = None,
        headers: Mapping[str, str] | None = None, timeout_s: float = 30,
    ) -> Answer:  # fmt: skip
        sent = {"Authorization": f"Bearer {TOKEN}", "X-Medq-User": user} if user else {}
        request = urllib.request.Request(self.url + path, data, {**sent, **(headers or {})}, method=method)  # noqa: S310
        try:
            with OPENER.open(request, timeout=timeout_s) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def post_json(self, path: str, body: Any, **how: Any) -> Answer:
        headers = {"Content-Type": "application/json", **how.pop("headers", {})}
        return self.ask(path, method="POST", data=json.dumps(body).encode(), headers=headers, **how)

    def post_file(self, path: str, name: str, data: bytes, fields: Mapping[str, str] = {}, **how: Any) -> Answer:
        kind, body = multipart(name, data, fields)
        return self.ask(path, method="POST", data=body, headers={"Content-Type": kind, **how.pop("headers", {})}, **how)

    def post_form(self, path: str, fields: Mapping[str, str], **how: Any) -> Answer:
        headers = {"Content-Type": "application/x-www-form-urlencoded", **how.pop("headers", {})}
        return self.ask(path, method="POST", data=urlencode(fields).encode(), headers=headers, **how)


def multipart(name: str, data: bytes, fields: Mapping[str, str]) -> tuple[str, bytes]:
    border = "----essai"
    parts = [
        f'--{border}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()
    ]
    head = f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    return f"multipart/form-data; boundary={border}", b"".join([*parts, head, data, f"\r\n--{border}--\r\n".encode()])


@contextmanager
def serving(
    environment: Mapping[str, str], *, link_user: str | None = None, port: int = 0, **more: str
) -> Iterator[Web]:
    """A server with these settings, with the token unless `more` says otherwise."""
    settings = Settings.model_validate({"MEDQ_WEB_TOKEN": TOKEN, **environment, **more})
    parts = build_parts(settings, storage_url=environment["MEDQ_STORAGE_URL"])
    access = read_access(settings, partial(find_person, parts.engine), host="127.0.0.1", link_user=link_user)
    bound = bind("127.0.0.1", port)
    server = make_server(build_app(parts, access))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield Web(f"http://127.0.0.1:{bound.getsockname()[1]}", access, server)
    finally:
        server.should_exit = True
        thread.join(20)
        bound.close()
        parts.engine.dispose()
        assert not thread.is_alive(), "the server did not end"
