"""The one HTTP attempt, against a scripted server in a process of its own: replies verbatim, failures told apart."""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import io
import json
import threading
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.scripted_llm import Script, ScriptedLlm, truth_key
from worker.courses.embedder import Role
from worker.courses.embeddings import EmbeddingClient
from worker.errors import ContentRefused, LeaseLost, ProviderRefused, ProviderUnavailable, SizeRefused, UsageError
from worker.llm.batch.api import BatchApi
from worker.llm.calls import Allowance, CheckedReply, Endpoint, Request, Usage
from worker.llm.client import AT_ONCE_S, LONGEST_WISH_S, LlmClient, parse_allowance, parse_retry_after, resolve_endpoint
from worker.llm.compose import Frame, compose_request
from worker.llm.validate import check_reply
from worker.llm.wire import describe_illegible
from worker.questions.answers import Purpose
from worker.questions.question import Question
from worker.settings import Settings
from worker.system.transport import Watch

KEY = "sk-very-secret"


def make_settings(**values: Any) -> Settings:
    """Settings of these variables only, whatever the machine's environment holds."""
    return Settings.model_construct(**{**Settings.model_construct().model_dump(), **values})


def question(number: int = 1) -> Question:
    return Question(
        type="qcm",
        specialty="Pédiatrie",
        course="Verge",
        level="DCEM2",
        semester="S1",
        text=f"Question numéro {number} ?",
        options={letter: f"affirmation {letter.lower()} du sujet {number}" for letter in "ABCDE"},
    )


def request_of(endpoint: Endpoint, *questions: Question, purpose: Purpose = "analyse") -> Request:
    items = [(f"item-{number}", each, ()) for number, each in enumerate(questions or (question(),), start=1)]
    return compose_request(purpose, items, Frame(endpoint, endpoint.model))


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedLlm]:
    with ScriptedLlm.start() as scripted:
        yield scripted


class Client:
    """A client of the scripted server, and the requests it sends."""

    def __init__(self, url: str, **settings: Any) -> None:
        values = make_settings(openai_api_key=KEY, openai_base_url=url, call_timeout_s=5.0, model="m", **settings)
        self.endpoint = resolve_endpoint(values, None)
        self.llm = LlmClient(self.endpoint, values)

    def ask(self, *questions: Question, purpose: Purpose = "analyse") -> CheckedReply:
        request = request_of(self.endpoint, *questions, purpose=purpose)
        return check_reply(self.llm.complete(request).raw, request)


@pytest.fixture(scope="module")
def shared(server: ScriptedLlm) -> Iterator[Client]:
    made = Client(server.url)
    yield made
    made.llm.close()


@pytest.fixture
def client(shared: Client, server: ScriptedLlm) -> Client:
    """The client; the script is back to its defaults."""
    server.configure(**asdict(Script()))
    return shared


# --- replies ----------------------------------------------------------------------------------------------------


def test_a_reply_comes_back_verbatim_with_its_figures(client: Client, server: ScriptedLlm) -> None:
    reply = client.llm.complete(request_of(client.endpoint))

    assert json.loads(reply.raw)["choices"][0]["finish_reason"] == "stop"
    assert (reply.model, reply.provider_request_id) == ("m", f"req-{server.stats()['received']}")
    assert reply.usage.prompt_tokens > reply.usage.cached_tokens > 0
    assert reply.usage.completion_tokens > 0


def wait_until_in_flight(server: ScriptedLlm, count: int) -> None:
    until = time.monotonic() + 60
    while server.stats()["inFlight"] < count:
        assert time.monotonic() < until, f"{count} calls in flight: not within a minute"
        time.sleep(0.01)


def test_one_client_serves_many_threads(client: Client, server: ScriptedLlm) -> None:
    server.configure(hold=True)

    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        asked = threads.map(lambda n: client.ask(question(n)), range(16))
        wait_until_in_flight(server, 16)
        server.configure(hold=False)
        replies = list(asked)

    assert all(reply.looks.keys() == {"item-1"} for reply in replies)
    assert server.stats()["maxInFlight"] == 16


def test_the_scripted_truth_survives_the_second_looks_permutation(client: Client, server: ScriptedLlm) -> None:
    sure = question(7)
    server.configure(
        truth={truth_key(sure.text, None, list(sure.options.values())): [sure.options["B"], sure.options["D"]]}
    )

    for purpose in ("analyse", "second_look"):
        look = client.ask(sure, purpose=purpose).looks["item-1"]
        assert look.key == "BD"
        assert "affirmation b" in look.option_explanations["B"]


