"""What a config might say of the headers and sheets that nobody knows: a person looks at it, nothing applies it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from worker.messages.headers import CASE_TEXT, QUESTION_TEXT
from worker.questions.question import LETTERS, fold_name
from worker.questions.sheets import RawSheet
from worker.upload.parsing.evidence import Body, all_numbers, mostly_long, only_truth_words, values
from worker.upload.parsing.headers import Columns, column_label
from worker.upload.parsing.keys import read_letters, says_no_answer
from worker.upload.parsing.layout import Layout, find_layout
from worker.upload.parsing.mapping import FileMapping, fold_header
from worker.upload.parsing.names import is_result_sheet, type_named
from worker.upload.parsing.values import plain_text
from worker.upload.parsing.vocabulary import ASIDES, SYNONYMS, edit_distance

SHORT = 200  # characters of an option, rather more than less
NEAR = 2  # edits between a header and a known name
LEAST = 6  # letters of a header that is compared so: shorter ones are near to anything
# A word of a header that tells what it is about, where the cells do not speak against it.
TELLING = {
    QUESTION_TEXT: ("question", "intitule", "libelle", "enonce", "stem", "consigne"),
    "matiere": ("matiere", "specialite", "discipline", "module", "domaine", "unite", "ue"),
    "cours": ("cours", "chapitre", "theme", "lecon"),
    "explication": ("explication", "justification", "commentaire", "feedback"),
    "niveau": ("niveau", "promotion", "promo", "annee"),
    "semestre": ("semestre",),
    "image": ("image", "photo", "figure"),
    "source": ("source", "session", "origine"),
}

Proposal = dict[str, dict[str, str | None]]


def propose(
    sheets: Sequence[RawSheet], mapping: FileMapping, read: Mapping[str, bool], *, is_file: bool = False
) -> Proposal:
    """`columns` and `sheets` for a job's config, by what headers and cells show; None where nothing does.

    `read`: whether each sheet that was looked into is read. `is_file`: there are no sheets, it is a CSV.
    """
    columns: dict[str, str | None] = {}
    types: dict[str, str | None] = {}
    for sheet in sheets:
        if sheet.name not in read or not sheet.rows or is_result_sheet(sheet.name):
            continue
        layout = find_layout(sheet, mapping.words)
        found = _columns(layout, mapping)
        names = layout.columns.names | {name for name in found.values() if name} | mapping.given
        kind = _type(names)
        if len(sheets) > 1 and not read[sheet.name] and kind is None and sheet.name not in mapping.sheets:
            types[sheet.name] = None  # notes, a draft: nothing in it is a question
            continue
        for header, meaning in found.items():
            columns[header] = columns.get(header) or meaning
        if not read[sheet.name] and not is_file and type_named(sheet.name) is None:
            types[sheet.name] = kind
    return {name: value for name, value in (("columns", columns), ("sheets", types)) if value}


def _type(names: frozenset[str] | set[str]) -> str | None:
    if QUESTION_TEXT not in names:
        return None
    in_case = "cas_" if CASE_TEXT in names else ""
    if sum(name.startswith("option ") for name in names) >= 2:
        return f"{in_case}qcm"
    return f"{in_case}qroc" if "reponse" in names else None


def _columns(layout: Layout, mapping: FileMapping) -> dict[str, str | None]:
    """For every column that nobody reads and that holds something."""
    columns, body = layout.columns, layout.body
    open_places = [
        place
        for place in range(len(layout.header))
        if columns.key_at(place) in columns.unread and next(values(body, place), None) is not None
    ]
    names = Counter(fold_header(column_label(text, place)) for place, text in enumerate(layout.header))
    labels = {place: column_label(layout.header[place], place) for place in open_places}
    # A config cannot tell apart what has one name.
    labels = {place: label for place, label in labels.items() if names[fold_header(label)] == 1}
    found: dict[int, str] = {}
    taken = set(columns.names) | mapping.given
    for rule in (_options, _keys, _texts, _near):
        for place, name in rule(labels, columns, body, taken):
            if place not in found and name not in taken:
                found[place] = name
                taken.add(name)
    return {label: found.get(place) for place, label in labels.items()}


Found = Iterator[tuple[int, str]]


def _options(labels: Mapping[int, str], _columns: Columns, body: Body, taken: set[str]) -> Found:
    """The longest run of neighbouring columns of short texts that differ within a row."""
    if any(name.startswith("option ") for name in taken):
        return
    runs: list[list[int]] = []
    for place, label in labels.items():
        if not _is_option(place, label, body):
            continue
        if runs and runs[-1][-1] == place - 1 and _stem(labels[runs[-1][-1]]) == _stem(label):
            runs[-1].append(place)
        else:
            runs.append([place])
    best = max(runs, key=len, default=[])
    if 2 <= len(best) <= len(LETTERS) and not only_truth_words(body, best) and _differ(best, body):
        yield from zip(best, (f"option {letter.lower()}" for letter in LETTERS), strict=False)


def _is_option(place: int, label: str, body: Body) -> bool:
    texts = list(values(body, place))
    return (
        fold_name(label) not in ASIDES
        and len(texts) * 2 > len(body)
        and all(len(text) <= SHORT for text in texts)
        and not all(read_letters(plain_text(text)) is not None for text in texts)
    )


def _stem(label: str) -> str:
    """`Choix 1`, `choix2` → `choix`; a letter or a number alone → nothing."""
    return fold_name(label).rstrip("0123456789 ").removesuffix(" a")[:4] if len(fold_name(label)) > 2 else ""


def _differ(places: Sequence[int], body: Body) -> bool:
    rows = [[fold_name(row[place]) for place in places if row[place].strip()] for _, row in body]
    return all(len(set(row)) == len(row) for row in rows)


def _keys(labels: Mapping[int, str], columns: Columns, body: Body, taken: set[str]) -> Found:
    """The one column whose cells are letters."""
    if "reponse" in taken or columns.answers:
        return
    found = []
    for place in labels:
        cells = [plain_text(text) for text in values(body, place)]
        answers = [cell for cell in cells if not says_no_answer(cell)]
        if answers and all(read_letters(cell) is not None for cell in answers):
            found.append(place)
    if len(found) == 1:
        yield found[0], "reponse"


def _texts(labels: Mapping[int, str], _columns: Columns, body: Body, taken: set[str]) -> Found:
    """The first column whose cells ask, else the first of sentences."""
    if QUESTION_TEXT in taken:
        return
    likely = [p for p, label in labels.items() if not all_numbers(body, p) and fold_name(label) not in ASIDES]
    for is_text in (_asks, mostly_long):
        for place in likely:
            if is_text(body, place):
                yield place, QUESTION_TEXT
                return


def _asks(body: Body, place: int) -> bool:
    """True when most cells end as a question does."""
    cells = [text.rstrip() for text in values(body, place)]
    return sum(cell.endswith(("?", ":")) for cell in cells) * 2 > len(cells)


def _near(labels: Mapping[int, str], _columns: Columns, _body: Body, _taken: set[str]) -> Found:
    """By the header alone: a few letters away from a known name, or with a word that tells."""
    for place, label in labels.items():
        folded = fold_name(label)
        near = {
            name
            for name, synonyms in SYNONYMS.items()
            for known in (name, *synonyms)
            if len(folded) >= LEAST
            and not any(c.isdigit() for c in folded)
            and not name.startswith(("option ", "explication ", "reponse"))
            and abs(len(known) - len(folded)) <= NEAR
            and edit_distance(folded, known) <= NEAR
        }
        if len(near) == 1:
            yield place, near.pop()
            continue
        words = set(folded.split())
        telling = [name for name, marks in TELLING.items() if words & set(marks)]
        if len(telling) == 1:
            yield place, telling[0]
