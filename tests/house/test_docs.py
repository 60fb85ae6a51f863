"""The documents against the code: variables, commands, options, links, and what each decision says it is held by."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer

from schema.config import head_revision
from worker.cli import app
from worker.db.monitoring import QUERIES, read_query
from worker.questions.answers import OUTCOMES
from worker.queue.job import JobConfig
from worker.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DECISIONS = sorted((ROOT / "docs/decisions").glob("*.md"))
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]

FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?<![\w/.-])medq ([a-z]+)(?: ([a-z]+))?([^\n`]*)")
OPTION = re.compile(r"(?<!\S)(--?[a-z][a-z-]*)")
HELD_BY = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


# -- variables ---------------------------------------------------------------------------------------------------------


def settings_variables() -> dict[str, Any]:
    """Variable → default, of every field of the settings."""
    fields = Settings.model_fields.values()
    return {str(name): field.default for field in fields for name in field.validation_alias.choices}  # type: ignore[union-attr]


def read_table(title: str) -> dict[str, str]:
    """Name → default, of the README's table whose header begins with `title`; one row may name several."""
    lines = README.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {title} |"))
    found = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        first, *_, last = [cell.strip() for cell in line.strip("|").split("|")]
        found.update(dict.fromkeys(re.findall(r"`(\w+)`", first), last))
    return found


def example_variables() -> set[str]:
    return set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))


def compose_variables() -> set[str]:
    return set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text(encoding="utf-8")))


def directly_read_variables() -> set[str]:
    """What the package reads from the environment beside its settings."""
    read = re.compile(r'environ(?:\.get\(|\[)"([A-Z_]+)"')
    return {name for path in (ROOT / "worker").rglob("*.py") for name in read.findall(path.read_text(encoding="utf-8"))}


def test_every_setting_stands_in_the_readme_and_in_the_example() -> None:
    settings = set(settings_variables())

    assert settings - set(read_table("variable")) == set()
    assert settings - example_variables() == set()


def test_no_variable_is_described_that_nothing_reads() -> None:
    settings = set(settings_variables())

    assert set(read_table("variable")) - settings - directly_read_variables() == set()
    assert example_variables() - settings - compose_variables() == set()


def test_defaults_in_the_readme_are_those_of_the_settings() -> None:
    described = read_table("variable")
    numbers = {name: value for name, value in settings_variables().items() if isinstance(value, int | float)}

    assert {name: float(described[name]) for name in numbers} == {name: float(value) for name, value in numbers.items()}


def test_every_option_of_a_job_and_every_outcome_stands_in_the_readme() -> None:
    assert set(read_table("option")) == {field.alias for field in JobConfig.model_fields.values()}
    assert set(read_table("outcome")) == set(OUTCOMES)


# -- commands ----------------------------------------------------------------------------------------------------------


def find_commands() -> dict[str, set[str]]:
    """Command ("run", "schema upgrade", …) → its options; a group is a command without options."""

    def walk(commands: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, set[str]]]:
        for name, command in commands.items():
            yield prefix + name, {option for parameter in command.params for option in parameter.opts}
            yield from walk(getattr(command, "commands", {}), f"{prefix}{name} ")

    return dict(walk(typer.main.get_command(app).commands, ""))  # type: ignore[attr-defined]


def named_commands(page: Path) -> list[tuple[str, str, str]]:
    """(word, second word, rest of the line) of every `medq …` in code."""
    text = page.read_text(encoding="utf-8")
    code = FENCED.findall(text) + INLINE.findall(FENCED.sub("", text))
    return [match for part in code for match in COMMAND.findall(part)]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_and_option_exists(page: Path) -> None:
    known = find_commands()
    groups = {name.split()[0] for name in known if " " in name}

    for first, second, rest in named_commands(page):
        command = f"{first} {second}" if first in groups and second else first
        assert command in known, command
        options = set(OPTION.findall(rest.split("#")[0])) - {"-h", "--help"}
        assert options <= known[command], f"medq {command}{rest}"


def test_every_command_is_in_the_readme_or_the_operations_page() -> None:
    pages = (README, ROOT / "docs/operations.md")
    shown = {
        word for page in pages for first, second, _ in named_commands(page) for word in (first, f"{first} {second}")
    }

    assert set(find_commands()) - shown == set()


# -- monitoring --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", QUERIES)
def test_monitoring_queries_are_those_that_doctor_runs(name: str) -> None:
    assert read_query(name) in (ROOT / "docs/operations.md").read_text(encoding="utf-8")


# -- revisions ---------------------------------------------------------------------------------------------------------

REVISION = re.compile(r"\b(?:revisions?|schema upgrade|downgrade|schema: at|at) `?(0\d\d)\b")


def test_every_revision_stands_in_the_readme() -> None:
    revisions = {path.name[:3] for path in (ROOT / "schema/migrations/versions").glob("[0-9]*.py")}

    rows = re.findall(r"^\| (0\d\d[^|]*)\|", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert {"001", *re.findall(r"\d+", " ".join(rows))} == revisions  # 001 is the specification, and has its own words


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_no_page_names_a_revision_that_is_not_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert {found for found in REVISION.findall(text) if found > head_revision()} == set()
    shown = set(re.findall(r"schema: at (\d+)", text))
    assert shown <= {head_revision()}, "what doctor shows there is of another revision: write the newest"


# -- links -------------------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings get: lower case, no punctuation, hyphens."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_relative_link_resolves(page: Path) -> None:
    for link in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_decision_is_listed() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")

    assert [page.name for page in DECISIONS if f"(decisions/{page.name})" not in text] == []


@pytest.mark.parametrize("page", DECISIONS, ids=named)
def test_what_a_decision_is_held_by_exists(page: Path) -> None:
    _, found, holders = page.read_text(encoding="utf-8").partition("\nHeld by: ")

    tests = HELD_BY.findall(holders)
    assert found
    assert tests
    for path, test in tests:
        source = (ROOT / path).read_text(encoding="utf-8")
        assert f"def {test}(" in source if test else "def test_" in source, f"{path}::{test}"