def test_an_unknown_question_gets_the_same_letters_in_both_looks(client: Client) -> None:
    keys = [
        client.ask(question(n), purpose=p).looks["item-1"].key for n in range(8) for p in ("analyse", "second_look")
    ]

    assert keys[::2] == keys[1::2]
    assert len(set(keys)) > 2


def test_accuracy_is_a_share_of_questions_and_independent_in_each_look(client: Client, server: ScriptedLlm) -> None:
    questions = [question(n) for n in range(60)]
    server.configure(truth={each.text: [each.options["A"]] for each in questions}, accuracy=0.5)

    looks = [client.ask(*questions[at : at + 20]).looks.values() for at in (0, 20, 40)]
    right_first = [look.key == "A" for batch in looks for look in batch]
    right_second = [client.ask(q, purpose="second_look").looks["item-1"].key == "A" for q in questions]

    assert 15 <= sum(right_first) <= 45
    assert 15 <= sum(right_second) <= 45
    assert right_first != right_second


@pytest.mark.parametrize(
    ("spoiled", "codes"),
    [
        ({"drop_results": 1.0}, {"missing"}),
        ({"duplicate_ids": 1.0}, {"duplicate_id", None}),
        ({"truncate": 1.0}, {"truncated", None}),
        ({"refuse": 1.0}, {"content_refused"}),
        ({"content_filter": 1.0}, {"content_refused"}),
        ({"unknown_letters": 1.0}, {"unknown_letter"}),
        ({"empty_explanations": 1.0}, {"missing_option_explanation"}),
        ({"garbage": 1.0}, {"unreadable"}),
        ({"empty": 1.0}, {"empty"}),
        ({"shuffle_results": 1.0}, {None}),
        ({"fence": 1.0}, {None}),
        ({"nul": 1.0}, {None}),
    ],
)
def test_every_misbehaviour_is_seen_by_the_check(
    client: Client, server: ScriptedLlm, spoiled: dict[str, float], codes: set[str | None]
) -> None:
    questions = [question(n) for n in range(4)]
    expected = {item: look.key for item, look in client.ask(*questions).looks.items()}

    server.configure(**spoiled)
    reply = client.ask(*questions)

    assert {reply.refusals[i].code if i in reply.refusals else None for i in expected} == codes
    assert all(look.key == expected[item] for item, look in reply.looks.items())
    assert not any("\0" in look.explanation for look in reply.looks.values())


# --- failures ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "code", "retry_after_s"),
    [
        ({"status": 500}, "server_error", None),
        ({"status": 503, "retry_after_s": 7}, "server_error", 7.0),
        ({"status": 529}, "server_error", None),
        ({"status": 429, "retry_after_s": 2.5}, "rate_limited", 2.5),
        ({"status": 408}, "timeout", None),
    ],
)
def test_passing_faults_ask_for_another_attempt(
    client: Client, server: ScriptedLlm, script: dict[str, Any], code: str, retry_after_s: float | None
) -> None:
    before = server.stats()["received"]
    server.configure(**script)

    with pytest.raises(ProviderUnavailable) as caught:
        client.ask()

    assert (caught.value.code, caught.value.retry_after_s) == (code, retry_after_s)
    assert server.stats()["received"] == before + 1  # the client's own retries are off


def test_a_retry_after_date_becomes_seconds(client: Client, server: ScriptedLlm) -> None:
    server.configure(status=429, retry_after_s=30, retry_after_date=True)

    with pytest.raises(ProviderUnavailable) as caught:
        client.ask()

    assert caught.value.retry_after_s is not None
    assert 25 < caught.value.retry_after_s <= 30


@pytest.mark.parametrize(
    ("status", "error_code", "code"),
    [
        (401, "invalid_api_key", "unauthorised"),
        (403, None, "forbidden"),
        (404, "model_not_found", "model_not_found"),
        (429, "insufficient_quota", "insufficient_quota"),
        (402, None, "insufficient_quota"),
    ],
)
def test_lasting_faults_end_the_job_with_a_french_sentence(
    client: Client, server: ScriptedLlm, status: int, error_code: str | None, code: str
) -> None:
    server.configure(status=status, error_code=error_code)

    with pytest.raises(ProviderRefused) as caught:
        client.ask()

    assert caught.value.code == code
    assert KEY not in str(caught.value)
    assert str(caught.value).endswith("puis relancer la tâche.")


