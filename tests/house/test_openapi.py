"""The document that clients are generated from is the one that the routes make."""

from __future__ import annotations

import json
import re
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

from fastapi.routing import iter_route_contexts

from worker.web.export_openapi import build_documented_app, write_document

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/openapi.json"


def test_the_openapi_document_is_what_the_routes_make() -> None:
    # When it differs: .venv/bin/python -m worker.web.export_openapi > docs/openapi.json
    assert DOCUMENT.read_text(encoding="utf-8") == write_document()


def test_every_route_names_what_it_answers() -> None:
    paths = json.loads(write_document())["paths"]
    for path, operations in paths.items():
        for method, operation in operations.items():
            assert operation["description"], (method, path)
            assert "401" in operation["responses"], (method, path)
    assert len(paths) >= 13


def test_every_operation_says_how_one_is_let_in() -> None:
    document = json.loads(write_document())
    schemes = document["components"]["securitySchemes"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            ways = [set(way) for way in operation["security"]]
            # A token tells for whom it asks; what a browser sends by itself changes nothing without the page's token
            browser = {"session"} if method == "get" else {"session", "csrf"}
            assert ways == [{"token", "user"}, browser], (method, path)
    assert set(schemes) == {"token", "user", "session", "csrf"}


def test_refusals_and_events_are_components_and_every_component_that_is_named_is_there() -> None:
    document = json.loads(write_document())
    assert {"Problem", "LiveJob"} <= document["components"]["schemas"].keys()
    named = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    assert named - document["components"]["schemas"].keys() == set()
    event = document["paths"]["/api/v1/jobs/{job_id}/events"]["get"]["responses"]["200"]["content"]
    data = event["text/event-stream"]["itemSchema"]["properties"]["data"]
    assert data["contentSchema"] == {"$ref": "#/components/schemas/LiveJob"}
    # And nothing is described twice
    assert not re.search(r'"title": "Problem".*"title": "Problem"', json.dumps(document))


def test_no_dependency_of_a_route_takes_a_thread() -> None:
    # One that is no coroutine is run in the pool of threads, whatever little it does.
    def calls(dependant: Any) -> list[Any]:
        return [call for one in dependant.dependencies for call in (one.call, *calls(one))]

    routes = [getattr(route, "original_route", route) for route in iter_route_contexts(build_documented_app().routes)]
    found = [call for route in routes if hasattr(route, "dependant") for call in calls(route.dependant)]
    assert [call for call in found if not iscoroutinefunction(call)] == []
    assert len(found) > 30
