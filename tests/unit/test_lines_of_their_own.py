"""Which lines of a page are lines of their own, and which go on from the one before: each kind as a small document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pdfs import Placed, make_placed_pdf
from worker.courses.chunk.paragraphs import read_pieces
from worker.courses.document import ExtractedDocument, Line, Page
from worker.courses.extract import extract_document
from worker.courses.extract.child import DocumentReader, _fields
from worker.courses.extract.layout import arrange
from worker.courses.extract.rows import Span

SQUARE = b"%.1f %.1f 4 4 re f\n"
BODY = (
    "La fièvre dépasse souvent 38,5 °C chez le nourrisson de moins de trois mois, et",
    "impose deux hémocultures avant toute antibiothérapie, quelle que soit la saison.",
)


def paragraphs(data: bytes) -> list[str]:
    """What is read, a paragraph in each line."""
    found: list[str] = []
    for piece in read_pieces(extract_document(Path("a.pdf"), data)):
        if piece.joint == "\n":
            found.append(piece.text)
        else:
            found[-1] += piece.joint + piece.text
    return found


def column(left: float, top: float, lines: Sequence[str], *, size: float = 9, step: float = 12) -> list[Placed]:
    return [(left, top - step * number, size, line) for number, line in enumerate(lines)]


def slide(lines: Sequence[Placed], drawn: bytes = b"") -> list[str]:
    return paragraphs(make_placed_pdf([lines], width=363, height=272, drawn=drawn))


def page(lines: Sequence[Placed], drawn: bytes = b"") -> list[str]:
    return paragraphs(make_placed_pdf([lines], drawn=drawn))


def joined(*lines: str) -> str:
    document = ExtractedDocument((Page(1, tuple(map(Line, lines))),), is_typeset=True)
    return " ".join(piece.text for piece in read_pieces(document))


# --- items of lists ---------------------------------------------------------------------------------------------------

ITEMS = ("Registres du processeur", "mémoire cache, qui est plus lente que les registres, et", "moins chère", "Disques")


@pytest.mark.parametrize("is_slide", [True, False])
def test_items_behind_drawn_marks_are_items(is_slide: bool) -> None:
    lines: list[Placed] = [(28, 215, 9, "Support de stockage :"), *column(48, 200, ITEMS)]
    marks = b"".join(SQUARE % (38, 201 - 12 * line) for line in (0, 1, 3))
    assert (slide if is_slide else page)(lines, marks) == [
        "Support de stockage :",
        "• Registres du processeur",
        "• mémoire cache, qui est plus lente que les registres, et moins chère",
        "• Disques",
    ]


def test_a_ball_that_is_drawn_in_layers_is_one_mark() -> None:
    marks = b"".join(SQUARE % (38, 201 - 12 * line) for line in (0, 0, 1, 1))
    assert slide(column(48, 200, ("Fatigue intense", "Vertiges")), marks) == ["• Fatigue intense", "• Vertiges"]


@pytest.mark.parametrize(
    "drawn",
    [
        SQUARE % (38, 201),  # a point of a drawing beside its name
        b"".join(SQUARE % (left, 201 - 12 * line) for left in (38, 32, 26) for line in range(2)),  # a bar of signs
        b"".join(b"20 %d 28 28 re f\n" % (190 - 30 * line) for line in range(2)),  # boxes
        b"".join(SQUARE % (8, 201 - 12 * line) for line in range(2)),  # far away
    ],
)
def test_what_else_is_drawn_is_no_mark(drawn: bytes) -> None:
    assert slide(column(48, 200, ("Foie", "Rate")), drawn) == ["Foie", "Rate"]


def test_items_are_lines_by_the_order_of_their_numbers() -> None:
    item = "1 Hydratation : faire boire lentement, à petites gorgées"
    lines = column(21, 200, (item, "de l'eau plate", "2 Alerte : les pompiers"), step=14)
    full: Placed = (21, 240, 9, "En l'absence de médecin, celui qui plonge prend en charge")
    assert slide([full, *lines])[1:] == [f"{item} de l'eau plate", "2 Alerte : les pompiers"]


def test_short_lines_that_begin_with_capitals_are_lines() -> None:
    notes = ("Maladie commune à l'Homme et l'animal", "Un avortement est à déclarer", "Toutes les personnes en contact")
    assert page(column(40, 700, (*notes, *BODY))) == [*notes, " ".join(BODY)]


def test_the_title_of_a_block_is_a_line() -> None:
    lines: list[Placed] = [(28, 200, 10, "Définition"), *column(28, 185, BODY, size=8, step=10)]
    assert slide(lines) == ["Définition", " ".join(BODY)]
    same: list[Placed] = column(28, 200, ("Définition", *BODY), size=8, step=10)
    assert slide(same) == ["Définition", " ".join(BODY)]


def test_the_title_of_a_slide_is_one_whatever_its_lines_distance() -> None:
    title: list[Placed] = [(28, 230, 20, "Le trajet d'un blessé"), (28, 197, 20, "dans son état")]
    assert slide([*title, *column(28, 150, BODY, size=8, step=10)])[0] == "Le trajet d'un blessé dans son état"


ADDRESS = "https://www.jle.com/revues/vir/e-docs/les_outils_d_exploration_de_l_activite_des_lymphocytes.phtml"
LONG = "Le tassement se produit surtout sur un sol humide, sous le poids des machines, pendant la récolte"


@pytest.mark.parametrize(
    ("ended", "begins"),
    [
        ("David Ricardo", "l'économie devient autonome de la philosophie et de la morale à partir de lui"),
        ("Découverte de la réaction", "1947 Nécessité de l'adénosine pour la bioluminescence des lucioles"),
        ("Infection par un virus", "=> vaccination de tous les animaux du troupeau, et isolement des malades"),
        ("bactériostatiques", "(oxytétracycline, à ne pas mélanger avec la pénicilline dans un même traitement)"),
        ("capable de consommer les H+", "A un pH bas, on a une altération des argiles et des éléments en excès"),
        ("Les bactéries à Gram-", "Mycoplasmes, bactéries petites comme les rickettsies, qui vivent dans la cellule"),
        ("Le juge", "peut aussi être saisi en urgence, par toute personne qui y a un intérêt légitime"),
        ("sont protégés,", "voir la loi sur le droit d'auteur et les droits voisins de la société de demain"),
    ],
)
def test_a_line_that_leaves_half_its_column_is_ended_whatever_the_next_one_begins_with(ended: str, begins: str) -> None:
    assert page(column(40, 700, (ended, begins, LONG)))[:2] == [ended, begins]


@pytest.mark.parametrize(
    ("lines", "whole"),
    [
        # Beside a picture all lines are short alike.
        ((LONG, "le sol sec porte mieux que", "la terre humide des labours", "et résiste aux machines, ou"), True),
        # A word that is cut goes on, and so do a number and its unit, and what leads on.
        ((LONG, "sans que l'eau s'éva-", "pore en profondeur, quelle que soit la saison ou la culture en place"), True),
        (
            ("ne dépasse jamais la dose de 20", "mg par jour, quelle que soit la gravité des symptômes de ce malade"),
            True,
        ),
        (
            ("La pression se calcule pour", "le bras gauche et le bras droit, toujours à la même heure de la journée"),
            True,
        ),
        # An address that no setter breaks tells nothing of the column.
        ((ADDRESS, "une mesure de la toxicité des cellules", "est donnée par ces deux auteurs de renom"), True),
        # The end of a line of contents was drawn out.
        (("11.2 Mots des commandes et", "signes . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . 12"), True),
    ],
)
def test_a_short_line_goes_on_where_there_is_a_reason(lines: tuple[str, ...], whole: bool) -> None:
    assert (len(page(column(40, 700, lines))) == 1) is whole


@pytest.mark.parametrize(
    ("ended", "begins"),
    [
        ("Les racines ne passent plus", "Profil cultural : impact des outils et des roues sur la structure du sol"),
        ("Rappel sur le coefficient D", "Le comportement d'un élément dans le magma dépend de la température du bain"),
        ("Tribunal de police", "pour les contraventions de la première à la cinquième classe, et leurs suites"),
    ],
)
def test_paragraphs_apart_are_not_joined_where_the_first_one_was_ended(ended: str, begins: str) -> None:
    assert page([(40, 700, 9, ended), *column(40, 676, (begins, LONG))])[:2] == [ended, begins]


def test_the_lines_of_a_caption_are_one_though_they_are_short_and_bold() -> None:
    body = column(40, 760, [f"{LONG} {n}" for n in range(4)])
    caption: list[Placed] = [
        (120, 700, 9, "Figure 1.1 – Comparaison entre une architecture informatique", False),
        (156, 688, 9, "traditionnelle et une architecture virtualisée", True),
    ]
    assert f"{caption[0][3]} {caption[1][3]}" in page([*body, *caption, *column(40, 660, [LONG, *BODY])])


def test_no_line_of_an_item_begins_before_its_mark() -> None:
    items: list[Placed] = [
        (52, 700, 9, "• Les tribunaux de grande instance et les tribunaux d'instance"),
        (40, 688, 9, "1er degré : la première instance. Les juridictions d'appel ont leur propre compétence, et"),
        (40, 676, 9, "sont saisies par l'une des parties."),
    ]
    assert page(items)[0] == items[0][3]


def test_a_paragraph_that_is_indented_below_a_list_is_none_of_its_items() -> None:
    lines: list[Placed] = [
        (52, 700, 9, "• Le risque de contrepartie augmente quand la qualité de crédit se détériore"),
        (52, 688, 9, "Les modèles avancés de risque de crédit de portefeuille, comme CreditMetrics et KMV"),
        (40, 676, 9, "Portfolio Manager, utilisent des approches différentes pour ces corrélations d'actifs."),
    ]
    assert page(lines) == [lines[0][3], f"{lines[1][3]} {lines[2][3]}"]


COLUMN = (
    "Le projet a été fondé par un étudiant",
    "dont le but était de faire un système",
    "libre, et soigné par des bénévoles.",
)


def two_columns(last: str, first: str) -> list[str]:
    left, right = (*COLUMN, *COLUMN, *COLUMN, last), (first, *COLUMN, *COLUMN, *COLUMN)
    return page([*column(40, 700, left), *column(320, 700, right)])


@pytest.mark.parametrize(
    ("last", "first"),
    [
        ("comme le dit un livre, The Analysis of", "Biological Data, est plus simple que"),
        ("sa devise est liberté, et aussi égalité,", "Fraternité de tous, et le respect des"),
        ("par la première équipe (avec son ami", "Murdock) du tout premier ensemble des"),
    ],
)
def test_a_sentence_goes_on_with_a_capital_in_the_next_column(last: str, first: str) -> None:
    assert f"{last} {first}" in " ".join(two_columns(last, first))
    assert not any(line.startswith(first[:8]) for line in two_columns(last, first))


@pytest.mark.parametrize("first", ["Une autre partie de ce chapitre dit", "• Une autre partie de ce chapitre"])
def test_a_short_line_at_the_foot_of_a_column_is_ended(first: str) -> None:
    assert any(line.startswith(first[:8]) for line in two_columns("le projet", first))


@pytest.mark.parametrize("sign", [":", ";", " »"])
def test_a_sign_within_a_sentence_at_the_end_of_a_full_line_of_a_column_begins_nothing(sign: str) -> None:
    left = (*COLUMN, f"une des distributions les plus vues{sign}", "malheureusement mal entretenue", *COLUMN)
    lines = page([*column(40, 700, left), *column(320, 700, (*COLUMN, *COLUMN, *COLUMN))])
    assert not any(line.startswith("malheureusement") for line in lines)


# --- sentences that go on ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("logique. Les transistors P sont utilisés pour tirer à 1 et les transistors N pour tirer à", "0. Il n'y a"),
        ("de la chaleur est prise à une source à basse température, si la puissance est telle que B >", "0) pour la"),
        (
            "Le navigateur, qui est une application, s'est adressé aux couches du réseau entre (couche 1 à",
            "4) pour que",
        ),
    ],
)
def test_a_full_line_goes_on_in_a_line_that_begins_with_a_number(first: str, second: str) -> None:
    rest = " perte de seuil, et les techniques de dépôt deviennent plus complexes depuis bien longtemps."
    assert page(column(40, 700, (first, second + rest[: len(first) - len(second) - 25])))[0].startswith(
        f"{first} {second}"
    )


def test_numbers_after_full_lines_are_items_where_one_stands_before_them() -> None:
    items = (
        "1) le premier temps de la prise en charge est d'allonger la victime, sans surélever les jambes",
        "2) le deuxième est de lui donner de l'oxygène pur à l'inhalation, aussi vite que cela se peut",
    )
    assert page(column(40, 700, items)) == list(items)


def test_a_unit_stays_with_its_number() -> None:
    lines = ("La tension de la source ne dépasse pas 2", "W. Choisir ensuite la résistance", *BODY)
    assert "pas 2 W." in " ".join(page(column(40, 700, lines)))
    assert not any(line.endswith(" 2") for line in page(column(40, 700, lines)))


@pytest.mark.parametrize(
    ("lines", "whole"),
    [
        (("Diagramme ternaire Sr–", "Pb–Nd et légende."), "Sr–Pb–Nd"),
        (("Un mot – incise –", "puis la suite."), "incise – puis"),
        (("Réfléchissez-", "y bien."), "Réfléchissez-y"),
        (("La densité et sa densité-dépendance. Ils sont densité-", "indépendants."), "densité-indépendants"),
        (("Une contre-indication, et contre lui, contre-", "coup."), "contrecoup"),
    ],
)
def test_what_a_hyphen_or_a_dash_ties_stays_tied(lines: Sequence[str], whole: str) -> None:
    assert whole in joined(*lines)


# --- contents ---------------------------------------------------------------------------------------------------------

DOTS = ". " * 30


def test_lines_of_contents_are_lines_and_none_is_lost() -> None:
    entries: list[Placed] = []
    for number, (mark, title) in enumerate(
        (("1", "Chapitre"), ("1.1", "Remarques"), ("1.2", "Striction"), ("2", "Moulage"), ("2.1", "Viscosité"))
    ):
        left, top = (40, 700 - 12 * number) if len(mark) == 1 else (60, 700 - 12 * number)
        entries += [(left, top, 9, mark), (left + 24 if len(mark) > 1 else 60, top, 9, title)]
        entries += [(160, top, 9, f"{DOTS}{number + 1}") if len(mark) > 1 else (407, top, 9, str(number + 1))]
    assert page(entries) == [
        "1 Chapitre 1",
        "1.1 Remarques … 2",
        "1.2 Striction … 3",
        "2 Moulage 4",
        "2.1 Viscosité … 5",
    ]


def test_contents_without_leaders_are_lines() -> None:
    contents = ("1 L'écologie", "1.1 Les niveaux", "1.2 Le biotope", "2 L'organisme")
    assert page(column(40, 700, (*contents, *BODY))) == [*contents, " ".join(BODY)]


# --- properties -------------------------------------------------------------------------------------------------------

WORDS = st.lists(
    st.sampled_from(
        ["fièvre", "IRM", "Doppler", "à", "le", "de", "4)", "2", "Xylella", "est", "ANCA", "« cas »", "rare"]
    ),
    min_size=20,
    max_size=80,
)


def _placed(lines: Sequence[str]) -> list[list[Span]]:
    return [
        [Span(line, 40.0, 40.0 + 5 * len(line), 700 - 12.0 * at, 709 - 12.0 * at, size=9.0)]
        for at, line in enumerate(lines)
    ]


def _wrapped(words: Sequence[str], width: int) -> list[str]:
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


@given(WORDS, st.integers(30, 60))
def test_no_line_of_a_paragraph_is_torn_off(words: list[str], width: int) -> None:
    lines = _wrapped(words, width)
    read = list(arrange(_placed(["x" * width, *lines])))
    assert not [line.text for line in read[2:] if line.goes_on is False]
    assert " ".join(line.text for line in read[1:] if line.text) == " ".join(lines)


def test_the_reader_in_its_own_process_tells_the_same() -> None:
    data = make_placed_pdf([column(40, 700, (*BODY, "Une note", "Une autre note", *BODY))])
    with DocumentReader() as reader:
        assert reader.read(Path("a.pdf"), data) == extract_document(Path("a.pdf"), data)


def test_all_that_a_line_says_comes_through_the_pipe() -> None:
    line = Line("Une note", True, 1.2, True, True, True, 40.0, 0.5, True)
    assert Line(*_fields(line)) == line


def test_titles_far_below_one_another_are_lines_of_their_own() -> None:
    titles = ("Rayon unique", "Source ponctuelle", "Miroir elliptique, parabolique, hyperbolique", "Lame d'air")
    lines = [*column(60, 760, BODY, size=10), *column(60, 700, titles, step=20)]
    assert page(lines)[1:] == list(titles)


def test_a_text_with_double_spacing_is_no_list_of_titles() -> None:
    lines = ("La fièvre du nourrisson de moins de trois mois impose une consultation chez le docteur", "Martin ou un")
    assert page(column(60, 700, (*lines, "autre, le jour même."), step=20)) == [
        f"{' '.join(lines)} autre, le jour même."
    ]


@pytest.mark.parametrize("mark", ["•", "□", "☐", "☒", "■"])
def test_each_option_behind_a_box_is_a_line_and_so_is_the_answer_below(mark: str) -> None:
    """Options of one length all end at one place, which is no edge of their column."""
    options = [f"{mark} {letter}. 0,{number}0" for letter, number in zip("ABCDE", (2, 4, 5, 8, 9), strict=True)]
    text = ["15) La valeur de kappa est, pour ces deux lecteurs qui ont lu les mêmes clichés :", *options]
    answer = "Réponse : C. L'accord est modéré, car kappa vaut 0,58 et dépasse à peine la moitié."
    placed = [
        [Span(line, 60.0 if line != answer else 66.0, 60.0 + 4.5 * len(line), top, top + 9.0)]
        for line, top in zip([*text, answer], range(700, 600, -12), strict=False)
    ]
    lines = tuple(arrange(placed))

    found = [piece.text for piece in read_pieces(ExtractedDocument((Page(1, lines),), is_typeset=True))]

    assert [piece for piece in found if piece.startswith(mark)] == options
    assert any(piece.startswith("Réponse") for piece in found)
