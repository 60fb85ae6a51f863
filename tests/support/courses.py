"""A French course corpus made from conditions.txt, and exam questions whose passage is known. All from one seed.

Passages and questions never use the same sentence: questions say things in other words, drop accents, use plurals and
abbreviations where passages write the words out.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from worker.questions.question import Question

ASPECTS = ("mécanisme", "terrain", "signes", "examens", "traitement", "complications")
LEFT_OUT = "Hors corpus"

FEMININE = frozenset(
    (
        *("bronchiolite", "bronchopneumopathie", "cataracte", "cirrhose", "colique", "coqueluche", "drépanocytose"),
        *("fibrillation", "goutte", "grossesse", "leucémie", "luxation", "maladie", "migraine", "mononucléose"),
        *("myasthénie", "méningite", "pancréatite", "pneumonie", "polyarthrite", "prééclampsie", "pyélonéphrite"),
        *("péricardite", "schizophrénie", "sclérose", "spondylarthrite", "sténose", "torsion", "tuberculose"),
    )
)

HEADINGS = {
    "mécanisme": "Physiopathologie",
    "terrain": "Épidémiologie et facteurs favorisants",
    "signes": "Tableau clinique",
    "examens": "Examens complémentaires",
    "traitement": "Prise en charge",
    "complications": "Évolution et pronostic",
}

# {le}, {de}: the condition with its article. {a} {b} {c}: its three facts.
PASSAGES: dict[str, tuple[str, ...]] = {
    "mécanisme": (
        (
            "{Le} repose sur plusieurs phénomènes intriqués. Le premier est la {a}. S'y ajoute la notion de {b}, que "
            "les travaux expérimentaux ont confirmée. Enfin, {c} explique une bonne part du tableau."
        ),
        (
            "Trois éléments rendent compte {de} : {a}, puis {b}, et pour finir {c}. Leur importance respective varie "
            "d'un sujet à l'autre."
        ),
    ),
    "terrain": (
        (
            "On rencontre surtout {le} dans certaines circonstances : {a} ; {b} ; {c}. L'interrogatoire les recherche "
            "une à une, sans oublier les antécédents de la fratrie."
        ),
        (
            "Les séries publiées sur {le} retrouvent trois profils. {a} vient en tête. {b} est fréquemment noté. {c} "
            "complète la liste."
        ),
    ),
    "signes": (
        "Le début {de} associe typiquement {a}, {b} et {c}. L'examen physique est complet, comparatif et noté.",
        "À l'interrogatoire, {le} se révèle par {a}. On retrouve aussi {b}. La présence de {c} est très évocatrice.",
    ),
    "examens": (
        (
            "Devant la possible survenue {de}, on demande {a}. On complète par {b}. Dans les formes douteuses, {c} "
            "apporte un argument décisif."
        ),
        "Le bilan {de} comporte {a} et {b}. L'apport de {c} dépend du contexte.",
    ),
    "traitement": (
        (
            "{Le} se soigne d'abord par {a}. On y associe {b}. Le recours à {c} se discute en réunion "
            "pluridisciplinaire."
        ),
        (
            "L'arsenal dont on dispose contre {le} comprend {a}, {b} ainsi que {c}. Les objectifs sont fixés avec "
            "l'intéressé."
        ),
    ),
    "complications": (
        "Sans soins, {le} expose à {a}. À distance, on redoute {b}. Plus rarement survient {c}.",
        "Le pronostic {de} est dominé par {a} et {b}. La survenue de {c} impose une hospitalisation.",
    ),
}

# What any course says, whatever its subject: these words must not bring a passage up.
FILLERS = (
    (
        "Le clinicien garde en tête que la présentation varie selon l'âge et le terrain, et que les formes atténuées "
        "sont nombreuses dans la pratique quotidienne."
    ),
    (
        "Une information claire et loyale est délivrée, adaptée au niveau de compréhension, et sa trace figure dans le "
        "dossier médical."
    ),
    (
        "La littérature récente insiste sur l'intérêt d'une démarche structurée, depuis l'interrogatoire jusqu'à la "
        "décision, en passant par un examen soigneux."
    ),
    "Les recommandations des sociétés savantes sont régulièrement mises à jour ; leur niveau de preuve est inégal.",
    "Le suivi est assuré en consultation, à un rythme qui dépend de la gravité initiale et de la réponse observée.",
    (
        "Il convient d'éliminer les diagnostics différentiels avant de conclure, sous peine d'erreurs lourdes de "
        "conséquences."
    ),
    (
        "Les données chiffrées proviennent d'études de cohorte dont les effectifs dépassent 1 200 sujets, avec un "
        "recul médian de 5 ans."
    ),
    (
        "La surveillance repose sur des paramètres simples : température, fréquence cardiaque, pression artérielle, "
        "douleur, poids et diurèse."
    ),
    (
        "Un avis spécialisé est sollicité au moindre doute, en particulier chez l'enfant, la femme enceinte et le "
        "sujet âgé."
    ),
    (
        "Les erreurs fréquentes aux examens tiennent à une lecture trop rapide de l'énoncé et à l'oubli des situations "
        "d'urgence."
    ),
)

# How a question says what a passage says otherwise.
OTHER_WORDS = (
    (r"céphalées", "maux de tête"),
    (r"\bdyspnée", "essoufflement"),
    (r"hémoptysies?", "crachats de sang"),
    (r"asthénie", "fatigue"),
    (r"épistaxis", "saignements de nez"),
    (r"amaigrissement", "perte de poids"),
    (r"prurit", "démangeaisons"),
    (r"dysurie", "gêne pour uriner"),
    (r"polyurie", "urines abondantes"),
    (r"polydipsie", "soif excessive"),
    (r"ictère", "jaunisse"),
    (r"exérèse", "ablation"),
    (r"douleurs?", "algies"),
    (r"brutale?", "soudain"),
    (r"prolongée?", "durable"),
    (r"nouveau-né", "nouveau né à la maternité"),
    (r"vieillard", "personne âgée"),
    (r"tabagisme", "consommation de tabac"),
    (r"réhydratation", "apports hydriques"),
    (r"antécédents?", "histoire"),
)

ASKS: dict[str, tuple[str, ...]] = {
    "mécanisme": (
        "Quel mécanisme explique {le} ?",
        "Sur le plan physiopathologique, {le} s'explique par :",
    ),
    "terrain": (
        "Quels facteurs de risque favorisent {le} ?",
        "Chez qui rencontre-t-on volontiers {le} ?",
    ),
    "signes": (
        "Quelles manifestations font évoquer {le} ?",
        "Parmi les symptômes suivants, lesquels s'observent au cours {de} ?",
    ),
    "examens": (
        "Quelles explorations paracliniques prescrire devant {le} ?",
        "Le diagnostic {de} est confirmé par :",
    ),
    "traitement": (
        "Quelle conduite thérapeutique adopter devant {le} ?",
        "Le médicament ou le geste indiqué contre {le} est :",
    ),
    "complications": (
        "Que peut-on craindre au cours {de} ?",
        "Les formes compliquées {de} comportent :",
    ),
}

CASES = (
    "Une personne présentant {t} consulte aux urgences. Elle décrit {x}. Il n'y a pas de traitement en cours.",
    "On vous adresse pour avis un sujet avec la notion suivante : {t}. À l'arrivée, on note {x}.",
)


@dataclass(frozen=True)
class Condition:
    """One disease and its facts by aspect."""

    specialty: str
    name: str
    abbreviation: str | None
    facts: dict[str, tuple[str, str, str]]


@dataclass(frozen=True)
class Passage:
    """One section of a course: 800 to 1,200 characters under its heading."""

    key: str  # "condition/aspect"
    heading: str
    text: str


@dataclass(frozen=True)
class Course:
    """One document: the sections about one condition."""

    condition: Condition
    passages: tuple[Passage, ...]

    def markdown(self) -> str:
        """The document as a file."""
        sections = (f"## {passage.heading}\n\n{passage.text}\n" for passage in self.passages)
        return "\n".join(sections)


@dataclass(frozen=True)
class AskedQuestion:
    """A question, the passage that answers it (None when the corpus has none), and how it was made."""

    question: Question
    key: str | None
    kind: str  # "plain", "paraphrase", "no accents", "plurals", "abbreviation", "vignette", "short",
    # "misspelled", "off corpus"


def read_conditions() -> list[Condition]:
    """The conditions of the file, in its order."""
    lines = (Path(__file__).parent / "conditions.txt").read_text(encoding="utf-8").splitlines()
    rows = iter([line for line in lines if line.strip() and not line.startswith("#")])
    found = []
    for head in rows:
        specialty, name, abbreviation = (part.strip() for part in head.split("|"))
        facts = {}
        for aspect in ASPECTS:
            a, b, c = (part.strip() for part in next(rows).split(" ; "))
            facts[aspect] = (a, b, c)
        found.append(Condition(specialty, name, abbreviation or None, facts))
    return found


def make_courses(seed: int = 1) -> list[Course]:
    """One course for each condition of the corpus."""
    rng = random.Random(seed)
    conditions = [condition for condition in read_conditions() if condition.specialty != LEFT_OUT]
    return [Course(c, tuple(_make_passage(c, aspect, rng) for aspect in ASPECTS)) for c in conditions]


def articles(condition: Condition, name: str) -> dict[str, str]:
    """`la goutte, de la goutte`, `l'HTA, de l'HTA`, `le psoriasis, du psoriasis`."""
    if _fold(name[0]).lower() in "aeiouh":
        return {"le": f"l'{name}", "Le": f"L'{name}", "de": f"de l'{name}"}
    if condition.name.split()[0] in FEMININE:
        return {"le": f"la {name}", "Le": f"La {name}", "de": f"de la {name}"}
    return {"le": f"le {name}", "Le": f"Le {name}", "de": f"du {name}"}


def _make_passage(condition: Condition, aspect: str, rng: random.Random) -> Passage:
    a, b, c = condition.facts[aspect]
    body = rng.choice(PASSAGES[aspect]).format(**articles(condition, condition.name), a=a, b=b, c=c)
    body = re.sub(r"(^|[.] )([a-zà-ÿ])", lambda m: m[1] + m[2].upper(), body)
    fillers = list(FILLERS)
    rng.shuffle(fillers)
    sentences = [body]
    while len(" ".join(sentences)) < 820:
        sentences.insert(rng.randrange(len(sentences) + 1), fillers.pop())
    heading = HEADINGS[aspect]
    return Passage(f"{condition.name}/{aspect}", heading, " ".join(sentences))


# --- questions --------------------------------------------------------------------------------------------------


def make_questions(seed: int = 2, count: int = 240, off_corpus: int = 48) -> list[AskedQuestion]:
    """`count` questions whose passage is known, of all kinds in turn, and `off_corpus` without one."""
    rng = random.Random(seed)
    conditions = read_conditions()
    known = [c for c in conditions if c.specialty != LEFT_OUT]
    unknown = [c for c in conditions if c.specialty == LEFT_OUT]
    pairs = [(c, aspect) for c in known for aspect in ASPECTS]
    rng.shuffle(pairs)
    asked = [_ask(c, aspect, kind, known, rng) for (c, aspect), kind in zip(pairs[:count], _kinds(), strict=False)]
    others = [(c, aspect) for c in unknown for aspect in ASPECTS]
    rng.shuffle(others)
    for condition, aspect in others[:off_corpus]:
        made = _ask(condition, aspect, "paraphrase", unknown, rng)
        asked.append(AskedQuestion(replace(made.question, specialty="Médecine interne"), None, "off corpus"))
    return asked


def _kinds() -> Iterator[str]:
    while True:
        yield from ("plain", "paraphrase", "no accents", "plurals", "abbreviation", "vignette", "short", "misspelled")


def _ask(
    condition: Condition, aspect: str, kind: str, others: Sequence[Condition], rng: random.Random
) -> AskedQuestion:
    if kind == "abbreviation" and condition.abbreviation is None:
        kind = "paraphrase"
    name = condition.abbreviation if kind == "abbreviation" and condition.abbreviation else condition.name
    right = list(condition.facts[aspect])
    rng.shuffle(right)
    case: str | None = None
    if kind == "vignette":
        # The condition is not named: its signs and its terrain tell it.
        aspect = "signes"
        right = list(condition.facts["signes"])
        case = rng.choice(CASES).format(t=condition.facts["terrain"][0], x=f"{right[0]} et {right[1]}")
        text = "Quel élément de l'examen complète ce tableau ?"
        right = right[2:]
    else:
        text = rng.choice(ASKS[aspect]).format(**articles(condition, name))
    wrong = [rng.choice(rng.choice([c for c in others if c is not condition]).facts[aspect]) for _ in range(3)]
    options = [*right[:2], *wrong][:5]
    rng.shuffle(options)
    if kind in ("paraphrase", "no accents", "plurals", "vignette", "short"):
        text, case, options = _paraphrase(text), _paraphrase(case), [_paraphrase(option) for option in options]
    if kind == "no accents":
        text, case, options = _fold(text), _fold(case), [_fold(option) for option in options]
    if kind == "misspelled":
        text, options = _misspell(text, rng), [_misspell(option, rng) for option in options]
    if kind == "plurals":
        text, options = _pluralise(text, rng), [_pluralise(option, rng) for option in options]
    # Nothing but the name, so that abbreviations are put to the test.
    is_short = kind in ("short", "abbreviation")
    question = Question(
        type="qroc" if is_short else ("cas_qcm" if case else "qcm"),
        specialty=condition.specialty,
        course=condition.specialty,
        level="DCEM2",
        semester="S1",
        text=text,
        options={} if is_short else dict(zip("ABCDE", options, strict=False)),
        case_text=case,
    )
    return AskedQuestion(question, f"{condition.name}/{aspect}", kind)


def _paraphrase(text: str | None) -> str:
    for pattern, other in OTHER_WORDS:
        text = re.sub(pattern, other, text or "")
    return text or ""


def _fold(text: str | None) -> str:
    decomposed = unicodedata.normalize("NFKD", text or "")
    return "".join(c for c in decomposed if not unicodedata.combining(c)).replace("œ", "oe")


def _pluralise(text: str, rng: random.Random) -> str:
    """Turn singulars into plurals and back, as exam writers do."""

    def turn(match: re.Match[str]) -> str:
        word = match[0]
        if rng.random() < 0.3 or word[-1] in "xz":
            return word
        if word.endswith("s"):
            return word[:-1]
        return word[:-2] + "aux" if word.endswith("al") else word + "s"

    return re.sub(r"[^\W\d_]{5,}", turn, text)


def _misspell(text: str, rng: random.Random) -> str:
    """One letter of every third long word is missing, or two have changed places."""

    def turn(match: re.Match[str]) -> str:
        word = match[0]
        at = rng.randrange(1, len(word) - 2)
        if rng.random() > 0.35:
            return word
        if rng.random() < 0.5:
            return word[:at] + word[at + 1 :]
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]

    return re.sub(r"[^\W\d_]{7,}", turn, text)
