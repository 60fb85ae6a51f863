"""A job's `config`: what an admin may ask for, and the sentence that names what is wrong with it."""

from __future__ import annotations

import pytest

from worker.errors import JobFailed
from worker.messages import job_config
from worker.queue.job import JobConfig


def sentence_for(config: object) -> str:
    with pytest.raises(JobFailed) as raised:
        JobConfig.parse(config)
    return str(raised.value)


@pytest.mark.parametrize("config", [None, {}])
def test_without_a_config_the_defaults_hold(config: object) -> None:
    parsed = JobConfig.parse(config)

    assert (parsed.quality_threshold, parsed.priority) == (0.8, 0)
    assert (parsed.auto_validate, parsed.apply_corrections, parsed.rag) == (True, False, True)
    assert parsed.batch_size is None, "the worker's own"


def test_every_option_of_the_contract_is_read() -> None:
    parsed = JobConfig.parse(
        {
            "batchSize": 3,
            "aiModel": "m1",
            "reviewModel": "m2",
            "maxRetries": 0,
            "qualityThreshold": 0.95,
            "autoValidate": False,
            "applyCorrections": True,
            "rag": False,
            "defaultLevel": "DCEM2",
            "defaultSemester": "S1",
            "defaultSpecialty": "Cardiologie",
            "defaultCourse": "Hypertension",
            "columns": {"Corrigé": "reponse", "Remarque": None},
            "sheets": {"Feuil1": "qcm", "Brouillon": None},
            "maxCostUsd": 2,
            "priority": -5,
        }
    )

    assert parsed == JobConfig(
        batch_size=3,
        ai_model="m1",
        review_model="m2",
        max_retries=0,
        quality_threshold=0.95,
        auto_validate=False,
        apply_corrections=True,
        rag=False,
        default_level="DCEM2",
        default_semester="S1",
        default_specialty="Cardiologie",
        default_course="Hypertension",
        columns={"Corrigé": "reponse", "Remarque": None},
        sheets={"Feuil1": "qcm", "Brouillon": None},
        max_cost_usd=2.0,
        priority=-5,
    )


def test_a_whole_number_will_do_where_a_number_is_meant() -> None:
    assert JobConfig.parse({"qualityThreshold": 1}).quality_threshold == 1.0


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"batchSize": "5"}, "« batchSize » n'est pas valable (nombre entier attendu)"),
        ({"batchSize": 2.5}, "« batchSize » n'est pas valable (nombre entier attendu)"),
        ({"batchSize": True}, "« batchSize » n'est pas valable (nombre entier attendu)"),
        ({"batchSize": 0}, "« batchSize » n'est pas valable (au moins 1 attendu)"),
        ({"batchSize": 51}, "« batchSize » n'est pas valable (au plus 50 attendu)"),
        ({"maxRetries": -1}, "« maxRetries » n'est pas valable (au moins 0 attendu)"),
        ({"qualityThreshold": "haut"}, "« qualityThreshold » n'est pas valable (nombre attendu)"),
        ({"qualityThreshold": 80}, "« qualityThreshold » n'est pas valable (au plus 1 attendu)"),
        ({"autoValidate": "non"}, "« autoValidate » n'est pas valable (true ou false attendu)"),
        ({"applyCorrections": 1}, "« applyCorrections » n'est pas valable (true ou false attendu)"),
        ({"aiModel": ""}, "« aiModel » n'est pas valable (texte non vide attendu)"),
        ({"defaultLevel": 2}, "« defaultLevel » n'est pas valable (texte attendu)"),
        ({"maxCostUsd": 0}, "« maxCostUsd » n'est pas valable (plus de 0 attendu)"),
        ({"priority": None}, "« priority » n'est pas valable (nombre entier attendu)"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(config: dict[str, object], expected: str) -> None:
    assert sentence_for(config) == f"Configuration : la valeur de {expected}. La corriger."


def test_an_unknown_option_is_named_and_the_known_ones_listed() -> None:
    sentence = sentence_for({"batchsize": 3})

    assert "« batchsize » est inconnue" in sentence
    assert "batchSize, columns, defaultCourse, defaultLevel, defaultSemester, defaultSpecialty" in sentence


@pytest.mark.parametrize("config", ['{"batchSize": 3}', [], 5, True])
def test_anything_but_an_object_is_refused(config: object) -> None:
    # A client that encodes twice stores a JSON text in the column.
    assert sentence_for(config) == job_config.NOT_AN_OBJECT
