"""The questions that students answer."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Id, created_at_column, is_active_column, reference, updated_at_column

KEY_ON_PRESENT_OPTIONS = " AND ".join(
    f'("option{letter}" IS NOT NULL OR strpos("correctAnswer", \'{letter}\') = 0)' for letter in "ABCDE"
)


class Question(Base):
    """A question of any type. `correctAnswer` is a key of sorted unique letters (`ABE`), since revision 004."""

    __tablename__ = "Question"
    __table_args__ = (
        CheckConstraint("\"type\" IN ('qcm', 'qroc', 'cas_qcm', 'cas_qroc')", name="Question_type_check"),
        CheckConstraint(
            '"type" NOT LIKE \'%qcm\' OR ("correctAnswer" IS NOT NULL'
            ' AND num_nonnulls("optionA", "optionB", "optionC", "optionD", "optionE") >= 2'
            f" AND {KEY_ON_PRESENT_OPTIONS})",
            name="Question_qcm_fields_check",
        ),
        CheckConstraint('"type" NOT LIKE \'%qroc\' OR "answer" IS NOT NULL', name="Question_qroc_fields_check"),
        CheckConstraint(
            '"correctAnswer" IS NULL OR "correctAnswer" ~ \'^(?=.)A?B?C?D?E?$\'',
            name="Question_correct_answer_check",
        ),
        Index("Question_specialty_level_semester_idx", "specialtyId", "level", "semester"),
        Index("Question_type_active_validated_idx", "type", "isActive", "isValidated"),
    )

    id: Mapped[Id]
    type: Mapped[str] = mapped_column(index=True)
    question_text: Mapped[str] = mapped_column("questionText")
    option_a: Mapped[str | None] = mapped_column("optionA")
    option_b: Mapped[str | None] = mapped_column("optionB")
    option_c: Mapped[str | None] = mapped_column("optionC")
    option_d: Mapped[str | None] = mapped_column("optionD")
    option_e: Mapped[str | None] = mapped_column("optionE")
    correct_answer: Mapped[str | None] = mapped_column(
        "correctAnswer", doc="a key of sorted unique letters: 'C', 'ABE'"
    )
    answer: Mapped[str | None] = mapped_column(doc="of a 'qroc' or 'cas_qroc'")
    explanation: Mapped[str]
    level: Mapped[str] = mapped_column(index=True, doc="'PCEM1', 'PCEM2', 'DCEM1', …")
    semester: Mapped[str] = mapped_column(index=True)
    specialty_id: Mapped[str] = mapped_column("specialtyId", reference("Specialty.id", "RESTRICT"), index=True)
    course_id: Mapped[str | None] = mapped_column("courseId", reference("Course.id", "SET NULL"), index=True)
    clinical_case_id: Mapped[str | None] = mapped_column(
        "clinicalCaseId", reference("ClinicalCase.id", "SET NULL"), index=True
    )
    difficulty: Mapped[int | None] = mapped_column(default=1, server_default=text("1"), index=True, doc="1–5")
    is_active: Mapped[bool] = is_active_column()
    is_validated: Mapped[bool] = mapped_column("isValidated", default=False, server_default=text("false"), index=True)
    validated_at: Mapped[datetime | None] = mapped_column("validatedAt")
    validated_by: Mapped[str | None] = mapped_column(
        "validatedBy", reference("User.id", "SET NULL", one="validator", back="validatedQuestions")
    )
    created_at: Mapped[datetime] = created_at_column()
    updated_at: Mapped[datetime] = updated_at_column()
