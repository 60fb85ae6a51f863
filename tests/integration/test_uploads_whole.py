"""Files as people really send them, through `medq check --json` and through a whole job: what is right, key by key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.right_uploads import REFUSED, RIGHT, Right, path_of
from tests.support.scripted_llm import ScriptedLlm, truth_key
from tests.support.surroundings import Platform
from worker.cli import call

CONFIG = {"defaultLevel": "DCEM2"}
ITEMS = """
SELECT i."sheet", i."rowNumber", i."type", i."status", i."reason", i."question", i."findings", i."questionId",
       COALESCE(q."correctAnswer", q."answer") AS stored, q."isValidated"
FROM "AiValidationItem" i LEFT JOIN "Question" q ON q."id" = i."questionId"
WHERE i."jobId" = :id ORDER BY i."position"
"""


def checked(path: Path, capsys: pytest.CaptureFixture[str], config: Mapping[str, Any]) -> dict[str, Any]:
    code = call(["check", str(path), "--config", json.dumps(config), "--json"])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert code == (1 if document["wouldFail"] else 0)
    return document


def truth_of(documents: Mapping[str, dict[str, Any]]) -> dict[str, list[str] | str]:
    """A model that knows every official answer."""
    truth: dict[str, list[str] | str] = {}
    for document in documents.values():
        for row in document["questions"]:
            if row["official"] and row["options"]:
                texts = list(row["options"].values())
                truth[truth_key(row["text"], None, texts)] = [row["options"][letter] for letter in row["official"]]
            elif row["official"]:
                truth[truth_key(row["text"])] = row["official"]
    return truth


def official(question: Mapping[str, Any]) -> str | None:
    found: str | None = question["official_key"] or question["official_answer"]
    return found


def assert_right(right: Right, document: dict[str, Any], items: list[dict[str, Any]]) -> None:
    """The rows of a job are those of the check, and both are right."""
    rows = document["questions"]
    assert tuple(REFUSED if row["rejection"] else row["official"] for row in rows) == right.official
    places = [(item["sheet"], item["rowNumber"], item["type"]) for item in items]
    assert places == [(row["sheet"], row["row"], row["type"]) for row in rows]
    for place, (item, row) in enumerate(zip(items, rows, strict=True)):
        assert (item["status"] == "rejected") == (row["rejection"] is not None)
        if row["rejection"] is not None:
            assert (item["reason"], item["questionId"]) == (row["rejection"], None)
            continue
        assert official(item["question"]) == row["official"] == right.official[place]
        assert item["question"]["options"] == row["options"] == right.options.get(place, row["options"])
        assert {*right.findings.get(place, ())} <= {finding["code"] for finding in item["findings"]}
        if row["official"] is not None:
            assert item["stored"] == row["official"], "a right key is never damaged"
        else:
            assert not item["isValidated"], "no key of the file, nothing that counts as one"


def test_every_file_comes_out_as_is_right(
    platform: Platform, llm: ScriptedLlm, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given what medq check says of every file, which is right, and a model that knows all of it
    documents = {number: checked(path_of(number), capsys, CONFIG) for number in RIGHT}
    documents["43 without a level"] = checked(path_of("43"), capsys, {})
    llm.configure(truth=truth_of(documents))

    # When each goes through a whole job
    with platform.workers(1):
        jobs = {name: platform.enqueue(path_of(name[:2]), config={} if " " in name else CONFIG) for name in documents}
        ended = {name: platform.wait_for_job(job_id) for name, job_id in jobs.items()}

    # Then every key is the file's own, and a job fails where the check said so, with the same sentence
    for name, document in documents.items():
        job, items = ended[name], platform.rows(ITEMS, id=jobs[name])
        assert (job["status"] == "failed", job["errorMessage"]) == (document["wouldFail"], document["errorMessage"]), (
            name
        )
        if " " not in name and not RIGHT[name].fails:
            assert_right(RIGHT[name], document, items)
        else:
            assert [item["reason"] for item in items] == [row["rejection"] for row in document["questions"]]
        said = json.dumps(
            [document["notes"], document["leftOut"], document["refused"], job["errorMessage"]], ensure_ascii=False
        )
        assert all(words in said for words in RIGHT[name[:2]].says), name
    images = platform.rows(ITEMS, id=jobs["18"])
    assert len({item["questionId"] for item in images}) == 2, "two questions"
