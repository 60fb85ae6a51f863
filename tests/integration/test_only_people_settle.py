"""Any sequence of uploads, returns, decisions and runs: whatever is validated at its end, a person stands behind it.

The test keeps its own books of which keys people gave; nothing in it asks the worker whose a key is.
"""

from __future__ import annotations

import itertools
import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openpyxl
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import ADMIN, Platform
from worker.db.engine import Database
from worker.errors import DecisionRefused
from worker.jobs.invariants import check_invariants
from worker.questions.decision import Order
from worker.review.decide import decide
from worker.review.decision_store import list_items

LONG = os.environ.get("MEDQ_FAULT_LONG") == "1"
OPTIONS = {letter: f"Notion {letter.lower() * 3}" for letter in "ABCDE"}
HEADER = ("matiere", "cours", "niveau", "semestre", "texte de la question", *(f"option {c}" for c in "abcde"))
TEXT = "Une explication qu'une personne a écrite elle-même, numéro"
numbers = itertools.count()

contents = st.integers(0, 4)
keys = st.sampled_from(["AC", "BD", "E", ""])
rows = st.lists(st.tuples(contents, keys, st.booleans()), min_size=3, max_size=7)
uploads = st.tuples(st.just("upload"), rows, st.booleans(), st.booleans())
returns = st.tuples(st.just("return"), st.integers(0, 9), st.dictionaries(st.integers(0, 4), keys, max_size=2))
decisions = st.tuples(st.just("decide"), st.integers(0, 9), st.sampled_from(["accept", "keep", "edit", "discard"]))
at_once = st.tuples(st.just("at once"), st.integers(0, 9), st.sampled_from(["accept", "keep", "edit", "discard"]))
undos = st.tuples(st.just("undo"), st.integers(0, 9))
reruns = st.tuples(st.just("rerun"), st.integers(0, 9))
later = uploads | returns | returns | decisions | decisions | at_once | at_once | undos | reruns
steps = st.tuples(uploads, st.lists(later, min_size=8, max_size=14)).map(lambda both: [both[0], *both[1]])


