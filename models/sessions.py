"""Exam sessions, and what students did in them. The worker never writes here."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Count, Id, created_at_column, is_active_column, reference, updated_at_column, utc_now


class Session(Base):
    """An exam paper: an ordered set of questions. `timeLimit` is in minutes."""

    __tablename__ = "Session"

    id: Mapped[Id]
    name: Mapped[str]
    description: Mapped[str | None]
    pdf_url: Mapped[str | None] = mapped_column("pdfUrl")
    correction_url: Mapped[str | None] = mapped_column("correctionUrl")
    niveau: Mapped[str] = mapped_column(index=True)
    semestre: Mapped[str] = mapped_column(index=True)
    specialty_id: Mapped[str] = mapped_column("specialtyId", reference("Specialty.id", "RESTRICT"), index=True)
    time_limit: Mapped[int | None] = mapped_column("timeLimit")
    question_count: Mapped[Count | None] = mapped_column("questionCount")
    is_active: Mapped[bool] = is_active_column()
    is_published: Mapped[bool] = mapped_column("isPublished", default=False, server_default=text("false"), index=True)
    created_at: Mapped[datetime] = created_at_column()
    updated_at: Mapped[datetime] = updated_at_column()
    created_by: Mapped[str | None] = mapped_column(
        "createdBy", reference("User.id", "SET NULL", one="creator"), index=True
    )


class SessionQuestion(Base):
    """A question's place in a session."""

    __tablename__ = "SessionQuestion"
    __table_args__ = (
        Index("SessionQuestion_sessionId_questionId_key", "sessionId", "questionId", unique=True),
        Index("SessionQuestion_sessionId_order_key", "sessionId", "order", unique=True),
    )

    id: Mapped[Id]
    session_id: Mapped[str] = mapped_column(
        "sessionId", reference("Session.id", "CASCADE", back="questions"), index=True
    )
    question_id: Mapped[str] = mapped_column("questionId", reference("Question.id", "CASCADE"), index=True)
    order: Mapped[int]
    points: Mapped[int | None] = mapped_column(default=1, server_default=text("1"))
    created_at: Mapped[datetime] = created_at_column()


class UserSession(Base):
    """One attempt of one student. `timeSpent` is in seconds, `score` in percent (triggers keep the results)."""

    __tablename__ = "UserSession"
    __table_args__ = (
        Index(
            "UserSession_user_completed_idx",
            "userId",
            text('"completedAt" DESC'),
            postgresql_where=text("\"status\" = 'completed'"),
        ),
    )

    id: Mapped[Id]
    user_id: Mapped[str] = mapped_column("userId", reference("User.id", "CASCADE"), index=True)
    session_id: Mapped[str] = mapped_column("sessionId", reference("Session.id", "CASCADE"), index=True)
    status: Mapped[str] = mapped_column(default="started", server_default=text("'started'"), index=True)
    started_at: Mapped[datetime] = mapped_column(
        "startedAt", default=utc_now, server_default=text("CURRENT_TIMESTAMP"), index=True
    )
    completed_at: Mapped[datetime | None] = mapped_column("completedAt")
    time_spent: Mapped[Count | None] = mapped_column("timeSpent")
    score: Mapped[Decimal | None] = mapped_column(Numeric(5, 2), index=True)
    total_questions: Mapped[Count | None] = mapped_column("totalQuestions")
    correct_answers: Mapped[Count | None] = mapped_column("correctAnswers")
    incorrect_answers: Mapped[Count | None] = mapped_column("incorrectAnswers")
    unanswered_questions: Mapped[Count | None] = mapped_column("unansweredQuestions")
    created_at: Mapped[datetime] = created_at_column()
    updated_at: Mapped[datetime] = updated_at_column()


class UserQuestionAnswer(Base):
    """One answer of one student. `timeSpent` is in seconds."""

    __tablename__ = "UserQuestionAnswer"
    __table_args__ = (
        Index(
            "UserQuestionAnswer_userId_questionId_userSessionId_key",
            "userId",
            "questionId",
            "userSessionId",
            unique=True,
        ),
        Index("UserQuestionAnswer_question_correct_idx", "questionId", "isCorrect", "answeredAt"),
    )

    id: Mapped[Id]
    user_id: Mapped[str] = mapped_column("userId", reference("User.id", "CASCADE", back="questionAnswers"), index=True)
    question_id: Mapped[str] = mapped_column(
        "questionId", reference("Question.id", "CASCADE", back="userAnswers"), index=True
    )
    user_session_id: Mapped[str | None] = mapped_column(
        "userSessionId", reference("UserSession.id", "SET NULL", back="answers"), index=True
    )
    selected_answer: Mapped[str | None] = mapped_column("selectedAnswer", doc="of a QCM")
    text_answer: Mapped[str | None] = mapped_column("textAnswer", doc="of a QROC")
    is_correct: Mapped[bool | None] = mapped_column("isCorrect", index=True)
    time_spent: Mapped[Count | None] = mapped_column("timeSpent")
    answered_at: Mapped[datetime] = mapped_column(
        "answeredAt", default=utc_now, server_default=text("CURRENT_TIMESTAMP"), index=True
    )
    created_at: Mapped[datetime] = created_at_column()
