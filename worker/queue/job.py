"""A job's configuration, and one claimed piece of its work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.reading import MAX_CONFIG, MAX_INSTRUCTIONS, MAX_NAME, TOO_LONG
from worker.errors import JobFailed
from worker.messages import job_config

TaskKind = Literal["prepare", "analyse", "finish"]


class JobConfig(BaseModel):
    """`AiValidationJob.config`: camelCase in the database, snake_case here. None = the worker's default."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        populate_by_name=True,
        alias_generator=lambda name: name.split("_")[0] + "".join(p.title() for p in name.split("_")[1:]),
    )

    batch_size: int | None = Field(default=None, ge=1, le=50)
    ai_model: str | None = Field(default=None, min_length=1)
    review_model: str | None = Field(default=None, min_length=1)
    max_retries: int | None = Field(default=None, ge=0, le=11)
    quality_threshold: float = Field(default=0.8, ge=0, le=1)
    auto_validate: bool = True
    apply_corrections: bool = False
    rag: bool = True
    default_specialty: str | None = Field(default=None, min_length=1, max_length=500)
    default_course: str | None = Field(default=None, min_length=1, max_length=500)
    default_level: str | None = Field(default=None, min_length=1, max_length=100)
    default_semester: str | None = Field(default=None, min_length=1, max_length=100)
    columns: Mapping[str, str | None] | None = None  # a header of the file → a canonical one; None: left unread
    sheets: Mapping[str, str | None] | None = None  # a sheet's name → its type; None: left out
    batch_api: bool = False
    max_cost_usd: float | None = Field(default=None, gt=0)
    priority: int = 0

    @classmethod
    def parse(cls, config: object) -> JobConfig:
        """Read the column; raise `JobFailed` with a French sentence that names what is wrong."""
        if config is None:
            return cls()
        if config == TOO_LONG:
            raise JobFailed(job_config.config_too_long(MAX_CONFIG // 1024))
        if not isinstance(config, Mapping):
            raise JobFailed(job_config.NOT_AN_OBJECT)
        try:
            return cls.model_validate(dict(config))
        except ValidationError as error:
            first = error.errors()[0]
            name = shorten(".".join(str(part) for part in first["loc"]))
            if first["type"] == "extra_forbidden":
                known = ", ".join(sorted(f.alias or n for n, f in cls.model_fields.items()))
                raise JobFailed(job_config.unknown_option(name, known)) from None
            raise JobFailed(job_config.wrong_value(name, expected(first))) from None


LONGEST_NAME = 80


def shorten(name: str) -> str:
    """A name as a sentence can hold it: whatever it is, on one line and short."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in name[: 2 * LONGEST_NAME]).split())
    return plain if len(plain) <= LONGEST_NAME else f"{plain[:LONGEST_NAME]}…"


EXPECTED = {
    "int_type": job_config.EXPECTED_INTEGER,
    "int_from_float": job_config.EXPECTED_INTEGER,
    "float_type": job_config.EXPECTED_NUMBER,
    "bool_type": job_config.EXPECTED_BOOLEAN,
    "string_type": job_config.EXPECTED_TEXT,
    "string_too_short": job_config.EXPECTED_SOME_TEXT,
}


def expected(error: Mapping[str, Any]) -> str:
    """What a wrong value should have been, in French."""
    limits = error.get("ctx", {})
    for name in job_config.LIMIT_WORDS:
        if name in limits:
            return job_config.expected_limit(name, limits[name])
    return EXPECTED.get(error["type"], job_config.UNEXPECTED)


@dataclass(frozen=True, slots=True)
class Job:
    """The part of a job row that its tasks need. It does not change while they run."""

    id: str
    user_id: str
    file_name: str
    original_file_name: str
    file_url: str | None
    instructions: str | None
    config_text: str | None  # JSON, see `read_odd_job` in tasks.sql

    @property
    def config(self) -> object:
        """What is configured, unchecked: for `JobConfig.parse`."""
        return None if self.config_text is None else json.loads(self.config_text)

    def check(self) -> None:
        """Raise `JobFailed` with a sentence that names the column when one is beyond what was read of it."""
        if len(self.instructions or "") > MAX_INSTRUCTIONS:
            raise JobFailed(job_config.instructions_too_long(MAX_INSTRUCTIONS))
        for column, value in (("fileName", self.file_name), ("originalFileName", self.original_file_name)):
            if len(value) > MAX_NAME:
                raise JobFailed(job_config.file_name_too_long(column, MAX_NAME))
        if len(self.file_url or "") > MAX_NAME:
            raise JobFailed(job_config.address_too_long(MAX_NAME))


@dataclass(frozen=True, slots=True)
class Task:
    """A claimed task. `(id, attempt)` is the fencing token: a write that shows a stale one changes 0 rows."""

    id: str
    job: Job
    kind: TaskKind
    position: int
    attempt: int
    owner: str  # `host:pid:process:number of the claim`
    deaths: int = 0
    was_held: bool = False  # its job has waited for a model that is down, and had no reply since

    @property
    def token(self) -> dict[str, str | int]:
        """What every write of its owner shows, as parameters of a statement."""
        return {"id": self.id, "attempt": self.attempt, "owner": self.owner}
