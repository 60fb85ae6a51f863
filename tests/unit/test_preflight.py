"""A wrong setting is named before anything is started, with what to do about it, and no secret in the sentence."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.probes import as_nobody, readable_from_outside
from worker.errors import UsageError
from worker.runtime.preflight import check_settings
from worker.settings import Settings

OURS = ("MEDQ_", "OPENAI_", "AZURE_OPENAI_", "DATABASE_URL", "REDIS_URL", "SSL_CERT", "AWS_CA", "REQUESTS_CA")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(OURS) or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def load() -> None:
    check_settings(Settings.load())


def test_nothing_set_is_nothing_wrong() -> None:
    load()


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("MEDQ_PRICES", "/nonexistent", "Write it like worker/prices.toml"),
        ("MEDQ_PRICES", "~nobody-here/prices.toml", "give the whole path"),
        ("MEDQ_HOME", "~nobody-here/medq", "give the whole path"),
        ("MEDQ_THREADS", "many", "Correct it"),
        ("MEDQ_LEASE_SECONDS", "inf", "at most"),
        ("MEDQ_LEASE_SECONDS", "nan", "Correct it"),
        ("MEDQ_OUTAGE_SECONDS", "1e300", "at most"),
        ("MEDQ_MAX_FILE_MB", "inf", "at most"),
        ("MEDQ_STORAGE_URL", "nonsense://s3cr3t/x", "does not exist"),
        ("MEDQ_STORAGE_URL", "~nobody-here/x", "Name another one"),
        ("DATABASE_URL", "mysql://u:s3cr3t@h/d", "must begin with postgresql://"),
        ("DATABASE_URL", "postgresql://u:s3cr3t@h:port/d", "Write it as postgresql://"),
        ("DATABASE_URL", "postgresql://u:s3cr3t@h/d?nonsense=1", "Write it as postgresql://"),
        ("REDIS_URL", "localhost:6379", "Write it as redis://"),
        ("REDIS_URL", "http://:s3cr3t@h", "Write it as redis://"),
        ("REDIS_URL", "redis://:s3cr3t@h:port/0", "Write it as redis://"),
        ("REDIS_URL", "redis://:s3cr3t@h:1/0?nonsense=1", "Write it as redis://"),
        ("REDIS_URL", "redis://:s3cr3t@h:1/0?socket_timeout=soon", "Write it as redis://"),
        ("ALL_PROXY", "socks5://u:s3cr3t@h:1080", "pip install socksio"),
        ("HTTPS_PROXY", "ftp://u:s3cr3t@h:1080", "Write it as http://host:port"),
        ("https_proxy", "http://u:s3cr3t@:1080", "Write it as http://host:port"),
        ("HTTP_PROXY", "http://h:notaport", "Write it as http://host:port"),
        ("SSL_CERT_FILE", "/nonexistent", "in PEM form"),
        ("SSL_CERT_DIR", "/nonexistent", "Name a folder"),
        ("AWS_CA_BUNDLE", "/nonexistent", "in PEM form"),
    ],
)
def test_a_wrong_setting_is_one_sentence(monkeypatch: pytest.MonkeyPatch, name: str, value: str, advice: str) -> None:
    monkeypatch.setattr("worker.runtime.preflight.find_spec", lambda _name: None)
    monkeypatch.setenv(name, value)

    with pytest.raises(UsageError) as raised:
        load()

    sentence = str(raised.value)
    assert name.lower() in sentence.lower() or "storage" in sentence.lower()
    assert advice in sentence
    assert "\n" not in sentence
    assert "s3cr3t" not in sentence


@pytest.mark.parametrize("content", ["[models.x]\nprompt = 1\n", "not toml", "[models]\nx = 1\n", "\xff\xfe"])
def test_a_price_file_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str) -> None:
    (tmp_path / "prices.toml").write_text(content, encoding="latin-1")
    monkeypatch.setenv("MEDQ_PRICES", "prices.toml")

    with pytest.raises(UsageError, match="MEDQ_PRICES: "):
        load()


def test_a_file_without_certificates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    monkeypatch.setenv("SSL_CERT_FILE", "empty.pem")

    with pytest.raises(UsageError, match=r"SSL_CERT_FILE: empty\.pem cannot be used"):
        load()


@pytest.mark.parametrize("value", ["http://proxy:3128", "proxy:3128", "http://u:p@proxy", "https://proxy:1"])
def test_a_usual_proxy_is_none_of_our_business(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    monkeypatch.setenv("NO_PROXY", "localhost,[::1],*.example")
    load()


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "MEDQ_STORAGE_URL", "ALL_PROXY", "SSL_CERT_FILE"])
@given(value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_whatever_stands_there_is_taken_or_named(name: str, value: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, value)
        with suppress(UsageError):
            load()


# -- .env --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("MEDQ_THREADS=3\n".encode("utf-16"), ".env is not UTF-8 text"),
        ("MEDQ_THREADS=3\n".encode("utf-16-le"), ".env is not UTF-8 text"),
        ("# clé\nMEDQ_THREADS=3\n".encode("latin-1"), ".env is not UTF-8 text"),
        (b'MEDQ_MODEL="unfinished\nMEDQ_THREADS=3\n', ".env, line 1 cannot be read"),
    ],
)
def test_a_file_of_variables_that_would_be_read_wrongly_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / ".env").write_bytes(content)

    with pytest.raises(UsageError, match=words):
        load()


def test_the_first_variable_counts_after_a_byte_order_mark_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("MEDQ_THREADS=3\n".encode("utf-8-sig"))

    assert Settings.load().threads == 3


def test_another_programs_lines_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("some words of another program\nexport MEDQ_THREADS=3\n")

    assert Settings.load().threads == 3


def test_a_file_of_variables_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / ".env").touch(mode=0)

    with readable_from_outside(tmp_path), as_nobody(), pytest.raises(UsageError, match=r"\.env cannot be read"):
        load()
