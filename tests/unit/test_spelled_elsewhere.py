"""What the rest of a document tells of a line's end: guillemets without names, endings of files, words with hyphens."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.courses.chunk.paragraphs import read_pieces
from worker.courses.document import ExtractedDocument, Line, Page
from worker.courses.extract.ligatures import name_ligatures


def joined(*lines: str) -> str:
    document = ExtractedDocument((Page(1, tuple(map(Line, lines))),), is_typeset=True)
    return " ".join(piece.text for piece in read_pieces(document))


def named(*lines: str) -> list[str]:
    return [line.text for line in name_ligatures([Page(1, tuple(map(Line, lines)))])[0].lines]


# --- guillemets that a font of TeX does not name ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "read"),
    [
        (["une portée \x13 parasite \x14."], ["une portée « parasite »."]),
        (["la \x13 ligne de", "commande \x14 du système"], ["la « ligne de", "commande » du système"]),
        (["\x13Oui\x14, dit-il, \x13 non \x14"], ["«Oui», dit-il, « non »"]),
        (["r\x13egulation de l'\x13etat"], ["r\x13egulation de l'\x13etat"]),  # an accent of OT1
        (["B = \x13 2 3 \x14 et x"], ["B = \x13 2 3 \x14 et x"]),  # high brackets
        (["un \x14 seul \x13 à l'envers"], ["un \x14 seul \x13 à l'envers"]),
        (["\x13 mot \x14 \x14 \x14 \x14"], ["\x13 mot \x14 \x14 \x14 \x14"]),  # not most of them
    ],
)
def test_guillemets_are_known_by_standing_around_words(lines: Sequence[str], read: list[str]) -> None:
    assert named(*lines) == read


QUOTED = st.lists(st.sampled_from(["une portée", "le mot", "dite", "et puis la clef,"]), min_size=1, max_size=6)


@given(QUOTED, QUOTED)
def test_every_pair_of_a_text_is_named_and_no_other_sign_changed(around: list[str], within: list[str]) -> None:
    told = "".join(f"{a} \x13 {w} \x14 " for a, w in zip(around, within, strict=False))

    assert named(told) == [told.replace("\x13", "«").replace("\x14", "»")]


# --- names and paths at the end of a line -----------------------------------------------------------------------------

ENDINGS = "Les fichiers de type .pk sont dans le dossier."


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ((ENDINGS, "", "Il faut créer les fichiers", ".pk et attendre."), "créer les fichiers .pk et"),
        (("Un fichier Texinfo (extension", ".itexi) est lu."), "(extension .itexi) est"),
        (("Un fichier .log.", "", "Appeler la propriété objet", ".valeur ici."), "propriété objet.valeur ici"),
        ((ENDINGS, "Voir cmr10.pk aussi.", "", "Ouvrir le fichier cmr10", ".pk et lire."), "fichier cmr10.pk et"),
        (("Mettre {server.com}/etc/", "passwd, puis essayer."), "{server.com}/etc/passwd, puis"),
        (("Il est dans $HOME/.sage/temp/", "pid/spyx ici."), "$HOME/.sage/temp/pid/spyx ici"),
    ],
)
def test_a_name_goes_on_as_the_document_spells_it(lines: Sequence[str], told: str) -> None:
    assert told in joined(*lines)


PACKAGES = "Les paquets libpam-ldap, libpam-pgsql et libpam-krb existent."


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ((PACKAGES, "", "Il y a aussi libpam-", "mysql ici."), "libpam-mysql ici"),
        (("Le paquet libpam-ldap.", "", "Il y a aussi libpam-", "mysql ici."), "libpammysql ici"),
        # What begins words in one as well tells nothing
        (("Un micro-onde, un micro-climat, micro-puce.", "", "On voit des micro-", "bes ici."), "microbes ici"),
        (("Trans-rectal, trans-pariétal, trans-nasal.", "", "On voit la trans-", "mission ici."), "transmission ici"),
        (("Hyper-réactif, hyper-actif, hyper-lien.", "", "On note une hyper-", "tension ici."), "hypertension ici"),
    ],
)
def test_a_beginning_that_the_document_sets_off_keeps_its_hyphen(lines: Sequence[str], told: str) -> None:
    assert told in joined(*lines)


# --- items behind a figure --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (("– Gimp 2.10", "– Inkscape 1.0", "– Firefox 60"), ["– Gimp 2.10", "– Inkscape 1.0", "– Firefox 60"]),
        (("une dose de 17", "– 30 mg par jour"), ["une dose de 17 – 30 mg par jour"]),
        (("vers 1918", "– la date est sûre – il part"), ["vers 1918 – la date est sûre – il part"]),
    ],
)
def test_a_dash_behind_a_figure_begins_an_item_before_a_capital(lines: Sequence[str], told: list[str]) -> None:
    document = ExtractedDocument((Page(1, tuple(map(Line, lines))),), is_typeset=True)
    assert [piece.text for piece in read_pieces(document)] == told


# --- contents, ways on and back, programs at the foot of pages --------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (("3.1.2 Quelles sont les distributions ? 8", "3.1.3 La distribution stable 9"), 2),
        (("entre les distributions ? 8", "3.1.3 La distribution stable"), 2),
        (("comme le dit la section", "3.1.3 Le dosage, que l'on a vu plus haut."), 1),
        (("La dose est de 8", "1.5 L par jour, ou moins si la fièvre baisse."), 1),
    ],
)
def test_entries_of_contents_that_fill_their_lines_are_two(lines: Sequence[str], told: int) -> None:
    document = ExtractedDocument((Page(1, tuple(map(Line, lines))),), is_typeset=True)
    assert len(list(read_pieces(document))) == told


def texts(*pages: Sequence[str]) -> list[str]:
    document = ExtractedDocument(
        tuple(
            Page(number, tuple(Line(text, foot=700.0 - 12 * at) for at, text in enumerate(page)))
            for number, page in enumerate(pages, start=1)
        ),
        is_typeset=True,
    )
    return " ".join(piece.text for piece in read_pieces(document)).split()


@pytest.mark.parametrize("way", ["Previous Up Next", "Précédent | Suivant", "Sommaire - Suivant"])
def test_ways_on_and_back_are_dropped_where_they_come_again(way: str) -> None:
    pages = [[f"La leçon {word} du cours.", way, f"Le chapitre {word} la suit."] for word in ("un", "deux", "trois")]
    assert "chapitre" in texts(*pages)
    assert way.split(maxsplit=1)[0] not in texts(*pages)
    assert way.split(maxsplit=1)[0] in texts(pages[0])


@pytest.mark.parametrize("end", ["}", ">>", "});"])
def test_the_end_of_a_program_is_no_footer(end: str) -> None:
    pages = [[f"Le programme {word} du cours", "commence ainsi :", "{", f"suite {word}", end] for word in "abcde"]
    assert texts(*pages).count(end) == 5


# --- joined letters that a font does not name -------------------------------------------------------------------------


def test_joined_letters_are_those_of_a_word_that_stands_elsewhere() -> None:
    assert named("avant la tréfilerie", "E. Examens de tré\x1clerie") == [
        "avant la tréfilerie",
        "E. Examens de tréfilerie",
    ]
    assert named("Examens de tré\x1clerie")[0] == "Examens de tré\x1clerie"
