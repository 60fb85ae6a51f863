"""What calls cost: the table of prices, read once. What was spent is in `calls`."""

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
from worker.shapes.calls import Reply, Request, Usage

TABLE = Path(__file__).parent.parent / "prices.toml"
PARTS = frozenset({"prompt", "cached", "completion"})
MILLION = Decimal(1_000_000)
CENT_OF_A_CENT = Decimal("0.000001")  # as finely as the database keeps it
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
        return (total / MILLION).quantize(CENT_OF_A_CENT, ROUND_UP)


@dataclass(frozen=True, slots=True)
class Prices:
    """The table, by model."""

    by_model: Mapping[str, Price]

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
        completion = int(request.body["max_completion_tokens"])
        return price.cost_usd(Usage(prompt_tokens=_bytes(request), completion_tokens=completion))

    def prompt_ceiling_usd(self, request: Request) -> Decimal | None:
        """The most that reading this request can cost: a provider may bill a prompt that its filter then refuses."""
        price = None if request.embedded else self.find(request.model)
        return None if price is None else price.cost_usd(Usage(prompt_tokens=_bytes(request)))

    def cost_usd(self, request: Request, reply: Reply) -> Decimal | None:
        """What a reply cost; None when the price is unknown or the provider does not count its tokens.

        The model asked for comes first: a deployment has a name of its own, and its price under that name.
        """
        if request.embedded:
            return Decimal(0)
        price = self.find(request.model) or self.find(reply.model)
        if price is None or not (reply.usage.prompt_tokens or reply.usage.completion_tokens):
            return None
        return price.cost_usd(reply.usage)


def load_prices(own: Path | None) -> Prices:
    """The table of the package, and over it the one of MEDQ_PRICES. Raises `UsageError` for a file that is wrong."""
    prices = _read(TABLE)
    if own is not None:
        prices |= _read(own)
    return Prices(prices)


def _read(path: Path) -> dict[str, Price]:
    try:
        with path.open("rb") as file:
            table = tomllib.load(file, parse_float=Decimal)
        return {name: _price(name, values) for name, values in table.get("models", {}).items()}
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
