"""The environment as operators write it: defaults, empty variables, the `.env` file, errors that name a variable."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pytest

from worker.errors import UsageError
from worker.settings import Settings

OURS = ("MEDQ_", "OPENAI_", "AZURE_OPENAI_", "DATABASE_URL", "REDIS_URL")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of ours, no `.env` file."""
    for name in os.environ:
        if name.startswith(OURS):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["Tunis", "Africa", "../etc/passwd", "UTC+1", "Africa/Tunis\0"])
def test_a_time_zone_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, "MEDQ_TIME_ZONE": name})

    with pytest.raises(UsageError, match=r"^MEDQ_TIME_ZONE: .* is no time zone, write one like Africa/Tunis"):
        Settings.load()


def test_a_time_zone_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.load().time_zone == "Africa/Tunis"
    monkeypatch.setenv("MEDQ_TIME_ZONE", "Europe/Paris")
    assert Settings.load().time_zone == "Europe/Paris"


def test_nothing_needs_to_be_set() -> None:
    settings = Settings.load()

    assert (settings.database_url, settings.redis_url, settings.storage_url) == (None, None, None)
    assert settings.home == Path(".medq")
    assert (settings.batch_size, settings.processes, settings.threads) == (5, 1, 16)
    assert (settings.lease_s, settings.sweep_s, settings.call_timeout_s) == (30, 5, 120)
    assert (settings.max_attempts, settings.outage_s) == (4, 3600)
    assert (settings.max_file_mb, settings.max_rows) == (50, 100_000)
    assert (settings.rpm, settings.tpm) == (None, None)
    assert not settings.has_llm


def test_variables_are_read_by_the_names_of_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@h/d")
    monkeypatch.setenv("MEDQ_LEASE_SECONDS", "2.5")
    monkeypatch.setenv("MEDQ_MODEL", "m")

    settings = Settings.load()

    assert (settings.database_url, settings.lease_s, settings.model) == ("postgresql://u@h/d", 2.5, "m")


@pytest.mark.parametrize("name", ["HOME_DIR", "BATCH_SIZE", "THREADS", "MODEL"])
def test_another_programs_variables_are_left_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "not ours")

    assert Settings.load() == Settings()


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    # As a compose file passes on a variable that nobody set.
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("MEDQ_RPM", "")

    settings = Settings.load()

    assert (settings.database_url, settings.rpm) == (None, None)


def test_a_dotenv_file_is_read_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Given a file that also speaks of something else
    (tmp_path / ".env").write_text("MEDQ_THREADS=3\nMEDQ_BATCH_SIZE=7\nNEXT_PUBLIC_X=1\n")
    monkeypatch.setenv("MEDQ_THREADS", "9")

    settings = Settings.load()

    assert (settings.threads, settings.batch_size) == (9, 7)


def test_allowed_roots_are_a_list_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDQ_ALLOWED_ROOTS", "s3://uploads, /srv/files ,")

    assert Settings.load().allowed_roots == ("s3://uploads", "/srv/files")


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT"])
def test_any_endpoint_replaces_the_embedded_model(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "https://llm.example/v1")

    assert Settings.load().has_llm


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MEDQ_THREADS", "many"),
        ("MEDQ_THREADS", "0"),
        ("MEDQ_BATCH_SIZE", "51"),
        ("MEDQ_SWEEP_SECONDS", "0"),
        ("MEDQ_CALL_TIMEOUT_SECONDS", "-1"),
        ("MEDQ_RPM", "0"),
    ],
)
def test_a_wrong_value_names_its_variable_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(UsageError) as raised:
        Settings.load()

    assert str(raised.value).startswith(f"{name}: ")
    assert "Correct it in the environment or in .env." in str(raised.value)


def test_an_error_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("MEDQ_THREADS", "sk-secret")

    with pytest.raises(UsageError) as raised:
        Settings.load()

    assert "sk-secret" not in "".join(traceback.format_exception(raised.value)), "nor where it came from"


@pytest.mark.parametrize(
    "name",
    ["DATABASE_URL", "REDIS_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL", "AZURE_OPENAI_API_KEY", "MEDQ_STORAGE_URL"],
)
def test_a_secret_is_not_shown_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "https://u:s3cr3t@h")

    settings = Settings.load()

    assert "s3cr3t" not in f"{settings!r} {settings}"


KEYS = ["OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "OPENAI_FALLBACK_API_KEY"]
ADDRESSES = ["OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT", "MEDQ_EMBEDDING_BASE_URL", "OPENAI_FALLBACK_BASE_URL"]


@pytest.mark.parametrize("name", KEYS)
def test_blanks_and_line_breaks_around_a_key_are_no_part_of_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "  sk-secret\r\n")
    found = Settings.load()
    assert "sk-secret" in (found.openai_api_key, found.azure_api_key, found.fallback_api_key)
    # Nothing but blanks is no key
    monkeypatch.setenv(name, "\n")
    assert not Settings.load().openai_api_key


@pytest.mark.parametrize("key", ["sk-se cret", "sk-se\ncret", "sk-sécret", "sk-se\x7fcret", "sk-se\u200bcret"])
@pytest.mark.parametrize("name", KEYS)
def test_a_key_that_no_header_can_hold_is_named_at_start_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, key: str
) -> None:
    monkeypatch.setenv(name, key)
    with pytest.raises(UsageError, match=f"^{name}: a key holds no") as caught:
        Settings.load()
    assert "sk-se" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "address",
    [
        "api.example/v1", "localhost:8000/v1", "ftp://api.example/v1", "//api.example", "https://", "https:///v1",
        "https://api.example:99999/v1", "https://api.example:port/v1", "https://api.example:0/v1",
        "https://[::1/v1", "https://api example/v1", "https://api.example/v 1", "https://user:pw@/v1",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ADDRESSES)
def test_an_address_that_leads_nowhere_is_named_at_start_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, address: str
) -> None:
    monkeypatch.setenv(name, address)
    with pytest.raises(UsageError, match=f"^{name}: (an|the) .*address") as caught:
        Settings.load()
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://api.example/v1", "http://127.0.0.1:8000/v1", "http://[::1]:8000/v1", "https://user:pw@api.example/v1",
        "https://clinique-à-tunis.example/v1?key=x", "http://llm_server:80", "HTTPS://API.EXAMPLE/v1",
    ],
)  # fmt: skip
def test_an_address_that_leads_somewhere_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f" {address}\n")
    assert Settings.load().openai_base_url == address
