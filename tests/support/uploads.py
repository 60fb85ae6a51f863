"""Files to measure with: any number of QCM, every one different, whose key the scripted model knows."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

HEADER = [
    *("matiere", "cours", "niveau", "semestre", "question n", "source", "texte de la question"),
    *(f"option {letter}" for letter in "abcde"),
    *("reponse", "rappel"),
]
COURSES = ("Urgences", "Néonatologie", "Vaccinations", "Croissance", "Infections respiratoires")
OPTIONS = (
    "La fréquence de cette affection augmente avec l'âge gestationnel dans la forme {n}",
    "Le diagnostic repose d'abord sur l'examen clinique répété à la {n}e heure",
    "L'échographie est inutile lorsque la fièvre dépasse {n} jours",
    "Le traitement comporte une réhydratation par voie orale, protocole {n}",
    "Une hospitalisation s'impose dans tous les cas de stade {n}",
)
KEYS = ("A", "BD", "ACE", "C", "ABDE", "E", "BC")


def write_csv(path: Path, count: int, *, start: int = 1) -> Path:
    """`count` questions as CSV, from number `start`: the file kind that costs the bench itself least."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(_rows(count, start))
    return path


def write_truth(count: int, *, start: int = 1) -> dict[str, list[str]]:
    """What the scripted model must know to give every official key."""
    return {_stem(n): [_option(letter, n) for letter in _key(n)] for n in range(start, start + count)}


def _rows(count: int, start: int = 1) -> Iterator[list[str]]:
    for n in range(start, start + count):
        course = COURSES[n // 200 % len(COURSES)]
        source = f"(Tunis {2000 + n % 25}, [Niveau {1 + n % 5}])"
        options = [_option(letter, n) for letter in "ABCDE"]
        yield ["Pédiatrie", course, "DCEM2", "S1", str(n), source, _stem(n), *options, _key(n), "Revoir le cours."]


def _stem(n: int) -> str:
    return f"Concernant la prise en charge de l'enfant du dossier numéro {n}, quelles propositions sont exactes ?"


def _option(letter: str, n: int) -> str:
    return OPTIONS["ABCDE".index(letter)].format(n=n)


def _key(n: int) -> str:
    return KEYS[n % len(KEYS)]