@pytest.mark.parametrize(
    ("status", "error_code", "code"),
    [
        (400, "content_filter", "content_filter"),
        (400, "context_length_exceeded", "context_too_long"),
        (413, None, "context_too_long"),
        (400, None, "bad_request"),
    ],
)
def test_refused_content_concerns_these_questions_only(
    client: Client, server: ScriptedLlm, status: int, error_code: str | None, code: str
) -> None:
    server.configure(status=status, error_code=error_code)

    with pytest.raises(ContentRefused) as caught:
        client.ask()

    assert caught.value.code == code


def test_a_failure_can_be_for_the_next_calls_only(client: Client, server: ScriptedLlm) -> None:
    server.configure(status=500, status_count=1)

    with pytest.raises(ProviderUnavailable):
        client.ask()
    assert client.ask().looks


def test_a_slow_endpoint_times_out(server: ScriptedLlm, client: Client) -> None:
    server.configure(latency_s=3)
    hurried = LlmClient(
        client.endpoint, make_settings(openai_api_key=KEY, openai_base_url=server.url, call_timeout_s=0.2)
    )

    with pytest.raises(ProviderUnavailable) as caught:
        hurried.complete(request_of(client.endpoint))

    assert caught.value.code == "timeout"
    hurried.close()


def test_a_connection_that_breaks_late_may_have_cost_something(server: ScriptedLlm, client: Client) -> None:
    for latency_s, code in ((0.0, "connection"), (AT_ONCE_S + 0.2, "connection_lost")):
        server.configure(cut_connection=1.0, latency_s=latency_s)
        with pytest.raises(ProviderUnavailable) as caught:
            client.ask()
        assert caught.value.code == code


def test_nobody_there_is_a_connection_fault() -> None:
    alone = Client("http://127.0.0.1:9/v1")

    with pytest.raises(ProviderUnavailable) as caught:
        alone.ask()

    assert caught.value.code == "connection"
    alone.llm.close()


# --- 200s in other forms ----------------------------------------------------------------------------------------


READ = ["events", "charset base64", "charset unknown", "odd model name", "usage huge", "usage negative", "usage text"]
READ += ["reasoning_content", "reasoning", "think", "think unclosed", "think unopened"]
READ += ["gzip", "deflate", "deflate raw"]


@pytest.mark.parametrize("form", READ)
def test_a_completion_in_another_form_is_read(client: Client, server: ScriptedLlm, form: str) -> None:
    sent = request_of(client.endpoint, question(1), question(2))
    expected = {item: look.key for item, look in client.ask(question(1), question(2)).looks.items()}

    server.configure(form=form)
    reply = client.llm.complete(sent)

    assert reply.is_legible
    assert {item: look.key for item, look in check_reply(reply.raw, sent).looks.items()} == expected
    # And the database takes whatever is written down of it
    for text in (reply.raw, reply.model):
        assert "\ud800" not in text
    assert "\x00" not in reply.model
    assert (reply.usage == Usage()) == form.startswith("usage")


def test_a_stream_that_broke_off_is_a_reply_that_was_cut(client: Client, server: ScriptedLlm) -> None:
    questions = [question(n) for n in range(4)]
    server.configure(form="events cut")

    reply = client.ask(*questions)

    assert reply.looks
    assert {refusal.code for refusal in reply.refusals.values()} == {"truncated"}


@pytest.mark.parametrize("form", ["html", "error", "nothing", "null", "half", "brotli", "gzip broken"])
def test_what_is_no_completion_is_told_as_such(client: Client, server: ScriptedLlm, form: str) -> None:
    server.configure(form=form)
    sent = request_of(client.endpoint)

    reply = client.llm.complete(sent)

    assert not reply.is_legible
    assert reply.allowance is None
    assert check_reply(reply.raw, sent).refusals["item-1"].code == "illegible"
    assert describe_illegible(reply.raw).startswith("un")
    reply.raw.encode()


