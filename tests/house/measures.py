"""How the house stands, in figures: `python -m tests.house.measures`. Lines count with comments and docstrings."""

from __future__ import annotations

import ast
import re
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FUNCTION, MOST_PARAMETERS = 40, 5
MESSAGES = "messages/"  # where French that somebody is told belongs
# French that a module knows and tells nobody: it finds it in files, replies and courses, or asks a model in it.
READ_HERE = {
    "llm/compose.py",  # the question that shows whether a model answers at all
    "questions/letters.py",  # how a text names the letters of options
    "questions/short_answers.py",  # words that do not change an answer
    "upload/parsing/vocabulary.py",  # headers under which columns come
    "upload/reading/encodings.py",  # letters that French has
    "upload/reading/moments.py",  # dates as a spreadsheet shows them in a cell
}
WRITES_TASKS = re.compile(r'(INSERT INTO|UPDATE|DELETE FROM)\s+"AiValidationTask"')
ACCENTED = re.compile(r"\b(?=[^\W\d_]*[àâçéèêëîïôöùûüœÀÂÇÉÈÊËÎÏÔÖÙÛÜŒ])[^\W\d_]{3,}|\bÀ \w|«\s?\w")
PATTERN = re.compile(r"[|\\^]|\(\?")  # no text: a regular expression
FRENCH = re.compile(r"\b(le|la|les|des|une|est|sont|dans|pour|avec|sur|cette|qui|aucun|aucune|ne|pas)\b")
ENGLISH = re.compile(r"\b(the|is|of|and|for|with|to|that|which|not)\b|\b(SELECT|FROM|WHERE|UPDATE|CASE)\b")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Measures:
    """Lists name their cases, for whoever wants to shorten them."""

    loose_modules: tuple[str, ...]  # at the top of worker/, beside the rooms
    module_lines: tuple[int, ...]
    function_lines: tuple[int, ...]
    long_functions: tuple[str, ...]
    many_parameters: tuple[str, ...]
    task_writers: tuple[str, ...]  # modules that write "AiValidationTask", themselves or in the .sql file beside them
    french_elsewhere: tuple[str, ...]  # French sentences and words that stand outside messages/ and SQL
    french_read: frozenset[str]  # modules of `READ_HERE` that do hold French


def take(root: Path = ROOT) -> Measures:
    """Of the package worker/ below `root`."""
    folder = root / "worker"
    sources = {p.relative_to(folder).as_posix(): p.read_text(encoding="utf-8") for p in sorted(folder.rglob("*.py"))}
    trees = {name: ast.parse(source) for name, source in sources.items()}
    functions = [(f"{name}:{f.name}", f) for name, tree in trees.items() for f in _functions(tree)]
    texts = [(f"{name}:{line}", text) for name, tree in trees.items() for line, text in _texts(tree)]
    sql = [(p.with_suffix(".py"), p.read_text(encoding="utf-8")) for p in sorted(folder.rglob("*.sql"))]
    texts += [(f"{p.relative_to(folder).as_posix()}:1", text) for p, text in sql]
    french = [place for place, text in texts if not place.startswith(MESSAGES) and _is_french(text)]
    return Measures(
        loose_modules=tuple(name for name in sources if "/" not in name and name != "__init__.py"),
        module_lines=tuple(source.count("\n") for source in sources.values()),
        function_lines=tuple(_lines(f) for _, f in functions),
        long_functions=tuple(name for name, f in functions if _lines(f) > LONGEST_FUNCTION),
        many_parameters=tuple(name for name, f in functions if _parameters(f) > MOST_PARAMETERS),
        task_writers=tuple(dict.fromkeys(_module(place) for place, text in texts if WRITES_TASKS.search(text))),
        french_elsewhere=tuple(place for place in french if _module(place) not in READ_HERE),
        french_read=frozenset(map(_module, french)) & READ_HERE,
    )


def _functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _lines(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _parameters(function: Function) -> int:
    """All that are given, but for `self` and `cls`."""
    arguments = function.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def _texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every literal that is no docstring, an f-string as a whole, with its line."""
    passed = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | Function) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part for part in node.values if isinstance(part, ast.Constant)]
            passed |= {id(part) for part in parts}
            yield node.lineno, "…".join(str(part.value) for part in parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed:
            yield node.lineno, node.value


def _module(place: str) -> str:
    return place.partition(":")[0]


def _is_french(text: str) -> bool:
    """A sentence by its small words, a word by its accents. `janvier` and `valeur` alone are not found."""
    if PATTERN.search(text) or ENGLISH.search(text):
        return False
    return bool(ACCENTED.search(text)) or (len(text.split()) > 3 and bool(FRENCH.search(text)))


def show(measures: Measures) -> str:
    """As lines of text."""
    return "\n".join(
        (
            f"modules at the top of worker/      {len(measures.loose_modules)} of {len(measures.module_lines)}",
            f"module lines, median/p95/max       {_spread(measures.module_lines)}",
            f"function lines, median/p95/max     {_spread(measures.function_lines)}",
            f"functions over {LONGEST_FUNCTION} lines            {_named(measures.long_functions)}",
            f"functions over {MOST_PARAMETERS} parameters        {_named(measures.many_parameters)}",
            f'modules that write "AiValidationTask"  {_named(measures.task_writers)}',
            f"French outside messages and SQL     {_counted(measures.french_elsewhere)}",
        )
    )


def _spread(lines: Sequence[int]) -> str:
    return f"{statistics.median(lines):.0f} / {statistics.quantiles(lines, n=20)[-1]:.0f} / {max(lines)}"


def _named(names: Sequence[str]) -> str:
    return f"{len(names)}: {', '.join(names)}" if names else "0"


def _counted(places: Sequence[str]) -> str:
    return f"{len(places)} in {len(set(map(_module, places)))} modules"


if __name__ == "__main__":
    sys.stdout.write(show(take()) + "\n")
