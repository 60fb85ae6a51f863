"""Header cells become canonical columns: synonyms, typos, doubles. Values are read elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from worker.shapes.questions import LETTERS, fold_name

SYNONYMS: dict[str, tuple[str, ...]] = {
    "matiere": ("specialite",),
    "cours": (),
    "question n": ("question no", "question numero", "question num", "numero question", "numero de question"),
    "cas n": ("cas no", "cas numero", "cas num", "cas", "numero du cas", "numero cas"),
    "source": ("session",),
    "texte du cas": ("texte cas", "case", "enonce du cas"),
    "texte de la question": ("texte de question", "texte question", "question", "questions", "enonce"),
    **{
        f"option {letter}": (
            f"option {number}",
            f"proposition {letter}",
            f"proposition {number}",
            f"choix {letter}",
            f"reponse {letter}",
            letter,
        )
        for number, letter in enumerate(LETTERS.lower(), start=1)
    },
    "reponse": ("reponses", "reponse s", "bonne reponse", "bonnes reponses", "bonne s reponse s"),
    "explication": ("explication de la reponse", "explication reponse", "explanation", "correction"),
    **{f"explication {letter}": (f"explanation {letter}",) for letter in LETTERS.lower()},
    "rappel": ("rappel du cours", "rappel cours", "rappel de cours", "course reminder"),
    "image": ("image url", "media", "media url", "illustration"),
    "niveau": ("level",),
    "semestre": ("semester",),
}
CANONICAL: tuple[str, ...] = tuple(SYNONYMS)
STATUS_COLUMNS = frozenset({"statut", "raison", "reponse d origine", "reponse proposee", "confiance"})
TYPE_COLUMNS = frozenset({"sheet", "type", "feuille", "onglet", "type de question", "type question"})

_EXACT = {name: canonical for canonical, synonyms in SYNONYMS.items() for name in (canonical, *synonyms)}


def _typo_limit(name: str, canonical: str) -> int:
    """Edits that still leave a header recognisable: short ones and synonyms bear fewer, the shortest none."""
    if name == canonical:
        return 0 if len(name) < 5 or name == "cas n" else 1 if len(name) <= 6 else 2
    return 1 if len(name) >= 7 else 0


_NEAR = [(name, canonical, limit) for name, canonical in _EXACT.items() if (limit := _typo_limit(name, canonical))]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one sheet. `keys` name the cells of its rows, in the order of the upload."""

    keys: tuple[str, ...]
    places: tuple[int, ...]  # the column of each key
    doubles: tuple[tuple[str, tuple[int, ...]], ...]  # canonical header → all its columns, where it has several
    names: frozenset[str]  # canonical headers present
    type_place: int | None  # the column that gives each row's own type

    def cells(self, row: Sequence[str]) -> dict[str, str]:
        """A row's text by key; of two columns with one canonical name the first non-empty value."""
        cells = {key: row[place] for key, place in zip(self.keys, self.places, strict=True)}
        for name, places in self.doubles:
            cells[name] = next((row[place] for place in places if row[place].strip()), cells[name])
        return cells

    def named(self) -> Iterator[tuple[int, str]]:
        """The place and the canonical header of every column that is read."""
        doubled = {place: name for name, places in self.doubles for place in places}
        for key, place in zip(self.keys, self.places, strict=True):
            if place in doubled or key in self.names:
                yield place, doubled.get(place, key)

    def key_at(self, place: int) -> str | None:
        """The key of the column at `place`; None for one that is not kept."""
        return self.keys[self.places.index(place)] if place in self.places else None


def read_header(header: Sequence[str], filled: Sequence[bool]) -> Columns:
    """Understand a header row. `filled` says which columns hold a value below it: without a header, only those stay."""
    keys: list[str] = []
    places: list[int] = []
    by_name: dict[str, list[int]] = {}
    type_place: int | None = None
    for place, text in enumerate(header):
        folded = fold_name(text)
        if folded in STATUS_COLUMNS:
            continue
        name = canonical_header(text)
        if name is None and folded in TYPE_COLUMNS and type_place is None:
            type_place = place
        if name is not None:
            by_name.setdefault(name, []).append(place)
        if name is not None and len(by_name[name]) == 1:
            key = name
        elif text.strip() or filled[place]:
            key = _free_key(text.strip() or f"Colonne {_letters(place)}", keys)
        else:
            continue
        keys.append(key)
        places.append(place)
    doubles = tuple((name, tuple(found)) for name, found in by_name.items() if len(found) > 1)
    return Columns(tuple(keys), tuple(places), doubles, frozenset(by_name), type_place)


def count_known(header: Iterable[str]) -> int:
    """How many cells of a row are header names, written as we know them."""
    return sum(fold_name(text) in _EXACT for text in header)


@lru_cache(maxsize=2048)
def canonical_header(text: str) -> str | None:
    """The canonical header that `text` names, exactly or up to a typo; None for an unknown column."""
    folded = fold_name(text)
    return _EXACT.get(folded) or _nearest(folded)


def _nearest(folded: str) -> str | None:
    """The one canonical header at the smallest edit distance, 1 or 2; None when several are as near."""
    best = 3
    found: set[str] = set()
    for name, canonical, limit in _NEAR:
        if abs(len(name) - len(folded)) > min(limit, best) or not _same_mark(folded, name):
            continue
        distance = edit_distance(folded, name)
        if distance > limit or (folded[:1] != name[:1] and (distance > 1 or len(name) <= 6)):
            continue
        if distance < best:
            best, found = distance, set()
        if distance == best:
            found.add(canonical)
    return found.pop() if len(found) == 1 else None


def _same_mark(folded: str, name: str) -> bool:
    """The single letter or number at the end (`option a`, `question n`) is the name itself, never a typo."""
    last, wanted = folded.rpartition(" ")[2], name.rpartition(" ")[2]
    if len(wanted) == 1:
        return folded.endswith(wanted)
    return len(last) > 1 and not last.isdigit()


def edit_distance(a: str, b: str) -> int:
    """Insertions, deletions and replacements that lead from `a` to `b`."""
    previous = list(range(len(b) + 1))
    for row, x in enumerate(a, start=1):
        current = [row]
        for column, y in enumerate(b, start=1):
            current.append(min(previous[column] + 1, current[-1] + 1, previous[column - 1] + (x != y)))
        previous = current
    return previous[-1]


def _free_key(text: str, taken: Sequence[str]) -> str:
    """The header itself, or with a number where a column has that name already, or means the same as one."""
    if text not in taken and canonical_header(text) is None:
        return text
    number = 2
    while f"{text} ({number})" in taken:
        number += 1
    return f"{text} ({number})"


def _letters(place: int) -> str:
    """0 → `A`, 26 → `AA`."""
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
