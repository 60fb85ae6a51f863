"""What one check of `medq doctor` came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it is, and what to do when that is not well."""

    name: str
    level: Level
    finding: str
    advice: str = ""
