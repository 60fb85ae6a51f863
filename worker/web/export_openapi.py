"""The OpenAPI document as it stands in docs/openapi.json: `python -m worker.web.export_openapi > docs/openapi.json`."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any, cast

from fastapi import FastAPI

from worker.db.engine import connect
from worker.settings import Settings
from worker.web.access import Access
from worker.web.app import build_app
from worker.web.parts import Parts


def build_documented_app() -> FastAPI:
    """The application with the default limits, over a database that does not exist."""
    engine = connect("postgresql://nobody.invalid/none")
    parts = SimpleNamespace(
        settings=Settings.model_construct(),
        engine=engine,
        reads=engine,
        limits=(),
        max_upload_bytes=50 * 1024 * 1024,
    )
    return build_app(cast(Parts, parts), Access(find=lambda _user: None))


def write_document() -> str:
    """The document; the same text for the same routes."""
    document: dict[str, Any] = build_documented_app().openapi()
    return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(write_document())
