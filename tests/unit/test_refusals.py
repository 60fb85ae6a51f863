"""Refusals as providers write them: what each one concerns, and what the admin reads. Bodies as seen in the open."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import ContentRefused, MedqError, ProviderRefused, ProviderUnavailable, SizeRefused
from worker.llm.error_bodies import read_error_body
from worker.llm.refusals import Meaning, explain_refusal

CLOUDFLARE = (
    "<!DOCTYPE html>\n<html lang='en-US'><head><title>Attention Required! | Cloudflare</title></head>"
    "<body><h1>Sorry, you have been blocked</h1></body></html>"
)
EXTRA = {"type": "extra_forbidden", "loc": ["body", "max_completion_tokens"], "msg": "Extra inputs are not permitted"}


def explain(status: int, body: object, **changes: int | str) -> Meaning:
    text = body if isinstance(body, str) else json.dumps(body)
    given = {"ceiling": 12_000, "parameter": "max_completion_tokens", **changes}
    return explain_refusal(status, text, model="m", host="llm.example", **given)  # type: ignore[arg-type]


def openai(message: str, **fields: object) -> dict[str, object]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **fields}}


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        # The account.
        (402, "", "insufficient_quota"),
        (402, {"error": {"message": "Insufficient Balance", "code": "invalid_request_error"}}, "insufficient_quota"),
        (429, openai("You exceeded your current quota", code="insufficient_quota"), "insufficient_quota"),
        (429, openai("suspended", type="exceeded_current_quota_error"), "insufficient_quota"),
        (
            400,
            {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low."}},
            "insufficient_quota",
        ),
        (403, {"error": {"message": "Insufficient credits", "code": 403}}, "insufficient_quota"),
        # The key, and where we are.
        (401, "", "unauthorised"),
        (401, {"detail": "Unauthorized"}, "unauthorised"),
        (401, {"message": "Unauthorized", "request_id": "x"}, "unauthorised"),
        (401, CLOUDFLARE, "unauthorised"),
        (
            400,
            [{"error": {"code": 400, "message": "API key not valid.", "details": [{"reason": "API_KEY_INVALID"}]}}],
            "unauthorised",
        ),
        (451, "", "place_refused"),
        (403, openai("no", code="unsupported_country_region_territory"), "place_refused"),
        (
            400,
            [
                {
                    "error": {
                        "message": "User location is not supported for the API use.",
                        "status": "FAILED_PRECONDITION",
                    }
                }
            ],
            "place_refused",
        ),
        (403, openai("You have no access to m", code="forbidden"), "forbidden"),
        (403, "Forbidden", "forbidden"),
        # The address, the model.
        (404, openai("The model `m` does not exist", code="model_not_found"), "model_not_found"),
        (404, {"detail": "Not Found"}, "model_not_found"),
        (404, {"error": "model 'm' not found, try pulling it first"}, "model_not_found"),
        (404, "404 page not found", "model_not_found"),
        (404, CLOUDFLARE, "model_not_found"),
        (405, {"detail": "Method Not Allowed"}, "model_not_found"),
        (410, "Gone", "model_not_found"),
        (400, openai("unknown", code="model_not_found"), "request_refused"),
        # A parameter that every call has.
        (400, openai("Unsupported value", param="temperature"), "request_refused"),
        (400, openai("Unrecognized request argument supplied: stream"), "request_refused"),
        (422, {"detail": [{"loc": ["body", "stream"], "msg": "extra fields not permitted"}]}, "request_refused"),
        (
            422,
            {"object": "error", "message": {"detail": [{"loc": ["body", "model"], "msg": "bad"}]}},
            "request_refused",
        ),
        (
            400,
            {"object": "error", "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'stream'), 'msg': 'no'}]"},
            "request_refused",
        ),
        (
            400,
            [{"error": {"code": 400, "message": 'Invalid JSON payload received. Unknown name "strict" at x.'}}],
            "request_refused",
        ),
        # The schema.
        (400, openai("Invalid schema", param="response_format"), "schema_refused"),
        (400, openai("no", code="invalid_json_schema"), "schema_refused"),
        (422, {"detail": [{"loc": ["body", "response_format", "type"], "msg": "bad"}]}, "schema_refused"),
    ],
)
def test_a_refusal_of_every_call_ends_the_job_with_a_sentence(status: int, body: object, code: str) -> None:
    meaning = explain(status, body)

    assert isinstance(meaning, ProviderRefused)
    assert meaning.code == code
    assert str(meaning).endswith("puis relancer la tâche.")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (openai("no", param="temperature"), "temperature"),
        ({"detail": [{"loc": ["body", "stream"], "msg": "no"}]}, "stream"),
        ({"object": "error", "message": "[{'loc': ('body', 'stream'), 'msg': 'no'}]"}, "stream"),
        ([{"error": {"message": 'Unknown name "strict" at request'}}], "strict"),
        ({"error": {"metadata": {"raw": json.dumps(openai("no", param="frequency_penalty"))}}}, "frequency_penalty"),
    ],
)
def test_the_sentence_names_the_parameter_and_the_host(body: object, name: str) -> None:
    assert f"(paramètre « {name} ») chez llm.example" in str(explain(400, body))


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, openai("bad request"), "request_refused"),
        (400, "", "request_refused"),
        (400, "null", "request_refused"),
        (400, "[" * 50_000, "request_refused"),
        (400, openai("no", param="messages.1.content"), "request_refused"),
        (422, {"detail": [{"loc": ["body", "messages", 1, "content"], "msg": "bad"}]}, "request_refused"),
        (400, openai("the response does not match the schema"), "schema_refused"),
        (403, CLOUDFLARE, "blocked"),
        (406, "Not Acceptable", "request_refused"),
        (418, "", "request_refused"),
        (421, CLOUDFLARE, "request_refused"),
        # What was sent, said back, proves nothing.
        (422, {"detail": [{"loc": ["body"], "msg": "bad", "input": {"error": {"param": "model"}}}]}, "request_refused"),
    ],
)
def test_what_may_be_the_content_or_every_call_says_both(status: int, body: object, code: str) -> None:
    meaning = explain(status, body)

    assert isinstance(meaning, ContentRefused)
    assert not isinstance(meaning, SizeRefused)
    assert meaning.otherwise is not None
    assert meaning.otherwise.code == code
    assert str(meaning.otherwise).endswith("puis relancer la tâche.")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, openai("filtered", code="content_filter")),
        (400, openai("filtered", innererror={"code": "ResponsibleAIPolicyViolation"})),
        (403, {"error": {"message": "Your input was flagged", "metadata": {"reasons": ["x"]}}}),
    ],
)
def test_a_filter_is_surely_the_content(status: int, body: object) -> None:
    meaning = explain(status, body)

    assert isinstance(meaning, ContentRefused)
    assert (meaning.code, meaning.otherwise) == ("content_filter", None)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (408, "", "timeout"),
        (429, openai("Rate limit reached", code="rate_limit_exceeded"), "rate_limited"),
        # Gemini says quota of a limit per minute, in a list.
        (
            429,
            [
                {
                    "error": {
                        "code": 429,
                        "message": "You exceeded your current quota, please check.",
                        "status": "RESOURCE_EXHAUSTED",
                    }
                }
            ],
            "rate_limited",
        ),
        (
            429,
            openai("Rate limit reached on tokens per min (TPM): Limit 30000, Used 29000, Requested 4000"),
            "rate_limited",
        ),
        (500, CLOUDFLARE, "server_error"),
        (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "server_error"),
        (307, "", "server_error"),
    ],
)
def test_a_passing_fault_is_waited_for(status: int, body: object, code: str) -> None:
    meaning = explain(status, body)

    assert isinstance(meaning, ProviderUnavailable)
    assert meaning.code == code


@pytest.mark.parametrize(
    ("status", "message", "code", "told"),
    [
        (400, "max_tokens must be in [1, 8193)", "ceiling_too_large", 8192),
        # The ceiling is too large.
        (
            400,
            ("max_tokens is too large: 12000. This model supports at most 4096 completion tokens, but you gave 12000."),
            "ceiling_too_large",
            4096,
        ),
        (
            400,
            "max_tokens: 12000 > 8192, which is the maximum allowed number of output tokens",
            "ceiling_too_large",
            8192,
        ),
        (400, "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", "ceiling_too_large", 8192),
        (400, "`max_completion_tokens` must be less than or equal to `8192`", "ceiling_too_large", 8192),
        (
            400,
            "maxOutputTokens value of 12000 but the supported range is from 1 (inclusive) to 8193 (exclusive)",
            "ceiling_too_large",
            8192,
        ),
        (400, "max_tokens is too large: 12,000. This model supports at most 4,096 tokens", "ceiling_too_large", 4096),
        # Prompt and reply together.
        (
            400,
            (
                "This model's maximum context length is 8192 tokens. However, you requested 14000 tokens (2000 in the "
                "messages, 12000 in the completion)."
            ),
            "context_too_long",
            8192,
        ),
        (
            400,
            (
                "'max_tokens' or 'max_completion_tokens' is too large: 12000. This model's maximum context length is "
                "8192 tokens and your request has 2600 input tokens (12000 > 8192 - 2600)."
            ),
            "context_too_long",
            8192,
        ),
        (
            400,
            "the request exceeds the available context size (4096 tokens), try increasing it",
            "context_too_long",
            4096,
        ),
        (400, "prompt is too long: 210000 tokens > 200000 maximum", "context_too_long", 200_000),
        (
            400,
            "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
            "context_too_long",
            200_000,
        ),
        (
            422,
            (
                "`inputs` tokens + `max_new_tokens` must be <= 8193. Given: 2600 `inputs` tokens and 12000 "
                "`max_new_tokens`"
            ),
            "context_too_long",
            8193,
        ),
        (
            400,
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            "context_too_long",
            1_048_576,
        ),
        (413, "", "context_too_long", None),
        # A limit per minute that this size never passes.
        (
            429,
            "Request too large for gpt-4o in organization org-x: tokens per min (TPM): Limit 30000, Requested 43250.",
            "request_too_large",
            30_000,
        ),
        (
            413,
            "Request too large for model `llama` on tokens per minute (TPM): Limit 6000, Requested 14000",
            "request_too_large",
            6000,
        ),
    ],
)
def test_what_a_provider_takes_is_read_from_its_refusal(status: int, message: str, code: str, told: int | None) -> None:
    meaning = explain(status, openai(message))

    assert isinstance(meaning, SizeRefused)
    assert meaning.code == code
    assert (meaning.most if code == "ceiling_too_large" else meaning.limit) == told


@pytest.mark.parametrize(
    ("status", "body", "sent"),
    [
        (422, {"detail": [EXTRA]}, "max_completion_tokens"),
        (422, {"object": "error", "message": {"detail": [{**EXTRA, "input": 12000}]}}, "max_completion_tokens"),
        (
            400,
            {"object": "error", "message": f"[{EXTRA!r}]".replace("[", "(").replace("((", "[("), "code": 400},
            "max_completion_tokens",
        ),
        (400, openai("Unrecognized request argument supplied: max_completion_tokens"), "max_completion_tokens"),
        (400, openai("Unsupported", param="max_completion_tokens"), "max_completion_tokens"),
        (
            400,
            openai(
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                "'max_completion_tokens' instead.",
                param="max_tokens",
                code="unsupported_parameter",
            ),
            "max_tokens",
        ),
    ],
)
def test_a_server_that_does_not_know_a_name_of_the_ceiling_gets_the_other(status: int, body: object, sent: str) -> None:
    meaning = explain(status, body, parameter=sent)

    assert isinstance(meaning, SizeRefused)
    assert meaning.parameter == ({"max_tokens", "max_completion_tokens"} - {sent}).pop()


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["error", "message", "detail", "loc", "param", "code", "input", "x"]), inner)
    ),
    max_leaves=20,
)


@given(st.integers(300, 599), _json | st.text(max_size=200))
def test_any_body_means_something_and_never_shows_itself(status: int, body: object) -> None:
    meaning = explain(status, body)

    assert isinstance(meaning, MedqError)
    assert meaning.code


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789-", min_size=12, max_size=40))
def test_what_the_provider_wrote_is_not_repeated(secret: str) -> None:
    for status in (400, 401, 403, 404, 429, 500):
        meaning = explain(status, openai(f"Incorrect key provided: sk-{secret}"))
        otherwise = meaning.otherwise if isinstance(meaning, ContentRefused) else None
        assert f"sk-{secret}" not in f"{meaning} {otherwise}"


def test_a_body_beyond_measure_is_looked_at_only_so_far() -> None:
    assert read_error_body("[" * 10**6).params == ()
    assert read_error_body(json.dumps({"detail": [EXTRA] * 100_000})).params in ((), ("max_completion_tokens",))
    assert len(read_error_body("x" * 10**6).words) <= 20_000
