"""The French that admins read on the job row: plurals, figures, and no sentence that says nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from worker.messages import decision_replies, job_causes, job_progress, phrases, published_text, row_reasons
from worker.questions.answers import OUTCOMES
from worker.text.local_time import find_zone, use_zone


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "0 question"), (1, "1 question"), (2, "2 questions"), (196, "196 questions")]
)
def test_french_is_plural_from_two_on(number: int, expected: str) -> None:
    assert phrases.count(number, "question") == expected


def test_both_words_take_the_plural() -> None:
    assert job_progress.prepared(1) == "1 question lue, analyse en cours."
    assert job_progress.prepared(196) == "196 questions lues, analyse en cours."


def test_a_finished_job_tells_each_outcome_that_occurred() -> None:
    outcomes = {"failed": 2, "confirmed": 12, "contested": 1, "duplicate": 3, "rejected": 0}

    assert job_progress.finished(outcomes, [], embedded=False) == (
        "Terminé : 18 questions (12 confirmées, 1 contestée, 3 en double, 2 en échec)."
    )


def test_every_outcome_has_its_words() -> None:
    sentence = job_progress.finished(dict.fromkeys(OUTCOMES, 1), [], embedded=False)

    assert sentence == (
        "Terminé : 7 questions (1 confirmée, 1 corrigée, 1 complétée, 1 contestée, 1 en double, 1 refusée, 1 en échec)."
    )


def test_a_file_without_questions_is_said_in_words() -> None:
    assert job_progress.finished({}, [], embedded=False) == "Terminé : aucune question dans ce fichier."


def test_sheets_left_out_are_named() -> None:
    one = job_progress.finished({"confirmed": 1}, ["Notes"], embedded=False)
    two = job_progress.finished({"confirmed": 1}, ["Notes", "Barème"], embedded=False)

    assert one == "Terminé : 1 question (1 confirmée). Feuille non lue : Notes."
    assert two == "Terminé : 1 question (1 confirmée). Feuilles non lues : Notes, Barème."


def test_what_was_not_used_is_told_in_a_few_words_and_no_list_grows_without_end() -> None:
    said = job_progress.finished(
        {"confirmed": 1}, [], ["1 ligne masquée", "colonne « Auteur » non lue"], embedded=False
    )
    many = job_progress.finished({"confirmed": 1}, [f"s{n}" for n in range(70)], [], embedded=False)

    assert said == (
        "Terminé : 1 question (1 confirmée). À savoir : 1 ligne masquée, colonne « Auteur » non lue "
        "(détail dans la feuille « Résumé » du classeur corrigé)."
    )
    assert many == "Terminé : 1 question (1 confirmée). Feuilles non lues : s0, s1, s2, s3, s4 et 65 autres."


def test_the_demonstration_model_is_always_owned_up_to() -> None:
    assert job_progress.finished({"confirmed": 1}, [], embedded=True).endswith(
        "Modèle de démonstration : ce qu'il dit n'a aucune valeur médicale, et rien n'en est validé."
    )
    assert published_text.EMBEDDED_WARNING not in job_progress.finished({"confirmed": 1}, [], embedded=False)


def test_a_failed_item_says_what_was_wrong_with_the_last_reply() -> None:
    assert row_reasons.refused("unknown_letter") == (
        "Aucune analyse acceptable (lettre inexistante) : relancer la tâche, ou corriger la question et la renvoyer."
    )
    assert "aucune réponse" in row_reasons.refused(None)


def test_a_refusal_without_words_of_its_own_never_shows_its_code() -> None:
    sentence = row_reasons.refused("some_new_code")

    assert "some_new_code" not in sentence
    assert "réponse non conforme" in sentence


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1, "0,001"),
        (1024, "0,001"),
        (4096, "0,004"),
        (50 * 2**20, "50"),
        (50 * 2**20 + 1, "50,1"),
        (13_000_000, "12,4"),
        (1_200_000_000, "1144,5"),
    ],
)
def test_a_size_looks_larger_than_the_limit_that_it_passes(size: int, expected: str) -> None:
    assert phrases.megabytes(size) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.2, "1 s"), (40, "40 s"), (89, "89 s"), (90, "2 min"), (300, "5 min"), (3600, "60 min")],
)
def test_durations_are_round(seconds: float, expected: str) -> None:
    assert phrases.duration(seconds) == expected


def test_a_wait_and_an_outage_tell_the_admin_what_becomes_of_the_job() -> None:
    retry_at, until = datetime(2026, 11, 22, 14, 32, 5), datetime(2026, 11, 22, 15, 30)  # noqa: DTZ001 (UTC, as stored)
    assert job_progress.provider_down(retry_at, until) == (
        "Le service d'IA ne répond pas : nouvel essai à 15:32, attente jusqu'à 16:30 au plus tard. Rien n'est perdu."
    )
    assert "reprise à 15:32." in job_progress.provider_busy(retry_at)
    assert "indisponible pendant 60 min. Relancer la tâche" in job_causes.outage(3600)


def test_moments_are_those_of_the_platforms_zone_whatever_the_machines_is() -> None:
    summer, aware = datetime(2026, 7, 1, 22, 30), datetime(2026, 12, 31, 23, 30, tzinfo=UTC)  # noqa: DTZ001 (as stored)
    assert decision_replies.settled_by("Mme X", aware).startswith(
        "Mme X a déjà tranché cette question le 01/01/2027 à 00:30 :"
    )
    use_zone(find_zone("Europe/Paris"))
    try:
        assert "le 02/07/2026 à 00:30." in job_progress.batch_waits(3, summer)
    finally:
        use_zone(find_zone("Africa/Tunis"))
    assert "le 01/07/2026 à 23:30." in job_progress.batch_waits(3, summer)


def test_a_kept_key_is_quoted() -> None:
    assert "« ABE »" in row_reasons.kept_as_validated("ABE")
