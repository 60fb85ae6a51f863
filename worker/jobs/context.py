"""What every step of a job works with, built once per process by the container."""

from __future__ import annotations

from dataclasses import dataclass, field

from worker.courses.retrieval import Retrieval
from worker.db.engine import Database
from worker.errors import JobFailed
from worker.jobs.keyed_semaphore import KeyedSemaphore
from worker.llm.calls import Endpoint
from worker.llm.circuit_breaker import ProcessBreaker
from worker.llm.compose import batch_limit
from worker.llm.dispatcher import Dispatcher
from worker.llm.prices import Prices
from worker.messages import provider_faults
from worker.questions import place_store
from worker.questions.answers import Purpose
from worker.queue.job import JobConfig
from worker.settings import Settings
from worker.upload.check import model_of
from worker.upload.storage import Storage


@dataclass(frozen=True)
class Context:
    """Database, storage, endpoints and settings that every task uses, and the choices that each makes the same way."""

    database: Database
    storage: Storage
    dispatcher: Dispatcher
    endpoint: Endpoint
    settings: Settings
    prices: Prices
    retrieval: Retrieval | None = None
    directory: place_store.Directory = field(default_factory=place_store.Directory)
    process_breaker: ProcessBreaker = field(default_factory=ProcessBreaker)  # the dispatcher's
    endings: KeyedSemaphore = field(
        default_factory=KeyedSemaphore
    )  # of batches, by job: ended or parked, for both its row is locked

    def model(self, purpose: Purpose, config: JobConfig, endpoint: Endpoint) -> str:
        """Which model a call of this purpose asks for at this endpoint."""
        stands_in = endpoint is not self.endpoint and bool(self.settings.fallback_model)
        return model_of(purpose, config, endpoint, stands_in=stands_in)

    def check_batch_mode(self, config: JobConfig) -> None:
        """Raise `JobFailed` when the job wants batches and this worker cannot send them to any provider."""
        if config.batch_api and self.endpoint.embedded:
            raise JobFailed(provider_faults.BATCH_EMBEDDED)

    def questions_per_call(self, config: JobConfig) -> int:
        """How many questions one call of the first look may hold."""
        return batch_limit(self.endpoint, config.batch_size or self.settings.batch_size)
