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
from worker.courses.document import ExtractedDocument, Line, Page
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


def test_a_note_stays_one_where_another_has_run_together_with_its_line() -> None:
    joined = LINES[0] + " On la mesure à"  # so near that its line is one to whoever prints it
    text = column(40, 700, [*LINES, *BODY, *LINES, *BODY, joined, *LINES[1:]])
    note = column(425, 688, ["Poids du", "matin"], step=9, size=7)
    pieces = printed([*text[:2], *note, *text[2:]])
    assert "Poids du matin" in pieces
    assert " ".join(LINES) in pieces


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


# --- headers and footers --------------------------------------------------------------------------------------------


def typeset(*pages: Sequence[Line]) -> list[str]:
    document = ExtractedDocument(tuple(Page(n, tuple(p)) for n, p in enumerate(pages, start=1)), is_typeset=True)
    return [piece.text for piece in read_pieces(document)]


def texts(mark: str, top: float = 700) -> list[Line]:
    return [Line(f"{line} {mark}{part}x", foot=top - 12 * n) for part in "abc" for n, line in enumerate(BODY)]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_a_browser_prints_around_a_page_is_gone(count: int) -> None:
    """It is printed last, small, near the text, and on few pages."""
    pages: list[list[Placed]] = []
    for number in range(1, count + 1):
        body = column(
            40, 790, [f"{line} {part}{'uvw'[number - 1]}x" for part in "abcdef" for line in BODY], step=14, size=12
        )
        head = [(24.0, 806.0, 8.0, "29/11/2026 19:32", False), (300.0, 806.0, 8.0, "La fièvre", False)]
        foot = [
            (24.0, 17.0, 8.0, "https://exemple.org/cours/fievre.html", False),
            (560.0, 17.0, 8.0, f"{number}/{count}", False),
        ]
        pages.append([*body, *head, *foot])
    read_whole = " ".join(printed(*pages))
    assert "19:32" not in read_whole
    assert "exemple.org" not in read_whole
    assert read_whole.count("La fièvre") == 6 * count


def test_a_header_that_stands_apart_is_gone_from_two_pages() -> None:
    head = [Line("Université – DCEM2 – 2021/2022", foot=800), Line("")]
    assert not any("Université" in text for text in typeset([*head, *texts("u")], [*head, *texts("v")]))


def test_a_bar_of_sections_beside_slides_is_gone() -> None:
    """Small lines between those of the text, at one place of each slide."""
    bar = [Line(name, size=0.6, foot=240 - 10 * n) for n, name in enumerate(("Signes", "Formes", "Soins"))]
    slides = [[*texts("u")[:3], bar[0], Line(""), bar[1], Line(""), *texts(mark)[3:], bar[2]] for mark in "abcdef"]
    assert not {"Signes", "Formes", "Soins"} & set(typeset(*slides))


def test_a_line_of_text_that_comes_again_at_other_heights_is_kept() -> None:
    pages = [[*texts(mark), Line("Voir aussi", foot=600 - 40 * n)] for n, mark in enumerate("abcdef")]
    assert " ".join(typeset(*pages)).count("Voir aussi") == 6


def test_links_between_the_chapters_of_a_printed_web_page_are_gone() -> None:
    leads = [Line("Précédent Suivant", linked=0.9), Line("")]
    table = [
        Line("Précédent | Suivant", linked=0.9, is_row=True, foot=60),
        Line("Rhume | Toux", linked=0.4, is_row=True, foot=40),
        Line(""),
    ]
    title = [Line("Signes", size=1.6), Line("")]
    chapter = [Line(""), *table, *leads, *title]
    pages = [[*texts(mark), *chapter, *texts(f"{mark}q"), *chapter, *texts(f"{mark}z")] for mark in "abcd"]
    read_lines = typeset(*pages)
    assert not any("Suivant" in text or "Rhume" in text for text in read_lines)
    assert sum("aqax" in text for text in read_lines) == 1


def test_links_inside_a_printed_text_are_kept() -> None:
    see = [Line("Cette dose se réduit, comme le dit la"), Line("section des formes graves.", linked=1.0), Line("")]
    sources = [Line("Sources", size=1.4, is_bold=True), Line(""), Line("Haute Autorité de santé", linked=1.0)]
    read_lines = typeset(
        *[[*texts(mark), Line(""), *see, *texts(f"{mark}q")] for mark in "abcd"], [*texts("e"), Line(""), *sources]
    )
    assert sum("section des formes graves." in text for text in read_lines) == 4
    assert "Haute Autorité de santé" in read_lines
