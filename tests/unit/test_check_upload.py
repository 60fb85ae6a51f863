"""`worker.upload.check` and `medq check`: what a job would make of a file, said without a job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.right_uploads import REFUSED, RIGHT, path_of
from worker.cli import call
from worker.errors import JobFailed, UsageError
from worker.evaluation.run import read_known
from worker.llm.prices import load_prices
from worker.messages import job_causes
from worker.queue.job import JobConfig
from worker.settings import Settings
from worker.upload.check import FileCheck, Uploaded, check_file
from worker.upload.parsing import read_questions
from worker.upload.reading.reading import read_here

PRICES = load_prices(None)
MODEL = {"OPENAI_API_KEY": "k", "MEDQ_MODEL": "gpt-5.4-mini"}
LEVEL = {"defaultLevel": "DCEM2"}
HEAD = "matiere,niveau,question,option a,option b,option c,reponse"


def options(**environment: str) -> Settings:
    return Settings.model_validate({**MODEL, **environment})


def checked(data: bytes, config: object = None, name: str = "banque.csv", **environment: str) -> FileCheck:
    return check_file(Uploaded(data, name, config), options(**environment), PRICES, read=read_here)


def csv(*rows: str, head: str = HEAD) -> bytes:
    return "\n".join([head, *rows]).encode()


@pytest.mark.parametrize("number", RIGHT)
def test_every_file_is_checked_as_is_right(number: str) -> None:
    right, path = RIGHT[number], path_of(number)
    document = json.loads(json.dumps(checked(path.read_bytes(), LEVEL, path.name).to_json()))

    everything = json.dumps(document, ensure_ascii=False)
    assert all(words in everything for words in right.says)
    if right.fails:
        assert document["wouldFail"]
        assert document["sheets"][0]["columns"], "what was found is shown all the same"
        assert document["questions"] == []
        return
    rows = document["questions"]
    assert tuple(REFUSED if row["rejection"] else row["official"] for row in rows) == right.official
    assert {row["type"] for row in rows} == {right.type}
    for place, wanted in right.options.items():
        assert rows[place]["options"] == wanted
    for place, codes in right.findings.items():
        assert set(codes) <= set(rows[place]["findings"])
    assert document["wouldFail"] == all(row["rejection"] for row in rows)


def test_a_file_whose_rows_are_all_refused_would_fail_with_the_cause_that_they_share() -> None:
    path = path_of("43")
    found = checked(path.read_bytes(), None, path.name)

    assert found.failure is not None
    assert found.failure.startswith(job_causes.no_success(["…"]).removesuffix("…"))
    assert "defaultLevel" in found.failure
    assert found.to_json()["refused"] == {
        "rows": 2,
        "reasons": [{"reason": found.rows[0].rejection, "count": 2, "rows": [
            {"sheet": path.stem, "row": 2}, {"sheet": path.stem, "row": 3}]}],
    }  # fmt: skip


def test_repeats_and_conflicts_inside_the_file_are_named() -> None:
    same = ("P,DCEM2,Où ?,un,deux,trois,A", "P,DCEM2,où ?,un,deux,trois,A")
    found = checked(csv(*same, "P,DCEM2,Qui ?,x,y,z,A", "P,DCEM2,Qui ?,x,y,z,B")).to_json()

    assert found["repeats"] == [{"sheet": "banque", "row": 3, "sameAs": {"sheet": "banque", "row": 2}}]
    assert found["conflicts"]["rows"] == 2
    assert "Même contenu, réponse officielle différente" in found["conflicts"]["reasons"][0]["reason"]
    assert found["estimate"]["questions"] == 1


def test_calls_and_money_are_a_range_by_what_may_need_a_second_look() -> None:
    keyed = [f"P,DCEM2,Question {n} ?,un {n},deux,trois,A" for n in range(8)]
    found = checked(csv(*keyed, *[f"P,DCEM2,Sans clé {n} ?,un {n},deux,trois," for n in range(4)]))

    assert found.estimate is not None
    assert (found.estimate.questions, found.estimate.calls) == (12, (3 + 4, 3 + 12))
    assert found.estimate.cost_usd is not None
    least, most = found.estimate.cost_usd
    assert 0 < least < most < 1


def test_a_batch_costs_its_share_and_smaller_batches_more_calls() -> None:
    rows = csv(*[f"P,DCEM2,Question {n} ?,un {n},deux,trois,A" for n in range(6)])
    whole, half, alone = (checked(rows, config).estimate for config in (None, {"batchApi": True}, {"batchSize": 1}))

    assert whole
    assert half
    assert alone
    assert whole.cost_usd
    assert half.cost_usd
    assert half.cost_usd[1] == whole.cost_usd[1] * PRICES.batch_share
    assert alone.calls == (6, 12)


def test_a_price_that_nobody_knows_is_said_and_fails_a_job_with_a_budget() -> None:
    rows = csv("P,DCEM2,Où ?,un,deux,trois,A")
    found = checked(rows, {"aiModel": "inconnu-1"})
    assert found.failure is None
    assert found.estimate is not None
    assert found.estimate.cost_usd is None

    assert checked(rows, {"aiModel": "inconnu-1", "maxCostUsd": 1}).failure == job_causes.price_unknown("inconnu-1")


def test_without_a_model_the_estimate_says_that_it_is_assumed() -> None:
    file = Uploaded(csv("P,DCEM2,Où ?,un,deux,trois,A"), "x.csv")
    found = check_file(file, Settings.model_validate({}), PRICES, read=read_here)

    assert found.estimate is not None
    assert (found.estimate.is_assumed, found.estimate.model) == (True, "gpt-5.4-mini")
    assert found.estimate.calls == (1, 2)


def test_columns_that_nobody_knows_get_a_proposal_that_reads_the_file() -> None:
    strange = csv(
        "Cœur,Quel organe pompe le sang dans la circulation ?,Rate,Cœur,Rein,B,vu par Ali",
        "Cœur,Quel organe filtre le sang de la circulation ?,Rate,Cœur,Rein,C,",
        head="Module,Stem,P.1,P.2,P.3,Sol,Vu",
    )
    found = checked(strange, LEVEL)
    assert found.failure is not None
    assert found.proposal == {
        "columns": {
            "Module": "matiere",
            "Stem": "texte de la question",
            "P.1": "option a",
            "P.2": "option b",
            "P.3": "option c",
            "Sol": "reponse",
            "Vu": None,
        }
    }

    again = checked(strange, {**LEVEL, **found.proposal})

    assert again.failure is None
    assert [row.question and row.question.official for row in again.rows] == ["B", "C"]
    assert again.proposal == {}
    assert again.found is not None
    assert again.found.notes == ()


def test_the_proposal_is_never_applied_by_itself() -> None:
    found = checked(csv("P,DCEM2,Où ?,B", head="matiere,niveau,question,Sol"), None)

    assert found.proposal == {"columns": {"Sol": "reponse"}}
    assert all(row.question is None or row.question.official is None for row in found.rows)


def test_the_command_prints_one_document_and_its_exit_code_says_whether_a_job_would_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bon.csv").write_bytes(csv("P,DCEM2,Où ?,un,deux,trois,A"))
    Path("mauvais.csv").write_bytes(csv("P,DCEM2,x,B", head="matiere,niveau,Mot,Sol"))

    assert call(["check", "bon.csv", "--json"]) == 0
    good: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert call(["check", "mauvais.csv", "--json"]) == 1
    bad: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert call(["check", "mauvais.csv"]) == 1
    shown = capsys.readouterr().out
    assert call(["check", "absent.csv"]) == 2
    assert call(["check", "bon.csv", "--config", '{"batchsize": 3}']) == 2

    assert good["questions"][0]["official"] == "A"
    assert good["errorMessage"] is None
    assert bad["errorMessage"] in shown
    assert '--config \'{"columns": {' in shown
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bon.csv", "mauvais.csv"], (
        "nothing is started or stored"
    )


def test_what_is_measured_is_read_with_a_jobs_config_too(tmp_path: Path) -> None:
    path = tmp_path / "banque.csv"
    path.write_bytes(csv("P,Où ?,un,deux,B", head="matiere,question,option a,option b,Sol"))

    with pytest.raises(UsageError, match="nothing to measure"):
        read_known(path)
    (known,) = read_known(path, {"columns": {"Sol": "reponse"}})

    assert known.key == "B"


LABELS = st.sampled_from(
    [
        "matiere",
        "Module",
        "question",
        "Intitulé",
        "Stem",
        "P.1",
        "P.2",
        "P.3",
        "Sol",
        "Remarque",
        "reponses",
        "nivau",
        "",
    ]
)
TEXTS = st.sampled_from(
    ["Cardiologie", "Que fait le cœur quand il bat ?", "un", "deux", "trois", "A", "BC", "", "-", "12"]
)


@given(st.lists(LABELS, min_size=2, max_size=8), st.data())
def test_a_proposal_can_always_be_tried_and_asks_for_nothing_again(headers: list[str], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.lists(TEXTS, min_size=len(headers), max_size=len(headers)), min_size=1, max_size=3))
    content = csv(*[",".join(row) for row in rows], head=",".join(headers))
    proposal = checked(content, LEVEL).proposal

    again = checked(content, {**LEVEL, **json.loads(json.dumps(proposal))})

    assert "Configuration" not in (again.failure or "")
    if proposal and again.found is not None:
        named = {column.header: column.became for column in again.found.found[0].details}
        if not set(proposal["columns"]) <= set(named):
            assert again.failure  # the names given are those of another row by now: nothing is read, and it is said
            return
        assert {header: named[header] for header in proposal["columns"]} == proposal["columns"]


HEADERS = st.sampled_from(
    ["matiere", "niveau", "question", "Énoncé", "option a", "option b", "Choix 1", "Choix 2", "reponse", "Sol", ""]
)
CELLS = st.sampled_from(["P", "DCEM2", "Où ?", "un", "deux", "A", "B", "AB", "qcm", "qroc", "", "-", "#N/A", "3"])
CONFIGS = st.sampled_from(
    [
        None,
        LEVEL,
        {**LEVEL, "columns": {"Sol": "reponse"}},
        {**LEVEL, "columns": {"Sol": "rien"}},
        {**LEVEL, "sheets": {"banque": "qroc"}, "defaultSpecialty": "P"},
        {"batchSize": 0},
        {**LEVEL, "aiModel": "inconnu-1", "maxCostUsd": 1},
    ]
)


@given(st.lists(HEADERS, min_size=2, max_size=7), st.data(), CONFIGS)
def test_a_check_fails_and_refuses_as_the_job_does(headers: list[str], data: st.DataObject, config: Any) -> None:
    rows = data.draw(st.lists(st.lists(CELLS, min_size=len(headers), max_size=len(headers)), max_size=4))
    content = csv(*[",".join(row) for row in rows], head=",".join(headers))
    found = checked(content, config)

    sentence, refused = None, []
    try:
        wanted = JobConfig.parse(config)
        if wanted.max_cost_usd and wanted.ai_model:
            raise JobFailed(job_causes.price_unknown(wanted.ai_model))
        upload = read_questions(read_here(content, "banque.csv", max_bytes=10**6, max_rows=10**4), "banque.csv", wanted)
        refused = [row.rejection for row in upload.rows]
    except JobFailed as error:
        sentence = str(error)

    if sentence is None and refused and all(refused):
        assert found.failure is not None
        assert found.failure.startswith("Aucune question n'a pu être analysée")
    else:
        assert found.failure == sentence
    if sentence is None:
        assert [row.rejection for row in found.rows] == refused
