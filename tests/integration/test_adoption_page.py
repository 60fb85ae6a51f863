"""docs/adoption.md, followed literally: its commands and its SQL, in its order, on a platform that has rows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support import platforms
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/adoption.md").read_text(encoding="utf-8")
EXTERNAL = re.compile(r'"public\.(\w+)"')
STEP = re.compile(r"^```(sh|sql)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def platform(empty_database_url: str, redis_url: str, llm: ScriptedLlm, tmp_path: Path) -> Iterator[Platform]:
    """The platform before the worker comes."""
    site = Platform(empty_database_url, redis_url, tmp_path, llm.url)
    platforms.build(plain(site))
    yield site
    site.engine.dispose()


def plain(site: Platform) -> str:
    return site.database_url.replace("+psycopg", "").partition("?")[0]


def test_the_page_works_from_its_first_line_to_its_last(platform: Platform) -> None:
    url = plain(platform)
    rows, parts = platforms.read_rows(url), platforms.read_parts(url)
    said = []
    steps = STEP.findall(PAGE)
    assert [kind for kind, _ in steps].count("sh") == 4

    for kind, text in steps:
        said.append(run(platform, text) if kind == "sh" else execute(url, text))
        if (
            "schema check" in text
        ):  # taken over: nothing has changed but the queued job of long ago, which was cancelled
            found = platforms.read_rows(url)
            assert {table: found[table] for table in found if table != "AiValidationJob"} == {
                table: rows[table] for table in rows if table != "AiValidationJob"
            }
            assert parts - platforms.read_parts(url) == set()
            assert_external_tables_are_named(url)

    # The first upgrade names the rows, the second has none to name: one key is no key at all, and stays
    assert '6 rows break it in "Question"' in said[1]
    assert '1 row breaks it in "Question"' in said[3]
    (taken,) = [one for one in said if "completed · 100 %" in one]
    assert taken
    # And at the end everything that was the platform's is there
    left = platforms.read_rows(url)
    assert {row[0]["id"] for row in rows["Question"]} <= {row[0]["id"] for row in left["Question"]}
    assert parts - platforms.read_parts(url) == set()


def assert_external_tables_are_named(url: str) -> None:
    """A worker's table that the page's list leaves out is one that Prisma drops."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall()
    # Vectors have a table only where the extension is
    assert {name for (name,) in rows} - set(platforms.TABLES) | {"CourseVector"} == set(EXTERNAL.findall(PAGE))


def run(platform: Platform, script: str) -> str:
    environment = platform.worker_environment(DATABASE_URL=plain(platform))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env={"PATH": path, "HOME": str(platform.folder), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def execute(url: str, script: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(script)
    return ""
