"""What a header cell means by itself, before its column and its neighbours are looked at: words, typos, marks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from worker.messages import workbook_words
from worker.messages.headers import CASE_TEXT, QUESTION_TEXT
from worker.questions.question import LETTERS, fold_name
from worker.questions.row_marks import MARK_HEADER

SYNONYMS: dict[str, tuple[str, ...]] = {
    "matiere": ("specialite", "specialty", "subject", "subject name", "discipline"),
    "cours": ("course",),
    "question n": ("question no", "question numero", "question num", "numero question", "numero de question"),
    "cas n": ("cas no", "cas numero", "cas num", "cas", "cas clinique", "numero du cas", "numero cas"),
    "source": ("session",),
    CASE_TEXT: (
        *("texte cas", "case", "enonce du cas", "enonce du cas clinique", "texte du cas clinique"),
        *("vignette", "vignette clinique"),
    ),
    QUESTION_TEXT: (
        *("texte de question", "texte question", "question", "questions", "question text", "enonce", "enonces"),
        *("enonce de la question", "intitule de la question", "libelle de la question"),
    ),
    **{f"option {letter}": () for letter in LETTERS.lower()},
    "reponse": (),
    "explication": ("explication de la reponse", "explication reponse", "explanation", "correction"),
    **{f"explication {letter}": (f"explanation {letter}",) for letter in LETTERS.lower()},
    "rappel": ("rappel du cours", "rappel cours", "rappel de cours", "course reminder"),
    "image": ("image url", "media", "media url", "illustration"),
    "niveau": ("level",),
    "semestre": ("semester",),
}
CANONICAL: tuple[str, ...] = tuple(SYNONYMS)
STATUS_COLUMNS = frozenset(
    fold_name(header)
    for header in (
        *(workbook_words.STATUS, workbook_words.REASON, workbook_words.CONFIDENCE),
        *(workbook_words.ORIGINAL_ANSWER, workbook_words.PROPOSED_ANSWER),
    )
)
TYPE_COLUMNS = frozenset({"sheet", "type", "feuille", "onglet", "type de question", "type question"})
# Two columns of these: the first tells what happened, the second asks.
VIGNETTES = frozenset({"enonce", "enonces"})
# What may hold the answers, or say how many there are.
PLURALS = frozenset({"reponses", "reponse s", "answers", "responses"})
# Explanations, unless their cells hold nothing but letters.
MAYBE_KEYS = frozenset({"correction", "explication", "explanation"})
# What nobody would call an option or an answer: filled or not, such a column leaves no doubt about a question's type.
ASIDES = frozenset(
    {
        *("id", "identifiant", "uuid", "n", "no", "num", "numero", "ordre", "index", "ligne", "code", "ref"),
        *("reference", "auteur", "auteurs", "author", "date", "annee", "year", "annee universitaire", "version"),
        *("remarque", "remarques", "commentaire", "commentaires", "note", "notes", "point", "points", "bareme"),
        *("score", "coefficient", "temps", "duree", "tag", "tags", "mot cle", "mots cles", "theme", "themes"),
        *("chapitre", "chapitres", "difficulte", "difficulty", "page", "pages", "faculte", "universite", "lien"),
        *("url", "langue"),
    }
)

_GOOD = ("bon", "bonne", "correct", "correcte", "juste", "exact", "exacte", "vrai", "vraie", "attendu", "attendue")
_GOOD_ONE = ("reponse", "rep", "option", "choix", "proposition", "prop", "item", "lettre")
_KEY_NAMES = frozenset(
    {
        *(f"{noun} {word}" for noun in _GOOD_ONE for word in _GOOD),
        *(f"{word} {noun}" for noun in _GOOD_ONE for word in ("bon", "bonne")),
        *(f"{word} {noun}" for word in ("correct", "right") for noun in ("answer", "option", "choice", "response")),
        *("reponse", "rep", "reponse officielle", "reponse type", "corrige", "corrige type", "answer", "response"),
        *("cle", "cle de correction", "cle de reponse", "cle des reponse", "cle reponse", "key", "answer key"),
        *("correct", "correct letter", "bonne lettre", "cop"),
    }
)
_OPTION = re.compile(
    r"(?P<word>options?|opt?|propositions?|props?|items?|choix|choices?|alternatives?|reponses?|rep|responses?|answers?)"
    r"(?: de reponse| possible| option| choice)? ?(?:n |no |num |numero )?(?P<mark>[a-j]|10|[0-9])"
)
_BARE = frozenset(
    {"option", "options", "choix", "choice", "choices", "proposition", "propositions", "items", "reponses possibles"}
)
_ALWAYS = ("option", "proposition")  # one such column alone is an option
_ANSWERS = ("reponse", "rep", "response", "answer")  # options only where a key stands beside them
_REMARK = re.compile(r"[(\[:*]| [-–] ")  # where a remark begins: `Réponse (lettre)`, `Answer 1 - max 75 characters`
_QUALIFIERS = frozenset(
    {
        *(
            "lettre",
            "lettres",
            "s",
            "a",
            "b",
            "c",
            "d",
            "e",
            "et",
            "ou",
            "une",
            "la",
            "les",
            "plusieurs",
            "ex",
            "exemple",
        ),
        *("obligatoire", "facultatif", "facultative", "optionnel", "optionnelle", "required", "optional"),
        *("separees", "par", "des", "virgules", "max", "characters", "caracteres", "choose", "at", "least", "one"),
    }
)


# `mapped` and `unwanted` are what a job's config says of a column: this name, or on purpose unread.
Kind = Literal[
    "canonical",
    "option",
    "options",
    "key",
    "another key",
    "status",
    "mark",
    "type",
    "aside",
    "unknown",
    "mapped",
    "unwanted",
]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the words of one header say."""

    kind: Kind
    name: str = ""  # canonical header; the family of an option
    mark: str = ""  # of an option: its letter or number as written
    folded: str = ""


