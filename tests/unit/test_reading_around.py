"""What stands around a text and beside it is no part of its sentences: navigation, notes in the margin, footers."""

from __future__ import annotations

import html as escapes
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as markup_of

from tests.support.pdfs import Placed, make_placed_pdf
from worker.courses.chunk.paragraphs import read_pieces
from worker.courses.document import Line
from worker.courses.extract import extract_document

BODY = (
    "La fièvre dépasse souvent 38,5 °C chez le nourrisson de moins de trois mois, et",
    "impose deux hémocultures avant toute antibiothérapie, quelle que soit la saison.",
)
TEXT = " ".join(BODY)


def read(name: str, data: bytes) -> list[Line]:
    return [line for page in extract_document(Path(name), data).pages for line in page.lines if line.text]


def web(body: str) -> list[str]:
    return [line.text for line in read("a.html", f"<html><body>{body}</body></html>".encode())]


def printed(*pages: Sequence[Placed]) -> list[str]:
    return [piece.text for piece in read_pieces(extract_document(Path("a.pdf"), make_placed_pdf(pages)))]


def column(left: float, top: float, lines: Sequence[str], *, step: float = 12, size: float = 9) -> list[Placed]:
    return [(left, top - step * number, size, line, False) for number, line in enumerate(lines)]


# --- web pages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "around",
    [
        # What its role or name says, with headings of its own.
        '<div role="navigation"><h3>Table des matières</h3><ul><li><a href="#a">Signes</a></li></ul></div>',
        '<div class="sphinxsidebar"><div id="searchbox" role="search"><h3>Recherche</h3><input name="q"></div></div>',
        '<div class="sharedaddy"><h3>Partager :</h3><ul><li><a href="f">Réseau</a></li></ul></div>',
        '<div class="rst-versions"><span>Version</span><dl><dd><a href="1">1.0</a></dd></dl></div>',
        '<div class="tableOfContents_x1"><ul><li><a href="#a">Signes</a></li></ul></div>',
        '<div id="catlinks"><a href="c">Catégories</a> : <ul><li><a href="p">Pédiatrie</a></li></ul></div>',
        '<div class="modified">Modifié le vendredi 12 mars 2021</div>',
        '<a class="md-skip" href="#main">Aller au contenu</a>',
        # What links say that they are.
        '<div class="header">Suite: <a href="b" rel="next">Toux</a>, Avant: <a href="a" rel="prev">Rhume</a></div>',
        (
            '<table><tr><td><a accesskey="p" href="a">Avant</a></td><td><a accesskey="n" href="b">Suite</a></td></tr>'
            "<tr><td>Rhume</td><td>Toux</td></tr></table>"
        ),
        "<form><label>Cette page est-elle utile ?</label><button>Oui</button></form>",
        '<form role="search"><label>Rechercher : <input name="q"></label></form>',
    ],
)
def test_what_stands_around_a_page_is_left_out(around: str) -> None:
    assert web(f"{around}<h1>Signes</h1><p>{TEXT}</p>{around}<p>{TEXT}</p>{around}") == ["Signes", TEXT, TEXT]


@pytest.mark.parametrize(
    ("top", "bottom"),
    [
        ('<p><a href="a">Précédent</a> <a href="b">Suivant</a></p>', '<p><a href="mailto:x">Report a bug</a></p>'),
        ('<center><a href="i">Accueil</a> | <a href="c">Cours</a></center><hr>', '<p><a href="#top">Haut</a></p>'),
        ('<p><a href="i">Accueil</a> &gt; <a href="c">Cours</a> &gt; Signes</p>', "<p>© 2004 Faculté de médecine.</p>"),
        ('<b>Next:</b> <a href="b">Toux</a> <b>Up:</b> <a href="c">Cours</a><br>', ""),
        (
            "",
            (
                '<table><tr><td><a href="a">Précédent</a></td><td><a href="b">Suivant</a></td></tr>'
                '<tr><td>Rhume</td><td><a href="i">Sommaire</a></td></tr></table>'
            ),
        ),
    ],
)
def test_a_page_begins_and_ends_with_its_text_not_with_links(top: str, bottom: str) -> None:
    assert web(f"{top}<h1>Signes</h1><p>{TEXT}</p>{bottom}") == ["Signes", TEXT]


@pytest.mark.parametrize(
    "kept",
    [
        '<h2>Sources</h2><p><a href="has">Haute Autorité de santé</a></p>',
        '<p>Voir aussi :</p><p><a href="toux">La toux</a></p>',
        '<p>Sources</p><ul><li><a href="has">Haute Autorité de santé</a></li></ul>',
        '<div class="sidebar"><p>À retenir</p><p>Boire souvent.</p></div>',
        '<div class="figure-contents"><p>Une radiographie</p></div>',
        '<div class="example-footnote has-menu"><p>La dose <a href="d">se calcule</a>.</p><p>Note.</p>'
        + TEXT
        + "</div>",
        "<form><p>Quel germe ?</p><p><input type='radio'>VRS</p></form>",
        '<p>Voir <a href="b" rel="next">le chapitre qui suit</a> pour les formes graves de l’enfant.</p>',
        "<aside>À retenir : boire.</aside>",
        "<p>Un renvoi <a href='#n1'>[1]</a></p>",
    ],
)
def test_links_and_boxes_of_a_text_are_kept(kept: str) -> None:
    letters = "".join(web(f"<h1>Signes</h1><p>{TEXT}</p>{kept}")).replace(" ", "")
    assert letters == f"Signes{TEXT}{_seen(kept)}".replace(" ", "")


