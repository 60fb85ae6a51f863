"""Who the people of the platform are, as far as this service asks: active, and admin or maintainer."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from worker.db.statements import load_statements

SQL = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class Person:
    """An active admin or maintainer."""

    id: str
    email: str
    name: str
    role: str

    @property
    def is_admin(self) -> bool:
        """May do everything; a maintainer uploads, watches, decides and downloads."""
        return self.role == "admin"


def find_person(engine: sa.Engine, user: str) -> Person | None:
    """The active admin or maintainer with this e-mail or id, None for anybody else and where two could be meant."""
    if not user or "\x00" in user:
        return None
    with engine.connect() as connection:
        found = [Person(**row) for row in connection.execute(SQL["find_person"], {"user": user}).mappings()]
    exact = [person for person in found if user in (person.id, person.email)] or found
    return exact[0] if len(exact) == 1 else None