def option_letter(mark: str, *, from_zero: bool = False) -> str:
    """`b`, `2` → `b`; counted from zero `1` → `b`."""
    return chr(ord("a") + int(mark) - (0 if from_zero else 1)) if mark.isdigit() else mark


_EXACT = {name: canonical for canonical, synonyms in SYNONYMS.items() for name in (canonical, *synonyms)}


def _singular(folded: str) -> str:
    """`bonne s reponse s`, `bonnes reponses` → `bonne reponse`."""
    words = (word for word in folded.split() if word not in ("s", "es"))
    return " ".join(word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words)


@lru_cache(maxsize=2048)
def meaning_of(text: str) -> Meaning:
    """Read one header: exactly, without a remark such as `(obligatoire)`, or up to a typo."""
    folded = fold_name(text)
    found = _exact(folded)
    if found is None and len(parts := _REMARK.split(text, maxsplit=1)) > 1:
        words = fold_name(parts[1]).split()
        if all(word in _QUALIFIERS or word.isdigit() for word in words):
            found = _exact(fold_name(parts[0]))
    if found is None and (near := _nearest(folded)):
        found = _exact(near)
    return found or Meaning("unknown", folded=folded)


def _exact(folded: str) -> Meaning | None:
    for kind, words in _WORDS:
        if folded in words:
            return Meaning(kind, _EXACT.get(folded, ""), folded=folded)
    if _singular(folded) in _KEY_NAMES:
        return Meaning("key", "reponse", folded=folded)
    if len(folded) == 1 and "a" <= folded <= "j":
        return Meaning("option", "letter", folded, folded)
    if match := _OPTION.fullmatch(folded):
        word = match["word"]
        family = "option" if word in ("op", "opt") else word if word == "choix" else word.removesuffix("s")
        return Meaning("option", family, match["mark"], folded)
    base, _, number = folded.rpartition(" ")
    if number.isdecimal() and _singular(base) in _KEY_NAMES:
        return Meaning("another key", "reponse", number, folded)
    return None


_WORDS: tuple[tuple[Kind, frozenset[str]], ...] = (
    ("status", STATUS_COLUMNS),
    ("mark", frozenset({MARK_HEADER})),
    ("type", TYPE_COLUMNS),
    ("canonical", frozenset(name for name in _EXACT if name != "reponse" and not name.startswith("option "))),
    ("options", _BARE),
    ("aside", ASIDES),
)


def is_always_option(family: str) -> bool:
    """True for the words that mean an option wherever they stand: `option a`, `proposition 1`."""
    return family in _ALWAYS


def is_answer_word(family: str) -> bool:
    """True for words that mean the options in one file and the key in another: `réponse a`, `answer 1`."""
    return family in _ANSWERS


def count_known(header: Iterable[str]) -> int:
    """How many cells of a row are header names, written as we know them."""
    return sum((found := _exact(fold_name(text))) is not None and found.kind != "unknown" for text in header if text)


@lru_cache(maxsize=2048)
def canonical_header(text: str) -> str | None:
    """The canonical header that `text` names by itself, exactly or up to a typo; None for an unknown column."""
    found = meaning_of(text)
    if found.kind in ("canonical", "key"):
        return found.name
    if found.kind == "option" and is_always_option(found.name):
        letter = option_letter(found.mark)
        return f"option {letter}" if "a" <= letter <= "e" else None
    return None


# --- typos ------------------------------------------------------------------------------------------------------


def _typo_limit(name: str, canonical: str) -> int:
    """Edits that still leave a header recognisable: short ones and synonyms bear fewer, the shortest none."""
    if name == canonical:
        return 0 if len(name) < 5 or name == "cas n" else 1 if len(name) <= 6 else 2
    return 1 if len(name) >= 7 else 0


_NEAR = [
    (name, canonical, limit)
    for name, canonical in {**_EXACT, **dict.fromkeys(_KEY_NAMES, "reponse")}.items()
    if (limit := _typo_limit(name, canonical))
]


def _nearest(folded: str) -> str | None:
    """The known name at the smallest edit distance, 1 or 2; None when several headers are as near."""
    if len(folded) < 5:
        return None
    best = 3
    found: dict[str, str] = {}
    for name, canonical, limit in _NEAR:
        if abs(len(name) - len(folded)) > min(limit, best) or not _same_mark(folded, name):
            continue
        distance = edit_distance(folded, name)
        if distance > limit or (folded[:1] != name[:1] and (distance > 1 or len(name) <= 6)):
            continue
        if distance < best:
            best, found = distance, {}
        if distance == best:
            found[canonical] = name
    return next(iter(found.values())) if len(found) == 1 else None


def _same_mark(folded: str, name: str) -> bool:
    """A number, or a single letter at the end (`option a`, `question n`), is the name itself, never a typo."""
    if any(c.isdigit() for c in folded):
        return False
    last, wanted = folded.rpartition(" ")[2], name.rpartition(" ")[2]
    return folded.endswith(wanted) if len(wanted) == 1 else len(last) > 1


def edit_distance(a: str, b: str) -> int:
    """Insertions, deletions and replacements that lead from `a` to `b`."""
    previous = list(range(len(b) + 1))
    for row, x in enumerate(a, start=1):
        current = [row]
        for column, y in enumerate(b, start=1):
            current.append(min(previous[column] + 1, current[-1] + 1, previous[column - 1] + (x != y)))
        previous = current
    return previous[-1]
