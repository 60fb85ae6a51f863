"""docker-compose.yml as tests read it: there is no Docker, so what it would start is started here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


def environment_of(service: str, **variables: str) -> dict[str, str]:
    """What a service's containers get, when these variables stand in `.env`."""
    given = COMPOSE["services"][service]["environment"]
    return {name: _interpolate(str(value), {"POSTGRES_PASSWORD": "abc", **variables}) for name, value in given.items()}


def _interpolate(value: str, variables: dict[str, str]) -> str:
    """`${NAME}`, `${NAME:-default}` and `${NAME:?sentence}`."""

    def fill(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        found = variables.get(name, "")
        assert found or kind != ":?", rest
        return found or (rest if kind == ":-" else "")

    return re.sub(r"\$\{(\w+)(?:(:-|:\?)([^}]*))?\}", fill, value)


def server_settings() -> dict[str, str]:
    """Setting → value, of the command that starts PostgreSQL."""
    program, *options = COMPOSE["services"]["postgres"]["command"]
    assert program == "postgres"
    assert options[::2] == ["-c"] * (len(options) // 2)
    return dict(option.split("=", 1) for option in options[1::2])
