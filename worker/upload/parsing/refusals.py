"""Why a sheet cannot be read, in French: its header row, the columns found, those needed, every fault at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from worker.messages.phrases import count
from worker.questions.question import fold_name
from worker.upload.parsing.evidence import Body, count_filled
from worker.upload.parsing.headers import Columns
from worker.upload.parsing.kinds import OPTION_COLUMNS, Kind, answer_cells, has_options, only_letters
from worker.upload.parsing.vocabulary import ASIDES

NAMES_SHOWN = 12
NAME_CHARACTERS = 40
NEEDED = (
    "Il faut « matiere » ou « cours », « texte de la question » et « reponse » ; pour un QCM « option a », "
    "« option b »… ; pour un cas clinique « texte du cas ». Renommez ces colonnes dans le fichier, puis renvoyez-le, "
    "ou dites dans la configuration de la tâche ce que les vôtres contiennent (« columns ») et quelle matière manque "
    "(« defaultSpecialty »)."
)


def faults(kind: Kind, columns: Columns, body: Body) -> Iterator[str]:
    """Every reason why no row of the sheet can be a question for sure. A sentence each, without a capital."""
    missing = list(_missing(kind, columns))
    if missing:
        yield f"il manque {'la colonne' if len(missing) == 1 else 'les colonnes'} {', '.join(missing)}"
    options_known = "« option a » et « option b »" in missing or has_options(columns, body)
    if kind.by_columns and not options_known:
        yield from _doubts(columns, body)


def _missing(kind: Kind, columns: Columns) -> Iterator[str]:
    names = columns.names
    if "texte de la question" not in names:
        yield "« texte de la question »"
    if not names & {"matiere", "cours"}:
        yield "« matiere » ou « cours »"
    if kind.by_cell or kind.type is None:
        return
    if kind.type in ("qcm", "cas_qcm") and len(names & OPTION_COLUMNS) < 2 and columns.all_options is None:
        yield "« option a » et « option b »"
    if kind.type in ("cas_qcm", "cas_qroc") and "texte du cas" not in names and columns.vignette is None:
        yield "« texte du cas »"


def _doubts(columns: Columns, body: Body) -> Iterator[str]:
    """Why rows without options are no short-answer questions for sure."""
    if only_letters(columns, body):
        shown = quoted(list(dict.fromkeys(answer_cells(columns, body)))[:3])
        yield f"les réponses ne sont que des lettres ({shown}), et aucune colonne d'options n'est reconnue"
    if columns.all_options is not None:
        yield (
            f"les options de la colonne {quoted([columns.all_options])} ne peuvent pas être séparées (chacune sur sa "
            "ligne, avec sa lettre : « A. … », « B. … », ou chacune dans sa colonne)"
        )
    unread = [
        key
        for key, place in zip(columns.keys, columns.places, strict=True)
        if key in columns.unread and fold_name(key) not in ASIDES and count_filled(body, place) * 2 > len(body)
    ]
    if unread:
        words = ("une colonne remplie n'est pas reconnue", "des colonnes remplies ne sont pas reconnues")
        yield f"{words[len(unread) > 1]} ({quoted(unread)}), alors qu'aucune colonne d'options ne l'est"


def refusal(where: str, found: Sequence[str], header_row: int, header: Sequence[str]) -> str:
    """The whole refusal of one sheet or file."""
    names = [text.strip() for text in header if text.strip()]
    return (
        f"{where}, {' ; '.join(found)}. En-tête lu à la ligne {header_row}, "
        f"{count(len(names), 'colonne trouvée', 'colonnes trouvées')} : {quoted(names)}. {NEEDED}"
    )


def quoted(names: Sequence[str]) -> str:
    """« a », « b » et 3 autres."""
    shown = [name if len(name) <= NAME_CHARACTERS else name[:NAME_CHARACTERS] + "…" for name in names[:NAMES_SHOWN]]
    text = ", ".join(f"« {' '.join(name.split())} »" for name in shown)
    more = len(names) - NAMES_SHOWN
    return f"{text} et {count(more, 'autre')}" if more > 0 else text