@pytest.mark.parametrize("form", ["large", "gzip bomb", "deflate bomb"])
def test_no_more_is_read_than_a_reply_can_have(client: Client, server: ScriptedLlm, form: str) -> None:
    sent = request_of(client.endpoint)
    patient = LlmClient(client.endpoint, make_settings(openai_api_key=KEY, openai_base_url=server.url))
    patient.complete(sent)  # what is made once is made
    server.configure(form=form)
    tracemalloc.start()
    try:
        reply = patient.complete(sent)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        patient.close()

    # Four hundred megabytes were on their way
    assert peak < 16 * 2**20
    assert len(reply.raw) < 2**17
    assert not reply.is_legible
    assert describe_illegible(reply.raw) == "une réponse démesurée"


@pytest.mark.parametrize("form", ["drip", "slow headers"])
def test_a_deadline_is_for_the_whole_call_however_often_a_byte_comes(
    client: Client, server: ScriptedLlm, form: str
) -> None:
    server.configure(form=form)
    hurried = LlmClient(
        client.endpoint, make_settings(openai_api_key=KEY, openai_base_url=server.url, call_timeout_s=0.7)
    )

    with pytest.raises(ProviderUnavailable) as caught:
        hurried.complete(request_of(client.endpoint))

    assert caught.value.code == "timeout"
    hurried.close()


@pytest.mark.parametrize("script", [{"form": "drip"}, {"form": "slow headers"}, {"latency_s": 30.0}])
def test_whoever_waits_is_asked_whether_the_reply_is_still_wanted(
    client: Client, server: ScriptedLlm, script: dict[str, Any]
) -> None:
    server.configure(**script)
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise LeaseLost("task")

    patient = LlmClient(client.endpoint, make_settings(openai_api_key=KEY, openai_base_url=server.url))
    with Watch(look), pytest.raises(LeaseLost):
        patient.complete(request_of(client.endpoint))

    # And the connection is dropped: nobody else gets the end of that reply
    server.configure(form=None, latency_s=0.0)
    assert json.loads(patient.complete(request_of(client.endpoint)).raw)["choices"]
    patient.close()


def test_no_stream_is_asked_for_and_stored_replies_stay_what_they_answer(client: Client, server: ScriptedLlm) -> None:
    sent = request_of(client.endpoint)
    client.llm.complete(sent)

    body = json.dumps({**sent.body, "model": "m", "stream": False}, ensure_ascii=False, separators=(",", ":"))
    assert server.calls()[-1]["body"] == hashlib.sha256(body.encode()).hexdigest()
    # Neither the request's name nor a line of a batch knows of it
    assert "stream" not in sent.body


# --- redirects --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_within_the_same_origin_is_followed(client: Client, server: ScriptedLlm, status: int) -> None:
    server.configure(redirect_status=status, redirect_to="/moved/chat/completions")
    assert client.ask().looks


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_key_goes_to_no_other_origin(client: Client, server: ScriptedLlm, status: int) -> None:
    with ScriptedLlm.start() as stranger:
        server.configure(redirect_status=status, redirect_to=f"{stranger.root}/moved/chat/completions")

        with pytest.raises(ProviderRefused) as caught:
            client.ask()

        assert stranger.stats()["received"] == 0
    assert caught.value.code == "redirected"
    assert "http://127.0.0.1" in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_redirect_that_leads_round_in_circles_ends(client: Client, server: ScriptedLlm) -> None:
    server.configure(redirect_status=307, redirect_to="/v1/chat/completions")

    with pytest.raises(ProviderRefused):
        client.ask()

    assert server.stats()["redirected"] < 20


class _Canned(BaseHTTPRequestHandler):
    reply: tuple[int, bytes] = (200, b"")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        status, body = self.reply
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Silent."""


@pytest.fixture(scope="module")
def canned() -> Iterator[Client]:
    """A server that says what `_Canned.reply` holds."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Canned) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        made = Client(f"http://127.0.0.1:{listening.server_port}/v1")
        yield made
        made.llm.close()
        listening.shutdown()


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"null", b'{"error": {"code": 1}}', b"\x1f\x8b\x00\xff"])
def test_a_200_without_a_completion_is_kept_as_it_came(canned: Client, body: bytes) -> None:
    _Canned.reply = (200, body)

    reply = canned.llm.complete(request_of(canned.endpoint))

    assert not reply.is_legible
    assert reply.raw == body.decode("utf-8", "backslashreplace")
    assert (reply.model, reply.usage) == ("m", Usage())


