"""What every room of the line works with, built once per process by `wiring`."""

from __future__ import annotations

from dataclasses import dataclass, field

from worker.adapters import places
from worker.adapters.db import Database
from worker.adapters.files import Storage
from worker.adapters.prices import Prices
from worker.check import model_of
from worker.circuit import Circuit
from worker.errors import JobFailed
from worker.gateway import Gateway
from worker.pipeline.turns import Turns
from worker.retrieval import Retrieval
from worker.settings import Settings
from worker.shapes import sentences
from worker.shapes.answers import Purpose
from worker.shapes.calls import Endpoint
from worker.shapes.jobs import JobConfig
from worker.steps.compose import batch_limit


@dataclass(frozen=True)
class Tools:
    """The outside things of a line, and the choices that every room makes in the same way."""

    database: Database
    storage: Storage
    gateway: Gateway
    endpoint: Endpoint
    settings: Settings
    prices: Prices
    retrieval: Retrieval | None = None
    directory: places.Directory = field(default_factory=places.Directory)
    circuit: Circuit = field(default_factory=Circuit)  # the gateway's
    endings: Turns = field(default_factory=Turns)  # of batches, by job: ended or parked, for both its row is locked

    def model(self, purpose: Purpose, config: JobConfig, endpoint: Endpoint) -> str:
        """Which model a call of this purpose asks for at this endpoint."""
        stands_in = endpoint is not self.endpoint and bool(self.settings.fallback_model)
        return model_of(purpose, config, endpoint, stands_in=stands_in)

    def check_batch_mode(self, config: JobConfig) -> None:
        """Raise `JobFailed` when the job wants batches and nobody here would ever carry them."""
        if config.batch_api and self.endpoint.embedded:
            raise JobFailed(sentences.BATCH_EMBEDDED)

    def questions_per_call(self, config: JobConfig) -> int:
        """How many questions one call of the first look may hold."""
        return batch_limit(self.endpoint, config.batch_size or self.settings.batch_size)