@dataclass
class World:
    """The platform, and what people did to it by the test's own books."""

    platform: Platform
    run: int
    given: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # stem → keys that people gave
    jobs: list[str] = field(default_factory=list)
    decided: dict[str, dict[str, Any]] = field(default_factory=dict)  # question → its row when it was settled

    def stem(self, content: int) -> str:
        return f"Que retenir du sujet {content} de la suite {self.run} ?"

    def send(self, path: Path, **config: Any) -> None:
        job_id = self.platform.enqueue(path, config=config or None)
        self.wait(job_id)
        self.jobs.append(job_id)

    def wait(self, job_id: str) -> None:
        self.platform.wait_until(
            lambda: self.platform.job(job_id)["status"] in ("completed", "failed"), timeout_s=60, what="ended"
        )

    def upload(self, lines: list[tuple[int, str, bool]], corrects: bool, validates: bool) -> None:
        book = openpyxl.Workbook()
        sheet = book.active
        assert sheet is not None
        sheet.title = "qcm"
        sheet.append([*HEADER, "reponse", "explication"])
        for content, key, is_explained in lines:
            stem = self.stem(content)
            if key:
                self.given[stem].add(key)
            text = f"{TEXT} {content}." if is_explained else ""
            sheet.append(["Pédiatrie", "Urgences", "DCEM2", "S1", stem, *OPTIONS.values(), key, text])
        path = self.platform.folder / f"envoi {next(numbers)}.xlsx"
        book.save(path)
        self.send(path, applyCorrections=corrects, qualityThreshold=0.5, autoValidate=validates)

    def send_back(self, place: int, changed: dict[int, str]) -> None:
        """An earlier workbook, some keys of which somebody has typed over."""
        if not self.jobs or not (url := self.platform.job(self.jobs[place % len(self.jobs)])["outputUrl"]):
            return
        book = openpyxl.load_workbook(url.removeprefix("file://"))
        if "qcm" not in book.sheetnames:
            return
        sheet = book["qcm"]
        columns = {cell.value: cell.column for cell in sheet[1]}
        for line, key in changed.items():
            stem = sheet.cell(line + 2, columns["texte de la question"]).value
            before = sheet.cell(line + 2, columns["reponse"]).value or ""
            if stem and key != before:
                sheet.cell(line + 2, columns["reponse"]).value = key or None
                if key:
                    self.given[str(stem)].add(key)
        path = self.platform.folder / f"retour {next(numbers)}.xlsx"
        book.save(path)
        self.send(path)

    def orders(self, place: int, action: Any) -> list[Order]:
        with self.platform.engine.connect() as connection:
            found = [item for job_id in self.jobs for item in list_items(connection, job_id, open_only=True)]
        if not found:
            return []
        item = found[place % len(found)]
        key = "AE" if action == "edit" else None
        return [Order(item.id, action, user, "command", key=key, version=item.version) for user in (ADMIN, "second")]

    def decide(self, order: Order) -> bool:
        try:
            decide(Database(self.platform.engine), order)
        except DecisionRefused:
            return False
        return True

    def undo(self, place: int) -> None:
        items = self.platform.rows('SELECT "itemId" AS id FROM "AiValidationDecision" WHERE "itemId" IS NOT NULL')
        if items:
            self.decide(Order(items[place % len(items)]["id"], "undo", ADMIN, "command"))

    def rerun(self, place: int) -> None:
        if self.jobs:
            job_id = self.jobs[place % len(self.jobs)]
            self.platform.execute('UPDATE "AiValidationJob" SET "status" = \'queued\' WHERE "id" = :id', id=job_id)
            self.wait(job_id)

    def note_decided(self) -> None:
        rows_ = self.platform.rows('SELECT * FROM "Question" WHERE "validatedBy" IS NOT NULL')
        self.decided = {row["id"]: row for row in rows_}

    def check(self, *, people_spoke: bool) -> None:
        """What holds after every step."""
        assert check_invariants(self.platform.engine, grace_s=0) == []
        now = {row["id"]: row for row in self.platform.rows('SELECT * FROM "Question"')}
        if not people_spoke:
            assert {question: now[question] for question in self.decided} == self.decided, "a decided question changed"
        self.note_decided()
        for row in now.values():
            if row["isValidated"] and row["validatedBy"] is None and f"suite {self.run} " in row["questionText"]:
                assert row["correctAnswer"] in self.given[row["questionText"]], "a machine's key was validated"


@given(sequence=steps, seed=st.integers(0, 99))
@settings(
    max_examples=60 if LONG else 6,
    database=None,
    phases=[Phase.generate] if not LONG else [Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
def play(platform: Platform, llm: ScriptedLlm, sequence: list[tuple[Any, ...]], seed: int) -> None:
    world = World(platform, next(numbers))
    truth = {world.stem(content): [OPTIONS["A"], OPTIONS["C"]] for content in range(5)}
    llm.configure(truth=truth, accuracy=0.7, seed=seed)
    world.note_decided()
    for kind, *details in sequence:
        match kind:
            case "upload":
                world.upload(*details)
            case "return":
                world.send_back(*details)
            case "decide":
                for order in world.orders(*details)[:1]:
                    world.decide(order)
            case "at once":
                with ThreadPoolExecutor(2) as threads:
                    list(threads.map(world.decide, world.orders(*details)))
            case "undo":
                world.undo(*details)
            case "rerun":
                world.rerun(*details)
        world.check(people_spoke=kind in ("decide", "at once", "undo"))
    unseen = platform.value(
        "SELECT count(*) FROM \"AiValidationDecision\" WHERE NOT \"shown\" ?& ARRAY['looks', 'outcome']"
    )
    assert unseen == 0, "a decision does not say what the person saw"


def test_whatever_is_validated_a_person_stands_behind_it(platform: Platform, llm: ScriptedLlm) -> None:
    platform.execute(
        'INSERT INTO "User" ("id", "email", "role", "updatedAt") '
        "VALUES ('second', 'second@medq.test', 'admin', now())"
    )
    with platform.workers(1):
        play(platform, llm)
    kinds = platform.rows('SELECT "action", count(*) FROM "AiValidationDecision" GROUP BY 1')
    assert len(kinds) >= 3, "hardly anything was decided"
