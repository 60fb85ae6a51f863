"""What statuses are called, of jobs and of their rows: in sentences, in the workbook and on the pages."""

from __future__ import annotations

from collections.abc import Mapping

OUTCOME_WORDS = {
    "confirmed": ("confirmée", "confirmées"),
    "corrected": ("corrigée", "corrigées"),
    "completed": ("complétée", "complétées"),
    "contested": ("contestée", "contestées"),
    "duplicate": ("en double", "en double"),
    "rejected": ("refusée", "refusées"),
    "failed": ("en échec", "en échec"),
}
NOT_PROCESSED, SEVERAL_NOT_PROCESSED = "non traitée", "non traitées"
ROW_WORDS: Mapping[str, tuple[str, str]] = {"pending": ("en attente", "en attente"), **OUTCOME_WORDS}

JOB_WORDS = {
    "queued": "en attente",
    "processing": "en cours",
    "completed": "terminée",
    "failed": "en échec",
    "cancelled": "annulée",
}
JOBS_WORDS = {**JOB_WORDS, "completed": "terminées", "cancelled": "annulées"}
