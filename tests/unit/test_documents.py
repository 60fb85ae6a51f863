"""Course files of every kind, made here, and what is said of those that cannot be read."""

from __future__ import annotations

import io
from pathlib import Path

import docx
import pptx
import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.constants import UserAccessPermissions

from bench.pdfs import make_pdf
from worker.adapters.documents import SUFFIXES, extract_document
from worker.errors import UsageError
from worker.shapes.courses import ExtractedDocument

TEXT = "L’œdème « aigu » touche 5 % des sujets < 65 ans, à 37,5 °C, µmol/L, CO2"


def read(name: str, data: bytes) -> ExtractedDocument:
    return extract_document(Path(name), data)


def lines(document: ExtractedDocument) -> list[tuple[str, bool]]:
    return [(line.text, line.is_heading) for page in document.pages for line in page.lines if line.text]


def saved(document: object) -> bytes:
    file = io.BytesIO()
    document.save(file)  # type: ignore[attr-defined]
    return file.getvalue()


def locked(*, user: str = "", allowed: UserAccessPermissions) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(make_pdf([[TEXT]]))))
    writer.encrypt(user, "owner", permissions_flag=allowed, algorithm="RC4-128")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def test_a_pdf_keeps_its_pages_and_every_sign() -> None:
    document = read("cours.PDF", make_pdf([[TEXT, "≥ 140 et ≤ 90"], ["Page deux"]]))

    assert lines(document) == [(TEXT, False), ("≥ 140 et ≤ 90", False), ("Page deux", False)]
    assert [page.number for page in document.pages] == [1, 2]
    assert document.page_count == 2
    assert document.is_typeset


def test_a_word_document_keeps_headings_and_tables_in_their_place() -> None:
    word = docx.Document()
    word.add_heading("Hypertension", 1)
    word.add_paragraph(TEXT)
    table = word.add_table(1, 3)
    table.cell(0, 0).text, table.cell(0, 2).text = "PAS", "≥ 140"
    table.cell(0, 0).merge(table.cell(0, 1))
    word.add_paragraph("Après le tableau")
    word.sections[0].header.paragraphs[0].text = "En-tête"

    assert lines(read("a.docx", saved(word))) == [
        ("Hypertension", True),
        (TEXT, False),
        ("PAS | ≥ 140", False),
        ("Après le tableau", False),
    ]


def test_slides_are_pages_with_their_notes() -> None:
    deck = pptx.Presentation()
    for number in (1, 2):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = f"Diapositive {number}"
        slide.placeholders[1].text = TEXT
        slide.notes_slide.notes_text_frame.text = "Dit à l'oral"

    document = read("a.pptx", saved(deck))

    assert [page.number for page in document.pages] == [1, 2]
    assert lines(document)[:3] == [("Diapositive 1", True), (TEXT, False), ("Dit à l'oral", False)]


def test_a_web_page_is_what_its_reader_sees() -> None:
    page = f"""<!doctype html><html><head><title>T</title><style>p {{}}</style></head><body>
      <nav>Accueil</nav><h2>Signes <em>cliniques</em></h2><p>Seuil &ge; 140<br>puis {TEXT.replace("<", "&lt;")}</p>
      <!-- rien --><script>alert(1)</script><table><tr><td>PAS</td><td>140</td></tr></table><ul><li>un</li><li>deux</li>
      </ul>fin<footer>Mentions</footer></body></html>"""

    for encoded in (page.encode(), page.replace("<head>", '<head><meta charset="cp1252">').encode("cp1252")):
        assert lines(read("a.html", encoded)) == [
            ("Signes cliniques", True),
            ("Seuil ≥ 140", False),
            (f"puis {TEXT}", False),
            ("PAS | 140 |", False),
            ("un", False),
            ("deux", False),
            ("fin", False),
        ]


def test_markdown_headings_are_known_and_its_text_kept() -> None:
    text = f"# Un\n{TEXT} **gras**\n\nDeux\n====\n- point *a*\n```\n# pas un titre\n```\n"

    assert lines(read("a.md", text.encode())) == [
        ("Un", True),
        (f"{TEXT} gras", False),
        ("Deux", True),
        ("- point *a*", False),
        ("# pas un titre", False),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_is_decoded_whatever_wrote_it(encoding: str) -> None:
    assert lines(read("a.txt", TEXT.encode(encoding))) == [(TEXT, False)]


def test_a_pdf_whose_author_forbids_extraction_is_refused() -> None:
    everything = UserAccessPermissions.all()
    forbidden = everything & ~UserAccessPermissions.EXTRACT

    assert lines(read("a.pdf", locked(allowed=everything))) == [(TEXT, False)]
    with pytest.raises(UsageError, match="forbids"):
        read("a.pdf", locked(allowed=forbidden))


def test_a_locked_pdf_is_refused() -> None:
    with pytest.raises(UsageError, match="password"):
        read("a.pdf", locked(user="secret", allowed=UserAccessPermissions.all()))


def test_a_scan_is_named_as_one() -> None:
    with pytest.raises(UsageError, match="scan without text"):
        read("a.pdf", make_pdf([[]]))


@pytest.mark.parametrize("suffix", sorted(SUFFIXES - {".txt", ".md", ".markdown", ".html", ".htm"}))
def test_a_damaged_file_is_one_sentence(suffix: str) -> None:
    with pytest.raises(UsageError, match="damaged"):
        read(f"a{suffix}", b"garbage")


@pytest.mark.parametrize(("name", "data"), [("a.txt", b""), ("a.html", b"<p></p>"), ("a.xyz", b"x"), ("a", b"x")])
def test_nothing_to_read_is_one_sentence(name: str, data: bytes) -> None:
    with pytest.raises(UsageError):
        read(name, data)
