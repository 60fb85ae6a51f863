"""Where a question is filed: a specialty and a course of the platform."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where a question belongs: as its row says, or in the specialty `specialty_id` where it stands already."""

    specialty: str
    course: str
    specialty_id: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A specialty and one of its courses, with the names they had when they were read."""

    specialty_id: str
    specialty: str
    course_id: str
    course: str


class PlacesMissing(Exception):
    """Specialties or courses that do not exist: make them in a transaction of their own, and begin again."""

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        super().__init__(f"{len(wanted)} places are missing")
        self.wanted = wanted
