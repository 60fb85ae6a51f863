"""The embedded model for real: it starts, obeys the schema of the contract, and never outlives its parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.embedded.llm import EmbeddedLlm
from worker.errors import UsageError
from worker.llm.client import LlmClient, resolve_endpoint
from worker.llm.compose import Frame, compose_request
from worker.questions.answers import Purpose
from worker.questions.question import Question, QuestionType
from worker.settings import Settings

pytest.importorskip("xllamacpp", reason="the extra `local` is not installed")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with EmbeddedLlm(log_path=tmp_path_factory.mktemp("llm") / "llm.log") as embedded:
        yield embedded.start()


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[LlmClient]:
    settings = Settings.model_construct(**Settings.model_construct().model_dump())
    made = LlmClient(resolve_endpoint(settings, url), settings)
    yield made
    made.close()


def sample(question_type: QuestionType) -> Question:
    qcm = question_type.endswith("qcm")
    return Question(
        type=question_type,
        specialty="Pédiatrie",
        course="Verge",
        level="DCEM2",
        semester="S1",
        text="Concernant le phimosis physiologique :" if qcm else "Quelle est la conduite à tenir ?",
        options={"A": "Il est fréquent à la naissance", "C": "Il impose une chirurgie en urgence"} if qcm else {},
        case_text="Un garçon de 2 ans consulte pour un phimosis." if question_type.startswith("cas") else None,
        official_answer=None if qcm else "Abstention",
    )


def test_it_says_that_it_is_the_embedded_one(client: LlmClient) -> None:
    assert client.endpoint.embedded
    assert client.endpoint.name.startswith("http://127.0.0.1:")
    assert client.ping() == (client.endpoint.model,)


@pytest.mark.parametrize(
    ("question_type", "purpose"),
    [("qcm", "analyse"), ("cas_qcm", "second_look"), ("qroc", "analyse"), ("cas_qroc", "second_look")],
)
def test_its_replies_obey_the_schema(client: LlmClient, question_type: QuestionType, purpose: Purpose) -> None:
    question = sample(question_type)
    request = compose_request(purpose, [("item", question, ())], Frame(client.endpoint, client.endpoint.model))

    reply = client.complete(request)

    # What it says means nothing; that it can be read is what counts.
    choice = json.loads(reply.raw)["choices"][0]
    assert choice["finish_reason"] == "stop"
    result = json.loads(choice["message"]["content"])["results"][0]
    assert result["id"] == "q1"
    assert set(result["optionExplanations"]) == set(request.questions[0].letters)
    assert set(result["correctAnswers"]) <= set(request.questions[0].letters)
    assert (result["verdict"] is None) == question.is_qcm
    assert reply.usage.prompt_tokens > 0


def test_starting_again_is_the_same_server_and_stopping_twice_is_no_mistake() -> None:
    embedded = EmbeddedLlm()
    try:
        first = embedded.start()
        assert embedded.start() == first
    finally:
        embedded.stop()
        embedded.stop()


def test_it_ends_when_its_parent_is_killed() -> None:
    # Given a process that started it
    program = (
        "import time; from worker.embedded.llm import EmbeddedLlm; e = EmbeddedLlm(); e.start();"
        "print(e._child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)

        # When that process is killed
        parent.send_signal(signal.SIGKILL)

    # Then the model goes too
    deadline = time.monotonic() + 5
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_alive(child)


def is_alive(pid: int) -> bool:
    """A zombie that nobody waits for is not alive."""
    status = Path(f"/proc/{pid}/stat")
    if status.exists():
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_server_that_does_not_come_up_is_a_sentence_that_says_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"did not start.*OPENAI_BASE_URL"):
        EmbeddedLlm(ready_timeout_s=0).start()
