"""People who sign in to the platform."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Id, created_at_column, is_active_column, updated_at_column


class User(Base):
    """A student, maintainer or admin. `password` is a hash; without one nobody can sign in."""

    __tablename__ = "User"
    __table_args__ = (
        Index("User_email_key", "email", unique=True),
        CheckConstraint("\"role\" IN ('admin', 'maintainer', 'user')", name="User_role_check"),
    )

    id: Mapped[Id]
    email: Mapped[str]
    name: Mapped[str | None]
    password: Mapped[str | None]
    role: Mapped[str] = mapped_column(default="user", server_default=text("'user'"), index=True)
    is_active: Mapped[bool] = is_active_column()
    email_verified: Mapped[bool] = mapped_column("emailVerified", default=False, server_default=text("false"))
    last_login_at: Mapped[datetime | None] = mapped_column("lastLoginAt")
    created_at: Mapped[datetime] = created_at_column()
    updated_at: Mapped[datetime] = updated_at_column()
