"""What the refusal of a call means: whom it concerns (this content, this size, every call), and what to do about it."""

from __future__ import annotations

import re

from worker.errors import ContentRefused, ProviderRefused, ProviderUnavailable, SizeRefused
from worker.llm.error_bodies import ErrorBody, read_error_body
from worker.llm.size_refusals import read_size_refusal
from worker.messages import provider_faults

Meaning = ProviderUnavailable | ProviderRefused | ContentRefused

_QUOTA_CODES = frozenset(
    (
        *("insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"),
        *("exceeded_current_quota_error", "insufficient_funds", "insufficient_credits"),
    )
)
# "Exceeded your current quota" is none of them: some say so of a limit per minute.
_QUOTA_WORDS = re.compile(r"credit balance|insufficient (?:balance|credits?|funds)|billing hard limit|payment required")
_FILTER_CODES = frozenset(("content_filter", "content_policy_violation", "responsibleaipolicyviolation"))
_FILTER_WORDS = re.compile(r"input was flagged|flagged (?:input|content)|requires moderation|content management policy")
_KEY_CODES = frozenset(("invalid_api_key", "api_key_invalid", "authentication_error", "unauthenticated"))
_KEY_WORDS = re.compile(r"api key not valid|invalid api key|incorrect api key")
_PLACE_CODES = frozenset(("unsupported_country_region_territory",))
_PLACE_WORDS = re.compile(
    r"(?:country|region|location)[\w ,]{0,40} (?:is )?not supported|unsupported (?:country|location)"
)
_PARAMETER_CODES = frozenset(("unsupported_parameter", "unsupported_value", "unknown_parameter"))
_SCHEMA_CODES = frozenset(("invalid_json_schema", "schema_refused"))
_SCHEMA_WORDS = ("response_format", "json_schema", "schema", "grammar")
_CONTENT = ("messages", "input", "prompt", "content", "contents")  # parameters that hold what was uploaded
_WAITS = frozenset((408, 409, 423, 425, 429))


def explain_refusal(
    status: int,
    text: str,
    *,
    model: str,
    host: str,
    retry_after_s: float | None = None,
    ceiling: int | None = None,
    parameter: str | None = None,
) -> Meaning:
    """The error that an HTTP status other than 200 and its body mean. The provider's own words stay out of it: they may
    hold a part of the key, or of the upload.

    `ceiling` and `parameter`: the tokens that a reply was allowed to take, and the name under which that was sent.
    A refusal that may concern this content or every call is a `ContentRefused` with the `otherwise` of the latter.
    """
    reported = read_error_body(text)
    if status == 402 or reported.codes & _QUOTA_CODES or (400 <= status < 500 and _QUOTA_WORDS.search(reported.words)):
        return ProviderRefused(provider_faults.QUOTA_SPENT, code="insufficient_quota")
    if size := read_size_refusal(status, reported, ceiling=ceiling, parameter=parameter):
        return size
    if status in _WAITS or status >= 500 or status < 400:
        return ProviderUnavailable(
            f"the LLM endpoint answered {status}",
            code={408: "timeout", 429: "rate_limited"}.get(status, "server_error"),
            retry_after_s=retry_after_s,
        )
    if reported.codes & _FILTER_CODES or _FILTER_WORDS.search(reported.words):
        return ContentRefused("the content filter refused the prompt", code="content_filter")
    return _access_refused(status, reported, model=model, host=host) or _request_refused(
        status, reported, model=model, host=host
    )


def _access_refused(status: int, reported: ErrorBody, *, model: str, host: str) -> Meaning | None:
    """The key, the address, the place: nobody's content. None when it is none of them."""
    if status == 451 or reported.codes & _PLACE_CODES or _PLACE_WORDS.search(reported.words):
        return ProviderRefused(provider_faults.place_refused(host), code="place_refused")
    if status == 401 or reported.codes & _KEY_CODES or _KEY_WORDS.search(reported.words):
        return ProviderRefused(provider_faults.key_refused(host), code="unauthorised")
    if status in (403, 407) and reported.is_page:
        # A firewall that looks into what is sent may mind this content alone.
        return _doubtful(status, provider_faults.blocked(host, status), code="blocked")
    if status == 403:
        return ProviderRefused(provider_faults.model_forbidden(model, host), code="forbidden")
    if status in (404, 405, 410):
        return ProviderRefused(provider_faults.model_not_found(model, host), code="model_not_found")
    return None


def _request_refused(status: int, reported: ErrorBody, *, model: str, host: str) -> Meaning:
    """Something in the request: a parameter, which every call has, or nobody knows what."""
    named = [param for param in reported.params if not param.startswith(_CONTENT)]
    is_parameter = bool(named or reported.codes & _PARAMETER_CODES or "model_not_found" in reported.codes)
    about_schema = any(word in " ".join((*named, *reported.codes)) for word in _SCHEMA_WORDS)
    schema_sentence = provider_faults.no_structured_replies(model)
    if about_schema or reported.codes & _SCHEMA_CODES:
        return ProviderRefused(schema_sentence, code="schema_refused")
    if is_parameter:
        sentence = provider_faults.calls_refused(model, host, named[0][:40] if named else None)
        return ProviderRefused(sentence, code="request_refused")
    if any(word in reported.words for word in _SCHEMA_WORDS):
        return _doubtful(status, schema_sentence, code="schema_refused")
    sentence = provider_faults.everything_refused(model, host, status=status, is_page=reported.is_page)
    return _doubtful(status, sentence, code="request_refused")


def _doubtful(status: int, sentence: str, *, code: str) -> ContentRefused:
    return ContentRefused(
        f"the endpoint answered {status}", code="bad_request", otherwise=ProviderRefused(sentence, code=code)
    )


__all__ = ["Meaning", "SizeRefused", "explain_refusal"]
