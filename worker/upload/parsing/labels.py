"""What an option's cell holds beside the option: its own letter in front, another's, or a sign that says nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping

from worker.messages import row_findings
from worker.questions.question import Finding
from worker.upload.parsing.marks import is_cell_error

_LETTER = re.compile(r"\(?([A-Ja-j])[ \t]*+(?:([.):/])|[-–—](?=[ \t]))[ \t]*+(?=\S)")
_NUMBER = re.compile(r"\(?(\d{1,2})[ \t]*+[.):][ \t]++(?=\S)")
SHORT = 5  # characters: longer than any filler
# What tells at a glance that an option may have a label, or be an error.
_LABEL_STARTS, _LABEL_ENDS = frozenset("(#0123456789"), frozenset(" \t.):/-–—")
_NOTHING = frozenset({"nan", "<na>", "nat", "null", "n/a", "-", "--", "–", "—", "/", "//", "_", ".", "..", "...", "…"})
_SIGNS = frozenset({"+", "++", "+++", "±", "=", "<", ">", "0", "*", "×"})


def clean_options(options: dict[str, str]) -> tuple[dict[str, str], list[Finding], str]:
    """Options without fillers and labels, the findings on them, and the letters that a key can mean in two ways."""
    for option in options.values():
        if len(option) < SHORT or option[1] in _LABEL_ENDS or option[0] in _LABEL_STARTS:
            return _clean_options(options)
    return options, [], ""


def _clean_options(options: Mapping[str, str]) -> tuple[dict[str, str], list[Finding], str]:
    kept, findings = _without_fillers(options)
    labels = {letter: label for letter, option in kept.items() if (label := _label(option))}
    if len(kept) > 1 and len(labels) == len(kept) and _are_labels(kept, labels):
        doubtful = "".join(letter for letter, label in labels.items() if label[0] != letter)
        if doubtful:
            message = row_findings.other_labels({letter: kept[letter] for letter in doubtful})
            findings.append(Finding("label_of_another_option", message, f"option {doubtful[0].lower()}"))
        return {letter: option[labels[letter][1] :] for letter, option in kept.items()}, findings, doubtful
    # Among options without labels, only `B) …` is sure to be one: `E. coli` is a name.
    for letter, label in labels.items():
        if label[0] == letter and label[2] == ")":
            kept[letter] = kept[letter][label[1] :]
    return kept, findings, ""


def _without_fillers(options: Mapping[str, str]) -> tuple[dict[str, str], list[Finding]]:
    """`nan`, `-`, `/` are no options; beside `+`, the sign `-` is one."""
    kept: dict[str, str] = {}
    findings: list[Finding] = []
    has_signs = any(option in _SIGNS for option in options.values())
    for letter, option in options.items():
        is_filler = len(option) < SHORT and option.lower() in _NOTHING and not (has_signs and option in "-–—/")
        if is_filler or is_cell_error(option):
            message = row_findings.placeholder_option(letter, option)
            findings.append(Finding("placeholder_option", message, f"option {letter.lower()}"))
        else:
            kept[letter] = option
    return kept, findings


def _label(option: str) -> tuple[str, int, str] | None:
    """Letter of the label in front of an option, how long it is, and the sign that ends it."""
    match = _LETTER.match(option)
    if match:
        return match[1].upper(), match.end(), match[2] or "-"
    match = _NUMBER.match(option)
    if match and 1 <= int(match[1]) <= 10:
        return chr(64 + int(match[1])), match.end(), "1"
    return None


def _are_labels(options: Mapping[str, str], labels: Mapping[str, tuple[str, int, str]]) -> bool:
    """One kind of label, each used once. Two options `A. baumannii` and `B. cereus` are names, three hardly."""
    kinds = {kind for _, _, kind in labels.values()}
    if len(kinds) > 1 or sorted(letter for letter, _, _ in labels.values()) != sorted(options):
        return False
    all_lower = all(options[letter][length].islower() for letter, (_, length, _) in labels.items())
    return len(options) > 2 or bool(kinds & {")", "1"}) or not all_lower
