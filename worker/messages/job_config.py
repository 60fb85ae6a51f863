"""What is wrong with what was asked of a job: its configuration, instructions and names."""

from __future__ import annotations

from collections.abc import Sequence

from worker.messages.phrases import some_names

# -- the columns of its row

NOT_AN_OBJECT = "La configuration de la tâche doit être un objet JSON : la corriger, puis relancer la tâche."


def config_too_long(kilobytes: int) -> str:
    """`kilobytes`: the most it may have."""
    return f"Configuration : elle est trop longue ({kilobytes} ko au plus). La raccourcir, puis relancer la tâche."


def instructions_too_long(characters: int) -> str:
    """`characters`: the most they may have."""
    return (
        f"Les consignes de la tâche (instructions) sont trop longues : {characters} caractères au plus. "
        "Les raccourcir, puis relancer la tâche."
    )


def file_name_too_long(column: str, characters: int) -> str:
    """`column`: of the job's row."""
    return (
        f"Le nom du fichier ({column}) est trop long : {characters} caractères au plus. Le raccourcir, puis relancer "
        "la tâche."
    )


def address_too_long(characters: int) -> str:
    """Of `fileUrl`."""
    return (
        f"L'adresse du fichier (fileUrl) est trop longue : {characters} caractères au plus. La corriger, puis relancer "
        "la tâche."
    )


# -- the form of the page or the API

CONFIG_NOT_STORABLE = "La configuration est trop longue, ou contient un caractère nul : la corriger."
CONFIG_NOT_JSON = 'La configuration n\'est pas du JSON : écrire par exemple {"batchSize": 3}.'


def typed_instructions_too_long(characters: int) -> str:
    """`characters`: the most they may have."""
    return f"Les consignes sont trop longues : {characters} caractères au plus. Les raccourcir."


# -- an option


def unknown_option(name: str, known: str) -> str:
    """`known`: the options there are."""
    return f"Configuration : l'option « {name} » est inconnue (options connues : {known}). La corriger."


def wrong_value(name: str, expected: str) -> str:
    """`expected`: one of the words below."""
    return f"Configuration : la valeur de « {name} » n'est pas valable ({expected}). La corriger."


EXPECTED_INTEGER = "nombre entier attendu"
EXPECTED_NUMBER = "nombre attendu"
EXPECTED_BOOLEAN = "true ou false attendu"
EXPECTED_TEXT = "texte attendu"
EXPECTED_SOME_TEXT = "texte non vide attendu"
UNEXPECTED = "valeur inattendue"
LIMIT_WORDS = {"ge": "au moins", "gt": "plus de", "le": "au plus", "lt": "moins de"}  # by pydantic's names


def expected_limit(limit: str, value: float) -> str:
    """`au moins 1 attendu`; `limit` is a key of `LIMIT_WORDS`."""
    return f"{LIMIT_WORDS[limit]} {value:g} attendu"


# -- what it says of the file's columns and sheets

KNOWN_COLUMN = "une colonne connue"
KNOWN_TYPE = "un type de question"
COLUMN, SHEET = "colonne", "feuille"


def no_such_meaning(option: str, name: str, value: str, *, what: str, known: Sequence[str]) -> str:
    """`what`: `KNOWN_COLUMN` or `KNOWN_TYPE`; `known`: what the name may mean."""
    return (
        f"Configuration : « {option} » donne à « {name} » le sens « {value} », qui "
        f"n'est pas {what} : {', '.join(known)} (ou null, pour ne pas lire)."
    )


def two_meanings(option: str, name: str) -> str:
    """One name stands twice."""
    return f"Configuration : « {option} » nomme « {name} » deux fois, avec des sens différents. N'en garder qu'un."


def empty_name(option: str) -> str:
    """A name without a sign."""
    return f"Configuration : un nom de « {option} » est vide. L'écrire comme dans le fichier."


def no_letter(option: str) -> str:
    """A default specialty or course that names nothing."""
    return f"Configuration : « {option} » ne contient aucune lettre. Écrire un nom, ou l'ôter."


def names_not_in_file(option: str, missing: Sequence[str], there: Sequence[str], what: str) -> str:
    """Names of the config that the file does not have, with those that it has. `what`: `COLUMN` or `SHEET`."""
    found = some_names(there) if there else "aucune"
    return (
        f"Configuration : « {option} » nomme {some_names(missing)}, et le fichier n'a pas de {what} de ce nom "
        f"(trouvé : {found}). Écrire le nom comme dans le fichier, ou l'ôter de la configuration."
    )
