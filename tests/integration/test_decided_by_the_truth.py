"""From a file with spoiled keys to right ones, through people who know; and what their decisions say of the model."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.support.real_shapes import KINDS_OF_KNOWN, provide
from tests.support.scripted_llm import ScriptedLlm, truth_key
from tests.support.surroundings import ADMIN, Platform
from worker.db.engine import Database
from worker.evaluation.acceptance import measure_acceptance
from worker.evaluation.figures import GivenKey
from worker.evaluation.run import KnownQuestion, read_known, spoil, with_official, write_upload
from worker.evaluation.spoil import Spoiling
from worker.questions.decision import Order
from worker.review.decide import decide
from worker.review.decision_store import ItemView, list_items
from worker.review.standing_decisions import read_settled

SPECIALTIES = ("Pharmacie", "Chimie", "Biologie")
# Of the seeds the first one with which no spoiled key is also what a wrong look happens to give (such a key is
# confirmed, and nobody is asked).
SEED = 11


@pytest.mark.parametrize("kind", KINDS_OF_KNOWN)
def test_decisions_by_the_truth_leave_right_keys_alone_and_say_what_the_model_is_worth(
    platform: Platform, llm: ScriptedLlm, tmp_path: Path, kind: str
) -> None:
    # Given 312 questions, 5 % of their keys spoiled, and looks that are right independently 9 times in 10
    known = [
        replace(one, question=replace(one.question, specialty=SPECIALTIES[n % 3]))
        for n, one in enumerate(read_known(provide(kind, tmp_path)))
    ]
    keys = spoil(known, Spoiling(wrong=0.05, left_out=0, seed=SEED))
    assert (len(keys), sum(key.is_spoiled for key in keys)) == (312, 16)
    teach(llm, known, keys)
    path = tmp_path / "examen.xlsx"
    places = write_upload([with_official(k.question, g.given) for k, g in zip(known, keys, strict=True)], path)
    truth = dict(zip(places, keys, strict=True))

    with platform.workers(1, MEDQ_THREADS="8"):
        job_id = platform.enqueue(path)
        assert platform.wait_for_job(job_id)["status"] == "completed"
        items = items_of(platform, job_id)
        assert Counter(item.status for item in items).keys() == {"confirmed", "contested"}
        assert not any(i.status == "confirmed" and truth[place(i)].is_spoiled for i in items)

        # When whoever knows the truth decides about all that is open
        by_hand = decide_all(Database(platform.engine), items, truth)

        # Then 312 right keys are stored, all validated, and what is open is nothing
        before = check_stored(platform, known, keys)
        assert not any(item.is_open for item in items_of(platform, job_id))

        # And the corrected workbook, sent in again, adds nothing, changes nothing and asks nobody
        calls = platform.value('SELECT count(*) FROM "LlmCall"')
        workbook = workbook_of(platform, job_id)
        again = platform.enqueue(workbook)
        assert platform.wait_for_job(again)["status"] == "completed"
        assert platform.value('SELECT count(*) FROM "LlmCall"') == calls
    assert check_stored(platform, known, keys) == before
    check_returned(platform, again, known, by_hand)

    # And the report equals the count by hand
    check_report(json.loads(medq(platform, "eval", "--from-decisions", "--json")), by_hand)
    told = medq(platform, "eval", "--from-decisions")
    assert "analyse acceptée" in told
    assert f"{by_hand['whole']['accepted']} sur {sum(by_hand['whole'].values())} : " in told

    # And what is undone for good counts no more
    undone = next(item for item in items if item.is_open)
    decide(Database(platform.engine), Order(undone.id, "undo", ADMIN, "command"))
    with platform.engine.connect() as connection:
        left = measure_acceptance(read_settled(connection)).whole.settled
    assert left == sum(by_hand["whole"].values()) - 1


Counts = dict[str, Counter[str]]


def teach(llm: ScriptedLlm, known: list[KnownQuestion], keys: list[GivenKey]) -> None:
    """All keys but two: of a spoiled one it is sure of a third key, of a right one that it is wrong."""
    mistaken = [next(n for n, key in enumerate(keys) if key.is_spoiled is is_spoiled) for is_spoiled in (True, False)]
    truth = {}
    for n, (one, key) in enumerate(zip(known, keys, strict=True)):
        options = one.question.options
        wrong = next(letter for letter in options if letter not in (one.key, key.given))
        believed = wrong if n in mistaken else one.key
        truth[truth_key(one.question.text, None, list(options.values()))] = [options[letter] for letter in believed]
    llm.configure(truth=truth, accuracy=0.9)


def items_of(platform: Platform, job_id: str) -> list[ItemView]:
    with platform.engine.connect() as connection:
        return list_items(connection, job_id)


def place(item: ItemView) -> tuple[str, int]:
    return item.sheet, item.row_number


def workbook_of(platform: Platform, job_id: str) -> Path:
    return Path(platform.job(job_id)["outputUrl"].removeprefix("file://"))


def decide_all(database: Database, items: list[ItemView], truth: dict[tuple[str, int], GivenKey]) -> Counts:
    """Decide by the truth; what was counted meanwhile, by hand: "whole", and each specialty.

    Some change their mind first: what was undone, or decided anew, must not count.
    """
    counts: Counts = {"whole": Counter()}
    for number, item in enumerate(item for item in items if item.is_open):
        key = truth[place(item)]
        looks = [look["key"] for look in (item.result or {})["looks"]]
        if number % 4 == 1:
            decide(database, Order(item.id, "discard", ADMIN, "command"))
            decide(database, Order(item.id, "undo", ADMIN, "command"))
        if number % 4 == 2:
            decide(database, Order(item.id, "edit", ADMIN, "command", key="ABCDE"))
        if set(looks) == {key.truth}:
            decide(database, Order(item.id, "accept", ADMIN, "command"))
            fate = "accepted"
        elif key.given == key.truth:
            decide(database, Order(item.id, "keep", ADMIN, "command"))
            fate = "kept"
        else:
            decide(database, Order(item.id, "edit", ADMIN, "command", key=key.truth))
            fate = "accepted" if key.truth in looks else "edited"
        assert item.question is not None
        counts["whole"][fate] += 1
        counts.setdefault(item.question["specialty"], Counter())[fate] += 1
    return counts


def check_stored(platform: Platform, known: list[KnownQuestion], keys: list[GivenKey]) -> list[dict[str, Any]]:
    """Every stored key is the true one and validated; the rows as they are."""
    rows = platform.rows('SELECT * FROM "Question" ORDER BY "id"')
    assert len(rows) == 312
    assert all(row["isValidated"] and row["isActive"] for row in rows)
    options = [f"option{letter}" for letter in "ABCDE"]
    stored = sorted((row["questionText"], *(row[o] for o in options), row["correctAnswer"]) for row in rows)
    right = sorted(
        (plain(k.question.text), *(plain(k.question.options.get(letter)) for letter in "ABCDE"), key.truth)
        for k, key in zip(known, keys, strict=True)
    )
    assert [row[-1] for row in stored] == [row[-1] for row in right]
    return rows


def check_returned(platform: Platform, job_id: str, known: list[KnownQuestion], by_hand: Counts) -> None:
    """Every row of the workbook that came back gives the right key, or says beside the file's own that it stands."""
    decided = sum(by_hand["whole"].values())
    assert platform.outcomes(job_id) == {"duplicate": decided, "confirmed": 312 - decided}
    assert not any(item.is_open for item in items_of(platform, job_id))
    header, *rows = openpyxl.load_workbook(workbook_of(platform, job_id))["qcm"].iter_rows(values_only=True)
    returned = [dict(zip(header, row, strict=True)) for row in rows]
    assert len(returned) == 312
    for row, one in zip(returned, known, strict=True):
        assert row["reponse"] == one.key or f"« {one.key} »" in plain(row["raison"])


