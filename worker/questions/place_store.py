"""Where the platform files its questions: specialties and courses, found by what they are now, and its checks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import sqlalchemy as sa

from worker.db.ids import derive_ids
from worker.db.statements import load_statements
from worker.questions.places import Place, PlacesMissing, Wanted
from worker.questions.question import fold_name
from worker.questions.rules import QuestionRules

SQL = load_statements(__file__)

DIRECTORY_S = 10.0


@dataclass(frozen=True, slots=True)
class _Names:
    """Rows that have a name: what each is called, and which one a folded name means."""

    names: Mapping[str, str] = field(default_factory=dict)  # id → name
    ids: Mapping[str, str] = field(default_factory=dict)  # folded name → id

    @classmethod
    def read(cls, rows: Iterable[tuple[str, str]]) -> _Names:
        names = dict(rows)
        return cls(names, {fold_name(name): row_id for row_id, name in names.items()})

    def find(self, name: str, derived: Iterable[str]) -> str | None:
        """The id of the row with this name; else of the one that was made for this name and is called otherwise now."""
        return self.ids.get(fold_name(name)) or next((row_id for row_id in derived if row_id in self.names), None)


class Directory:
    """What the platform's checks, specialties and courses were a few seconds ago; shared by the threads of a process.

    They hardly change, and every batch needs them. What has changed meanwhile fails on the database's own constraints:
    then `forget`, and write again. Only committed rows are kept: nothing is read in a transaction that wrote any.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._read_at = -math.inf
        self._rules: QuestionRules | None = None
        self._specialties = _Names()
        self._courses: dict[str, _Names] = {}  # by specialty id

    def forget(self) -> None:
        """Read everything anew."""
        self._read_at = -math.inf

    def find_rules(self, connection: sa.Connection) -> QuestionRules:
        """Which strict checks the database holds."""
        self._expire()
        rules = self._rules or read_rules(connection)
        self._rules = rules
        return rules

    def find_places(self, connection: sa.Connection, wanted: Sequence[Wanted]) -> dict[Wanted, Place]:
        """Where these belong; read when one is not known. Raises `PlacesMissing` for those that do not exist."""
        self._expire()
        found = _match(self._specialties, self._courses, wanted)
        if len(found) < len(wanted):
            # What is not there is not made on the word of an old reading.
            specialties = self._specialties = _read_specialties(connection)
            owners = {owner for place in wanted if (owner := _specialty_of(specialties, place))}
            courses = self._courses = self._courses | _read_courses(connection, owners)
            found = _match(specialties, courses, wanted)
        if missing := [place for place in wanted if place not in found]:
            raise PlacesMissing(missing)
        return found

    def _expire(self) -> None:
        if self._clock() - self._read_at > DIRECTORY_S:
            self._read_at = self._clock()
            self._rules, self._specialties, self._courses = None, _Names(), {}


def read_rules(connection: sa.Connection) -> QuestionRules:
    """Which strict checks of the seed this database still holds."""
    checks = {row[0]: row[1] for row in connection.execute(SQL["read_checks"])}
    return QuestionRules(
        single_letter_keys="ARRAY['A'" in checks.get("Question_correct_answer_check", ""),
        five_options="num_nonnulls" not in checks.get("Question_qcm_fields_check", "num_nonnulls"),
    )


def read_levels(connection: sa.Connection) -> list[str]:
    """The levels that the platform's questions have."""
    return list(connection.execute(SQL["read_levels"]).scalars())


def make_places(connection: sa.Connection, wanted: Sequence[Wanted]) -> None:
    """Make what is missing of these, in a transaction of its own: who makes the same waits for nothing else.

    Ids are derived from the name, so two workers that make the same one make one row, and a row that somebody renamed
    is still known as the one that was made for this name. An id that a row elsewhere has taken with it (a course that
    was moved to another specialty) is followed by the next. In the order of the names: nobody waits in a circle.
    """
    by_place = {(p.specialty_id or "", fold_name(p.specialty), fold_name(p.course)): p for p in reversed(wanted)}
    for _, place in sorted(by_place.items()):
        owner = place.specialty_id or _make_specialty(connection, place.specialty)
        _make_course(connection, owner, place.course)


def _make_specialty(connection: sa.Connection, name: str) -> str:
    for specialty_id in derive_ids("s", fold_name(name)):
        found = _read_specialties(connection).find(name, derive_ids("s", fold_name(name)))
        if found:
            return found
        if connection.execute(SQL["insert_specialty"], {"id": specialty_id, "name": name}).rowcount:
            return specialty_id
    raise PlacesMissing([Wanted(name, "")])


def _make_course(connection: sa.Connection, owner: str, name: str) -> str:
    for course_id in derive_ids("c", owner, fold_name(name)):
        there = _read_courses(connection, [owner])[owner]
        if found := there.find(name, derive_ids("c", owner, fold_name(name))):
            return found
        if connection.execute(SQL["insert_course"], {"id": course_id, "specialty_id": owner, "name": name}).rowcount:
            return course_id
    raise PlacesMissing([Wanted("", name, owner)])


def _match(specialties: _Names, courses: Mapping[str, _Names], wanted: Sequence[Wanted]) -> dict[Wanted, Place]:
    found = {}
    for place in wanted:
        owner = _specialty_of(specialties, place)
        course_id = _course_of(courses.get(owner), owner, place) if owner else None
        if owner and course_id:
            found[place] = Place(owner, specialties.names[owner], course_id, courses[owner].names[course_id])
    return found


def _specialty_of(specialties: _Names, place: Wanted) -> str | None:
    if place.specialty_id is not None:
        return place.specialty_id if place.specialty_id in specialties.names else None
    return specialties.find(place.specialty, derive_ids("s", fold_name(place.specialty)))


def _course_of(courses: _Names | None, owner: str, place: Wanted) -> str | None:
    return courses.find(place.course, derive_ids("c", owner, fold_name(place.course))) if courses else None


def _read_specialties(connection: sa.Connection) -> _Names:
    return _Names.read((row_id, name) for row_id, name in connection.execute(SQL["read_specialties"]))


def _read_courses(connection: sa.Connection, owners: Collection[str]) -> dict[str, _Names]:
    rows = connection.execute(SQL["read_courses"], {"ids": sorted(owners)}).all()
    read = {owner: _Names.read((r[1], r[2]) for r in group) for owner, group in groupby(rows, key=lambda row: row[0])}
    return {owner: read.get(owner, _Names()) for owner in owners}
