"""The environment, read once at boot and handed down. Names and defaults are the contract with operators."""

from __future__ import annotations

import io
import ipaddress
import re
from pathlib import Path
from typing import Annotated

from dotenv.parser import parse_stream
from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from worker.errors import UsageError
from worker.system.urls import check_http_url
from worker.text.local_time import DEFAULT_ZONE, find_zone, use_zone

DEFAULT_MODEL = "gpt-5.4-mini"
ENV_FILE = ".env"
SHORTEST_TOKEN = 16
LONGEST_S = 10 * 365 * 86_400.0  # beyond any wait that is meant; endless ones break arithmetic


def _named(name: str) -> AliasChoices:
    return AliasChoices(name)


class Settings(BaseSettings):
    """Every setting; an empty variable counts as not set, and a `.env` file in the working directory is read.

    What may hold a secret is left out of `repr`, so that no log or traceback can show it.
    """

    model_config = SettingsConfigDict(
        env_file=ENV_FILE, env_file_encoding="utf-8-sig", env_ignore_empty=True, extra="ignore", frozen=True
    )

    database_url: str | None = Field(default=None, repr=False, validation_alias=_named("DATABASE_URL"))
    redis_url: str | None = Field(default=None, repr=False, validation_alias=_named("REDIS_URL"))
    home: Path = Field(default=Path(".medq"), validation_alias=_named("MEDQ_HOME"))
    storage_url: str | None = Field(default=None, repr=False, validation_alias=_named("MEDQ_STORAGE_URL"))
    allowed_roots: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), validation_alias=_named("MEDQ_ALLOWED_ROOTS")
    )

    @field_validator("allowed_roots", "web_trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("*", mode="after")
    @classmethod
    def _check_finite(cls, value: object) -> object:
        if isinstance(value, float) and not value <= LONGEST_S:
            raise ValueError(f"the number must be at most {LONGEST_S:.0f}")
        return value

    @field_validator("home", "prices", mode="after")
    @classmethod
    def _without_tilde(cls, value: Path | None) -> Path | None:
        try:
            return value.expanduser() if value is not None else None
        except RuntimeError:
            raise ValueError("nobody knows whose home ~ is here, so give the whole path") from None

    openai_api_key: str | None = Field(default=None, repr=False, validation_alias=_named("OPENAI_API_KEY"))
    openai_base_url: str | None = Field(default=None, repr=False, validation_alias=_named("OPENAI_BASE_URL"))
    azure_api_key: str | None = Field(default=None, repr=False, validation_alias=_named("AZURE_OPENAI_API_KEY"))
    azure_endpoint: str | None = Field(default=None, validation_alias=_named("AZURE_OPENAI_ENDPOINT"))
    azure_api_version: str | None = Field(default=None, validation_alias=_named("AZURE_OPENAI_API_VERSION"))
    azure_deployment: str | None = Field(default=None, validation_alias=_named("AZURE_OPENAI_CHAT_DEPLOYMENT"))
    # Set by the supervisor for its children: where the embedded model listens.
    embedded_llm_url: str | None = Field(default=None, validation_alias=_named("MEDQ_EMBEDDED_LLM_URL"))
    model: str | None = Field(default=None, validation_alias=_named("MEDQ_MODEL"))
    review_model: str | None = Field(default=None, validation_alias=_named("MEDQ_REVIEW_MODEL"))
    # Vectors for course retrieval: off without a model; the endpoint is the LLM's unless it has an address of its own.
    embedding_model: str | None = Field(default=None, validation_alias=_named("MEDQ_EMBEDDING_MODEL"))
    embedding_url: str | None = Field(default=None, repr=False, validation_alias=_named("MEDQ_EMBEDDING_BASE_URL"))

    @field_validator("openai_api_key", "azure_api_key", "fallback_api_key")
    @classmethod
    def _check_key(cls, value: str | None) -> str | None:
        """A key from a mounted file ends with a line break, which no header may hold: no request would ever leave."""
        key = (value or "").strip()
        if not all("!" <= character <= "~" for character in key):
            raise ValueError("a key holds no blank, line break, control or accented character")
        return key or None

    @field_validator("openai_base_url", "azure_endpoint", "embedding_url", "fallback_base_url")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        url = (value or "").strip()
        return check_http_url(url) if url else None

    batch_size: int = Field(default=5, ge=1, le=50, validation_alias=_named("MEDQ_BATCH_SIZE"))
    processes: int = Field(default=1, ge=1, le=256, validation_alias=_named("MEDQ_PROCESSES"))
    threads: int = Field(default=16, ge=1, le=256, validation_alias=_named("MEDQ_THREADS"))
    fallback_base_url: str | None = Field(default=None, repr=False, validation_alias=_named("OPENAI_FALLBACK_BASE_URL"))
    fallback_api_key: str | None = Field(default=None, repr=False, validation_alias=_named("OPENAI_FALLBACK_API_KEY"))
    fallback_model: str | None = Field(default=None, validation_alias=_named("MEDQ_FALLBACK_MODEL"))
    prices: Path | None = Field(default=None, validation_alias=_named("MEDQ_PRICES"))
    max_completion_tokens: int = Field(
        default=16_384, ge=256, le=1_000_000, validation_alias=_named("MEDQ_MAX_COMPLETION_TOKENS")
    )
    rpm: int | None = Field(default=None, ge=1, validation_alias=_named("MEDQ_RPM"))
    tpm: int | None = Field(default=None, ge=1, validation_alias=_named("MEDQ_TPM"))
    lease_s: float = Field(default=30, ge=1, validation_alias=_named("MEDQ_LEASE_SECONDS"))
    sweep_s: float = Field(default=5, ge=0.1, validation_alias=_named("MEDQ_SWEEP_SECONDS"))
    call_timeout_s: float = Field(default=120, gt=0, validation_alias=_named("MEDQ_CALL_TIMEOUT_SECONDS"))
    max_attempts: int = Field(default=4, ge=1, le=12, validation_alias=_named("MEDQ_MAX_ATTEMPTS"))
    batch_poll_s: float = Field(default=60, ge=0.1, validation_alias=_named("MEDQ_BATCH_POLL_SECONDS"))
    outage_s: float = Field(default=3600, ge=0, validation_alias=_named("MEDQ_OUTAGE_SECONDS"))
    grace_s: float = Field(default=25, ge=0, validation_alias=_named("MEDQ_GRACE_SECONDS"))
    wedged_s: float = Field(default=120, gt=0, validation_alias=_named("MEDQ_WEDGED_SECONDS"))
    stray_s: float = Field(default=86_400, gt=0, validation_alias=_named("MEDQ_STRAY_SECONDS"))
    keep_days: int = Field(default=400, ge=1, le=36_500, validation_alias=_named("MEDQ_KEEP_DAYS"))
    max_file_mb: float = Field(default=50, gt=0, validation_alias=_named("MEDQ_MAX_FILE_MB"))
    max_rows: int = Field(default=100_000, ge=1, validation_alias=_named("MEDQ_MAX_ROWS"))

    web_token: str | None = Field(default=None, repr=False, validation_alias=_named("MEDQ_WEB_TOKEN"))
    web_user_header: str | None = Field(default=None, validation_alias=_named("MEDQ_WEB_USER_HEADER"))
    web_trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), validation_alias=_named("MEDQ_WEB_TRUSTED_PROXIES")
    )

    @field_validator("web_token")
    @classmethod
    def _check_token(cls, value: str | None) -> str | None:
        token = (value or "").strip()
        if not token:
            return None
        if len(token) < SHORTEST_TOKEN or not all("!" <= character <= "~" for character in token):
            raise ValueError(
                f"a token has at least {SHORTEST_TOKEN} characters, none of them blank, control or accented"
            )
        return token

    @field_validator("web_user_header")
    @classmethod
    def _check_header(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9-]+", value):
            raise ValueError("a header's name holds letters, digits and hyphens")
        return value

    @field_validator("web_trusted_proxies", mode="after")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise ValueError(f"{network!r} is no address or network, write 10.0.0.5 or 10.0.0.0/24") from None
        return value

    otlp_endpoint: str | None = Field(default=None, validation_alias=_named("OTEL_EXPORTER_OTLP_ENDPOINT"))
    time_zone: str = Field(default=DEFAULT_ZONE, validation_alias=_named("MEDQ_TIME_ZONE"))

    @field_validator("time_zone")
    @classmethod
    def _check_zone(cls, value: str) -> str:
        return find_zone(value.strip()).key

    @property
    def max_file_bytes(self) -> int:
        """`max_file_mb` in bytes: the megabytes are binary ones."""
        return int(self.max_file_mb * 1024 * 1024)

    @property
    def has_llm(self) -> bool:
        """True when a real endpoint is configured; else the embedded model answers."""
        return bool(self.openai_api_key or self.openai_base_url or self.azure_endpoint)

    @property
    def has_fallback(self) -> bool:
        """True when a second endpoint is there for while the first is down."""
        return self.has_llm and bool(self.fallback_base_url or self.fallback_api_key)

    def for_fallback(self) -> Settings:
        """These settings as the second endpoint sees them: its address, its key, its model, nobody else's."""
        return self.model_copy(
            update={
                "openai_base_url": self.fallback_base_url,
                "openai_api_key": self.fallback_api_key,
                "azure_endpoint": None,
                "azure_api_key": None,
                "azure_deployment": None,
                "model": self.fallback_model or self.model,
                "review_model": self.fallback_model or self.review_model,
            }
        )

    @classmethod
    def load(cls) -> Settings:
        """Read the environment; raise `UsageError` naming the first variable that is wrong.

        Sentences of this process show moments in its `time_zone` from then on.
        """
        check_env_file(Path(ENV_FILE))
        try:
            settings = cls()
        except ValidationError as error:
            first = error.errors()[0]
            message = first["msg"].removeprefix("Value error, ")
            raise UsageError(f"{first['loc'][0]}: {message}. Correct it in the environment or in .env.") from None
        use_zone(find_zone(settings.time_zone))
        return settings


def check_env_file(path: Path) -> None:
    """Raise `UsageError` for a file of variables that would be read wrongly or in part, and go unnoticed."""
    try:
        if not path.is_file():
            return
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}). Make it readable, or remove it.") from None
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageError(f"{path} is not UTF-8 text. Save it as UTF-8, or remove it.")
    for binding in parse_stream(io.StringIO(text)):
        if binding.error and any(name in binding.original.string for name in _names()):
            raise UsageError(f"{path}, line {binding.original.line} cannot be read. Write NAME=value, quotes closed.")


def _names() -> set[str]:
    fields = Settings.model_fields.values()
    return {str(name) for field in fields for name in getattr(field.validation_alias, "choices", ())}
