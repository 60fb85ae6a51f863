"""What is decided before any call is paid: repeats, conflicts, refusals, and how the rest is cut into batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from worker.llm.sizes import CHARACTERS_PER_TOKEN, MAX_PROMPT_TOKENS, Capacity
from worker.questions.history import Standing
from worker.questions.item import PlannedItem, question_id
from worker.questions.question import ParsedRow, Question
from worker.questions.rules import QuestionRules
from worker.upload.plan import assign_batches, plan_items

MAX_BATCH_CHARACTERS = int(MAX_PROMPT_TOKENS * CHARACTERS_PER_TOKEN)

OPTIONS = {"A": "Fièvre", "B": "Toux", "C": "Dyspnée", "D": "Ictère", "E": "Œdème"}
WIDENED = QuestionRules()
STRICT = QuestionRules(single_letter_keys=True, five_options=True)


def qcm(text: str, key: str | None = "A") -> Question:
    return Question(
        type="qcm",
        specialty="Pédiatrie",
        course="Asthme",
        level="DCEM2",
        semester="S1",
        text=text,
        options=OPTIONS,
        official_key=key,
    )


def qroc(text: str, answer: str | None) -> Question:
    return replace(qcm(text, None), type="qroc", options={}, official_answer=answer)


def rows_of(*questions: Question) -> list[ParsedRow]:
    return [ParsedRow("qcm", number, question.type, {}, question) for number, question in enumerate(questions, start=2)]


def plan(rows: Sequence[ParsedRow], rules: QuestionRules = WIDENED) -> list[PlannedItem]:
    return plan_items(rows, rules=rules)


def stands(question: Question, official: str, **more: Any) -> dict[str, Standing]:
    """What `plan_items` is told of a question that is stored."""
    content_hash = question.content_hash()
    return {content_hash: Standing(question_id(content_hash), official, **more)}


def is_waiting(item: PlannedItem) -> bool:
    return item.outcome is None and item.duplicate_of is None


# -- repeats -----------------------------------------------------------------------------------------------------------


def test_a_row_repeated_is_analysed_once() -> None:
    first, other, repeat = plan(rows_of(qcm("Signe ?"), qcm("Cause ?"), qcm("  signe ? ")))

    assert is_waiting(first)
    assert is_waiting(other)
    assert repeat.duplicate_of == first.position
    assert repeat.outcome is None, "it shares the outcome of the first, whatever that will be"


def test_the_repeat_that_has_a_key_is_the_one_analysed() -> None:
    # Given a row without an official answer, then the same with one, then the same without again
    without, keyed, without_again = plan(rows_of(qcm("Signe ?", None), qcm("Signe ?", "BD"), qcm("Signe ?", None)))

    # Then the official key is not lost: it is what the analysis is held against
    assert is_waiting(keyed)
    assert (without.duplicate_of, without_again.duplicate_of) == (1, 1)


def test_among_repeats_without_any_key_the_first_is_analysed() -> None:
    first, repeat = plan(rows_of(qcm("Signe ?", None), qcm("Signe ?", None)))

    assert is_waiting(first)
    assert repeat.duplicate_of == 0


def test_options_in_another_order_are_another_question() -> None:
    swapped = {**OPTIONS, "A": OPTIONS["B"], "B": OPTIONS["A"]}

    items = plan(rows_of(qcm("Signe ?"), replace(qcm("Signe ?"), options=swapped)))

    assert all(is_waiting(item) for item in items), "a key means nothing under another order of options"


def test_answers_that_differ_in_case_and_blanks_are_no_conflict() -> None:
    first, second = plan(rows_of(qroc("Germe ?", "Pneumocoque"), qroc("Germe ?", " pneumocoque ")))

    assert is_waiting(first)
    assert second.duplicate_of == 0


# -- conflicts ---------------------------------------------------------------------------------------------------------


def test_rows_with_different_keys_are_all_flagged_and_none_is_chosen() -> None:
    first, second = plan(rows_of(qcm("Signe ?", "A"), qcm("Signe ?", "BC")))

    assert (first.outcome, second.outcome) == ("contested", "contested")
    assert (first.duplicate_of, second.duplicate_of) == (None, None)
    assert (first.question_id, second.question_id) == (None, None)
    assert first.reason == (
        "Même contenu, réponse officielle différente : ici A, ligne 3 de la feuille « qcm » (BC). "
        "Aucune n'a été retenue."
    )
    assert second.reason == (
        "Même contenu, réponse officielle différente : ici BC, ligne 2 de la feuille « qcm » (A). "
        "Aucune n'a été retenue."
    )


def test_a_row_without_key_among_conflicting_ones_is_flagged_too() -> None:
    keyless = plan(rows_of(qcm("Signe ?", "A"), qcm("Signe ?", None), qcm("Signe ?", "B")))[1]

    assert keyless.outcome == "contested"
    assert keyless.reason is not None
    assert "ici aucune, ligne 2 de la feuille « qcm » (A), ligne 4 de la feuille « qcm » (B)." in keyless.reason


def test_a_row_does_not_name_those_that_agree_with_it() -> None:
    first = plan(rows_of(qcm("Signe ?", "A"), qcm("Signe ?", "A"), qcm("Signe ?", "B")))[0]

    assert first.reason is not None
    assert "ligne 4" in first.reason
    assert "ligne 3" not in first.reason


def test_the_reason_stays_readable_however_many_rows_conflict() -> None:
    first = plan(rows_of(qcm("Signe ?", "A"), *[qcm("Signe ?", "B")] * 8))[0]

    assert first.reason is not None
    assert first.reason.count("feuille") == 5
    assert "et 3 autres lignes." in first.reason


def test_ten_thousand_repeats_are_planned_at_once() -> None:
    # A column filled down by mistake. When every row looked at every other one, this took a minute; now 0.1 s.
    items = plan(rows_of(*[qcm("Signe ?")] * 10_000))

    assert Counter(item.duplicate_of for item in items) == {None: 1, 0: 9_999}


# -- what needs no analysis --------------------------------------------------------------------------------------------


def test_a_rejected_row_keeps_its_reason_and_its_place() -> None:
    bad = ParsedRow("qcm", 3, "qcm", {}, None, rejection="Niveau manquant.")
    good = rows_of(qcm("Signe ?"))[0]

    items = plan([good, bad, good])

    assert [item.position for item in items] == [0, 1, 2]
    assert (items[1].outcome, items[1].reason) == ("rejected", "Niveau manquant.")


def test_a_question_that_a_person_validated_is_never_analysed_again() -> None:
    # Given a question a person validated, uploaded again with another key, twice
    rows = rows_of(qcm("Signe ?", "A"), qcm("Signe ?", "B"), qcm("Cause ?"))
    theirs = question_id(qcm("Signe ?").content_hash())

    stored = stands(qcm("Signe ?"), "A", is_validated=True, by_person=True)
    items = plan_items(rows, standing=lambda _contents: stored, rules=WIDENED)

    # Then both rows point to it, and only the other question waits
    assert [item.outcome for item in items] == ["duplicate", "duplicate", None]
    assert [item.question_id for item in items] == [theirs, theirs, None]
    assert items[0].reason == "Question déjà enregistrée et validée par une personne : elle n'a pas été modifiée."
    assert items[1].reason == f"{items[0].reason} Elle a « A », ce fichier donne « B »."


def test_the_platform_is_asked_once_and_of_each_question_once() -> None:
    asked: list[list[str]] = []

    def remember(contents: Mapping[str, Question]) -> dict[str, Standing]:
        asked.append(list(contents))
        return {}

    plan_items(rows_of(qcm("a"), qcm("b"), qcm("a")), standing=remember, rules=WIDENED)

    assert asked == [[qcm("a").content_hash(), qcm("b").content_hash()]]


def test_another_official_key_than_the_stored_one_is_a_conflict_that_names_both_files() -> None:
    rows = rows_of(qcm("Signe ?", "B"), qcm("Signe ?", "B"))
    stored = stands(qcm("Signe ?"), "A", given="A", file_name="a.xlsx", job_id="cjob", is_validated=True)

    first, repeat = plan_items(rows, standing=lambda _contents: stored, rules=WIDENED)

    assert (first.outcome, first.question_id) == ("contested", next(iter(stored.values())).question_id)
    assert first.reason is not None
    assert all(part in first.reason for part in ("« B »", "« A »", "« a.xlsx »", "cjob"))
    assert (repeat.outcome, repeat.duplicate_of) == ("duplicate", 0)


def test_a_key_that_only_the_analysis_gave_gives_way_to_a_files() -> None:
    stored = stands(qcm("Signe ?"), "A", given=None)
    (item,) = plan_items(rows_of(qcm("Signe ?", "B")), standing=lambda _contents: stored, rules=WIDENED)
    assert is_waiting(item)


def test_a_row_without_key_is_left_alone_where_a_file_gave_one_already() -> None:
    stored = stands(qcm("Signe ?"), "A", given="A", file_name="a.xlsx")
    (item,) = plan_items(rows_of(qcm("Signe ?", None)), standing=lambda _contents: stored, rules=WIDENED)
    assert (item.outcome, item.reason) == (
        "duplicate",
        (
            "Question déjà enregistrée avec la réponse officielle « A » du fichier « a.xlsx »"
            " ; cette ligne n'en donne aucune."
        ),
    )


def test_a_question_that_asks_something_else_by_now_is_not_touched() -> None:
    stored = stands(qcm("Signe ?"), "A", is_rewritten=True)
    (item,) = plan_items(rows_of(qcm("Signe ?", "A")), standing=lambda _contents: stored, rules=WIDENED)
    assert item.outcome == "duplicate"


def test_a_strict_database_refuses_the_row_and_never_cuts_its_key() -> None:
    several, single = plan(rows_of(qcm("Signe ?", "ABE"), qcm("Cause ?", "A")), STRICT)

    assert several.outcome == "rejected"
    assert several.reason is not None
    assert "ABE" in several.reason
    assert several.row.question is not None
    assert several.row.question.official_key == "ABE"
    assert is_waiting(single)


def test_no_row_waits_for_a_repeat_that_a_strict_database_refuses() -> None:
    # Given a row without key whose repeat carries a key of three letters
    items = plan(rows_of(qcm("Signe ?", None), qcm("Signe ?", "ABE")), STRICT)

    # Then both are settled now: nothing would ever conclude a row that waits for a settled one
    assert [item.outcome for item in items] == ["rejected", "rejected"]


# -- batches -----------------------------------------------------------------------------------------------------------


def batches(items: Sequence[PlannedItem]) -> list[int | None]:
    return [item.batch for item in items]


def test_batches_hold_at_most_the_size_asked_for_in_the_order_of_the_file() -> None:
    items = plan(rows_of(*[qcm(f"Question {n} ?") for n in range(7)]))

    assert batches(assign_batches(items, batch_size=3)) == [0, 0, 0, 1, 1, 1, 2]


def test_rows_that_wait_for_nothing_take_no_place_in_a_batch() -> None:
    # Given a repeat and a rejected row between two questions
    rows = [*rows_of(qcm("a"), qcm("a")), ParsedRow("qcm", 4, "qcm", {}, None, rejection="x"), *rows_of(qcm("b"))]

    assert batches(assign_batches(plan(rows), batch_size=2)) == [0, None, None, 0]


def test_a_batch_is_cut_before_it_outgrows_a_small_models_window() -> None:
    # Given long cases: two fit, three do not
    case = "x" * (MAX_BATCH_CHARACTERS // 2 - 200)
    questions = [replace(qcm(f"Question {n} ?"), type="cas_qcm", case_text=case) for n in range(5)]

    assert batches(assign_batches(plan(rows_of(*questions)), batch_size=50)) == [0, 0, 1, 1, 2]


def test_a_batch_asks_for_no_longer_reply_than_a_model_can_write() -> None:
    # Given forty questions of five options in a batch of fifty at most
    items = plan(rows_of(*[qcm(f"Question {n} ?") for n in range(40)]))

    # Then a batch holds what half a ceiling of 16,000 tokens answers, with some room
    assert batches(assign_batches(items, batch_size=50))[:12] == [0] * 10 + [1] * 2

    # And more when replies have shown to be short, fewer when they were long
    assert batches(assign_batches(items, batch_size=50, capacity=Capacity(share=0.2)))[:25] == [0] * 25
    assert batches(assign_batches(items, batch_size=50, capacity=Capacity(share=1.0)))[:6] == [0, 0, 0, 0, 0, 1]
    assert batches(assign_batches(items, batch_size=50, capacity=Capacity(most=4096)))[:3] == [0, 0, 1]


def test_a_batch_is_packed_by_what_tokens_have_shown_to_be() -> None:
    case = "x" * (MAX_BATCH_CHARACTERS // 2 - 200)
    questions = [replace(qcm(f"Question {n} ?"), type="cas_qcm", case_text=case) for n in range(4)]

    items = plan(rows_of(*questions))
    assert batches(assign_batches(items, batch_size=50, characters_per_token=6.0)) == [0, 0, 0, 0]
    assert batches(assign_batches(items, batch_size=50, characters_per_token=1.5)) == [0, 1, 2, 3]


def test_a_question_larger_than_a_batch_goes_alone_and_whole() -> None:
    huge = qcm("x" * (MAX_BATCH_CHARACTERS + 1))

    items = assign_batches(plan(rows_of(huge, qcm("a"), qcm("b"), replace(huge, course="Autre"))), batch_size=5)

    assert batches(items) == [0, 1, 1, 2]
    assert items[0].row.question == huge


def test_an_empty_upload_plans_nothing() -> None:
    assert assign_batches(plan([]), batch_size=5) == []


# -- for every upload --------------------------------------------------------------------------------------------------

anyone = st.one_of(
    st.builds(qcm, st.sampled_from(["a", "b", "c"]), st.sampled_from([None, "A", "BE"])),
    st.builds(qroc, st.sampled_from(["a", "b"]), st.sampled_from([None, "oui", "non"])),
)
uploads = st.lists(
    st.one_of(st.none(), anyone, st.builds(qcm, st.text("xyz", min_size=3, max_size=3))), max_size=25
).map(
    lambda questions: [
        ParsedRow("s", number, "qcm", {}, question, rejection=None if question else "Illisible.")
        for number, question in enumerate(questions, start=2)
    ]
)
rule_sets = st.builds(QuestionRules, single_letter_keys=st.booleans(), five_options=st.booleans())


@given(rows=uploads, rules=rule_sets, batch_size=st.integers(1, 6), validated=st.sets(st.sampled_from("abc")))
@settings(max_examples=60)
def test_every_row_is_one_item_and_has_exactly_one_future(
    rows: list[ParsedRow], rules: QuestionRules, batch_size: int, validated: set[str]
) -> None:
    stored: dict[str, Standing] = {}
    for text in validated:
        stored |= stands(qcm(text), "A", by_person=True)

    items = assign_batches(plan_items(rows, standing=lambda _: stored, rules=rules), batch_size=batch_size)

    # Every row, once, in order
    assert [item.row for item in items] == rows
    assert [item.position for item in items] == list(range(len(rows)))
    for item in items:
        futures = [item.outcome, item.duplicate_of, item.batch]
        assert sum(future is not None for future in futures) == 1
        assert item.outcome is None or item.reason, "what is settled without an analysis says why"
        if item.duplicate_of is not None:
            twin = items[item.duplicate_of]
            assert twin.batch is not None, "a repeat waits only for what will be analysed"
            assert twin.content_hash == item.content_hash


@given(rows=uploads, batch_size=st.integers(1, 6))
@settings(max_examples=60)
def test_batches_are_full_contiguous_and_numbered_from_zero(rows: list[ParsedRow], batch_size: int) -> None:
    numbers = [item.batch for item in assign_batches(plan(rows), batch_size=batch_size) if item.batch is not None]

    assert numbers == [index // batch_size for index in range(len(numbers))]


@given(rows=uploads)
@settings(max_examples=60)
def test_no_content_is_paid_for_twice_and_no_key_is_chosen_among_several(rows: list[ParsedRow]) -> None:
    items = assign_batches(plan(rows), batch_size=5)

    analysed = [item.content_hash for item in items if item.batch is not None]
    assert len(analysed) == len(set(analysed))
    for item in items:
        if item.batch is not None:
            answers = {row.question.official for row in rows if row.question and same(row.question, item)}
            assert len(answers - {None}) <= 1
            assert item.row.question is not None
            assert item.row.question.official is not None or answers == {None}, "an official answer is never left out"


def same(question: Question, item: PlannedItem) -> bool:
    return question.content_hash() == item.content_hash
