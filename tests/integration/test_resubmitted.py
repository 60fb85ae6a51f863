"""A batch that was begun again: its double is looked for until the provider has answered, whatever comes between."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

import pytest
import sqlalchemy as sa

from worker.db.engine import Database
from worker.errors import ProviderRefused, ProviderUnavailable
from worker.llm.batch.api import BatchApi
from worker.llm.batch.provider_batch import ProviderBatch
from worker.llm.prices import load_prices
from worker.runtime.batch_submitter import BatchSubmitter, Patience

PATIENCE = Patience(poll_s=60, hold_s=60, begin_s=60, outage_s=3600)


def under_way(batch_id: str) -> ProviderBatch:
    return ProviderBatch(batch_id, is_over=False, status="submitted")


@dataclass
class Provider:
    """Lists a batch only when asked late, and is away when told."""

    listed: list[ProviderBatch] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    is_away: bool = False
    is_over: bool = False
    lists: bool = True

    def is_ready(self, _file: str, *, model: str) -> bool:
        return True

    def create(self, _file: str, *, key: str, model: str) -> ProviderBatch:
        return under_way("second")

    def find_all(self, _key: str, _file: str | None, *, since: datetime, model: str) -> Sequence[ProviderBatch]:
        self._answer()
        if not self.lists:
            raise ProviderRefused("no right to list", code="forbidden")
        return self.listed

    def retrieve(self, batch_id: str, *, model: str) -> ProviderBatch:
        self._answer()
        return replace(under_way(batch_id), is_over=self.is_over, status="completed" if self.is_over else "submitted")

    def cancel(self, batch_id: str, *, model: str) -> None:
        self.cancelled.append(batch_id)

    def discard(self, _files: object, *, model: str) -> None:
        pass

    def _answer(self) -> None:
        if self.is_away:
            raise ProviderUnavailable("away", code="connection")


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """With a batch whose file was handed over: whoever did so may have begun it, and nobody heard."""
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                'INSERT INTO "AiValidationJob" ("id", "fileName", "originalFileName", "fileSize", "userId", "config",'
                " \"updatedAt\") VALUES ('j', 'f', 'f', 1, 'admin1', jsonb_build_object('batchApi', true), now())"
            )
        )
        connection.execute(
            sa.text(
                'INSERT INTO "LlmBatch" ("id", "jobId", "endpoint", "model", "requestCount", "inputFileId")'
                " VALUES ('b', 'j', 'e', 'm', 1, 'file')"
            )
        )
    yield engine
    engine.dispose()


def look_again(engine: sa.Engine, provider: Provider) -> str:
    """What a batch submitter makes of it when its time has come."""
    submitter = BatchSubmitter(Database(engine), cast("BatchApi", provider), "e", load_prices(None), PATIENCE)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE \"LlmBatch\" SET \"nextLookAt\" = timezone('UTC', now()) - interval '1 s'"))
    submitter.run_once(threading.Event())
    with engine.connect() as connection:
        return str(connection.scalar(sa.text('SELECT "status" FROM "LlmBatch"')))


def test_a_double_is_looked_for_until_the_provider_has_answered(engine: sa.Engine) -> None:
    # Given a provider that does not list yet what an earlier try began
    provider = Provider()
    assert look_again(engine, provider) == "resubmitted"
    # When it is away at the first look, and again
    provider.is_away = True
    for _ in range(2):
        assert look_again(engine, provider) == "resubmitted"
    # Then the double is found and stopped as soon as it answers, once
    provider.is_away = False
    provider.listed = [under_way("second"), under_way("first")]
    assert look_again(engine, provider) == "submitted"
    assert look_again(engine, provider) == "submitted"
    assert provider.cancelled == ["first"]


def test_what_is_over_is_fetched_although_its_doubles_cannot_be_listed(engine: sa.Engine) -> None:
    provider = Provider()
    assert look_again(engine, provider) == "resubmitted"
    # When the key loses the right to list, then a batch that is under way waits for it
    provider.lists = False
    assert look_again(engine, provider) == "resubmitted"
    # And one that is over is read: what it answered is paid for
    provider.is_over = True
    assert look_again(engine, provider) == "completed"
