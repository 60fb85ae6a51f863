"""What questions belong to: specialties, their courses and clinical cases."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Id, created_at_column, is_active_column, reference, updated_at_column


class Specialty(Base):
    """A medical specialty (`matiere` in an upload); its name is unique."""

    __tablename__ = "Specialty"
    __table_args__ = (Index("Specialty_name_key", "name", unique=True),)

    id: Mapped[Id]
    name: Mapped[str]
    description: Mapped[str | None]
    is_active: Mapped[bool] = is_active_column()
    created_at: Mapped[datetime] = created_at_column()
    updated_at: Mapped[datetime] = updated_at_column()


class Course(Base):
    """A course of one specialty; its name is unique there."""

    __tablename__ = "Course"
    __table_args__ = (Index("Course_name_specialtyId_key", "name", "specialtyId", unique=True),)

    id: Mapped[Id]
    name: Mapped[str]
    description: Mapped[str | None]
    specialty_id: Mapped[str] = mapped_column("specialtyId", reference("Specialty.id", "CASCADE"), index=True)
    is_active: Mapped[bool] = is_active_column()
    created_at: Mapped[datetime] = created_at_column()
    updated_at: Mapped[datetime] = updated_at_column()


class ClinicalCase(Base):
    """The text that several case questions share. `description` holds it whole."""

    __tablename__ = "ClinicalCase"

    id: Mapped[Id]
    title: Mapped[str]
    description: Mapped[str]
    patient_info: Mapped[str | None] = mapped_column("patientInfo")
    specialty_id: Mapped[str] = mapped_column("specialtyId", reference("Specialty.id", "CASCADE"), index=True)
    is_active: Mapped[bool] = is_active_column()
    created_at: Mapped[datetime] = created_at_column()
    updated_at: Mapped[datetime] = updated_at_column()