def _seen(markup: str) -> str:
    return "".join(map(str, markup_of.fromstring(f"<div>{markup}</div>").itertext()))


def test_the_signs_that_lead_to_a_heading_or_back_from_a_note_are_left_out() -> None:
    heading = '<h1>Signes<a class="headerlink" href="#s">¶</a></h1>'
    edited = '<h2>Toux<span class="mw-editsection">[<a href="e">modifier</a>]</span></h2>'
    assert web(f'{heading}{edited}<p>{TEXT}</p><p>Note. <a href="#r">↩</a></p>') == ["Signes", "Toux", TEXT, "Note."]


_PARTS = st.sampled_from(
    (
        '<nav><a href="a">Suivant</a></nav>',
        '<div class="breadcrumb"><a href="i">Accueil</a></div>',
        '<p><a href="a">Précédent</a></p>',
        "<h2>Signes</h2>",
        "<hr>",
        '<div class="toc"><a href="#a">Signes</a></div>',
        "<footer>Faculté</footer>",
    )
)
_NAMES = st.sampled_from(("content", "menu", "toc2", "sidebar", "has-nav", "note meta", "caption", "related", "x"))
_TAGS = st.sampled_from(("p", "div", "section", "li", "aside", "blockquote"))
_PROSE = st.text("abcéè 38,%", min_size=1, max_size=60).map(lambda words: f"Le {' '.join(words.split())} ici")


@given(st.lists(st.one_of(_PARTS, st.tuples(_TAGS, _NAMES, _PROSE)), min_size=1, max_size=12))
def test_no_words_without_a_link_are_lost(parts: list[str | tuple[str, str, str]]) -> None:
    """Whatever stands around them and whatever their element is called, as long as it is no footer."""
    body = "".join(
        part if isinstance(part, str) else f'<{part[0]} class="{part[1]}">{escapes.escape(part[2])}</{part[0]}>'
        for part in parts
    )
    said = [word for part in parts if not isinstance(part, str) for word in part[2].split()]
    if not said:
        return
    found = iter(" ".join(web(body)).replace("|", " ").split())
    assert all(any(word == other for other in found) for word in said)


# --- margins --------------------------------------------------------------------------------------------------------

LINES = [
    "Le traitement repose d'abord sur la compression, que l'on garde six mois, puis sur",
    "les anticoagulants, dont la dose dépend du poids et de la fonction rénale, et que l'on",
    "arrête au bout de trois mois si aucun facteur ne persiste, sauf chez la femme enceinte",
    "où ils se donnent jusqu'au terme, et encore six semaines après lui quoi qu'il advienne.",
]


@pytest.mark.parametrize("left", [40, 480])
def test_a_note_in_the_margin_is_whole_wherever_its_lines_stand(left: float) -> None:
    """In lines nearer to one another than those of the text, and some of them short."""
    text = column(120, 700, [*LINES, *BODY, *LINES])
    note = column(left, 695, ["Le poids se", "mesure à", "jeun,", "au lit."], step=9, size=7)
    pieces = printed([*text[:2], *note, *text[2:]])
    assert "Le poids se mesure à jeun, au lit." in pieces
    assert " ".join(LINES) in pieces


def test_two_notes_in_the_margin_are_two_paragraphs() -> None:
    text = column(120, 700, [*LINES, *BODY, *LINES])
    notes = [*column(40, 688, ["Poids du", "matin"], step=9, size=7), *column(40, 640, ["Dose du", "soir"], size=7)]
    pieces = printed([*text, *notes])
    assert {"Poids du matin", "Dose du soir"} <= set(pieces)


def test_terms_beside_their_paragraphs_are_rows() -> None:
    """What stands left of the first line of each paragraph names it: a list of terms, no notes."""
    values = [
        "dose par kilo et par jour, que l'on calcule sur le poids de la veille au matin.",
        "voie que l'on choisit, veineuse au début, orale dès que l'enfant boit à nouveau.",
        "rythme des prises, en heures, et ce que l'on fait quand l'une d'elles est oubliée.",
        "durée du traitement, en jours, sauf avis du spécialiste qui suit l'enfant en ville.",
    ]
    terms = ["-dose", "-voie", "-rythme", "-durée"]
    page: list[Placed] = []
    for number, (term, value) in enumerate(zip(terms, values, strict=True)):
        height = 700 - 24 * number
        page += [(50, height, 9, term, False), (120, height, 9, value, False)]
        page += column(120, height - 12, ["La note qui suit le dit en entier à qui la lit, et dans quel cas."])
    pieces = printed(page)
    assert [piece.split(" | ")[0] for piece in pieces if " | " in piece] == terms
