"""A passage of a course, as it is shown to the model beside a question."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A passage of a course document, shown to the model beside a question."""

    id: str  # "S1": unique within its question, what a citation names
    text: str
    source: str | None = None  # document and place, for people; not sent
