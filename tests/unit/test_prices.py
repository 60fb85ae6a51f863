"""What a call costs, and the most it can cost, from the table of prices."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from worker.errors import UsageError
from worker.llm.calls import Reply, Request, Usage
from worker.llm.prices import load_prices
from worker.settings import DEFAULT_MODEL

TABLE = """
[models."house"]
prompt = 1
cached = 0.25
completion = 10.5
"""


def request(model: str, *, ceiling: int = 1000, text: str = "é" * 50, embedded: bool = False) -> Request:
    body = {"messages": [{"role": "user", "content": text}], "max_completion_tokens": ceiling}
    return Request(purpose="analyse", model=model, body=body, hash="h", questions=(), embedded=embedded)


def reply(usage: Usage, model: str = "house") -> Reply:
    return Reply(raw="", model=model, usage=usage, provider_request_id=None)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "prices.toml"
    path.write_text(TABLE)
    return path


def test_the_default_model_has_a_price() -> None:
    assert load_prices(None).find(DEFAULT_MODEL) is not None


@pytest.mark.parametrize("model", sorted(load_prices(None).by_model))
def test_the_table_is_what_others_keep(model: str) -> None:
    """For requests below 272,000 tokens: beyond, two of the models cost more, and no batch of questions is as long."""
    kept = pytest.importorskip("genai_prices", reason="installed with the locked packages")
    price = load_prices(None).find(model)
    assert price is not None

    def usd(**tokens: int) -> Decimal:
        found: Decimal = kept.calc_price(kept.Usage(**tokens), model_ref=model, provider_id="openai").total_price
        return found * 10

    assert usd(input_tokens=100_000) == price.prompt
    assert usd(input_tokens=100_000, cache_read_tokens=100_000) == price.cached
    assert usd(output_tokens=100_000) == price.completion


def test_a_dated_version_costs_what_its_model_costs_and_another_model_is_unknown() -> None:
    prices = load_prices(None)
    assert prices.find(f"{DEFAULT_MODEL}-2026-03-17") == prices.find(DEFAULT_MODEL)
    assert prices.find(f"{DEFAULT_MODEL}-pro") is None


def test_cached_tokens_cost_less_and_every_part_counts(own: Path) -> None:
    # 600 fresh at 1, 400 cached at 0.25, 100 written at 10.5, per million
    usage = Usage(prompt_tokens=1000, cached_tokens=400, completion_tokens=100)
    assert load_prices(own).cost_usd(request("house"), reply(usage)) == Decimal("0.001750")


def test_a_file_of_ones_own_adds_to_the_table_and_replaces_entries(own: Path) -> None:
    own.write_text(TABLE + f'[models."{DEFAULT_MODEL}"]\nprompt = 0\ncached = 0\ncompletion = 0\n')
    prices = load_prices(own)
    assert prices.find("house") is not None
    assert prices.cost_usd(request(DEFAULT_MODEL), reply(Usage(1000, 0, 1000))) == 0


def test_the_ceiling_is_above_any_cost(own: Path) -> None:
    # Given a request of which every byte is a token, answered up to its limit
    prices, asked = load_prices(own), request("house")
    worst = reply(Usage(prompt_tokens=len("é" * 50) * 2, completion_tokens=1000))
    # Then its cost is within the ceiling
    cost, ceiling = prices.cost_usd(asked, worst), prices.ceiling_usd(asked)
    assert cost is not None
    assert ceiling is not None
    assert Decimal(0) < cost <= ceiling


def test_an_unknown_price_is_unknown_and_not_nothing(own: Path) -> None:
    prices = load_prices(own)
    assert prices.ceiling_usd(request("other")) is None
    assert prices.cost_usd(request("other"), reply(Usage(10, 0, 10), "other")) is None


def test_a_deployment_without_a_price_costs_what_the_model_it_names_costs(own: Path) -> None:
    assert load_prices(own).cost_usd(request("deployment"), reply(Usage(1_000_000, 0, 0))) == 1


def test_a_reply_without_usage_is_not_free(own: Path) -> None:
    assert load_prices(own).cost_usd(request("house"), reply(Usage())) is None


def test_the_embedded_model_is_free(own: Path) -> None:
    assert load_prices(own).ceiling_usd(request("SmolLM2", embedded=True)) == 0


@pytest.mark.parametrize(
    "text",
    ["not toml [", '[models."m"]\nprompt = 1\n', TABLE.replace("10.5", '"dear"'), TABLE.replace("= 1\n", "= -1\n")],
)
def test_a_file_that_is_wrong_is_named(own: Path, text: str) -> None:
    own.write_text(text)
    with pytest.raises(UsageError, match=r"MEDQ_PRICES.*prices\.toml"):
        load_prices(own)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        load_prices(tmp_path / "nowhere.toml")


def test_a_call_in_a_batch_costs_its_share_and_never_more_than_was_reserved(own: Path) -> None:
    # Given a reply at its limit, at half price unless the operator's file says otherwise
    prices, asked = load_prices(own), request("house")
    worst = reply(Usage(prompt_tokens=100, completion_tokens=1000))
    direct, line = prices.cost_usd(asked, worst), prices.line_cost_usd("house", worst)
    assert direct == Decimal("0.010600")
    assert line == Decimal("0.005300")
    reserved = prices.in_batch_usd(prices.ceiling_usd(asked))
    assert reserved is not None
    assert line <= reserved
    assert prices.refused_line_usd("house", 1_000_000) == Decimal("0.5")
    assert prices.line_cost_usd("other", reply(Usage(1, 0, 1), "other")) is None
    own.write_text(TABLE + "[batch]\nshare = 0.25\n")
    assert load_prices(own).line_cost_usd("house", worst) == Decimal("0.002650")


@pytest.mark.parametrize("share", ["2", "-0.1", '"half"', "true"])
def test_a_share_that_is_none_is_named(own: Path, share: str) -> None:
    own.write_text(TABLE + f"[batch]\nshare = {share}\n")
    with pytest.raises(UsageError, match="MEDQ_PRICES"):
        load_prices(own)
