"""What a model wrote in its reply, as far as results can be told apart in it: data, not judged yet. Nothing raises."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.llm.wire import DECODER, Ambiguous, Completion, parse_json

_FENCE = re.compile(r"```[a-zA-Z]*\s*\n?(.*?)(?:```|\Z)", re.S)
_THINK, _THOUGHT = "<think>", "</think>"
_RESULTS = re.compile(r'"results"\s*:\s*\[')
_BETWEEN = re.compile(r"[\s,]*")


@dataclass(frozen=True, slots=True)
class Message:
    """The objects of the list of results by their id, in the order of the list.

    `has_list`: there is such a list at all; `is_cut`: it was cut before its end; `is_empty`: nothing was written.
    """

    by_id: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    has_list: bool = False
    is_cut: bool = False
    is_empty: bool = False


def read_message(reply: Completion) -> Message:
    """The results in what the model wrote. They are joined by id, never by position."""
    results, is_cut = _read_message(reply)
    is_empty = results is None and reply.content is not None and not reply.content.strip()
    return Message(_by_id(results or ()), has_list=results is not None, is_cut=is_cut, is_empty=is_empty)


def _read_message(reply: Completion) -> tuple[Sequence[object] | None, bool]:
    """The results in what the model wrote (None when there is no such list), and whether the list was cut.

    Some servers send the answer as the reasoning, and no content. Only one that is whole counts there: what else is
    in a reasoning are drafts.
    """
    if reply.content and reply.content.strip():
        return _read_results(reply.content)
    if reply.reasoning and reply.finish_reason != "length":
        whole = parse_json(_unfenced(_after_thoughts(reply.reasoning)))
        if isinstance(whole, Mapping) and isinstance(whole.get("results"), list) and not isinstance(whole, Ambiguous):
            return whole["results"], False
    return None, False


def _read_results(content: str) -> tuple[Sequence[object] | None, bool]:
    """The results (None when there is no such list) and whether the list was cut before its end."""
    content = _after_thoughts(content)
    # A thought that is never closed may hold drafts: of several lists the last one is the answer.
    is_thought = content.startswith(_THINK)
    content = content if is_thought else _unfenced(content)
    whole = parse_json(content)
    if isinstance(whole, Ambiguous):
        return None, False
    if isinstance(whole, Mapping) and isinstance(whole.get("results"), list):
        return whole["results"], False
    starts = [match.end() for match in _RESULTS.finditer(content)]
    if not starts:
        return None, False
    return _closed_objects(content, starts[-1 if is_thought else 0])


def _after_thoughts(content: str) -> str:
    """What follows the thoughts of a model that writes them down first, opened with `<think>` or not. Linear."""
    content = content.strip()
    at = 0
    while content.startswith(_THINK, at) and (end := content.find(_THOUGHT, at)) >= 0:
        at = _BETWEEN.match(content, end + len(_THOUGHT)).end()  # type: ignore[union-attr]  # it matches anything
    content = content[at:]
    # Where the prompt opens the thought, the reply only closes it.
    if not content.startswith(("{", "`", _THINK)) and _THOUGHT in content:
        content = content.rpartition(_THOUGHT)[2].strip()
    return content


def _unfenced(content: str) -> str:
    fenced = None if content.startswith("{") else _FENCE.search(content)
    return content.strip() if fenced is None else fenced[1].strip()


def _closed_objects(content: str, at: int) -> tuple[list[object], bool]:
    """The elements of the list that begins at `at`, as far as they are closed.

    Completing the last, open one would now and then give a valid but wrong set of letters.
    """
    results: list[object] = []
    while True:
        between = _BETWEEN.match(content, at)
        at = between.end() if between is not None else at
        if content[at : at + 1] == "]":
            return results, False
        try:
            result, at = DECODER.raw_decode(content, at)
        except RecursionError:
            return results, False  # no end was cut off: no smaller call would make it shallow
        except ValueError:
            return results, True
        results.append(result)


def _by_id(results: Sequence[object]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    by_id: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        if isinstance(result, Mapping) and isinstance(result.get("id"), str):
            by_id.setdefault(result["id"], []).append(result)
    return by_id