def test_an_empty_reply_that_counts_tokens_is_kept_for_the_books(canned: Client) -> None:
    _Canned.reply = (200, b'{"choices": [], "usage": {"prompt_tokens": 900, "completion_tokens": 12}}')
    reply = canned.llm.complete(request_of(canned.endpoint))
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (900, 12)


@pytest.mark.parametrize("body", [b"<html></html>", b"", b"[]", b'{"status": 5, "expires_at": 1e300}', b"[" * 100_000])
def test_what_is_said_of_a_batch_is_understood_or_asked_again(canned: Client, body: bytes) -> None:
    _Canned.reply = (200, body)
    api = BatchApi(canned.llm.client, canned.llm.translate, "/v1/chat/completions", transfer_s=5)

    for ask in (lambda: api.create("f", key="k", model="m"), lambda: api.cancel("b", model="m")):
        # A cancellation needs no answer that can be read
        with contextlib.suppress(ProviderUnavailable):
            ask()
    with pytest.raises(ProviderUnavailable):
        api.upload(io.BytesIO(b"{}"), name="b.jsonl", model="m")


@pytest.mark.parametrize("body", [b"<html></html>", b"", b"[]", b'{"data": [{"index": null}]}', b"[" * 100_000])
def test_vectors_that_are_none_are_a_search_without_vectors(canned: Client, body: bytes) -> None:
    _Canned.reply = (200, body)
    embedder = EmbeddingClient(make_settings(openai_base_url=canned.endpoint.name, embedding_model="e"))

    with pytest.raises(ProviderUnavailable):
        embedder.embed(["a text"], Role.QUERY)
    embedder.close()


def test_vectors_without_end_are_given_up(client: Client, server: ScriptedLlm) -> None:
    for form, seconds in (("drip", 0.5), ("slow headers", 0.5), ("large", 60.0)):
        server.configure(form=form)
        embedder = EmbeddingClient(make_settings(openai_base_url=server.url, embedding_model="e"))
        with pytest.raises(ProviderUnavailable):
            embedder.embed(["a text"], Role.QUERY, timeout_s=seconds)
        embedder.close()


def test_the_deadline_holds_through_a_proxy_of_the_environment(
    client: Client, server: ScriptedLlm, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a proxy that is asked for an address of somebody else, and never gets to the end of its headers
    server.configure(form="slow headers")
    monkeypatch.setenv("HTTP_PROXY", server.root)
    elsewhere = make_settings(openai_api_key=KEY, openai_base_url="http://llm.example/v1", call_timeout_s=0.7)
    proxied = LlmClient(resolve_endpoint(elsewhere, None), elsewhere)

    with pytest.raises(ProviderUnavailable) as caught:
        proxied.complete(request_of(client.endpoint))

    assert caught.value.code == "timeout"
    proxied.close()


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (
            {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}},
            ContentRefused,
            "content_filter",
        ),
        ({"message": "This model's maximum context length is 4096 tokens."}, ContentRefused, "context_too_long"),
        ({"message": "the request exceeds the available context size"}, ContentRefused, "context_too_long"),
        ({"message": "Invalid schema", "param": "response_format"}, ProviderRefused, "schema_refused"),
        ({"message": "Bad request", "code": "invalid_json_schema"}, ProviderRefused, "schema_refused"),
        ({"message": "Unsupported", "param": "temperature"}, ProviderRefused, "request_refused"),
        ({"message": "Unsupported", "param": "max_completion_tokens"}, SizeRefused, "ceiling_unknown"),
        ({"message": "Invalid text", "param": "messages.1.content"}, ContentRefused, "bad_request"),
    ],
)
def test_a_400_is_told_apart(canned: Client, error: dict[str, Any], kind: type[Any], code: str) -> None:
    _Canned.reply = (400, json.dumps({"error": {"message": "Bad request", **error}}).encode())

    with pytest.raises(kind) as caught:
        canned.ask()

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 60.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:10 GMT"}, 0.0),
        ({"retry-after": "1e300"}, LONGEST_WISH_S),
        ({"retry-after-ms": "1e300"}, LONGEST_WISH_S),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, LONGEST_WISH_S),
    ],
)
def test_every_form_of_retry_after_is_read(headers: dict[str, str], expected: float | None) -> None:
    assert parse_retry_after(headers, now=40.0) == expected


# --- endpoints --------------------------------------------------------------------------------------------------


