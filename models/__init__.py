"""SQLAlchemy tables of the whole platform, one file per area. No behaviour: triggers live in schema/sql."""

from models.academic import ClinicalCase, Course, Specialty
from models.base import Base, new_id, utc_now
from models.courses import CourseChunk, CourseDocument, CourseTerm
from models.jobs import (
    AiValidationDecision,
    AiValidationItem,
    AiValidationJob,
    AiValidationPause,
    AiValidationProvenance,
    AiValidationTask,
    AiValidationTombstone,
    LlmBatch,
    LlmCall,
    LlmTotal,
)
from models.questions import Question
from models.sessions import Session, SessionQuestion, UserQuestionAnswer, UserSession
from models.users import User

__all__ = [
    "AiValidationDecision",
    "AiValidationItem",
    "AiValidationJob",
    "AiValidationPause",
    "AiValidationProvenance",
    "AiValidationTask",
    "AiValidationTombstone",
    "Base",
    "ClinicalCase",
    "Course",
    "CourseChunk",
    "CourseDocument",
    "CourseTerm",
    "LlmBatch",
    "LlmCall",
    "LlmTotal",
    "Question",
    "Session",
    "SessionQuestion",
    "Specialty",
    "User",
    "UserQuestionAnswer",
    "UserSession",
    "new_id",
    "utc_now",
]
