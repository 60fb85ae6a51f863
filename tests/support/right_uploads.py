"""What is right for each file of tests/data/uploads, as people really send them: key by key, for every test."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

UPLOADS = Path(__file__).resolve().parents[1] / "data" / "uploads"

# No key, and a finding on the key's cell; or the row is refused.
NONE = None
REFUSED = "refusée"


@dataclass(frozen=True)
class Right:
    """What is right for one file: per row its official key or answer, `NONE` or `REFUSED`."""

    official: tuple[str | None, ...] = ()
    type: str = "qcm"
    options: dict[int, dict[str, str]] = field(default_factory=dict)  # row's place → its options
    findings: dict[int, tuple[str, ...]] = field(default_factory=dict)  # row's place → codes that must be among its own
    says: tuple[str, ...] = ()  # in the job's failure, the rejections, the notes and the sheets left out
    fails: bool = False


ABC = {"A": "un", "B": "deux", "C": "trois"}
RIGHT: dict[str, Right] = {
    "01": Right(
        ("B", "AC"), options={0: {"A": "Nerf vague", "B": "Nerf phrénique", "C": "Nerf spinal", "D": "Nerf radial"}}
    ),
    "02": Right(("B",), options={0: {"A": "Psoas", "B": "Diaphragme", "C": "Trapèze", "D": "Deltoïde"}}),
    "03": Right(("B",), options={0: {"A": "Rate", "B": "Foie", "C": "Rein"}}),
    "04": Right(("B",), options={0: {"A": "Veine cave", "B": "Aorte", "C": "Artère pulmonaire", "D": "Veine porte"}}),
    "06": Right(("A", "AD")),
    "08": Right(("B", "D", "A")),
    "09": Right((REFUSED, REFUSED), says=("Sous-clavière gauche", "Pubis", "cinq")),
    "10": Right(("A", "A")),
    "11": Right(("A", "A", "A"), findings={1: ("filled_down",)}),
    "12": Right(("A", "A", "A")),
    "13": Right(
        ("B", "A", "B"),
        options={
            0: {"A": "5 %", "B": "30 %", "C": "12,5 %", "D": "70 %"},
            1: {"A": "01-févr", "B": "01-mars", "C": "1/4", "D": "1/5"},
            2: {"A": "3,5 mmol/L", "B": "6,5 mmol/L", "C": "4,0 mmol/L", "D": "5,0 mmol/L"},
        },
        findings={1: ("cell_date",)},
    ),
    "14": Right(("A",) * 9),
    "15": Right(("A", "B"), says=("1 en-tête répété (ligne 3)",)),
    "16": Right(("B", "A", "A", "A"), findings=dict.fromkeys(range(4), ("level_not_recognised",))),
    "17": Right(
        ("AC", *[NONE] * 11, "AB", NONE, NONE, "D", "AC", NONE, NONE, "ABD"),
        findings=dict.fromkeys((*range(1, 12), 13, 14, 17, 18), ("unreadable_key",)),
    ),
    "18": Right(("A", "B")),
    "19": Right(("A",), says=("3 lignes sans question (lignes 3 à 5)",)),
    "20": Right(fails=True, says=("« proposition »", "« juste »", "option a")),
    "22": Right(
        (NONE, NONE, NONE, "A"),
        options={1: {"B": "Toux", "C": "Ictère"}, 3: {"A": "VRAI", "B": "FAUX"}},
        findings={0: ("formula_without_value",), 1: ("cell_error",), 2: ("cell_error", "unreadable_key")},
    ),
    "24": Right(("Nerf phrénique",), type="qroc"),
    "25": Right(fails=True, says=("ligne 2", "« Intitulé »", "« Prop A »", "« Clé »", "« texte de la question »")),
    "26": Right(("A",), options={0: {"A": "Spinal", "B": "Optique"}}),
    "28": Right(("A",), options={0: {"A": "Toux", "B": "Fièvre"}}, findings={0: ("cell_error",)}),
    "29": Right(("A", "B"), says=("qcm ancien", "Feuille masquée", "1 ligne masquée lue (ligne 3)")),
    "30": Right(("A",), options={0: ABC}, says=("QCM brouillon", "« a faire »")),
    "31": Right(("A",), options={0: ABC}),
    "32": Right(("A",), options={0: ABC}),
    "33": Right(("A",), says=("matiere « Cardiologie »",)),
    "34": Right(("A",), options={0: ABC}, says=("11 lignes de titre",)),
    "35": Right(("AC", "B"), options={0: ABC, 1: ABC}),
    "37": Right((NONE,), options={0: ABC}, findings={0: ("label_of_another_option", "ambiguous_key")}),
    "38": Right(("A", "A"), type="cas_qcm"),
    "40": Right((NONE,), findings={0: ("conflicting_keys",)}),
    "41": Right(("A", REFUSED), type="cas_qcm", says=("Le texte du cas clinique manque",)),
    "42": Right(("B",), options={0: {"A": "Hyperthyroïdie", "B": "Hypothyroïdie", "C": "Goitre", "D": "Acromégalie"}}),
    "43": Right(("A", "A")),
    "44": Right(
        fails=True, says=("ligne 1", "« Intitulé »", "« Choix correct »", "« texte de la question »", "« matiere »")
    ),
    "46": Right(("A",)),
}  # fmt: skip


def path_of(number: str) -> Path:
    """The file that begins with these two digits."""
    (path,) = UPLOADS.glob(f"{number}_*")
    return path
