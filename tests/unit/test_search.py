"""Words that must meet, words that must not; which passages are shown, and under which name."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.courses import passage_search
from worker.courses.document import INDEX_VERSION, CourseLabels, FoundPassage
from worker.courses.index_terms import stored_stem
from worker.courses.search import (
    choose_excerpts,
    compose_query,
    describe_place,
    drop_empty_names,
    fold,
    fold_specialty,
    index_terms,
)
from worker.courses.search.analysis import (
    abbreviations,
    asking_stems,
    empty_words,
    equivalents,
    families,
    stem,
)
from worker.courses.search.choose import MAX_CHARACTERS, MAX_EXCERPTS, least_coverage
from worker.db.statements import read_statements
from worker.questions.question import Question

# Words


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("une hypertension artérielle", "HTA"),
        ("l'HTA sévère", "hypertensions artérielles"),
        ("infarctus du myocarde", "IDM"),
        ("infarctus du myocarde", "l'infarctus myocardique"),
        ("œdèmes des membres", "oedeme"),
        ("les cavités rénales", "renal"),
        ("troubles rénaux", "trouble rénal"),
        ("réaction allergique", "allergies"),
        ("insuffisance cardiaque", "insuffisances cardiaques"),
        ("un bébé vacciné", "vaccination"),
        ("des signes infectieux", "infection"),
        ("artère", "artériel"),
        ("0,5 mg", "0.5"),
        ("Prise de T4", "t4"),
        ("CRÉATININÉMIE", "creatininemie"),
        ("des enfants vaccinées", "vaccinees"),
        ("les nourrissons", "un nourrisson"),
        ("tissus conjonctifs", "tissu conjonctif"),
        ("résidus", "résidu"),
        ("déficits", "déficit"),
        ("réflexions", "réflexion"),
        ("une tachycardie régulière", "un rythme régulier"),
        ("hémorragies massives", "un épanchement massif"),
        ("particulières", "particulier"),
        ("matières", "matiere"),
        ("bactéries", "bactériel"),
        ("insuffisance rénale", "les reins"),
        ("les cancers pulmonaires", "un poumon"),
        ("le foie", "une cytolyse hépatique"),
        ("un accès goutteux", "la goutte"),
        ("une hémorragie", "des saignements"),
        ("céphalées fébriles", "la fièvre"),
        ("une jaunisse", "un ictère"),
        ("protocoles vaccinaux", "le vaccin"),
        ("la mortalité", "deux décès"),
        ("le programme¹ de soins", "un programme"),
    ],
)
def test_the_same_notion_meets_whatever_its_spelling(written: str, asked: str) -> None:
    assert index_terms(written) & index_terms(asked)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("hypotension", "hypertension"),
        ("hépatite", "hépatique"),
        ("il ira mieux", "IRA"),
        ("la fièvre", "la fibre"),
        ("de bonne foi", "le foie"),
        ("une peau jaune", "une jaunisse"),
        ("un décimètre", "un décès"),
        ("3 cm³", "3 cm"),
        ("5", "le 5"),
        ("que faut-il dire de la question suivante ?", "parmi les propositions, cochez les réponses exactes"),
    ],
)
def test_other_notions_do_not_meet(one: str, other: str) -> None:
    assert not index_terms(one) & index_terms(other)


def test_what_a_heading_says_meets_what_a_question_asks() -> None:
    assert index_terms("Prise en charge et traitement") & index_terms("Quel médicament prescrire ?")
    assert not index_terms("Traitement") & index_terms("Complications")


def test_how_often_a_word_stands_in_a_passage_is_kept() -> None:
    terms = index_terms("La bronchiolite du nourrisson. Une bronchiolite grave ; deux bronchiolites.")

    assert terms["bronchiolit"] == 3
    assert terms["nourrisson"] == 1


STEMS_OF_THIS_VERSION = {
    5: (
        "hypertens arter coeur infect bacter vaccin hepatit hepat rein myocard allerg generalis traumat "
        "physiopatholog nouveau 0.5 t4 oedem chirurg nourrisson tissu reguli massif "
        "frequenc gastro oesophag radiograph programm gastrooesophagien"
    )
}


def test_other_stems_are_another_version_of_the_index() -> None:
    """When this fails, raise INDEX_VERSION: what is stored was made with the stems of before."""
    text = (
        "hypertension artérielle cardiaque infectieuses bactéries vaccinés hépatite hépatique rénaux myocarde "
        "allergies généralisée traumatique physiopathologie nouveau-né 0,5 T4 œdème chirurgicaux "
        "nourrissons tissus régulières massives FC gastro-œsophagien radio programme¹"
    )

    assert list(index_terms(text)) == STEMS_OF_THIS_VERSION[INDEX_VERSION].split()


def test_the_statements_hold_the_letters_of_the_index() -> None:
    statements = dict(read_statements(Path(passage_search.__file__).with_suffix(".sql")))

    assert f"starts_with(t.lexeme, '{stored_stem('')}')" in statements["search"]
    # A word's first letter is told apart with what stands before every stem, in the statement as in its index
    assert f'left(t."term", {len(stored_stem("x"))})' in statements["find_neighbours"]
    assert f'left("term", {len(stored_stem("x"))})' in Path("schema/sql/023_up.sql").read_text(encoding="utf-8")


@given(st.text(alphabet="aàâbcçdeéèêëfghiîïjlmnoôœprstuùûvxyz '-,.012345", max_size=200))
@example("aa-œ")
def test_accents_and_case_make_no_other_stem(text: str) -> None:
    # ("HTA" and "hta" may differ on purpose: an abbreviation may be one in capitals only)
    assert index_terms(text.lower()) == index_terms(fold(text.lower()))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Cours 3", ""),
        ("Polycopié 2021 (1)", ""),
        ("chapitre IV", ""),
        ("UE3 - Support de cours v2 FINAL", ""),
        ("Cours n°4 : la coqueluche", "coqueluche"),
        ("Pédiatrie 2*", "Pédiatrie"),
    ],
)
def test_a_name_that_says_nothing_does_not_count(name: str, said: str) -> None:
    assert drop_empty_names(name) == said
    asked = compose_query("i1", question(text="", options={}, course=name))
    assert asked.terms.keys() == index_terms(said).keys()


@given(st.text())
def test_a_stem_may_stand_in_a_query_as_it_is(text: str) -> None:
    terms = index_terms(text)

    assert all(term.replace(".", "").isalnum() and not term.startswith(".") for term in terms)
    assert all(0 < len(term) <= 40 for term in terms)


# Questions


def question(**changes: Any) -> Question:
    fields: dict[str, Any] = {
        "type": "qcm",
        "specialty": "Pédiatrie 2*",
        "course": "Urologie",
        "level": "DCEM2",
        "semester": "S1",
        "text": "La torsion du testicule :",
        "options": {"A": "La douleur scrotale", "C": "Les propositions A et B"},
        "official_key": "A",
        **changes,
    }
    return Question(**fields)


def test_a_query_weighs_the_question_above_its_options_above_its_case() -> None:
    query = compose_query("i1", question(case_text="Un garçon vomit."))

    weights = [query.terms[next(iter(index_terms(word)))] for word in ("torsion", "scrotale", "garçon", "urologie")]
    assert weights == sorted(weights, reverse=True)
    assert len(set(weights)) == 4
    assert (query.level, query.specialty_key) == ("DCEM2", "pediatrie 2")


def test_the_official_answer_is_no_part_of_a_query() -> None:
    short = question(type="qroc", options={}, official_key=None, official_answer="Orchidopexie")

    assert not index_terms("orchidopexie") & compose_query("i1", short).terms.keys()
    assert compose_query("i1", question(official_key="A")) == compose_query("i1", question(official_key="C"))


def test_specialties_are_compared_without_accents_and_signs() -> None:
    for name in ("Pédiatrie 2*", " pediatrie 2", "Pediatrie2", "PÉDIATRIE-2"):
        assert fold_specialty(name) == "pediatrie 2"
    assert fold_specialty("") is fold_specialty(None) is None


def test_what_is_asked_of_any_subject_is_known_as_that() -> None:
    query = compose_query("i1", question(type="qroc", options={}, course="", text="Traitement de la coqueluche ?"))

    assert (set(query.asking), set(query.subject)) == ({"trait"}, {"coqueluch"})
    assert query.terms.keys() == {"trait", "coqueluch"}
    with_options = compose_query("i1", question(text="Le signe de la torsion :", options={"A": "La douleur"}))
    assert with_options.subject == {"torsion"}
    medical = (
        "coqueluche asthme nourrisson transistor diabète rejet arrêt toucher retard repos dépendance joue agitation"
    )
    assert not asking_stems() & index_terms(medical).keys()


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("Comment s'attrape la coqueluche ?", {"coqueluch"}),
        ("Quels examens confirment, ou infirmeraient, une coqueluche ?", {"coqueluch", "infirm"}),
        ("Que préconisez-vous devant une coqueluche ?", {"coqueluch"}),
        ("Les vaccins administrés protègent-ils de la coqueluche ?", {"vaccin", "coqueluch"}),
        ("Quel vaccin contre la coqueluche en 1995, à 0,5 mL ?", {"vaccin", "coqueluch", "ml"}),
        ("La coqueluche au XVIIIe siècle :", {"coqueluch", "siecl"}),
    ],
)
def test_neither_the_verbs_nor_the_numbers_of_a_question_are_its_subject(text: str, subject: set[str]) -> None:
    assert compose_query("i1", question(type="qroc", options={}, course="", text=text)).subject == subject


def test_what_a_case_tells_is_asked_by_nobody() -> None:
    query = compose_query(
        "i1", question(case_text="Le bilan montre une hyperlymphocytose.", text="Quel germe rechercher ?")
    )

    assert query.asking == {"germ", "recherch"}


# Excerpts


def passage(name: str, coverage: float, **changes: Any) -> FoundPassage:
    fields: dict[str, Any] = {
        "chunk_id": name,
        "document_id": "d",
        "position": int(name[1:]),
        "text": f"Texte {name}.",
        "title": "Cours",
        "labels": CourseLabels(),
        "page": None,
        "last_page": None,
        "score": 10 * coverage,
        "coverage": coverage,
        "breadth": 5.0,
        "names_subject": True,
        "has_known_words": False,
        "scope": 0,
        **changes,
    }
    return FoundPassage(**fields)


def texts(*found: FoundPassage) -> list[str]:
    return [excerpt.text for excerpt in choose_excerpts(found)]


def test_nothing_is_shown_below_the_threshold() -> None:
    assert texts(passage("p1", least_coverage(5.0) - 0.01)) == []
    assert texts(passage("p1", least_coverage(5.0))) == ["Texte p1."]


def test_beside_a_passage_that_treats_the_subject_others_need_half_as_much() -> None:
    least = least_coverage(5.0)
    treats, beside, beyond = passage("p1", least), passage("p2", least * 0.55), passage("p3", least * 0.45)

    assert texts(treats, beside, beyond) == ["Texte p1.", "Texte p2."]
    assert texts(beside, beyond) == []


def test_others_beside_it_are_of_its_own_level_and_specialty_too() -> None:
    least = least_coverage(5.0)
    treats, elsewhere = passage("p1", least, scope=0), passage("p2", least * 0.9, scope=3)

    assert texts(treats, elsewhere) == ["Texte p1."]
    assert texts(passage("p3", least, scope=3), treats, elsewhere) == ["Texte p1.", "Texte p3.", "Texte p2."]


@pytest.mark.parametrize("words", [1, 2, 3, 5, 8, 12])
def test_one_word_of_a_question_is_never_enough_but_where_there_is_no_other(words: int) -> None:
    # A word is worth its share on average; the passage must cover more, and all of a question of one word
    assert least_coverage(float(words)) > min(0.9, 1 / words)


def test_a_passage_that_does_not_name_the_subject_must_share_more() -> None:
    enough, more = least_coverage(8.0), least_coverage(8.0, names_subject=False)

    assert texts(passage("p1", enough, breadth=8.0, names_subject=True)) == ["Texte p1."]
    assert texts(passage("p1", enough, breadth=8.0, names_subject=False)) == []
    assert texts(passage("p1", more, breadth=8.0, names_subject=False)) == ["Texte p1."]


def test_of_a_question_with_options_whose_own_words_are_known_less_is_enough() -> None:
    enough = least_coverage(8.0, has_known_words=True)

    assert texts(passage("p1", enough, breadth=8.0, has_known_words=True)) == ["Texte p1."]
    assert texts(passage("p1", enough, breadth=8.0, has_known_words=False)) == []


@given(st.floats(1, 60), st.floats(1, 60))
def test_the_shorter_a_question_the_more_of_it_a_passage_must_cover(one: float, other: float) -> None:
    shorter, longer = sorted((one, other))
    assert least_coverage(shorter) >= least_coverage(longer)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 50)), min_size=1, max_size=8),
    st.integers(0, 7),
    st.floats(0, 0.5),
    st.floats(0, 20),
)
def test_a_passage_that_gains_is_never_shown_later_nor_dropped(
    found: list[tuple[float, float]], which: int, more_coverage: float, more_score: float
) -> None:
    """Monotone: what shares more of the question keeps its place or rises."""
    which %= len(found)
    before = [passage(f"p{n}", coverage, score=score) for n, (coverage, score) in enumerate(found)]
    gained = replace(
        before[which], coverage=before[which].coverage + more_coverage, score=before[which].score + more_score
    )
    after = [gained if n == which else p for n, p in enumerate(before)]

    shown_before, shown_after = texts(*before), texts(*after)

    text = before[which].text
    if text in shown_before:
        assert text in shown_after
        assert shown_after.index(text) <= shown_before.index(text)


def test_the_best_come_first_labelled_in_order_and_few() -> None:
    found = [passage(f"p{n}", 0.5 + n / 100) for n in range(9)]

    excerpts = choose_excerpts(found)

    assert [excerpt.id for excerpt in excerpts] == ["S1", "S2", "S3", "S4", "S5"]
    assert [excerpt.text for excerpt in excerpts] == [f"Texte p{n}." for n in (8, 7, 6, 5, 4)]
    assert len(excerpts) == MAX_EXCERPTS


def test_what_is_far_behind_the_best_is_left_out() -> None:
    assert texts(passage("p1", 0.9), passage("p2", 0.9, score=3.5)) == ["Texte p1."]


def test_the_same_text_is_shown_once_and_the_budget_holds() -> None:
    long = [passage(f"p{n}", 0.9 - n / 100, text=str(n) + "x" * 1_700) for n in range(5)]

    assert texts(passage("p1", 0.9), passage("p2", 0.8, text="Texte p1.")) == ["Texte p1."]
    assert sum(map(len, texts(*long))) <= MAX_CHARACTERS
    assert len(texts(*long)) == 3


def test_a_search_widens_only_as_far_as_it_must() -> None:
    own = [passage(f"p{n}", 0.5) for n in range(3)]
    elsewhere = passage("p9", 0.95, scope=3)

    assert texts(*own, elsewhere) == [f"Texte p{n}." for n in range(3)]
    assert texts(*own[:2], elsewhere)[0] == "Texte p9."


def test_two_rankings_are_fused() -> None:
    # Given one passage that both rankings like well, and others that only one likes best
    words = passage("p1", 0.9, similarity=0.1)
    both = passage("p2", 0.8, similarity=0.8)
    neither = passage("p4", 0.7, similarity=0.4)
    meaning = passage("p3", 0.6, similarity=0.9)

    assert texts(words, both, neither, meaning)[0] == "Texte p2."


def test_a_passage_that_is_nearer_than_others_needs_fewer_words_and_a_far_one_more() -> None:
    least = least_coverage(5.0)
    assert texts(passage("p1", least * 0.6, similarity=0.8, nearness=2.0)) == ["Texte p1."]
    assert texts(passage("p1", least * 0.3, similarity=0.99, nearness=9.0)) == []  # some words at least
    assert texts(passage("p1", least * 1.1, similarity=0.99, nearness=-2.0)) == []
    assert texts(passage("p1", least * 1.4, similarity=0.1, nearness=-9.0)) == ["Texte p1."]


def test_a_cosine_that_nothing_is_compared_with_tells_nothing_of_the_subject() -> None:
    """What models call near differs: of one all passages are nearer than 0.75, of another none is."""
    least = least_coverage(5.0)
    assert texts(passage("p1", least * 0.9, similarity=0.99)) == []
    assert texts(passage("p1", least, similarity=0.01)) == ["Texte p1."]


@given(st.floats(-20, 20), st.floats(-20, 20))
def test_the_nearer_a_passage_the_fewer_words_it_needs(one: float, other: float) -> None:
    near, far = max(one, other), min(one, other)
    coverage = least_coverage(5.0) * 0.9
    if texts(passage("p1", coverage, similarity=0.5, nearness=far)):
        assert texts(passage("p1", coverage, similarity=0.5, nearness=near))


@pytest.mark.parametrize(
    ("title", "labels", "pages", "expected"),
    [
        ("Cardiologie DCEM2", CourseLabels("DCEM2", "Cardiologie"), (34, 34), "Cardiologie DCEM2, p. 34"),
        ("HTA", CourseLabels("DCEM2", "Cardiologie"), (3, 4), "Cardiologie DCEM2, HTA, p. 3-4"),
        ("hta", CourseLabels(None, None, "HTA", "Collège"), (None, None), "Collège, HTA"),
        ("notes", CourseLabels(), (1, None), "notes, p. 1"),
    ],
)
def test_a_place_is_named_for_people(
    title: str, labels: CourseLabels, pages: tuple[int | None, int | None], expected: str
) -> None:
    found = passage("p1", 0.9, title=title, labels=labels, page=pages[0], last_page=pages[1])

    assert describe_place(found) == expected


def test_the_search_passes_over_held_passages_wherever_it_chooses() -> None:
    text = dict(read_statements(Path(passage_search.__file__).with_suffix(".sql")))["search"]

    # Among those that share words, among those that are near, and of what is shown at last
    assert len(re.findall(r'"heldFor" IS NULL OR \w\."allowedAt" IS NOT NULL', text)) == 3


def test_each_family_is_one_notion_and_no_word_stands_in_two_tables() -> None:
    rows = [line.split() for line in Path("worker/courses/search/families.txt").read_text("utf-8").splitlines()]
    words = [word for row in rows if row and row[0] != "#" for word in row]

    assert len(words) == len(set(words)) > 100
    assert all(len(row) > 1 for row in rows)
    assert all(families()[first] == first for first in families().values())
    stems = {stem(fold(word)) for word in words}
    assert len(stems) == len(words)
    others = equivalents().keys() - set(equivalents().values())
    assert not {fold(word) for word in words} & (empty_words() | abbreviations().keys() | others)
