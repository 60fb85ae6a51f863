"""How the house stands: no loose module without a reason, and no measure worse than it is. See `measures.py`."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from tests.house.measures import MOST_PARAMETERS, READ_HERE, take

TAKEN = take()
# Each is known to every room, or is what others import.
LOOSE = {"enqueue.py", "errors.py", "failpoints.py", "logging.py", "settings.py", "tracing.py"}


def test_modules_stand_in_rooms() -> None:
    assert set(TAKEN.loose_modules) == LOOSE


def test_functions_grow_no_longer() -> None:
    # Lower these when it has become better; never raise them
    assert len(TAKEN.long_functions) <= 3, TAKEN.long_functions
    assert len(TAKEN.many_parameters) <= 17, (MOST_PARAMETERS, TAKEN.many_parameters)
    assert max(TAKEN.function_lines) <= 67
    assert max(TAKEN.module_lines) <= 512
    assert statistics.median(TAKEN.module_lines) <= 115
    assert statistics.quantiles(TAKEN.module_lines, n=20)[-1] <= 360


def test_one_module_writes_tasks() -> None:
    assert TAKEN.task_writers == ("queue/tasks.py",)


def test_what_anybody_is_told_in_french_stands_in_messages() -> None:
    assert TAKEN.french_elsewhere == ()
    assert TAKEN.french_read == READ_HERE  # none that needs no exception any more


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("Le fichier est vide.", True),
        ("f'{count} ligne(s) sur {total} dans la feuille'", True),
        ("Cette page a expiré : la recharger, puis recommencer.", True),
        ("Résumé", True),
        ("À revoir", True),
        ("The file is empty.", False),
        (r"(?:réponse|clé)s?\s", False),
        ('UPDATE "AiValidationJob" SET "message" = \'Échec de la tâche.\'', False),
    ],
)
def test_french_is_found_wherever_it_is_put(tmp_path: Path, text: str, is_found: bool) -> None:
    (tmp_path / "worker/messages").mkdir(parents=True)
    literal = text if text.startswith("f'") else repr(text)
    for name in ("worker/web.py", "worker/messages/pages.py"):
        (tmp_path / name).write_text(f'"""Le module est ici pour la forme."""\nX = {literal}\n')

    assert take(tmp_path).french_elsewhere == (("web.py:2",) if is_found else ())
