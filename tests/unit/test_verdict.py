"""What two looks and an official key come to: the key is the prior, and no text argues beside the wrong one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.messages.published_text import EMBEDDED_WARNING
from worker.questions.answers import Citation, Look, Verdict
from worker.questions.question import Question
from worker.questions.short_answers import is_other_answer, same_answer
from worker.queue.job import JobConfig
from worker.review.verdict import Shown, conclude, failed_conclusion, needs_second_look
from worker.text.french import NO_BREAK

QCM = Question(
    type="qcm",
    specialty="Pédiatrie",
    course="Verge",
    level="DCEM2",
    semester="S1",
    text="Le phimosis :",
    options={letter: f"proposition {letter}" for letter in "ABCE"},
    official_key="ABE",
)
QROC = replace(QCM, type="qroc", options={}, official_key=None, official_answer="Abstention")
DEFAULTS = JobConfig()
CORRECTING = JobConfig(apply_corrections=True)


def plain(text: str | None) -> str:
    """The text with plain spaces, as sentences are written in tests; how they are set is looked at in `test_french`."""
    return (text or "").replace(NO_BREAK, " ")


def look(key: str | None, name: str = "m", confidence: float = 0.9, **changes: Any) -> Look:
    fields: dict[str, Any] = {
        "key": key,
        "answer": None,
        "verdict": None,
        "explanation": f"Général {name}.",
        "option_explanations": {letter: f"{name} sur {letter}." for letter in "ABCE"},
        "confidence": confidence,
        "model": name,
        **changes,
    }
    return Look(**fields)


def short(answer: str, verdict: Verdict | None, name: str = "m", confidence: float = 0.9) -> Look:
    return look(None, name, confidence, answer=answer, verdict=verdict, option_explanations={})


def judge(
    question: Question,
    first: Look,
    second: Look | None = None,
    config: JobConfig = DEFAULTS,
    *,
    embedded: bool = False,
    **shown: Any,
) -> Any:
    return conclude(question, (first, second), config=config, embedded=embedded, shown=Shown(**shown))


@pytest.mark.parametrize(
    ("question", "first", "expected"),
    [
        (QCM, look("ABE"), False),
        (QCM, look("AB"), True),
        (replace(QCM, official_key=None), look("ABE"), True),
        (QROC, short("Abstention", "upholds"), False),
        (QROC, short("Abstention", "contests"), True),
        (replace(QROC, official_answer=None), short("Abstention", None), True),
    ],
)
def test_a_second_look_is_needed_unless_the_first_agrees(question: Question, first: Look, expected: bool) -> None:
    assert needs_second_look(question, first) is expected


# --- confirmed --------------------------------------------------------------------------------------------------


def test_the_first_look_confirms() -> None:
    conclusion = judge(QCM, look("ABE"), excerpts_used=True)

    assert (conclusion.outcome, conclusion.key, conclusion.validated) == ("confirmed", "ABE", True)
    assert (conclusion.reason, conclusion.proposed, conclusion.confidence) == (None, None, 0.9)
    assert conclusion.excerpts_used
    assert conclusion.explanation == "A — m sur A.\nB — m sur B.\nC — m sur C.\nE — m sur E.\n\nGénéral m."
    assert conclusion.general_explanation == "Général m."
    assert conclusion.option_explanations == {letter: f"m sur {letter}." for letter in "ABCE"}


def test_the_second_look_confirms_with_its_own_explanation() -> None:
    conclusion = judge(QCM, look("ACE", "un"), look("ABE", "deux"))

    assert (conclusion.outcome, conclusion.key, conclusion.validated, conclusion.model) == (
        "confirmed",
        "ABE",
        True,
        "deux",
    )
    assert "un sur" not in conclusion.explanation
    assert conclusion.general_explanation == "Général deux."
    assert conclusion.reason == "La première analyse donnait ACE ; la seconde retrouve la clé officielle."


def test_auto_validation_can_be_off() -> None:
    conclusion = judge(QCM, look("ABE"), config=JobConfig(auto_validate=False))

    assert (conclusion.outcome, conclusion.validated) == ("confirmed", False)


def test_an_upheld_answer_stays_as_uploaded() -> None:
    conclusion = judge(QROC, short("Surveillance", "contests", "un"), short("Abstention simple", "upholds", "deux"))

    assert (conclusion.outcome, conclusion.key, conclusion.answer) == ("confirmed", None, "Abstention")
    assert conclusion.explanation == "Général deux."


# --- contested --------------------------------------------------------------------------------------------------


def test_neither_look_gives_the_official_key() -> None:
    conclusion = judge(QCM, look("ACE", confidence=0.99), look("ACE", "deux", 0.7))

    assert (conclusion.outcome, conclusion.key, conclusion.proposed) == ("contested", "ABE", "ACE")
    assert (conclusion.validated, conclusion.confidence) == (False, 0.7)
    assert conclusion.reason == "L'analyse donne ACE, la clé officielle est ABE."
    assert plain(conclusion.explanation).startswith(f"{conclusion.reason}\n\nA — m sur A.")


def test_two_looks_that_differ_are_both_named() -> None:
    conclusion = judge(QCM, look("ACE"), look("C"), config=CORRECTING)

    assert conclusion.outcome == "contested"
    assert conclusion.reason == "L'analyse donne ACE puis, à la seconde lecture, C ; la clé officielle est ABE."
    assert conclusion.proposed == "ACE / C"


def test_a_second_look_that_came_to_nothing_leaves_the_key_contested() -> None:
    conclusion = judge(QCM, look("ACE"), None, config=CORRECTING)

    assert (conclusion.outcome, conclusion.key, conclusion.validated) == ("contested", "ABE", False)
    assert conclusion.reason == ("L'analyse donne ACE, la clé officielle est ABE. La seconde analyse n'a pas abouti.")


def test_a_contested_answer_quotes_both() -> None:
    conclusion = judge(QROC, short("Chirurgie", "contests"), short("la chirurgie", "contests"))

    assert conclusion.reason == "L'analyse donne « Chirurgie », la réponse officielle est « Abstention »."
    assert (conclusion.outcome, conclusion.answer, conclusion.proposed) == ("contested", "Abstention", "Chirurgie")


def test_what_argues_for_another_key_stands_only_under_the_sentence_that_says_so() -> None:
    conclusion = judge(QCM, look("ACE"), look("ACE"))

    assert conclusion.option_explanations == {}
    assert conclusion.general_explanation.startswith("L'analyse donne ACE, la clé officielle est ABE.")
    assert "B — m sur B." in conclusion.general_explanation


def test_a_person_keeps_the_word_in_a_contested_question_and_the_analysis_stands_aside() -> None:
    human = replace(QCM, explanation="Écrit par un enseignant.", option_explanations={"A": "Humain sur A."})

    conclusion = judge(human, look("ACE"), look("ACE"))

    assert plain(conclusion.explanation) == (
        "L'analyse donne ACE, la clé officielle est ABE.\n\n"
        "A — Humain sur A.\nB — m sur B.\nC — m sur C.\nE — m sur E.\n\n"
        "Écrit par un enseignant.\n\nAnalyse : Général m."
    )
    assert conclusion.general_explanation == "Écrit par un enseignant."
    assert conclusion.option_explanations == {"A": "Humain sur A."}


# --- corrected --------------------------------------------------------------------------------------------------


def test_two_sure_looks_correct_a_key_when_the_job_allows_it() -> None:
    conclusion = judge(QCM, look("ACE", "un", 0.8), look("ACE", "deux", 0.95), config=CORRECTING)

    assert (conclusion.outcome, conclusion.key, conclusion.validated) == ("corrected", "ACE", False)
    assert conclusion.confidence == 0.8
    opening = "Clé remplacée : l'analyse donne ACE, la clé officielle était ABE."
    assert conclusion.reason == opening
    assert plain(conclusion.explanation).startswith(f"{opening}\n\nA — un sur A.")
    assert conclusion.general_explanation == "Général un."


@pytest.mark.parametrize(
    ("first", "second", "config", "embedded"),
    [
        (look("ACE"), look("ACE"), JobConfig(), False),
        (look("ACE"), look("AC"), CORRECTING, False),
        (look("ACE", confidence=0.79), look("ACE"), CORRECTING, False),
        (look("ACE"), look("ACE", confidence=0.79), CORRECTING, False),
        (look("ACE"), look("ACE"), JobConfig(apply_corrections=True, quality_threshold=0.95), False),
        (look("ACE"), look("ACE"), CORRECTING, True),
        (look("ACE"), None, CORRECTING, False),
    ],
)
def test_a_doubt_never_touches_the_key(first: Look, second: Look | None, config: JobConfig, embedded: bool) -> None:
    conclusion = judge(QCM, first, second, config=config, embedded=embedded)

    assert (conclusion.outcome, conclusion.key) == ("contested", "ABE")


def test_a_correction_says_whose_explanations_are_kept() -> None:
    human = replace(QCM, option_explanations={"B": "Humain sur B."})

    conclusion = judge(human, look("ACE"), look("ACE"), config=CORRECTING)

    assert conclusion.reason.endswith("Les explications fournies avec la question accompagnaient l'ancienne réponse.")
    assert conclusion.option_explanations["B"] == "Humain sur B."


def test_a_short_answer_is_corrected_only_by_the_same_one_twice() -> None:
    first, second = short("Chirurgie", "contests"), short("Une chirurgie.", "contests")

    corrected = judge(QROC, first, second, config=CORRECTING)
    contested = judge(QROC, first, short("Pas de chirurgie", "contests"), config=CORRECTING)

    assert (corrected.outcome, corrected.answer) == ("corrected", "Chirurgie")
    assert (
        corrected.reason
        == "Réponse remplacée : l'analyse donne « Chirurgie », la réponse officielle était « Abstention »."
    )
    assert (contested.outcome, contested.answer) == ("contested", "Abstention")


# --- without an official key ------------------------------------------------------------------------------------


def test_two_looks_complete_what_the_file_lacks() -> None:
    conclusion = judge(replace(QCM, official_key=None), look("AC", "un", 0.6), look("AC", "deux", 0.5))

    assert (conclusion.outcome, conclusion.key, conclusion.validated) == ("completed", "AC", False)
    assert (conclusion.confidence, conclusion.model) == (0.5, "un")
    assert conclusion.reason == "Le fichier ne donne pas de réponse : les deux analyses donnent AC."
    assert conclusion.explanation.startswith("A — un sur A.")


def test_a_key_that_could_not_be_read_is_quoted_and_is_not_called_missing() -> None:
    unread = replace(QCM, official_key=None, unread_official="A/C")

    agreed = judge(unread, look("AC"), look("AC"))
    split = judge(unread, look("AC"), look("A"))

    assert agreed.reason == "La clé du fichier (« A/C ») n'a pas pu être retenue : les deux analyses donnent AC."
    assert str(split.reason).startswith(
        "La clé du fichier (« A/C ») n'a pas pu être retenue. Sans clé officielle, il faut"
    )


@pytest.mark.parametrize(
    ("second", "reason", "proposed"),
    [
        (
            look("AB"),
            "Sans clé officielle, il faut deux analyses concordantes : la première donne AC, la seconde AB.",
            "AC / AB",
        ),
        (None, "Sans clé officielle, il faut deux analyses concordantes. La seconde analyse n'a pas abouti.", "AC"),
    ],
)
def test_one_voice_does_not_make_a_key(second: Look | None, reason: str, proposed: str) -> None:
    conclusion = judge(replace(QCM, official_key=None), look("AC"), second)

    assert (conclusion.outcome, conclusion.key, conclusion.explanation) == ("failed", None, None)
    assert (conclusion.reason, conclusion.proposed) == (reason, proposed)


def test_two_same_short_answers_complete_and_two_different_ones_do_not() -> None:
    question = replace(QROC, official_answer=None)

    completed = judge(question, short("L'abstention", None), short("abstention", None))
    failed = judge(question, short("Abstention", None), short("Chirurgie", None))

    assert (completed.outcome, completed.answer) == ("completed", "L'abstention")
    assert failed.outcome == "failed"
    assert "« Abstention »" in failed.reason
    assert "« Chirurgie »" in failed.reason


# --- texts of people --------------------------------------------------------------------------------------------


def test_uploaded_explanations_win_over_the_models() -> None:
    human = replace(QCM, explanation="Écrit par un enseignant.", option_explanations={"A": "Humain sur A.", "D": "x"})

    conclusion = judge(human, look("ABE"))

    assert plain(conclusion.explanation) == (
        "A — Humain sur A.\nB — m sur B.\nC — m sur C.\nE — m sur E.\n\nÉcrit par un enseignant."
    )
    assert conclusion.general_explanation == "Écrit par un enseignant."
    assert conclusion.option_explanations["A"] == "Humain sur A."
    assert "D" not in conclusion.option_explanations


def test_the_reminder_is_kept_byte_for_byte_at_the_end() -> None:
    reminder = "  Rappel :\n\n - l'épispadias…\t \n"

    for question in (replace(QCM, reminder=reminder), replace(QROC, reminder=reminder)):
        conclusion = judge(question, look("ABE", verdict="upholds", answer="x"))
        assert conclusion.explanation.endswith(f"\n\nRappel{NO_BREAK}: {reminder}")
        assert reminder not in conclusion.general_explanation


def test_the_image_closes_the_explanation_and_is_no_text_of_the_analysis() -> None:
    for question in (
        replace(QCM, image="radio.png", reminder="Revoir."),
        replace(QROC, image="radio.png", reminder="Revoir."),
    ):
        conclusion = judge(question, look("ABE", verdict="upholds", answer="x"))
        assert plain(conclusion.explanation).endswith("\n\nImage : radio.png\n\nRappel : Revoir.")
        assert "radio.png" not in conclusion.general_explanation


# --- the embedded model -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["ABE", "ACE"])
def test_the_embedded_model_never_validates_and_always_says_so(key: str) -> None:
    conclusion = judge(QCM, look(key), look(key), embedded=True)

    assert not conclusion.validated
    assert conclusion.key == "ABE"
    assert plain(conclusion.explanation).startswith(EMBEDDED_WARNING)
    assert plain(conclusion.general_explanation).startswith(EMBEDDED_WARNING)
    assert conclusion.reason.startswith(EMBEDDED_WARNING)
    assert conclusion.option_explanations == {}


def test_a_failure_has_a_reason_and_no_text() -> None:
    conclusion = failed_conclusion("Aucune analyse acceptable.")

    assert (conclusion.outcome, conclusion.reason, conclusion.explanation) == (
        "failed",
        "Aucune analyse acceptable.",
        None,
    )


# --- short answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Abstention", "abstention."),
        ("La torsion testiculaire", "Torsion testiculaire"),
        ("Abstention et surveillance", "Surveillance, abstention"),
        ("Œdème aigu du poumon", "ŒDÈME AIGU DU POUMON"),
        ("L'orchidopexie", "orchidopexie"),
        ("Testicules oscillants", "testicule oscillant"),
        ("1,5 mg", "1.5 mg"),
        ("Hépatite A", "l’hépatite A"),
        ("Pas de fièvre", "pas de fièvre"),
    ],
)
def test_the_same_answer_in_other_words_of_no_weight(one: str, other: str) -> None:
    assert same_answer(one, other)
    assert same_answer(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Chirurgie", "Pas de chirurgie"),
        ("Fièvre sans toux", "Toux sans fièvre"),
        ("Pas de fièvre, toux", "Fièvre, pas de toux"),
        ("5 mg", "50 mg"),
        ("5 mg", "5 g"),
        ("2 comprimés 3 fois", "3 comprimés 2 fois"),
        ("< 5 ans", "> 5 ans"),
        ("Hypertension", "Hypotension"),
        ("Hépatite A", "Hépatite B"),
        ("Hépatite A", "Hépatite"),
        ("Vitamine D", "Vitamine"),
        ("Testicule gauche", "Testicule droit"),
        ("Avant la puberté, après la naissance", "Après la puberté, avant la naissance"),
        ("Amoxicilline ou céfixime", "Amoxicilline et céfixime"),
        ("-5 °C", "5 °C"),
        ("", ""),
        ("…", "?"),
    ],
)
def test_a_doubt_is_a_difference(one: str, other: str) -> None:
    assert not same_answer(one, other)
    assert not same_answer(other, one)


# Courses

PLACES = {"S1": "Pédiatrie DCEM2, p. 34", "S2": "Urologie DCEM2"}


def citing(key: str, *quotes: tuple[str, str]) -> Look:
    return look(key, citations=tuple(Citation(excerpt, quote) for excerpt, quote in quotes))


def test_a_quote_of_a_course_closes_the_explanation() -> None:
    first = citing("ABE", ("S1", "le phimosis est physiologique"), ("S2", "abstention avant 4 ans"))

    conclusion = judge(replace(QCM, reminder="Voir le cours."), first, sources=PLACES, excerpts_used=True)

    assert plain(conclusion.explanation).endswith(
        "Rappel : Voir le cours.\n\n"
        "Source : Pédiatrie DCEM2, p. 34 : « le phimosis est physiologique »\n"
        "Source : Urologie DCEM2 : « abstention avant 4 ans »"
    )
    assert plain(conclusion.general_explanation).endswith("Source : Urologie DCEM2 : « abstention avant 4 ans »")
    assert conclusion.reason is None
    assert conclusion.excerpts_used


def test_a_course_against_the_official_key_is_quoted_in_the_reason() -> None:
    first = citing("AB", ("S1", "la décalottage forcé est déconseillé"))

    conclusion = judge(QCM, first, look("AB"), sources=PLACES)

    assert conclusion.outcome == "contested"
    assert conclusion.key == "ABE"
    assert plain(conclusion.reason).endswith(
        "Le cours dit : « la décalottage forcé est déconseillé » (Pédiatrie DCEM2, p. 34)."
    )


@pytest.mark.parametrize(
    ("question", "outcome", "said"),
    [
        (replace(QCM, official_key=None), "completed", "Le cours dit"),
        (QCM, "corrected", "Le cours dit"),
    ],
)
def test_what_a_course_argued_is_said_wherever_a_key_is_not_a_persons(
    question: Question, outcome: str, said: str
) -> None:
    first = citing("AB", ("S1", "le décalottage forcé est déconseillé"))

    conclusion = judge(question, first, look("AB"), sources=PLACES, config=JobConfig(apply_corrections=True))

    assert conclusion.outcome == outcome
    assert plain(conclusion.reason).endswith(
        f"{said} : « le décalottage forcé est déconseillé » (Pédiatrie DCEM2, p. 34)."
    )


def test_what_led_the_first_look_astray_is_in_the_reason_and_not_in_the_explanation() -> None:
    # Given a first look that went against the key on a quote, and a second, without excerpts, that finds the key
    conclusion = judge(QCM, citing("AB", ("S1", "ce que la première cite")), look("ABE"), sources=PLACES)

    assert conclusion.outcome == "confirmed"
    assert plain(conclusion.reason).endswith(
        "La première s'appuyait sur le cours : « ce que la première cite » (Pédiatrie DCEM2, p. 34)."
    )
    assert "ce que la première cite" not in conclusion.explanation


def test_a_persons_cell_stays_hers_and_a_quote_without_a_place_is_left_out() -> None:
    written = replace(QCM, explanation="Écrit par une personne.")

    conclusion = judge(written, citing("ABE", ("S1", "une phrase du cours"), ("S9", "sans origine")), sources=PLACES)

    assert conclusion.general_explanation == "Écrit par une personne."
    assert plain(conclusion.explanation).endswith("« une phrase du cours »")


def test_quotes_are_few_and_short() -> None:
    many = [("S1", f"phrase numéro {n} " + "mot " * 200) for n in range(5)]

    conclusion = judge(QCM, citing("ABE", *many), sources=PLACES)

    lines = [line for line in plain(conclusion.explanation).splitlines() if line.startswith("Source : ")]
    assert len(lines) == 3
    assert max(map(len, lines)) < 360
    assert all(line.endswith("mot … »") for line in lines)


# --- looks that contradict themselves ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Torsion du cordon spermatique", "Hernie inguinale étranglée"),
        ("5 mg/kg", "10 mg/kg"),
        ("avant 4 ans", "avant 6 ans"),
        ("3", "4"),
        ("3,5 g/L", "3,0 g/L"),
        ("Fièvre", "Pas de fièvre"),
        ("Absence de reflux", "Reflux"),
        ("< 5 ans", "> 5 ans"),
        ("plus de 48 heures", "moins de 48 heures"),
        ("Surveillance", "Chirurgie"),
    ],
)
def test_another_answer_is_seen_for_sure(one: str, other: str) -> None:
    assert is_other_answer(one, other)
    assert is_other_answer(other, one)
    assert not same_answer(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Torsion testiculaire", "Torsion du cordon spermatique"),
        ("HTA", "Hypertension artérielle"),
        ("AVC ischémique", "Accident vasculaire cérébral ischémique"),
        ("Testicule droit", "Atteinte testiculaire"),
        ("0,5 g", "500 mg"),
        ("72 heures", "3 jours"),
        ("Pas de fièvre", "Absence de fièvre"),
        ("4 à 6 ans", "avant 4 ans"),
        ("Échographie", "échographie."),
        ("", "Échographie"),
        ("?", "…"),
    ],
)
def test_what_may_be_the_same_answer_is_not_another_one(one: str, other: str) -> None:
    assert not is_other_answer(one, other)
    assert not is_other_answer(other, one)


OTHER = "Posthectomie en urgence"


@pytest.mark.parametrize(
    ("first", "second", "outcome", "reason"),
    [
        # The official answer is "Abstention".
        (short(OTHER, "upholds"), short("Abstention", "upholds", "deux"), "confirmed", "La première analyse se contre"),
        (short(OTHER, "upholds"), short(OTHER, "upholds"), "contested", "L'analyse se contredit (elle dit la réponse"),
        (short(OTHER, "upholds"), short(OTHER, "contests"), "contested", "Une des deux analyses se contredit"),
        (short(OTHER, "upholds"), None, "contested", "L'analyse se contredit (elle dit la réponse officielle juste"),
        (short("Abstention", "contests"), short("Abstention", "contests"), "contested", "L'analyse se contredit (elle"),
        (short("Abstention", "contests"), short("Abstention", "upholds"), "confirmed", "La première analyse se contre"),
        (short(OTHER, "contests"), short(OTHER, "upholds"), "contested", "Une des deux analyses se contredit"),
    ],
)
@pytest.mark.parametrize("config", [DEFAULTS, CORRECTING])
def test_a_look_that_contradicts_itself_confirms_and_corrects_nothing(
    first: Look, second: Look | None, outcome: str, reason: str, config: JobConfig
) -> None:
    assert needs_second_look(QROC, first)
    conclusion = judge(QROC, first, second, config)
    assert (conclusion.outcome, conclusion.answer) == (outcome, "Abstention")
    assert conclusion.validated is (outcome == "confirmed")
    assert conclusion.reason.startswith(reason)


def test_a_key_that_its_own_text_denies_confirms_corrects_and_completes_nothing() -> None:
    denied = look("ABE", is_contradictory=True)
    assert needs_second_look(QCM, denied)
    assert judge(QCM, denied, look("ABE")).outcome == "confirmed"
    assert judge(QCM, denied, None).outcome == "contested"
    assert "son explication une autre clé" in judge(QCM, denied, denied).reason
    other = look("ACE", is_contradictory=True)
    assert judge(QCM, other, look("ACE"), CORRECTING).outcome == "contested"
    unknown = replace(QCM, official_key=None)
    assert judge(unknown, denied, look("ABE")).outcome == "failed"
    assert "se contredit" in judge(unknown, denied, look("ABE")).reason


_words = st.sampled_from(["Abstention", "chirurgie", "4 ans", "5 mg", "pas de fièvre", "HTA", "< 5", "", "…"])


@given(_words, _words, st.sampled_from(["upholds", "contests"]), st.sampled_from(["upholds", "contests"]))
def test_no_answer_is_confirmed_by_a_look_that_gives_another(
    answer: str, second_answer: str, verdict: Verdict, second_verdict: Verdict
) -> None:
    looks = short(answer, verdict), short(second_answer, second_verdict)
    conclusion = judge(QROC, *looks, CORRECTING)
    if conclusion.outcome == "confirmed":
        assert any(x.verdict == "upholds" and not is_other_answer(x.answer or "", "Abstention") for x in looks)
    if conclusion.outcome == "corrected":
        assert all(x.verdict == "contests" and not same_answer(x.answer or "", "Abstention") for x in looks)
