"""What calls cost: the table of prices, read once. What was spent is in the ledger."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from pathlib import Path
from typing import Any

from worker.errors import UsageError
from worker.llm.calls import Reply, Request, Usage

TABLE = Path(__file__).parent.parent / "prices.toml"
PARTS = frozenset({"prompt", "cached", "completion"})
MILLION = Decimal(1_000_000)
MICRODOLLAR = Decimal("0.000001")  # as finely as the database keeps it
_DATED = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens."""

    prompt: Decimal
    cached: Decimal
    completion: Decimal

    def cost_usd(self, usage: Usage) -> Decimal:
        """What these tokens cost, rounded up to a millionth of a dollar."""
        cached = min(usage.cached_tokens, usage.prompt_tokens)
        fresh = usage.prompt_tokens - cached
        total = self.prompt * fresh + self.cached * cached + self.completion * usage.completion_tokens
        return (total / MILLION).quantize(MICRODOLLAR, ROUND_UP)


@dataclass(frozen=True, slots=True)
class Prices:
    """The table, by model."""

    by_model: Mapping[str, Price]
    batch_share: Decimal = Decimal("0.5")  # of these prices, what a call through a provider's Batch API costs

    def find(self, model: str) -> Price | None:
        """The price of a model or of the model that it is a dated version of; None when unknown."""
        return self.by_model.get(model) or self.by_model.get(_DATED.sub("", model))

    def ceiling_usd(self, request: Request) -> Decimal | None:
        """The most that this call can cost; None when the price is unknown.

        A token is a byte of UTF-8 at least, and no provider bills more completion than the request allows.
        """
        if request.embedded:
            return Decimal(0)
        price = self.find(request.model)
        if price is None:
            return None
        return price.cost_usd(Usage(prompt_tokens=_bytes(request), completion_tokens=request.ceiling))

    def in_batch_usd(self, cost_usd: Decimal | None) -> Decimal | None:
        """What a call of this cost comes to when it goes through the provider's Batch API."""
        return None if cost_usd is None else (cost_usd * self.batch_share).quantize(MICRODOLLAR, ROUND_UP)

    def line_cost_usd(self, model: str, reply: Reply) -> Decimal | None:
        """What a reply to a line of a batch cost; None as for `cost_usd`."""
        return self.in_batch_usd(self._cost_usd(model, reply))

    def refused_line_usd(self, model: str, size: int) -> Decimal | None:
        """The most that reading a line of `size` bytes can cost which was refused for its content."""
        price = self.find(model)
        return None if price is None else self.in_batch_usd(price.cost_usd(Usage(prompt_tokens=size)))

    def prompt_ceiling_usd(self, request: Request) -> Decimal | None:
        """The most that reading this request can cost: a provider may bill a prompt that its filter then refuses."""
        price = None if request.embedded else self.find(request.model)
        return None if price is None else price.cost_usd(Usage(prompt_tokens=_bytes(request)))

    def cost_usd(self, request: Request, reply: Reply) -> Decimal | None:
        """What a reply cost; None when the price is unknown or the provider does not count its tokens.

        The model asked for comes first: a deployment has a name of its own, and its price under that name.
        """
        return Decimal(0) if request.embedded else self._cost_usd(request.model, reply)

    def _cost_usd(self, model: str, reply: Reply) -> Decimal | None:
        price = self.find(model) or self.find(reply.model)
        if price is None or not (reply.usage.prompt_tokens or reply.usage.completion_tokens):
            return None
        return price.cost_usd(reply.usage)


def load_prices(own: Path | None) -> Prices:
    """The table of the package, and over it the one of MEDQ_PRICES. Raises `UsageError` for a file that is wrong."""
    prices, batch_share = _read(TABLE)
    if own is not None:
        own_prices, own_share = _read(own)
        prices |= own_prices
        batch_share = batch_share if own_share is None else own_share
    return Prices(prices) if batch_share is None else Prices(prices, batch_share)


def _read(path: Path) -> tuple[dict[str, Price], Decimal | None]:
    """Its prices, and the share of them that a batch costs where it says so."""
    try:
        with path.open("rb") as file:
            table = tomllib.load(file, parse_float=Decimal)
        share = table.get("batch", {}).get("share")
        if share is not None and (isinstance(share, bool) or not 0 <= Decimal(share) <= 1):
            raise ValueError("the share of a batch is a number between 0 and 1")
        prices = {name: _price(name, values) for name, values in table.get("models", {}).items()}
        return prices, None if share is None else Decimal(share)
    except (OSError, ValueError, ArithmeticError, TypeError, AttributeError) as error:
        raise UsageError(f"MEDQ_PRICES: {path} cannot be used ({error}). Write it like worker/prices.toml.") from None


def _price(name: str, values: Any) -> Price:
    if set(values) != PARTS:
        raise ValueError(f"{name} needs {', '.join(sorted(PARTS))}")
    numbers = {part: Decimal(value) for part, value in values.items()}
    if not all(number >= 0 for number in numbers.values()):
        raise ValueError(f"{name} has a price below 0")
    return Price(**numbers)


def _bytes(request: Request) -> int:
    return len(json.dumps(request.body, ensure_ascii=False).encode("utf-8", "replace"))
