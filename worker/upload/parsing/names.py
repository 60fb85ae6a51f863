"""Which type of question a sheet, a file or a type cell names."""

from __future__ import annotations

import re
from functools import lru_cache

from worker.questions.question import QuestionType, fold_name

RESULT_SHEETS = frozenset(
    {"erreurs", "erreur", "errors", "error", "summary", "resume", "a revoir", "to review"},
)
_KINDS = (("qcm", ("qcm", "mcq")), ("qroc", ("qroc", "croq")))
_CASE = re.compile(r"cas(e|es)?\d*|clini.*|cas(e|es)?(qcm|mcq|qroc|croq).*")


def is_result_sheet(name: str) -> bool:
    """True for a sheet that an earlier correction wrote: `Erreurs`, `Résumé`, `À revoir`, also numbered."""
    return fold_name(name).rstrip("0123456789 ") in RESULT_SHEETS


@lru_cache(maxsize=1024)
def type_named(name: str) -> QuestionType | None:
    """The type that a name tells: `QCM DCEM 2`, `cas clinic qroc`, `croq`; None when it tells none, or two."""
    words = fold_name(name).split()
    kinds = [kind for kind, marks in _KINDS if any(mark in word for word in words for mark in marks)]
    if len(kinds) != 1:
        return None
    is_case = any(_CASE.fullmatch(word) for word in words)
    if kinds[0] == "qcm":
        return "cas_qcm" if is_case else "qcm"
    return "cas_qroc" if is_case else "qroc"
