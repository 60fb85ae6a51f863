"""What `medq eval` prints for teachers: how right the analyses were, and what people decided of them."""

from __future__ import annotations

from collections.abc import Mapping

from worker.messages.phrases import count
from worker.messages.status_words import NOT_PROCESSED, OUTCOME_WORDS, SEVERAL_NOT_PROCESSED

ABOUT_INTERVALS = "Entre parenthèses : intervalle de confiance à 95 % (Wilson)."
OTHERS = "autres"  # specialties, models … of few questions
UNKNOWN = "inconnu"
NO_SUBJECT = "Évaluation"  # the specialty of questions whose file names none


def share_of(part: int, whole: int, share: str | None = None) -> str:
    """`11 sur 18 : 61,1 %`; `share` as it is written, None of nothing."""
    return f"{part} sur {whole}" if share is None else f"{part} sur {whole} : {share}"


# -- a file of known keys

LOOK_RIGHT, LOOK_HAMMING = "Analyse à l'aveugle : clé exacte", "Analyse à l'aveugle : score de Hamming"
SPOILED_CONTESTED = "Clés faussées contestées (rappel)"
CONTESTS_RIGHT = "Contestations fondées (précision)"
DAMAGED = "Clés justes abîmées"
COMPLETED, COMPLETED_RIGHT = "Clés absentes complétées", "Clés complétées justes"
SHORT_JUDGED_RIGHT = "QROC : avis juste sur la réponse donnée"
SHORT_SPOILED_CONTESTED = "QROC : réponses faussées contestées (rappel)"
SHORT_CONTESTS_RIGHT = "QROC : contestations fondées (précision)"
SHORT_DAMAGED = "QROC : réponses justes abîmées"
SHORT_COMPLETED = "QROC : réponses absentes complétées"
SHORT_COMPLETED_RIGHT = "QROC : réponses complétées justes"
SHORT_TO_JUDGE = "QROC : réponses complétées à juger"
CALLS_PER_QUESTION, SENT_PER_QUESTION = "Appels par question", "Envois par question"
COST_PER_QUESTION, COST, STATUSES = "Coût par question", "Coût", "Statuts"

CALIBRATION = "Calibrage de la première analyse (QCM)"
CALIBRATION_HEADERS = ("confiance", "questions", "confiance moyenne", "clé exacte")
BY_SPECIALTY = "Par matière"
SPECIALTY_HEADERS = ("", "questions", "première analyse juste", "réponses fausses contestées")


def file_title(name: str, questions: int) -> str:
    """Heads the figures of a file."""
    return f"{name} : {questions} question{'s' if questions > 1 else ''}"


def outcomes(name: str, number: int) -> str:
    """`12 confirmées`; of a name that is no outcome: not processed."""
    return count(number, *OUTCOME_WORDS.get(name, (NOT_PROCESSED, SEVERAL_NOT_PROCESSED)))


# -- what was missed

NOTHING_MISSED = "Rien n'a été manqué."
MISSED_HEADERS = (
    *("feuille", "ligne", "type", "matière", "question", "réponse connue", "réponse donnée", "statut", "motif"),
    *("analyse 1", "avis 1", "confiance 1", "analyse 2", "avis 2", "confiance 2"),
)
MISSED_SHOWN_HEADERS = ("feuille", "ligne", "question", "connue", "donnée", "analyses", "motif")
WHY_WORDS = {
    "damaged": "réponse juste abîmée",
    "spoiled_confirmed": "réponse fausse confirmée",
    "completed_wrong": "complétée à tort",
    "to_judge": "à juger",
    "right_contested": "réponse juste contestée",
    "no_look": "sans analyse",
    "not_completed": "non complétée",
    "look_wrong": "première analyse fausse",
}
VERDICT_WORDS = {"upholds": "maintient", "contests": "conteste"}


def missed_title(missed: int) -> str:
    """Heads the list of what was missed."""
    return f"Ce qui a été manqué : {missed}"


def more_missed(rest: int) -> str:
    """Below the part of the list that is shown."""
    return f"… et {rest} autre{'s' if rest > 1 else ''} : `--missed FICHIER.csv` ou `--json` donne la liste entière."


def missed_written(path: object) -> str:
    """Said once the list is a file."""
    return f"Liste de ce qui a été manqué : {path}"


def outcome_of_missed(outcome: str | None) -> str:
    """The status of one of them."""
    return OUTCOME_WORDS[outcome][0] if outcome in OUTCOME_WORDS else NOT_PROCESSED


# -- what people decided

NOTHING_DECIDED = "Aucune contestation, complétion ou correction n'a encore été tranchée : il n'y a rien à mesurer."
FATES_TITLE = "Ce que les analyses contestent, complètent ou corrigent, et ce qui a été décidé"
IN_ALL = "en tout"
FATES = ("tranchées", "analyse acceptée", "réponse officielle gardée", "autre réponse", "à juger", "écartées")
BY_KIND = {
    "model": "Par modèle",
    "type": "Par type de question",
    "specialty": "Par matière",
    "outcome": "Par statut",
    "looks": "Selon l'accord des analyses",
}
LINE_WORDS: Mapping[str, str] = {
    "agree": "deux analyses d'accord",
    "differ": "deux analyses différentes",
    "single": "une seule analyse",
    **{name: many for name, (_, many) in OUTCOME_WORDS.items()},
    "qcm": "QCM",
    "qroc": "QROC",
    "cas_qcm": "cas clinique, QCM",
    "cas_qroc": "cas clinique, QROC",
}
BY_CONFIDENCE = "Selon la confiance de l'analyse"
CONFIDENCE_HEADERS = ("confiance", "tranchées", "moyenne", "analyse acceptée")


def decided_without_look(failed: int) -> str:
    """Counted apart: no analysis could be used."""
    return f"À part, tranchées sans analyse exploitable : {failed}."


def decided_without_contest(rows: int) -> str:
    """Counted apart: it was two files that differed."""
    return f"À part, deux fichiers en désaccord sans que l'analyse conteste : {rows}."