def test_the_endpoint_holds_no_secret() -> None:
    endpoint = resolve_endpoint(make_settings(openai_base_url="https://user:pw@llm.example/v1/?key=x"), None)

    assert endpoint.name == "https://llm.example/v1"
    assert not endpoint.embedded


def test_azure_comes_first_and_calls_its_deployment(server: ScriptedLlm, client: Client) -> None:
    azure = make_settings(
        azure_endpoint=server.url.removesuffix("/v1"), azure_api_key=KEY, azure_deployment="gpt", openai_api_key="other"
    )
    endpoint = resolve_endpoint(azure, None)
    llm = LlmClient(endpoint, azure)

    reply = llm.complete(request_of(endpoint))

    assert (endpoint.model, endpoint.review_model, reply.model) == ("gpt", "gpt", "gpt")
    assert llm.ping() == ("scripted",)
    llm.close()


def test_half_of_azure_names_what_is_missing() -> None:
    with pytest.raises(UsageError, match="AZURE_OPENAI_API_KEY, AZURE_OPENAI_CHAT_DEPLOYMENT"):
        resolve_endpoint(make_settings(azure_endpoint="https://x.example"), None)


def test_without_anything_the_embedded_model_answers_or_a_sentence_says_what_to_set() -> None:
    assert resolve_endpoint(make_settings(), "http://127.0.0.1:1/v1").embedded
    with pytest.raises(UsageError, match="OPENAI_API_KEY"):
        resolve_endpoint(make_settings(), None)


def test_a_ping_costs_nothing(client: Client, server: ScriptedLlm) -> None:
    before = server.stats()["received"]

    assert client.llm.ping() == ("scripted",)
    assert server.stats()["received"] == before


# --- the scripted server itself ---------------------------------------------------------------------------------


def test_the_ledger_is_on_disk_before_the_reply_leaves(tmp_path: Path) -> None:
    ledger = tmp_path / "calls.jsonl"
    with ScriptedLlm.start(ledger=ledger) as server:
        client = Client(server.url)
        client.ask(question(1), question(2))
        client.ask(question(1), purpose="second_look")
        client.llm.close()

        lines = [json.loads(line) for line in ledger.read_text().splitlines()]
        assert server.calls() == lines

    assert [line["purpose"] for line in lines] == ["analyse", "second_look"]
    assert lines[1]["questions"] == lines[0]["questions"][:1]
    assert all(line["status"] == 200 and line["receivedAt"] <= line["sentAt"] for line in lines)


def test_held_replies_wait_until_they_are_released(client: Client, server: ScriptedLlm) -> None:
    server.configure(hold=True)
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(client.ask)
        wait_until_in_flight(server, 1)
        assert not waiting.done()

        server.configure(hold=False)
        assert waiting.result(timeout=5).looks


def test_a_request_outside_the_contract_is_refused(client: Client, server: ScriptedLlm) -> None:
    request = request_of(client.endpoint)
    broken = {**request.body, "messages": [{"role": "user", "content": "Bonjour"}]}

    with pytest.raises(ContentRefused):
        client.llm.complete(Request("analyse", "m", broken, "", ()))


def test_an_unknown_control_is_a_mistake(server: ScriptedLlm) -> None:
    with pytest.raises(ValueError, match="lattency"):
        server.configure(lattency=1)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"x-ratelimit-limit-requests": "600"}, Allowance(requests=600.0)),
        ({"x-ratelimit-limit-requests": "600", "x-ratelimit-limit-tokens": "90000"}, Allowance(600.0, 90_000.0)),
        ({"x-ratelimit-limit-requests": "600", "x-ratelimit-reset-requests": "100ms"}, Allowance(requests=600.0)),
        ({"x-ratelimit-limit-requests": "600", "x-ratelimit-reset-requests": "59.5s"}, Allowance(requests=600.0)),
        # Whole again after more than a minute: a limit per day says nothing of a minute.
        ({"x-ratelimit-limit-requests": "200", "x-ratelimit-reset-requests": "7m12s"}, None),
        ({"x-ratelimit-limit-requests": "200", "x-ratelimit-reset-requests": "1d2h"}, None),
        ({"x-ratelimit-limit-requests": "many", "x-ratelimit-limit-tokens": "0"}, None),
        ({"x-ratelimit-limit-requests": "nan"}, None),
    ],
)
def test_what_an_endpoint_allows_is_read_from_its_headers(headers: dict[str, str], expected: Allowance | None) -> None:
    assert parse_allowance(headers) == expected
