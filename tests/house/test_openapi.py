"""The document that clients are generated from is the one that the routes make."""

from __future__ import annotations

import json
from pathlib import Path

from worker.web.document import write_document

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/openapi.json"


def test_the_openapi_document_is_what_the_routes_make() -> None:
    # When it differs: .venv/bin/python -m worker.web.document > docs/openapi.json
    assert DOCUMENT.read_text(encoding="utf-8") == write_document()


def test_every_route_names_what_it_answers() -> None:
    paths = json.loads(write_document())["paths"]
    for path, operations in paths.items():
        for method, operation in operations.items():
            assert operation["description"], (method, path)
            assert "401" in operation["responses"], (method, path)
    assert len(paths) >= 13
