"""The API asked by its own document, with what it allows and what it does not: no fault, no answer outside of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import ADMIN, Platform
from tests.support.web_server import TOKEN, Web, serving

EXAMPLES = 200 if os.environ.get("MEDQ_FAULT_LONG") == "1" else 5
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
HEADERS = {"Authorization": f"Bearer {TOKEN}", "X-Medq-User": ADMIN}
IDS = {"job_id": 'SELECT "id" FROM "AiValidationJob"', "item_id": 'SELECT "id" FROM "AiValidationItem"'}


@pytest.fixture
def web(platform: Platform, llm: ScriptedLlm) -> Iterator[Web]:
    llm.configure(truth={})
    with platform.workers(1):
        platform.wait_for_job(platform.enqueue(Path("examples/questions.xlsx")))
    with serving(platform.worker_environment()) as server:
        yield server


def ask_all(web: Web, real: dict[str, list[str]], mode: GenerationMode) -> set[tuple[str, int]]:
    """Every operation; ids are now invented, now real. What was asked, and the statuses that came."""
    schema = schemathesis.openapi.from_url(f"{web.url}/api/v1/openapi.json", headers=HEADERS)
    schema.config.generation.update(with_security_parameters=False)  # who asks is not invented
    found = [one.ok() for one in schema.get_all_operations()]  # type: ignore[union-attr]
    operations = sorted(found, key=lambda one: one.method == "delete")
    return {seen for operation in operations for seen in ask_often(web, operation, real, mode)}


def ask_often(web: Web, operation: Any, real: dict[str, list[str]], mode: GenerationMode) -> set[tuple[str, int]]:
    # A stream of a job that there is would not end; and a job that is deleted is none any more.
    is_invented = operation.path.endswith("/events") or (
        operation.method == "delete" and mode is GenerationMode.NEGATIVE
    )
    seen = set()

    @hypothesis.given(case=operation.as_strategy(generation_mode=mode), data=st.data())
    @hypothesis.settings(
        max_examples=EXAMPLES, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def ask(case: Any, data: st.DataObject) -> None:
        for name in real.keys() & (case.path_parameters or {}).keys():
            if not is_invented and data.draw(st.booleans()):
                case.path_parameters[name] = data.draw(st.sampled_from(real[name]))
        answer = case.call(base_url=web.url, headers=HEADERS, timeout=30)
        seen.add((operation.label, answer.status_code))
        case.validate_response(answer, checks=CHECKS)

    with suppress(Unsatisfiable):  # what takes nothing cannot be asked wrongly
        ask()
    return seen


def test_the_api_answers_whatever_it_is_asked_as_its_document_says(web: Web, platform: Platform) -> None:
    real = {name: [row["id"] for row in platform.rows(statement)][:5] for name, statement in IDS.items()}
    assert all(real.values())

    seen = ask_all(web, real, GenerationMode.NEGATIVE)
    seen |= ask_all(web, real, GenerationMode.POSITIVE)  # whose last one deletes the job

    operations = {label for label, _ in seen}
    assert len(operations) >= 15
    assert {status for _, status in seen} >= {200, 404, 422}
    # And the server is as well as before
    assert web.ask("/readyz").status == 200
