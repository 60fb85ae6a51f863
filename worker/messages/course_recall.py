"""What `medq eval --courses` prints for teachers: how well the right passage of a course is found."""

from __future__ import annotations

from collections.abc import Sequence

SYSTEM_WORDS = {
    "worker": "recherche de l'application",
    "ranking": "la même, sans seuil",
    "bm25": "BM25 simple (snowball)",
}
KIND_WORDS = {"qcm": "QCM", "qroc": "QROC", "all": "ensemble"}
FIGURES_TITLE = "Passages retrouvés"
ABOUT_FOREIGN = "Hors sujet : questions dont le sujet n'est dans aucun cours, et qui reçoivent pourtant un extrait."
MISSED_HEADERS = ("ligne", "type", "question", "motif", "rang avec BM25 simple")

FOREIGN_EXCERPT = "extrait hors sujet"
PASSAGE_NOT_READ = "passage absent des documents lus"
FOUND_NOT_SHOWN = "trouvé, mais non montré"
NOT_FOUND = "non trouvé"
NO_EXCERPT = "aucun extrait"


def asked(file_name: str, questions: int, *, documents: int, pages: int, passages: int) -> str:
    """The first line: what was asked of what."""
    counted = ((documents, "document"), (pages, "page"), (passages, "passage"))
    read = ", ".join(f"{count} {word}{'s' if count > 1 else ''}" for count, word in counted)
    return f"{file_name} : {questions} question{'s posées' if questions > 1 else ' posée'} à {read}."


def figures_headers(ranks: int) -> Sequence[str]:
    """`ranks`: how many passages are looked at."""
    return ("", "recherche", "questions", f"trouvées parmi {ranks}", "rang réciproque (MRR)", "hors sujet")


def search_time(milliseconds: float) -> str:
    """Of a batch of five questions."""
    return f"Recherche d'un lot de cinq questions : {milliseconds:.0f} ms en moyenne."


def passages_not_read(rows: Sequence[int]) -> str:
    """`rows`: of the file of questions."""
    where = f"{'ligne' if len(rows) == 1 else 'lignes'} {', '.join(map(str, rows))}"
    return f"Passage attendu absent des documents tels qu'ils ont été lus, compté comme non trouvé : {where}."


def more_missed(rest: int) -> str:
    """Below the part of the list that is shown."""
    return f"… et {rest} de plus : `--missed FICHIER.csv` ou `--json` donne la liste entière."
