"""The OpenAPI document beyond what routes say themselves: how one is let in, and bodies that none of them returns."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from worker.web.access import COOKIE, USER_HEADER
from worker.web.bodies import LiveJob, Problem
from worker.web.guard import CSRF_HEADER, SAFE

Security = list[dict[str, list[str]]]
SCHEMES: dict[str, dict[str, str]] = {
    "token": {"type": "http", "scheme": "bearer", "description": "`MEDQ_WEB_TOKEN`, on a server, with `user`."},
    "user": {
        "type": "apiKey", "in": "header", "name": USER_HEADER,
        "description": "E-mail or id of the active admin or maintainer for whom the token's holder asks.",
    },
    "session": {
        "type": "apiKey", "in": "cookie", "name": COOKIE, "description": "What a browser has of the one-time link.",
    },
    "csrf": {
        "type": "apiKey", "in": "header", "name": CSRF_HEADER,
        "description": "With `session`, for whatever changes something: the token that the pages hold.",
    },
}  # fmt: skip
# What is named together is given together. A trusted proxy's header is one more way in, whose name is the operator's.
TO_READ: Security = [{"token": [], "user": []}, {"session": []}]
TO_CHANGE: Security = [{"token": [], "user": []}, {"session": [], "csrf": []}]


class Application(FastAPI):
    """Tells in its document who is let in, and what events and refusals hold."""

    def openapi(self) -> dict[str, Any]:
        """The document; made once."""
        if self.openapi_schema is None:
            _complete(super().openapi())
        return super().openapi()


def _complete(document: dict[str, Any]) -> None:
    told = models_json_schema(
        [(LiveJob, "serialization"), (Problem, "serialization")], ref_template="#/components/schemas/{model}"
    )
    document["components"]["schemas"] |= told[1]["$defs"]
    document["components"]["securitySchemes"] = SCHEMES
    for operations in document["paths"].values():
        for method, operation in operations.items():
            operation["security"] = TO_READ if method.upper() in SAFE else TO_CHANGE
