"""What one or two analyses and the official key come to, in a sentence: the reason of a row, the opening of its text.

`is_qcm`: it is about a key of letters, not a short answer. `given` and `official` are what `in_sentence` makes of one.
"""

from __future__ import annotations

KEY_SHOWN = 120  # characters of a key that nobody could read
SECOND_LOOK_MISSING = "La seconde analyse n'a pas abouti."


def in_sentence(value: str | None, *, is_qcm: bool) -> str:
    """A key as it is, a short answer between guillemets."""
    return (value or "") if is_qcm else f"« {value} »"


def _the_official(*, is_qcm: bool) -> str:
    return "la clé officielle" if is_qcm else "la réponse officielle"


# -- confirmed


def only_second_confirms(given: str | None, *, is_qcm: bool) -> str:
    """The second look gives the official key. `given` by the first; None where that contradicts itself."""
    found = "se contredisait" if given is None else f"donnait {given}"
    return f"La première analyse {found} ; la seconde retrouve {_the_official(is_qcm=is_qcm)}."


# -- corrected


def corrected(given: str, official: str, *, is_qcm: bool, was_explained: bool) -> str:
    """Both looks replace the official key. `was_explained`: the file explains the key that went."""
    what = "Clé" if is_qcm else "Réponse"
    sentence = f"{what} remplacée : l'analyse donne {given}, {_the_official(is_qcm=is_qcm)} était {official}."
    if was_explained:
        sentence += " Les explications fournies avec la question accompagnaient l'ancienne réponse."
    return sentence


# -- contested


def contested(given: str, official: str, *, is_qcm: bool, is_alone: bool) -> str:
    """The looks give another key. `is_alone`: there was one look only."""
    sentence = f"L'analyse donne {given}, {_official_is(official, is_qcm=is_qcm)}."
    return f"{sentence} {SECOND_LOOK_MISSING}" if is_alone else sentence


def contested_twice(first: str, second: str, official: str, *, is_qcm: bool) -> str:
    """The looks give two other keys."""
    return f"L'analyse donne {first} puis, à la seconde lecture, {second} ; {_official_is(official, is_qcm=is_qcm)}."


def contradictory(how: str, official: str, *, is_qcm: bool, all_looks: bool, is_alone: bool) -> str:
    """Looks contradict themselves, `all_looks` or one of two. `how`: one of the functions below."""
    which = "L'analyse" if all_looks else "Une des deux analyses"
    sentence = f"{which} se contredit ({how}) ; {_official_is(official, is_qcm=is_qcm)}."
    return f"{sentence} {SECOND_LOOK_MISSING}" if is_alone else sentence


def explains_other_key(given: str) -> str:
    """How a look at a QCM contradicts itself."""
    return f"elle donne {given}, et son explication une autre clé"


def upholds_and_differs(given: str) -> str:
    """How a look at a short answer contradicts itself: it says that the official one is right, and gives another."""
    return f"elle dit la réponse officielle juste, et donne {given}"


CONTESTS_AND_AGREES = "elle conteste la réponse officielle, et donne la même"


def _official_is(official: str, *, is_qcm: bool) -> str:
    return f"{_the_official(is_qcm=is_qcm)} est {official}"


# -- without an official key: completed or failed


def unread_key(words: str, *, is_qcm: bool) -> str:
    """What an admin must know where the file gives a key that nobody can read for sure; no stop at the end."""
    shown = words if len(words) <= KEY_SHOWN else words[:KEY_SHOWN].rstrip() + " …"
    return f"La {'clé' if is_qcm else 'réponse'} du fichier (« {shown} ») n'a pas pu être retenue"


def completed(given: str, unread: str | None) -> str:
    """Both looks give the same key. `unread`: of `unread_key`, here and below."""
    return f"{unread or 'Le fichier ne donne pas de réponse'} : les deux analyses donnent {given}."


def not_completed_alone(unread: str | None, *, is_qcm: bool) -> str:
    """There is one look only."""
    return f"{_two_are_needed(unread, is_qcm=is_qcm)}. {SECOND_LOOK_MISSING}"


def not_completed_contradictory(unread: str | None, *, is_qcm: bool) -> str:
    """A look contradicts itself."""
    return f"{_two_are_needed(unread, is_qcm=is_qcm)}, et l'une d'elles se contredit : à vérifier."


def not_completed_differing(first: str, second: str, unread: str | None, *, is_qcm: bool) -> str:
    """The looks give two keys."""
    return f"{_two_are_needed(unread, is_qcm=is_qcm)} : la première donne {first}, la seconde {second}."


def _two_are_needed(unread: str | None, *, is_qcm: bool) -> str:
    what = "clé officielle" if is_qcm else "réponse officielle"
    without = f"{unread}. Sans {what}" if unread else f"Sans {what}"
    return f"{without}, il faut deux analyses concordantes"


# -- what the first look quotes of the courses


def course_says(quote: str, place: str) -> str:
    """Of a look whose key is not the official one."""
    return f"Le cours dit : {quote} ({place})."


def first_rested_on(quote: str, place: str) -> str:
    """Of a first look that the second one did not follow."""
    return f"La première s'appuyait sur le cours : {quote} ({place})."
