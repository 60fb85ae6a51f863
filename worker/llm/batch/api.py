"""The provider's Batch API: files in, a batch made, looked after and fetched. What a batch holds is not known here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, NoReturn, Protocol

import httpx2
import openai
from openai.types import Batch, FileObject

from models.states import BatchStatus
from worker.errors import ContentRefused, ProviderRefused, ProviderUnavailable
from worker.llm.batch.provider_batch import ProviderBatch
from worker.llm.calls import ILLEGIBLE
from worker.logging import get_logger
from worker.system.transport import Bounds
from worker.text.characters import storable

log = get_logger()

KEY = "medq_batch"  # in the provider's metadata: which of our batches this is
CLOCKS_S = 3600.0  # how far the provider's clock and the database's may be apart
MAX_FILE = 2 * 2**30  # bytes of a result file: ten times the largest input file
MAX_LISTED = 20_000  # batches, at a hundred a page
_NO_CODE = re.compile(r"[^\w.-]")  # in a sentence for admins
_OVER: dict[str, BatchStatus] = {
    "completed": "completed",
    "expired": "expired",
    "failed": "failed",
    "cancelled": "cancelled",
}


class Translate(Protocol):
    """What a failure of the client means: raises an error of `worker.errors`."""

    def __call__(self, error: openai.APIError, *, model: str) -> NoReturn: ...


@dataclass(frozen=True)
class BatchApi:
    """The Batch API of one endpoint. Every method raises as `LlmClient.complete` does.

    `path` is what each line is sent to: "/v1/chat/completions", on Azure "/chat/completions". `transfer_s`: the time
    that a whole file may take, there or back; every other request has the client's own.
    """

    client: openai.OpenAI
    translate: Translate
    path: str
    transfer_s: float

    def upload(self, file: IO[bytes], *, name: str, model: str) -> tuple[str, bool]:
        """Hand the lines over; the id of the provider's file, and whether it is ready for a batch."""
        with self._told(model), Bounds(self.transfer_s):
            made = self.client.files.create(file=(name, file, "application/jsonl"), purpose="batch")
            return _named(made.id), _is_ready(made)

    def is_ready(self, file_id: str, *, model: str) -> bool:
        """Whether the provider has read an uploaded file: Azure takes minutes for a large one."""
        with self._told(model), suppress(openai.NotFoundError):
            return _is_ready(self.client.files.retrieve(file_id))
        return True  # a provider that tells nothing of files, or has lost it: its refusal of the batch will say so

    def create(self, input_file_id: str, *, key: str, model: str) -> ProviderBatch:
        """Have the batch begun. It costs money from here on, and is found again by its key."""
        with self._told(model):
            made = self.client.batches.create(
                input_file_id=input_file_id,
                endpoint=self.path,  # type: ignore[arg-type]  # Azure's is not among the client's
                completion_window="24h",
                metadata={KEY: key},
                extra_headers={"Idempotency-Key": key},  # for a provider that knows what it means
            )
            return _describe(made)

    def find_all(self, key: str, file_id: str | None, *, since: datetime, model: str) -> list[ProviderBatch]:
        """Every batch that was begun with this key or from this file, whichever process lost sight of it; newest first.

        By the file too, which is this key's alone: a provider may not keep what it is told beside it. Batches come
        newest first: what is older than `since` (with its zone), the time when ours was made, is not looked at.
        """
        oldest = (since - timedelta(seconds=CLOCKS_S)).timestamp()
        found = []
        with self._told(model):
            for number, batch in enumerate(self.client.batches.list(limit=100)):
                if number >= MAX_LISTED:
                    raise ProviderUnavailable("the list of batches has no end", code="server_error")
                if (batch.metadata or {}).get(KEY) == key or batch.input_file_id == file_id:
                    found.append(_describe(batch))
                elif batch.created_at < oldest:
                    break
        return found

    def retrieve(self, batch_id: str, *, model: str) -> ProviderBatch:
        """Where the batch stands."""
        with self._told(model):
            return _describe(self.client.batches.retrieve(batch_id))

    def cancel(self, batch_id: str, *, model: str) -> None:
        """Ask for no more of it; what is answered already stays to be fetched."""
        with self._told(model):
            self.client.batches.cancel(batch_id)

    def download(self, file_id: str, into: IO[bytes], *, model: str) -> None:
        """Fetch a result file; it may be larger than memory, and no more than `MAX_FILE` of it is taken."""
        with (
            self._told(model),
            Bounds(self.transfer_s, MAX_FILE) as bounds,
            self.client.files.with_streaming_response.content(file_id) as response,
        ):
            for chunk in response.iter_bytes():
                into.write(chunk)
        if bounds.is_cut or bounds.encoding is not None:
            log.warning("batch_file_cut", most_bytes=MAX_FILE, encoding=bounds.encoding)

    def discard(self, file_ids: Iterable[str], *, model: str) -> None:
        """Remove files that nobody needs any more, as far as the provider lets us."""
        for file_id in file_ids:
            with self._told(model):
                self.client.files.delete(file_id)

    def explain(self, status: int, raw: str, *, model: str) -> ProviderUnavailable | ProviderRefused | ContentRefused:
        """What a line that was refused with this HTTP status and body means, as if it had been a call."""
        response = httpx2.Response(
            status, content=raw.encode("utf-8", "replace"), request=httpx2.Request("POST", str(self.client.base_url))
        )
        error = openai.APIStatusError(f"the line brought {status}", response=response, body=None)
        try:
            self.translate(error, model=model)
        except (ProviderUnavailable, ProviderRefused, ContentRefused) as meaning:
            return meaning

    @contextmanager
    def _told(self, model: str) -> Iterator[None]:
        try:
            yield
        except openai.APIError as error:
            self.translate(error, model=model)
        except httpx2.HTTPError as error:
            # While a body is read the client lets the errors of its transport through as they are.
            raise ProviderUnavailable("the LLM endpoint broke off", code="connection") from error
        except (AttributeError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            # A reply of another shape, as proxies and wrong addresses send.
            raise ProviderUnavailable(
                f"the LLM endpoint says of batches what cannot be read ({type(error).__name__})", code=ILLEGIBLE
            ) from error


def _named(name: object) -> str:
    """An id as it came; `ValueError` for none, which nobody could ask about again."""
    if not isinstance(name, str) or not name or storable(name) != name:
        raise ValueError("no id")
    return name


def _is_ready(file: FileObject) -> bool:
    # Azure's words as well, which the client does not know.
    return str(file.status) not in ("pending", "notRunning", "running")


def _describe(batch: Batch) -> ProviderBatch:
    counts, errors = batch.request_counts, (batch.errors.data if batch.errors else None) or []
    return ProviderBatch(
        id=_named(batch.id),
        is_over=batch.status in _OVER,
        status=_OVER.get(batch.status, "submitted"),
        output_file_id=batch.output_file_id,
        error_file_id=batch.error_file_id,
        expires_at=datetime.fromtimestamp(batch.expires_at, UTC) if batch.expires_at else None,
        answered=counts.completed if counts else None,
        failed=counts.failed if counts else None,
        codes=tuple(dict.fromkeys(_NO_CODE.sub("", error.code)[:60] for error in errors if error.code)),
        is_stopping=batch.status == "cancelling",
    )
