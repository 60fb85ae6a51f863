"""What 160 passages read beside their pages showed to be broken: each kind as a small document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.counting import count_steps, watch_calls
from tests.support.pdfs import Placed, make_placed_pdf
from worker.courses.chunk import MAX_CHARACTERS, chunk_document
from worker.courses.chunk.paragraphs import read_pieces
from worker.courses.chunk.pieces import Piece
from worker.courses.document import Chunk, ExtractedDocument, Line, Page
from worker.courses.extract import extract_document
from worker.courses.extract.layout import arrange
from worker.courses.extract.ligatures import keep_ligatures, name_ligatures
from worker.courses.extract.rows import Span, join_printed
from worker.courses.extract.signs import restore_symbols
from worker.courses.extract.spans import Letters, split_spans

BODY = (
    "La fièvre dépasse souvent 38,5 °C chez le nourrisson de moins de trois mois, et",
    "impose deux hémocultures avant toute antibiothérapie, quelle que soit la saison.",
)


def chunks(data: bytes, name: str = "a.pdf") -> tuple[Chunk, ...]:
    return chunk_document(extract_document(Path(name), data))


def text(data: bytes, name: str = "a.pdf") -> str:
    return "\n".join(chunk.text for chunk in chunks(data, name))


def typeset(*pages: Sequence[str | Line]) -> ExtractedDocument:
    return ExtractedDocument(
        tuple(
            Page(number, tuple(line if isinstance(line, Line) else Line(line) for line in lines))
            for number, lines in enumerate(pages, start=1)
        ),
        is_typeset=True,
    )


def headings(*pages: Sequence[str | Line]) -> list[str]:
    return [piece.text for piece in read_pieces(typeset(*pages)) if piece.is_heading]


def passage(*lines: str | Line) -> str:
    return "\n".join(chunk.text for chunk in chunk_document(typeset(lines)))


def column(left: float, top: float, lines: Sequence[str], *, size: float = 9, bold: bool = False) -> list[Placed]:
    return [(left, top - 12 * number, size, line, bold) for number, line in enumerate(lines)]


def body(mark: str) -> list[str | Line]:
    """Lines that stand on no other page, more than a header or footer has."""
    return [f"{line} {mark}{part}x" for part in "abc" for line in BODY]


def bold(text: str) -> Line:
    return Line(text, is_bold=True)


def large(text: str) -> Line:
    return Line(text, size=1.4, is_bold=True)


@pytest.mark.parametrize("title", ["macOS", "2.1 Ce que dit la calculatrice.", "pH du sang"])
def test_a_title_may_begin_within_its_word_or_end_with_a_full_stop(title: str) -> None:
    assert title in headings([large("La présentation"), "", *body("a"), "", large(title), "", *body("b")])


@pytest.mark.parametrize("title", ["ne pas donner", "La dose est de 2 g.", "1. Prendre la température."])
def test_small_letters_and_sentences_are_no_titles(title: str) -> None:
    assert title not in headings([large("La présentation"), "", *body("a"), "", large(title), "", *body("b")])


# --- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "whole"),
    [
        (["Voir https://www.", "has-sante.fr/guide pour la suite."], "https://www.has-sante.fr/guide"),
        (["Voir http:", "//www.has-sante.fr/guide pour la suite."], "http://www.has-sante.fr/guide"),
        (["Voir https://", "www.has-sante.fr/guide pour la suite."], "https://www.has-sante.fr/guide"),
        (["Voir (https://www.has-sante.fr/", "guides/2021) pour la suite."], "https://www.has-sante.fr/guides/2021)"),
        (["Voir https://archive.org/web/http://news.", "lily.net/?a=1 ensuite."], "http://news.lily.net/?a=1"),
        (["Écrire à centre@chu.", "tours.fr avant le départ."], "centre@chu.tours.fr"),
        (["Le fichier modele.", "docx est joint."], "modele.docx est joint"),
        (["Le fichier sources.list est lu. Dans sources.", "list, tout est dit."], "Dans sources.list, tout"),
        (["Voir https://www.has-sante.fr/-", "guides pour la suite."], "https://www.has-sante.fr/guides pour"),
        (["Il est sous language/korean/", "CJK/ depuis hier."], "language/korean/CJK/ depuis"),
        (["La variable \\l_tmpb_", "int est lue."], "\\l_tmpb_int est"),
        (["La commande \\seq_put", "_left:NV est lue."], "\\seq_put_left:NV est"),
        (["Écrire à nephro@chu-", "hopitaux.fr avant."], "nephro@chu-hopitaux.fr avant"),
        (["Voir https://www.has-sante.fr/suivi\ufffe", "patients ensuite."], "has-sante.fr/suivi-patients ensuite"),
        (["Voir http ://etudiants.net/lymphocytes-t-", "dantigenes/ ensuite."], "lymphocytes-t-dantigenes/ ensuite"),
        (["Les β-", "bloquants sont poursuivis."], "β-bloquants sont"),
        (["Voir https://www.has-sante.fr.", "Ensuite, prescrire."], "https://www.has-sante.fr. Ensuite"),
        (["Le patient va mieux.", "lundi, il sort."], "mieux. lundi"),
    ],
)
def test_an_address_that_goes_on_in_the_next_line_is_whole(lines: list[str], whole: str) -> None:
    assert whole in passage(*lines).replace("\n", " ")


@pytest.mark.parametrize(
    ("printed", "read"),
    [
        ("A \u0338= B", "A ≠ B"),
        ("\uf735 Buts", "5 Buts"),
        ("37,5 ◦C", "37,5 °C"),
        ("un angle de 90◦", "un angle de 90°"),
        ("◦C, puis", "°C, puis"),
        ("◦ un tiret", "◦ un tiret"),
        ("2\uf6ec", "2e"),
        ("\uf761\uf762", "AB"),
        ("\uf8ee 3 \uf8f9", "  3  "),
        ("x = y", "x = y"),
    ],
)
def test_signs_that_print_takes_apart_are_whole(printed: str, read: str) -> None:
    assert restore_symbols(printed) == read


def in_font(name: bytes, lines: Sequence[Placed]) -> bytes:
    """A page whose bold texts are set in another font."""
    pdf = make_placed_pdf([lines])
    assert len(name) <= len(b"Helvetica-Bold")
    return pdf.replace(b"/Helvetica-Bold", b"/" + name.ljust(len(b"Helvetica-Bold")))


def test_brackets_of_texs_font_of_signs_are_no_letters() -> None:
    dose: list[Placed] = [(40, 700, 9, "Prendre", False), (78, 700, 9, "h", True), (83, 700, 9, "dose", False)]
    page = [*dose, (102.5, 700, 9, "i", True), (108, 700, 9, "par jour, ici et hier aussi.", False)]
    assert "⟨dose⟩ par jour, ici et hier aussi" in text(in_font(b"CMSY10", [*page, *column(40, 680, BODY)]))
    assert "⟨" not in text(in_font(b"Arial", [*page, *column(40, 680, BODY)]))


def test_joined_letters_where_others_have_spaces_are_letters() -> None:
    line = "Il su\x1et de dé\x1cnir la dose."
    read = split_spans(Letters(keep_ligatures(line), 0, len(line), lambda at: (5.0 * at, 5.0 * at + 5, 0, 9)))
    lines = tuple(Line(span.text) for span in read)
    assert [line.text for line in name_ligatures([Page(1, lines)])[0].lines] == ["Il suffit de définir la dose."]


def test_relations_of_texs_fonts_of_signs_are_no_figures() -> None:
    page: list[Placed] = [
        (40, 700, 9, "Une tension", False),
        (95, 700, 9, "6", True),
        (105, 700, 9, "140 mmHg, et une", False),
    ]
    page += [(183, 700, 9, "dose", False), (206, 700, 9, ">", True), (215, 700, 9, "6 g.", False)]
    assert "Une tension ⩽ 140 mmHg, et une dose ⩾ 6 g." in text(in_font(b"MSAM10", [*page, *column(40, 680, BODY)]))
    assert "tension 6 140" in text(in_font(b"Arial", [*page, *column(40, 680, BODY)]))


def test_arrows_of_texs_font_of_signs_are_no_percents() -> None:
    page: list[Placed] = [
        (40, 700, 9, "Le tabac fait", False),
        (98, 700, 9, "%", True),
        (110, 700, 9, "le risque, et", False),
        (165, 700, 9, "&", True),
        (176, 700, 9, "le souffle de 5 % par an.", False),
    ]
    said = text(in_font(b"CMSY10", [*page, *column(40, 680, BODY)]))
    assert "Le tabac fait ↗ le risque, et ↘ le souffle de 5 % par an." in said
    assert "fait % le risque, et & le" in text(in_font(b"MSAM10", [*page, *column(40, 680, BODY)]))


def letters(text: str, left: float, bottom: float, *, apart: float, column: float = 0.0) -> list[Placed]:
    """A text of Helvetica whose letters stand this far apart, or each in the middle of a column."""
    placed: list[Placed] = []
    for letter in text:
        width = 10 * WIDTHS.get(letter, 0.556)
        if letter != " ":
            placed.append((left + max(0.0, column - width) / 2, bottom, 10, letter))
        left += column or width + apart
    return placed


WIDTHS = dict.fromkeys("Iftr; ", 0.278) | dict.fromkeys("il", 0.222) | dict.fromkeys("()", 0.333)
WIDTHS |= dict.fromkeys("ABEPSXVK", 0.667) | dict.fromkeys("CDHNRU", 0.722) | dict.fromkeys("OGQ", 0.778)
WIDTHS |= {"=": 0.584, "s": 0.5, "r": 0.333}


@pytest.mark.parametrize(
    ("line", "apart", "column", "read"),
    [
        ("PHYSIOLOGIE DU REIN", 3.5, 0.0, "PHYSIOLOGIE DU REIN"),
        ("LES DIURÉTIQUES", 4.0, 0.0, "LES DIURÉTIQUES"),
        ("if (utiles = total) ;", 0.0, 6.0, "if (utiles = total) ;"),
        ("ABCDE", 3.5, 0.0, "A B C D E"),
        ("aAbBcC", 3.5, 0.0, "a A b B c C"),
        ("c o d e", 0.0, 6.0, "c o d e"),
        ("x = y = z", 3.5, 0.0, "x = y = z"),
    ],
)
def test_letters_that_print_sets_apart_are_words(line: str, apart: float, column: float, read: str) -> None:
    page = letters(line, 40, 700, apart=apart, column=column)
    assert read in text(make_placed_pdf([[*page, *([(40.0, 660.0, 9.0, part) for part in BODY])]])).split("\n")


def test_the_charge_of_an_ion_stands_with_it() -> None:
    def span(text: str, place: tuple[float, float, float, float], size: float) -> Span:
        return Span(text, *place, size=size)

    ion = span("Na+, HCO3", (425, 522.6, 694.1, 701.1), 10.9), span("–", (524.1, 528.4, 699.1, 706.1), 8)
    after = span(", Cl", (529.9, 545, 694.1, 704.1), 10.9)
    assert join_printed([[ion[0]], [ion[1]], [after]]) == [[*ion, after]]
    assert len(join_printed([[ion[0]], [span("1 Note", (524.1, 560, 720, 727), 8)]])) == 2


def test_the_halves_that_print_leaves_of_a_word_are_no_words() -> None:
    cut = [
        "Un signe rela-",
        "tivement rare.",
        "Il est rela-",
        "tivement constant.",
        "On le dit rela-",
        "tivement sensible.",
    ]
    assert "rela-tivement" not in passage(*cut)
    assert "un anti-HBs-positif de" in passage("On lit anti-HBs-positif.", "Voici un anti-", "HBs-positif de plus.")
    assert "la post-extra-systole" in passage("On lit post-extra-systole.", "Voici la post-", "extra-systole du jour.")
    assert "le METAPOST de" in passage("On lit METAPOST et METAPOST.", "Voici le META-", "POST de Knuth.")


@pytest.mark.parametrize(
    ("lines", "whole"),
    [
        (["On dose le CA-", "125 une fois par an."], "le CA-125 une"),
        (["L'image debian-amd64-", "netinst est lue."], "debian-amd64-netinst est"),
        (["La dose va de 17-", "30 mg par jour."], "de 17-30 mg"),
        (["Les items 4 -", "et 5 sont traités."], "4 - et 5"),
        # So is that of a word before the beginning of a sentence, or before one that French writes so
        (["Ce sont des bactéries Gram-", "On les traite de même."], "Gram- On les"),
        (["Placer une main en-", "dessous de la gorge."], "en-dessous de"),
        (["Il faut sous-", "échantillonner la population."], "sous-échantillonner la"),
        (["On fait la sous-", "traction des deux images."], "soustraction des"),
        (["Les thérapies cognitivo-", "comportementales aident."], "cognitivo-comportementales aident"),
        (["C'est le pied-", "dans-la-porte de l'étude."], "le pied-dans-la-porte de"),
        (["Le rotor tourne à 8-", "16 tours par minute."], "à 8-16 tours"),
    ],
)
def test_a_hyphen_beside_a_figure_is_the_words_own(lines: list[str], whole: str) -> None:
    assert whole in passage(*lines)


BROKEN = "La microscopie à super-", "résolution montre une boucle."


@pytest.mark.parametrize(
    ("others", "whole"),
    [
        # Words are broken nowhere else in the document: its hyphens are words' own.
        (["Chaque cellule de ce tissu a des récepteurs à sa surface."] * 120, "super-résolution montre"),
        # One that is known was broken; many lines end with hyphens; too few lines tell.
        (
            ["Chaque cellule de ce tissu a des récepteurs à sa surface."] * 120 + ["Cette cel-", "lule est morte."],
            "superrésolution montre",
        ),
        (["Chaque cellule de ce tissu a des récepteurs à sa sur-", "face externe."] * 60, "superrésolution montre"),
        (["Chaque cellule de ce tissu a des récepteurs à sa surface."] * 20, "superrésolution montre"),
    ],
)
def test_a_document_that_breaks_no_words_keeps_the_hyphens_at_the_ends_of_its_lines(
    others: list[str], whole: str
) -> None:
    assert whole in passage(*others, *BROKEN).replace("\n", " ")


def test_a_page_of_commands_is_a_page_of_letters() -> None:
    lines = [f"\\smc@write@indent{{#{n}}} \\-- \\TNM{n}" for n in range(40)]
    assert "smc@write@indent{#7}" in text(make_placed_pdf([column(40, 780, lines), column(40, 700, BODY)]))


def test_notes_of_a_score_are_no_letters() -> None:
    page = [*column(40, 700, BODY), *column(60, 640, ["hhh N h"], bold=True), *column(40, 600, ["Ensuite, on chante."])]
    assert "hhh" not in text(in_font(b"Emmentaler-20", page))
    assert "Ensuite, on chante." in text(in_font(b"Emmentaler-20", page))


# --- sentences ------------------------------------------------------------------------------------------------------


def test_the_raised_mark_of_a_note_does_not_break_its_line() -> None:
    printed = [
        [Span("police au codage T1 et au format « type 1 »", 89, 314, 587, 598)],
        [Span("30. C’est pourquoi ont été récemment", 316, 506, 592, 600)],
        [Span("dessinées les polices de caractères que voici, qui sont conformes.", 89, 506, 573, 584)],
    ]
    assert [line.text for line in arrange(printed) if line.text] == [
        "police au codage T1 et au format « type 1 » 30. C’est pourquoi ont été récemment",
        "dessinées les polices de caractères que voici, qui sont conformes.",
    ]


def test_names_of_options_are_not_sentences_that_go_on_below() -> None:
    read = passage(
        "amoxicilline (défaut : 1 g)",
        "",
        "Dose de la première prise.",
        "",
        "gentamicine (défaut : 3 mg)",
        "",
        "Dose du jour.",
    )
    assert read.split("\n") == [
        "amoxicilline (défaut : 1 g)",
        "Dose de la première prise.",
        "gentamicine (défaut : 3 mg)",
        "Dose du jour.",
    ]


def test_a_caption_does_not_go_on_in_the_paragraph_below_it() -> None:
    read = passage(
        "Tableau 1 – Les formes de la maladie et leurs traitements",
        "",
        bold("2.2 Formes"),
        "",
        "adulte et enfant diffèrent par leur dose, et le vieillard aussi.",
        "",
        *BODY,
    )
    assert "leurs traitements\n2.2 Formes\nadulte et enfant" in read


def test_a_dash_that_opens_what_a_second_one_closes_begins_no_item() -> None:
    read = passage(
        "Le traitement permet de couvrir toutes les formes que l'on rencontre chez l'enfant",
        "– notamment les plus graves – et de rendre les autres bénignes.",
    )
    assert "chez l'enfant – notamment les plus graves – et de rendre" in read
    assert "suivantes\n– la fièvre" in passage("On recherche les formes suivantes", "– la fièvre", "– la toux")


def test_the_first_line_of_a_paragraph_that_is_indented_goes_on_below() -> None:
    lines: list[Placed] = [
        (
            52,
            700,
            9,
            "L'examen cherche les signes qui sont dits plus haut, et que l'on cite encore une fois ici.",
            False,
        ),
        (
            40,
            688,
            9,
            "puis ceux que la famille rapporte, dans l'ordre où ils sont venus au cours de la nuit d'hier",
            False,
        ),
    ]
    assert "ici. puis ceux" in text(make_placed_pdf([[*lines, *column(40, 676, BODY)]]))


def test_what_stands_in_the_margin_is_read_before_its_paragraph() -> None:
    lines = [
        "Le traitement repose d'abord sur la compression, que l'on garde six mois, puis sur",
        "les anticoagulants, dont la dose dépend du poids et de la fonction rénale, et que l'on",
        "arrête au bout de trois mois si aucun facteur ne persiste, sauf chez la femme enceinte",
        "où ils se donnent jusqu'au terme, et encore six semaines après lui quoi qu'il advienne.",
    ]
    page = column(120, 700, lines)
    page.insert(2, (40, 688, 9, "Anticoagulants", False))
    read = text(make_placed_pdf([[*page, *column(120, 640, [*BODY, *lines])]]))
    assert "puis sur les anticoagulants, dont" in read
    assert read.startswith("Anticoagulants\nLe traitement")


# --- tables ---------------------------------------------------------------------------------------------------------


def test_lines_that_pictures_stand_in_are_no_rows() -> None:
    def line(left: float, bottom: float, gap: float) -> list[Placed]:
        return [
            (40, bottom, 9, "La touche que l'on presse", False),
            (left, bottom, 6, "2nde", False),
            (left + gap, bottom, 9, "donne la fonction qui y est dite", False),
        ]

    read = text(make_placed_pdf([[*line(165, 700, 31), *line(172, 688, 37), *column(40, 676, BODY)]]))
    assert " | " not in read


def test_lines_that_only_end_together_are_no_rows() -> None:
    printed = [
        [
            Span("Entrées analogiques, dites A1 et A2 :", 40, 230, 700, 709),
            Span("Celles-ci peuvent", 250, 330, 700, 709),
        ],
        [Span("mesurer toutes les tensions.", 40, 180, 688, 697), Span("La résolution est fine", 205, 330, 688, 697)],
    ]
    assert not any(row.is_row for row in arrange(printed))


def test_a_cell_does_not_reach_under_the_one_at_its_left() -> None:
    def option(name: str, right: int, bottom: float) -> list[list[Span]]:
        return [
            [Span(name, 57, right, bottom, bottom + 9), Span("(défaut : 1)", 450, 539, bottom, bottom + 9)],
            [Span("Donne un nom à l’écran, pour qu’on le trouve.", 77, 539, bottom - 10, bottom - 1)],
        ]

    printed = [*option("nom=", 100, 500), *option("largeur=", 130, 480), *option("hauteur=", 131, 460)]
    lines = [line.text for line in arrange(printed) if line.text]
    told = "Donne un nom à l’écran, pour qu’on le trouve."
    assert lines == [part for name in ("nom=", "largeur=", "hauteur=") for part in (f"{name} (défaut : 1)", told)]


def test_a_paragraph_below_a_table_is_in_no_cell() -> None:
    def row(name: str, value: str, bottom: float) -> list[list[Span]]:
        return [[Span(name, 40, 120, bottom, bottom + 9)], [Span(value, 300, 320, bottom, bottom + 9)]]

    below = [Span("Si l'on veut donner un nom à ce qui suit, on le dit ici, en toutes lettres.", 40, 400, 668, 677)]
    lines = list(arrange([*row("Signe de f", "0", 692), *row("Variations", "4", 680), below]))
    assert [line.text for line in lines if line.is_row] == ["Signe de f | 0", "Variations | 4"]
    assert lines[-1].text == below[0].text


def test_a_line_that_is_drawn_out_is_no_row() -> None:
    def line(words: str, bottom: float, gap: float) -> list[Span]:
        return [
            Span(word, 40 + n * (30 + gap), 70 + n * (30 + gap), bottom, bottom + 9)
            for n, word in enumerate(words.split())
        ]

    printed = [line("Les tests faits hier soir", 700, 20), line("sont donc dits tous bons", 688, 20)]
    assert not any(row.is_row for row in arrange(printed))


def test_a_table_of_contents_is_not_lost_for_its_leaders() -> None:
    lines = [f"{n}.1 Signes {'. ' * 60}{n}" for n in range(1, 9)]
    assert "3.1 Signes" in text(make_placed_pdf([column(40, 700, lines), column(40, 700, BODY * 4)]))


# --- headings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("title", ["5 Les signes", "6 Ce que dit l'examen", "7 L'évolution", "8 En pratique"])
def test_a_number_before_a_short_word_numbers_a_heading(title: str) -> None:
    assert headings([bold(title), "", *BODY]) == [title]


def test_a_bold_sentence_that_leads_to_what_follows_is_no_heading() -> None:
    assert headings([bold("Les valeurs passées en options sont les suivantes :"), "", *BODY]) == []
    assert headings([bold("Traitement :"), "", *BODY]) == ["Traitement :"]


def test_the_words_of_a_figure_are_not_in_the_heading_above_it() -> None:
    lines: list[str | Line] = [bold("4.8 Options"), bold("Figure 14.143. Les options de l'outil"), "", *BODY]
    assert headings(lines) == ["4.8 Options"]


@pytest.mark.parametrize("line", ["5 UI par jour", "10 Gy en séances", "3 MUI matin et soir"])
def test_a_measure_in_bold_is_no_heading(line: str) -> None:
    assert headings([bold(line), "", *BODY]) == []


def test_a_number_in_its_order_numbers_a_heading_whatever_follows_it() -> None:
    titles = ["6.5 Formes de l'adulte", "6.6 p53 et cancers", "6.7 Formes de l'enfant"]
    lines: list[str | Line] = [part for title in titles for part in (large(title), "", *BODY, "")]
    assert headings(lines) == titles
    assert headings([large("2.5 mg matin et soir"), "", *BODY]) == []


@pytest.mark.parametrize("title", ["1.2.1 VPN", "1.2.1 TODO", "1.2.1 Nœud"])
def test_a_short_word_behind_the_number_of_a_section_is_a_heading(title: str) -> None:
    lines = [large("1.2.2 Réseaux privés"), "", *body("a"), "", large(title), "", *body("b")]
    assert headings(lines) == ["1.2.2 Réseaux privés", title]


def test_a_bold_link_is_no_heading() -> None:
    link = Line("Des symptômes au traitement", is_bold=True, linked=1.0)
    assert headings([bold("La présentation"), "", *body("a"), "", link, "", *body("b")]) == ["La présentation"]
    assert headings([large("La présentation"), "", *body("a"), "", replace(link, size=1.4), "", *body("b")])[1:]


def test_a_number_with_a_colon_numbers_a_heading() -> None:
    assert headings([large("4 : Le contrat de travail"), "", *body("a")]) == ["4 : Le contrat de travail"]
    assert headings([large("4 : le contrat de travail"), "", *body("a")]) == []


def test_a_word_that_is_cut_at_the_end_of_a_page_goes_on_below_a_figure() -> None:
    document = typeset(
        ["Ils commencent à la fécondation, avec les premières diffé\ufffe"],
        ["FIGURE 1.3 – Épissage d'un même gène.", "", "renciations cellulaires de l'œuf."],
    )
    assert "les premières différenciations cellulaires de l'œuf." in [p.text[-52:] for p in read_pieces(document)]


def test_a_sentence_goes_on_with_the_name_of_a_figure_in_the_next_page() -> None:
    document = typeset(
        ["La jonction de ces cristaux est illustrée sur la"], ["figure 1.11, à rebours de ce qui précède."]
    )
    assert [piece.text for piece in read_pieces(document)] == [
        "La jonction de ces cristaux est illustrée sur la figure 1.11, à rebours de ce qui précède."
    ]


def test_an_item_in_brackets_does_not_go_on_below_a_heading() -> None:
    document = typeset(
        ["Calendrier de suivi de l'arrêt des benzodiazépines (PDF)"],
        [bold("Sources"), "", "e-learning du sevrage des benzodiazépines.", *BODY],
    )
    assert "benzodiazépines (PDF)" in [piece.text[-21:] for piece in read_pieces(document)]


def test_an_abbreviation_in_capitals_leads_to_nothing() -> None:
    lines = ["C'est interdit dans les SA", "", "Les objectifs sont au nombre de trois.", *BODY]
    assert "C'est interdit dans les SA" in passage(*lines).split("\n")
    assert headings([large("ÉTUDE DE LA"), large("PRESSION ARTÉRIELLE"), "", *body("")]) == [
        "ÉTUDE DE LA PRESSION ARTÉRIELLE"
    ]


def test_a_short_word_is_a_heading_where_its_sections_are_numbered() -> None:
    lines = [large("1 ARN"), "", *body("a"), "", large("1.1 Transcription"), "", *body("b")]
    assert headings(lines) == ["1 ARN", "1.1 Transcription"]
    assert headings([large("1 ARN"), "", *body("a")]) == []


def test_a_heading_below_a_table_of_contents_is_one() -> None:
    contents: list[str | Line] = [Line(f"{n} Signes et formes …{n}") for n in range(1, 7)]
    found = headings([large("Table des matières"), "", *contents, bold("Index 16"), "", large("1 Signes"), "", *BODY])
    assert found == ["Table des matières", "1 Signes"]


def test_the_number_of_a_chapter_stands_in_one_with_its_title() -> None:
    page: list[str | Line] = [bold("Chapitre 3"), "", large("Insuffisance cardiaque"), "", *BODY]
    assert headings(page) == ["Chapitre 3 Insuffisance cardiaque"]
    assert headings([large("4"), "", large("Diagnostic positif"), "", *BODY]) == ["4 Diagnostic positif"]


def test_a_large_title_that_begins_with_the_pages_number_is_no_header() -> None:
    def page(number: int) -> list[str | Line]:
        return [f"{number} Cours de cardiologie", "", *(f"{one} {number}a" for one in BODY)]

    pages = [page(number) for number in range(1, 9)]
    pages[2][:1] = [large("3 Traitement")]
    assert "3 Traitement" in headings(*pages)


def test_what_stands_over_each_box_is_no_heading() -> None:
    def page(number: int) -> list[str | Line]:
        return [
            *body(f"{number}a"),
            "",
            bold("Calcul"),
            "",
            *body(f"{number}b"),
            "",
            bold("Calcul"),
            "",
            *body(f"{number}c"),
        ]

    assert headings([large("Le score de Wells"), "", *body("a")], *(page(number) for number in range(2, 6))) == [
        "Le score de Wells"
    ]
    once = [bold("Calcul"), "", *body("b")]
    assert headings([large("Le score de Wells"), "", *body("a")], once) == ["Le score de Wells", "Calcul"]


def test_beside_numbered_sections_a_word_in_bold_is_no_heading() -> None:
    def page(n: int, m: int) -> list[str | Line]:
        return [*body(f"{n}{m}a"), "", bold(f"{n}.{m} Formes {n} et {m}"), "", *body(f"{n}{m}b")]

    pages = [page(n, m) for n in (1, 2) for m in (1, 2, 3)]
    pages[1] += ["", bold("Bonjour le monde"), "", *BODY]
    found = headings(*pages)
    assert "Bonjour le monde" not in found
    assert len(found) == 6
    assert "Conclusion" in headings(*pages, [bold("Conclusion"), "", *BODY])


def test_a_numbered_title_in_capitals_is_a_heading_though_its_text_follows() -> None:
    lines: list[str | Line] = [large("Cours"), "", "II. TRAITEMENT", *BODY, "", "III. SUIVI", *BODY]
    assert headings(lines) == ["Cours", "II. TRAITEMENT", "III. SUIVI"]


def test_the_title_of_a_numbered_box_is_no_heading() -> None:
    assert headings([bold("Remarque 3 – Formes rares"), "", *BODY, "", bold("Traitement"), "", *BODY]) == ["Traitement"]


def test_a_large_heading_of_two_lines_is_whole() -> None:
    title: list[Placed] = [
        (40, 700, 14, "4.1 Sur quels arguments repose le diag-", True),
        (40, 682, 14, "nostic de la maladie chez l'enfant", True),
    ]
    found = chunks(make_placed_pdf([[*title, *column(40, 650, BODY * 3)]]))
    assert found[0].heading == "4.1 Sur quels arguments repose le diagnostic de la maladie chez l'enfant"


# --- headers --------------------------------------------------------------------------------------------------------


def test_a_header_that_stands_apart_on_most_pages_is_gone_whatever_it_says() -> None:
    def page(number: int) -> list[Placed]:
        header: list[Placed] = [(40, 796, 9, f"CHAPITRE {'I' * number} FORMES {'AB' * number}", False)]
        return [*header, *column(40, 754, [f"{line} {'x' * number}" for line in BODY * 3])]

    pages = [page(number) for number in range(1, 13)]
    pages[4][:1] = [(40, 796, 9, "Chapitre 5", False)]
    read = text(make_placed_pdf(pages))
    assert "CHAPITRE" not in read
    assert "Chapitre 5" in read
    assert read.count("La fièvre dépasse") == 36


def test_text_at_the_head_of_all_pages_is_no_header() -> None:
    pages = [column(40, 796, [f"{line} {'x' * number}" for line in BODY * 3]) for number in range(1, 13)]
    assert text(make_placed_pdf(pages)).count("La fièvre dépasse") == 36


def test_a_page_number_alone_at_the_foot_of_a_chapters_first_page_is_gone() -> None:
    def page(number: int) -> list[str | Line]:
        lines = body(f"{number}y")
        return [*lines, "", str(number + 16)] if number == 1 else [f"CAUCHY {number + 16}", "", *lines]

    assert "17" not in "".join(piece.text for piece in read_pieces(typeset(*(page(number) for number in range(1, 6)))))


# --- web pages ------------------------------------------------------------------------------------------------------


def html(body: str) -> str:
    return text(f"<html><body>{body}</body></html>".encode(), "a.html")


def test_lines_that_were_typed_as_they_are_stay_lines() -> None:
    typed = "<pre>NFS  Hb 9,2 g/dL\n<b>Plq</b>  80 G/L\n\nTP 60 %</pre><p>Le bilan\nest prélevé.</p>"
    assert html(typed) == "NFS Hb 9,2 g/dL\nPlq 80 G/L\nTP 60 %\nLe bilan est prélevé."


def test_a_row_of_arrows_to_other_pages_is_left_out() -> None:
    icon = '<td><a href="b.html"><img src="next.png" alt="Suite"></a></td>'
    arrows = f"<table><tr>{icon * 3}<td><b>La toux</b></td></tr></table>"
    assert (
        html(f"{arrows}<h1>La toux</h1><p>Elle dure.</p>{arrows}<address>Écrire au service</address>")
        == "La toux\nElle dure."
    )
    shown = '<td><a href="ecg.png"><img src="ecg-small.png"></a></td>'
    assert "Deux ECG" in html(f"<table><tr>{shown * 2}<td>Deux ECG</td></tr></table><p>Ils diffèrent.</p>")


def test_the_brackets_of_a_term_over_two_lines_are_no_letters() -> None:
    first: list[Placed] = [(40, 700, 9, "La", False), (52, 700, 9, "h", True), (57, 700, 9, "liste de", False)]
    page = [
        *first,
        (40, 688, 9, "token", False),
        (62.5, 688, 9, "i", True),
        (68, 688, 9, "et la hliste entière", False),
    ]
    read = text(in_font(b"CMSY10", [*page, (40, 676, 9, "hdosei", True), *column(40, 640, BODY)]))
    assert "La ⟨liste de token⟩ et la hliste entière" in read


def test_the_table_of_contents_around_a_page_is_left_out() -> None:
    frame = '<div id="tocframe"><p><a href="m.html">Retour</a></p><h4><a href="i.html">Manuel</a></h4></div>'
    assert html(f"<h1>La toux</h1><p>Elle dure depuis plus de trois semaines.</p>{frame}").endswith("semaines.")


def test_what_is_clicked_on_around_a_page_is_left_out() -> None:
    header = '<header><a href="i.html">Aide</a><button>Module</button></header>'
    panel = '<aside><input type="search"><label>Contenu</label></aside>'
    assert (
        html(f"{header}{panel}<h1>La toux</h1><p>Elle dure.</p><aside>Boire.</aside>") == "La toux\nElle dure.\nBoire."
    )


def test_a_picture_before_a_row_is_no_cell() -> None:
    icon = '<td rowspan="2"><img src="note.png" alt="Note"></td>'
    box = f"<table><tr>{icon}<th>À retenir</th></tr><tr><td>Boire.</td></tr></table>"
    assert html(f"<p>La toux.</p>{box}") == "La toux.\nÀ retenir\nBoire."


# --- work -----------------------------------------------------------------------------------------------------------


def written(work: Callable[[], object]) -> int:
    """The characters of all texts that the functions of the chunker give back while something works."""
    count = 0

    def note(_frame: object, event: str, result: object) -> None:
        nonlocal count
        if event == "return":
            given = result if isinstance(result, tuple | list) else (result,)
            count += sum(
                len(one.text if isinstance(one, Piece) else one) for one in given[:3] if isinstance(one, Piece | str)
            )

    watch_calls(work, note)
    return count


@pytest.mark.parametrize("end", ["", "-"])
def test_a_sentence_over_many_paragraphs_is_copied_once(end: str) -> None:
    def document(count: int) -> ExtractedDocument:
        line = "une phrase qui ne finit pas et que rien ne ferme au bout de cette ligne"
        return typeset([part for _ in range(count) for part in (line + end, "")])

    few, many = (written(lambda count=count: read_pieces(document(count))) for count in (200, 800))  # type: ignore[misc]
    assert many < 5 * few


def test_passages_are_filled_in_steps_that_grow_with_their_pieces() -> None:
    def steps(count: int) -> int:
        document = ExtractedDocument((Page(None, tuple(Line("a") for _ in range(count))),))
        found: list[Chunk] = []
        taken = count_steps(lambda: found.extend(chunk_document(document)))
        assert all(len(chunk.text) <= MAX_CHARACTERS for chunk in found)
        return taken

    # A passage holds 600 pieces of one letter: counted anew for each of them it takes thousands of steps for each.
    assert steps(1200) < 300 * 1200


# --- where a passage ends -------------------------------------------------------------------------------------------


SENTENCE = "Le dosage de la troponine est répété trois heures plus tard, quel que soit le premier résultat"
LONG = "La ventilation " + ", puis la ventilation ".join(["non invasive de courte durée"] * 12) + ", est efficace."


@pytest.mark.parametrize("filled", range(4, 11))
def test_a_passage_ends_where_a_sentence_does(filled: int) -> None:
    # Given sentences so long that one begins before a passage has 800 characters and ends after its 1,200
    lines = [f"{SENTENCE} {'x' * number}." for number in range(filled)]

    found = chunk_document(typeset([*lines, LONG, "", *lines, LONG]))

    # Then none is cut, and no passage has less than 400 characters for it
    assert all(chunk.text.endswith(".") for chunk in found)
    assert all(400 <= len(chunk.text) <= MAX_CHARACTERS for chunk in found)


def test_a_heading_and_a_lead_in_stand_in_the_passage_of_what_follows_them() -> None:
    # Given headings and a lead-in where a passage that is filled to its last character would end with them
    body = [f"{SENTENCE} {'x' * number}." for number in range(7)]
    long_item = "— " + LONG

    section: list[str | Line] = ["", bold("Quand traiter"), "", LONG]
    headed = chunk_document(typeset([*body, *section, "", bold("Qui opérer"), *section]))
    led = chunk_document(typeset([*body, "", "Les traitements sont les suivants :", long_item, long_item]))

    assert all(chunk.text.endswith(".") for chunk in headed)
    assert not any(chunk.text.endswith(":") for chunk in led)


def test_a_line_that_names_a_list_stands_in_the_passage_of_its_items() -> None:
    item = "• " + LONG
    found = chunk_document(
        typeset([*(f"{SENTENCE} {'x' * n}." for n in range(7)), "", "Avantages du sondage", item, item])
    )

    assert not any(chunk.text.endswith("Avantages du sondage") for chunk in found)


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (["Anticorps. " + LONG, "", LONG], "Anticorps."),  # before its text in one line
        (["Les points de prélèvement", "", LONG, "", LONG], "Les points de prélèvement"),
        (["La vitesse prend la forme " + LONG[3:330] + " ∆W", "", "= α.U − β", "", LONG], "∆W"),
        (["Le juge reste, car il fait carrière", "", LONG[0].lower() + LONG[1:], "", LONG], "carrière"),
    ],
)
def test_a_passage_ends_neither_with_a_name_of_what_follows_nor_before_small_letters(
    lines: list[str], name: str
) -> None:
    body = [Line(f"{SENTENCE} {'x' * number}.") for number in range(7)]
    found = chunk_document(ExtractedDocument((Page(None, (*body, *map(Line, lines))),)))

    assert len(found) > 1
    assert not any(chunk.text.endswith(name) for chunk in found)


@pytest.mark.parametrize("filled", range(0, 150, 10))
def test_the_short_end_of_a_paragraph_stands_with_the_rest_of_it(filled: int) -> None:
    reference = f"{LONG[:-1]}{'x' * filled} à la Haute autorité. Juin 2015."
    lines = [*(f"{SENTENCE} {'x' * number}." for number in range(4)), reference, LONG]
    found = chunk_document(ExtractedDocument((Page(None, tuple(map(Line, lines))),)))
    assert not any(chunk.text.endswith("autorité.") for chunk in found)


def test_the_number_of_a_section_stands_with_its_sentence() -> None:
    lines = ("Le système est ancien.", "1.1.3. Monter le système de fichiers demande un point de montage.")
    pieces = [piece.text for piece in read_pieces(typeset([" ".join(lines)]))]
    assert pieces == list(lines)


def test_a_table_of_contents_fills_its_passages() -> None:
    # Given what has no sentences: entries of contents, which are longer than a passage
    entries = " ".join(f"{number}.1 Prise en charge des formes graves … {number}" for number in range(90))

    found = chunk_document(typeset(["Contenu du cours.", "", entries]))

    assert all(len(chunk.text) > 800 for chunk in found[:-1])


# --- what stands at the end of a page, or beside its text -----------------------------------------------------------


def small(text: str) -> Line:
    return Line(text, size=0.83)


@pytest.mark.parametrize("mark", ["1. ", "i. ", "1 ", "* ", "1"])
def test_footnotes_stand_behind_the_sentence_that_goes_on_in_the_next_page(mark: str) -> None:
    below = [small(f"{mark}Les données plus anciennes sont celles du registre"), small("national des cancers.")]
    pages = [
        [*body("a"), "Ne l’oublions pas, ce sont d’anciennes", "", *below],
        ["bactéries, qui y vivent.", *body("b")],
    ]

    whole = "\n".join(chunk.text for chunk in chunk_document(typeset(*pages)))

    assert "d’anciennes bactéries, qui y vivent." in whole
    assert whole.index("qui y vivent.") < whole.index("Les données plus anciennes") < len(whole)
    assert "registre national des cancers." in whole


def test_footnotes_stand_neither_between_a_lead_in_and_its_list_nor_among_its_items() -> None:
    notes = [small("1. Organisation des Nations unies"), small("2. Organisation mondiale de la santé")]
    led = typeset(
        [*body("a"), "Plusieurs formes existent :", "", *notes], ["— la forme aiguë ;", "— la chronique.", "La suite."]
    )
    listed = typeset(
        [*body("a"), "Souvent, ces", "", *notes], ["gens sont pauvres (Ville, 2014)", "— la forme aiguë ;", "La suite."]
    )

    for document in (led, listed):
        (text,) = ["\n".join(chunk.text for chunk in chunk_document(document))]
        assert text.index("la forme aiguë") < text.index("1. Organisation des") < text.index("2. Organisation mondiale")


def test_a_page_in_small_letters_has_no_footnotes() -> None:
    page = [small("1 Interroger le patient sur ses antécédents."), small("2 Examiner, debout puis couché.")]

    read = [piece.text for piece in read_pieces(typeset(page, body("b")))]

    assert read[0].startswith("1 Interroger")


@pytest.mark.parametrize(
    ("lines", "apart"),
    [
        # The words below a figure end without a sign, and what comes next begins in small letters
        ([["Figure – Diagramme des exigences"], ["fonctionnelles, économiques et techniques."]], "fonctionnelles,"),
        (
            [["Figure 7.4 – Un moteur thermique. Schéma libre de", "", "Les deux sources."], ["pour tout moteur."]],
            "pour tout",
        ),
        # A box at the top of the next page, and what a colon announces there
        (
            [["— Direction y : du derrière de la tête vers le nez"], ["Indice :", "", "rappelez-vous la fréquence."]],
            "rappelez",
        ),
        ([["C’est bien la masse indiquée dans le tableau périodique"], ["m(proton) = 1,0073 u"]], "m(proton)"),
        ([["On note pour le système la valeur suivante de la constante"], ["k = 12 par minute"]], "k = 12"),
    ],
)
def test_a_sentence_does_not_go_on_in_what_is_none_of_it(lines: list[list[str]], apart: str) -> None:
    read = [piece.text for piece in read_pieces(typeset(*lines))]

    assert any(text.startswith(apart) for text in read)


def test_an_item_without_a_full_stop_does_not_go_on_below_a_heading() -> None:
    first = Page(1, (Line("E est définie ainsi, avec :"), Line("• U la tension électrique en volts")))
    second = (Line("Lien avec la puissance", is_heading=True), Line("si I est le courant, on a ceci."), Line(""))
    rest = (Line(f"{line} suite.") for line in BODY)
    document = ExtractedDocument((first, Page(2, (*second, *rest))), is_typeset=True)

    read = [piece.text for piece in read_pieces(document)]

    assert read.index("si I est le courant, on a ceci.") == read.index("Lien avec la puissance") + 1


# --- what is a heading, and of what ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rest", ["physico-chimiques du sol", "(dans les régions humides)"])
def test_a_title_whose_lines_stand_far_apart_is_one_heading(rest: str) -> None:
    title = [Line("Introduction : les propriétés", size=1.6, is_bold=True, foot=740.0), Line("")]
    assert headings([*title, Line(rest, size=1.6, is_bold=True, foot=718.0), "", *body("a")]) == [
        f"Introduction : les propriétés {rest}"
    ]


@pytest.mark.parametrize("title", ["Qui ?", "Qui, où ?"])
def test_a_question_of_short_words_is_the_heading_of_what_answers_it(title: str) -> None:
    assert headings([large(title), "", *body("a")]) == [title]


def test_the_bold_rest_of_a_line_that_breaks_off_is_no_heading() -> None:
    lines = ["• Coliques de déplacement et de torsion (ou", "", bold("Strangulation)"), "", *body("")]
    assert headings([bold("Types de coliques"), "", *lines]) == ["Types de coliques"]


def test_a_numbered_title_may_end_with_a_colon_and_a_date_is_no_title() -> None:
    title = "3. Obstructions de l'œsophage par les aliments :"
    assert headings([large(title), "", *body("")]) == [title]
    assert headings([bold("Dernière modification : 29/11/2026"), "", *body("")]) == []


def test_a_notice_of_copyright_at_the_end_of_a_print_is_left_out() -> None:
    assert "©" not in passage(*BODY, "", "© Faculté de médecine, 2024")
    assert "©" in passage("© est le signe du droit d'auteur.", "", *BODY)


def test_words_in_brackets_are_no_heading() -> None:
    assert headings([large("Secourir"), "", "Les actions sont les suivantes :", "", "(PREFAS)", "", *body("a")]) == [
        "Secourir"
    ]


def test_bold_words_below_the_caption_of_a_table_name_its_columns() -> None:
    caption, head = Line("Table (1.1) Progrès des recherches", size=0.83), bold("Date Avancée")
    rows = ["1885 Découverte de la réaction", "1947 Nécessité de l’énergie"]

    assert headings([large("Histoire"), "", caption, "", head, "", *rows]) == ["Histoire"]
    # Below a caption that stands under its table the next section may begin
    assert headings([large("Histoire"), "", caption, "", bold("Les suites"), "", *body("a")]) == [
        "Histoire",
        "Les suites",
    ]


def test_the_lines_of_contents_without_page_numbers_are_no_headings() -> None:
    contents: list[str | Line] = [
        "Sommaire",
        "",
        large("Introduction"),
        "",
        "Les armes",
        "Les blessés",
        "",
        large("Conclusion"),
    ]

    assert headings(contents, [large("Les armes"), "", *body("a")]) == ["Les armes"]
    # A page that is called a plan, and tells one
    plan: list[str | Line] = [
        large("Plan"),
        "",
        "Le plan blanc est déclenché par le directeur.",
        "",
        large("Alerte"),
        "",
        *body("b"),
    ]
    assert headings(plan, body("c")) == ["Plan", "Alerte"]


def test_a_first_title_is_the_heading_of_its_passage() -> None:
    markdown = "***\n# Le marché\n***\n- Un seul vendeur fait face à beaucoup d’acheteurs.\n"
    (chunk,) = chunks(markdown.encode(), "a.md")
    assert chunk.heading == "Le marché"


# --- the order of a page --------------------------------------------------------------------------------------------


def test_a_box_that_a_page_tells_last_is_read_where_it_stands() -> None:
    # Given a page whose box is drawn after all text, between two sections and beside nothing
    above, below = column(40, 780, BODY), column(40, 600, ["La suite de la consultation.", *BODY], size=9)
    box = column(120, 690, ["Atome neutre :", "Z protons, Z électrons"], size=8)

    whole = text(make_placed_pdf([[*above, *below, *box]]))

    assert whole.index("quelle que soit") < whole.index("Atome neutre") < whole.index("La suite de la consultation")


def test_columns_that_a_page_tells_one_after_the_other_stay_so() -> None:
    left = column(40, 780, [f"À gauche, la ligne {letter} du texte." for letter in "abcdefgh"])
    right = column(320, 800, [f"À droite, la ligne {letter} du texte." for letter in "abcdefgh"])

    whole = text(make_placed_pdf([[*left, *right]]))

    assert whole.index("gauche, la ligne h") < whole.index("droite, la ligne a")


def test_a_label_that_stands_on_its_side_is_no_word_of_the_paragraph_before() -> None:
    # Given a box with its label turned upwards beside it, written among its lines
    above, box = column(40, 780, BODY), column(60, 730, ["Besoin formulé, implicite ou imposé,", "par écrit."])
    label = (50, 700, 9, "Exigence" + "x" * 20)
    data = make_placed_pdf([[*above, box[0], label, *box[1:]]])
    upright = b"1 0 0 1 50.00 700.00 Tm (Exigence" + b"x" * 20 + b")"
    turned = b"0 1 -1 0 50.00 700.00 Tm (Exigence)"
    assert upright in data

    whole = text(data.replace(upright, turned.ljust(len(upright))))

    assert "\nExigence\nBesoin formulé" in whole