def plain(text: object) -> str:
    """Without the non-breaking spaces of French typography."""
    return str(text).replace("\xa0", " ").replace("\u202f", " ")


def check_report(report: dict[str, Any], by_hand: Counts) -> None:
    fates = ("accepted", "kept", "edited", "to_judge", "discarded")
    expected = {fate: by_hand["whole"][fate] for fate in fates}
    settled = sum(by_hand["whole"].values())
    assert {fate: report[fate] for fate in fates} == expected
    assert report["settled"] == settled
    assert min(expected["accepted"], expected["kept"], expected["edited"]) >= 1
    share = expected["accepted"] / settled
    assert report["accepted_share"] == pytest.approx(share)
    for end in report["accepted_interval"]:  # as Wilson defines it: so many standard errors away as it sees itself
        assert abs(share - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / settled), abs=1e-6)
    found = {line["name"]: {fate: line[fate] for fate in fates} for line in report["by_specialty"]}
    assert found == {name: {f: c[f] for f in fates} for name, c in by_hand.items() if name != "whole"}
    for kind, name in (("model", "scripted"), ("type", "qcm"), ("outcome", "contested")):
        (line,) = report[f"by_{kind}"]
        assert (line["name"], {fate: line[fate] for fate in fates}) == (name, expected)
    (bin_,) = report["by_confidence"]
    assert (bin_["low"], bin_["count"], bin_["accepted"]) == (0.9, settled, expected["accepted"])
    assert report["not_counted"] == {"failed": 0, "without_contest": 0}


def medq(platform: Platform, *arguments: str) -> str:
    environment = {"PATH": os.environ["PATH"], **platform.worker_environment()}
    program = str(Path(sys.executable).with_name("medq"))
    done = subprocess.run(
        [program, *arguments], cwd=platform.folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
