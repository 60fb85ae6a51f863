"""Small workbooks of made-up questions, and what a model must know to give their keys."""

from __future__ import annotations

from pathlib import Path

import openpyxl

HEADER = ["matiere", "cours", "niveau", "semestre", "source", "texte de la question"]
OPTIONS = [f"option {letter}" for letter in "ABCDE"]


def make_workbook(path: Path, count: int, marker: str = "", *, key: str = "AC") -> Path:
    """A workbook of `count` QCM; no two with the same marker and number are the same question."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "qcm"
    sheet.append([*HEADER, *OPTIONS, "reponse"])
    for number in range(1, count + 1):
        options = [f"Proposition {letter} du numéro {number} {marker}" for letter in "ABCDE"]
        row = ["Pédiatrie", "Urgences", "DCEM2", "S1", f"(Tunis {2000 + number}, [Niveau 2])"]
        sheet.append([*row, f"Concernant le tableau numéro {number} {marker} :", *options, key])
    book.save(path)
    return path


def knowing(count: int, *, key: str = "AC", marker: str = "") -> dict[str, list[str]]:
    """What a model must know to give `key` everywhere in `make_workbook`."""
    return {
        f"concernant le tableau numéro {n} {marker} :": [f"Proposition {c} du numéro {n} {marker}" for c in key]
        for n in range(1, count + 1)
    }
