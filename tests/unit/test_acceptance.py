"""What people decided, counted on the fingers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.cli.worth import show_acceptance
from worker.evaluation.acceptance import measure_acceptance
from worker.questions.decision import DecidedContent, standing_decisions


def look(value: str, *, sure: float | None = 0.9, model: str = "small", verdict: str | None = None) -> dict[str, Any]:
    name = "key" if value.isupper() and value.isalpha() else "answer"
    return {name: value, "verdict": verdict, "confidence": sure, "model": model}


def decided(action: str, value: str | None, *looks: dict[str, Any], **shown: Any) -> DecidedContent:
    seen = {"outcome": "contested", "type": "qcm", "specialty": "Pédiatrie", "official": "A", "model": "small"}
    return DecidedContent(action, value, {**seen, "looks": list(looks), **shown})


BD = (look("BD"), look("BD"))
FATES = ("accepted", "kept", "edited", "to_judge", "discarded")


@pytest.mark.parametrize(
    ("decision", "fate"),
    [
        (decided("accept", "BD", *BD), "accepted"),
        (decided("edit", "BD", *BD), "accepted"),  # typed, and what the analysis gave
        (decided("edit", "E", look("BD"), look("E")), "accepted"),  # one of two looks that differ
        (decided("keep", "A", *BD), "kept"),
        (decided("edit", "A", *BD), "kept"),
        (decided("edit", "C", *BD), "edited"),
        (decided("discard", "A", *BD), "discarded"),
        (decided("edit", "C", *BD, outcome="completed", official=None), "edited"),
        # A look that contradicts itself gives the official key beside one that does not: what was typed was the file's.
        (decided("edit", "A", look("A"), look("B")), "kept"),
    ],
)
def test_what_became_of_an_analysis(decision: DecidedContent, fate: str) -> None:
    found = measure_acceptance([decision])
    assert [name for name in FATES if getattr(found.whole, name)] == [fate]
    assert found.whole.settled == (fate != "discarded")


@pytest.mark.parametrize(
    ("typed", "fate"),
    [
        ("un asthme", "accepted"),
        ("Otites", "kept"),
        ("Rougeole", "edited"),
        ("asthme aigu grave", "to_judge"),  # may be what the analysis gave
    ],
)
def test_a_typed_short_answer_is_told_by_its_words(typed: str, fate: str) -> None:
    looks = (look("Asthme", verdict="contests"), look("Asthme", verdict="contests"))
    found = measure_acceptance([decided("edit", typed, *looks, type="qroc", official="Otite")])
    assert [name for name in FATES if getattr(found.whole, name)] == [fate]


def test_what_is_not_a_contest_of_the_analysis_is_counted_apart() -> None:
    found = measure_acceptance(
        [
            decided("edit", "C", look("B"), outcome="failed", official=None),
            decided("keep", "A"),  # two rows of one file: nobody was asked
            decided("keep", "A", look("A")),  # another file's key, and the analysis gives this one's
            decided("keep", "Otite", look("Otite", verdict="upholds"), type="qroc", official="Otite"),
        ]
    )
    assert (found.whole.settled, found.failed, found.without_contest) == (0, 1, 3)


def test_the_breakdowns_hold_the_same_decisions_and_bins_go_by_the_less_confident_look() -> None:
    found = measure_acceptance(
        [
            decided("accept", "BD", look("BD", sure=0.97), look("BD", sure=0.85, model="large")),
            decided("keep", "A", look("BD", sure=0.97), look("C", sure=0.85, model="large"), specialty="pediatrie"),
            decided("accept", "C", look("C", sure=None), outcome="corrected", specialty="Cardiologie"),
        ]
    )
    assert {line.name: (line.accepted, line.kept) for line in found.by["model"]} == {
        "small + large": (1, 1),
        "small": (1, 0),
    }
    assert [(line.name, line.settled) for line in found.by["specialty"]] == [("Pédiatrie", 2), ("Cardiologie", 1)]
    assert {line.name: line.settled for line in found.by["looks"]} == {"agree": 1, "differ": 1, "single": 1}
    assert {line.name: line.settled for line in found.by["outcome"]} == {"contested": 2, "corrected": 1}
    (bin_,) = found.bins
    assert (bin_.low, bin_.high, bin_.count, bin_.accepted, bin_.accepted_share) == (0.8, 0.9, 2, 1, 0.5)
    assert bin_.confidence == pytest.approx(0.85)


@given(st.lists(st.sampled_from(["accept", "keep", "edit", "discard", "undo"]), max_size=12))
def test_what_stands_is_what_is_left_when_each_undo_took_the_last_one_back(actions: list[str]) -> None:
    found = standing_decisions([{"n": n, "action": action} for n, action in enumerate(actions)])
    left: list[int] = []
    for n, action in enumerate(actions):
        left = left[:-1] if action == "undo" else [*left, n]
    assert [decision["n"] for decision in found] == left


def test_the_tables_are_french_and_what_is_counted_apart_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    many = [decided("accept", "BD", *BD, specialty=f"Matière {n:02d}") for n in range(14)]
    many += [decided("keep", "A", *BD), decided("discard", "A", *BD), decided("keep", "A"), decided("keep", "A")]
    many.append(decided("edit", "C", look("B"), outcome="failed"))
    show_acceptance(measure_acceptance(many))
    printed = capsys.readouterr().out
    assert "14 sur 15 : 93,3 % (70,2–98,8)" in printed
    assert "deux analyses d'accord" in printed
    assert "contestées" in printed
    assert "autres" in printed
    assert "À part, tranchées sans analyse exploitable : 1." in printed
    assert "À part, deux fichiers en désaccord sans que l'analyse conteste : 2." in printed
    for word in ("accepted", "kept", "edited", "agree", "contested", "specialty"):
        assert word not in printed


def test_before_anybody_decided_there_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    found = measure_acceptance([])
    show_acceptance(found)
    assert "rien à mesurer" in capsys.readouterr().out
    document = found.to_json()
    assert (document["settled"], document["accepted_share"], document["accepted_interval"]) == (0, None, None)
    assert document["not_counted"] == {"failed": 0, "without_contest": 0}
