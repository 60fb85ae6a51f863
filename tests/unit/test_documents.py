"""Course files of every kind, made here, and what is said of those that cannot be read."""

from __future__ import annotations

import io
import zipfile
from concurrent.futures import CancelledError
from pathlib import Path

import docx
import pptx
import pytest
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import parse_xml
from pypdf import PdfReader, PdfWriter
from pypdf.constants import UserAccessPermissions

from tests.support.pdfs import make_pdf
from worker.courses.document import ExtractedDocument
from worker.courses.extract import SUFFIXES, DocumentReader, extract_document
from worker.courses.extract.child import ENDED, LATE
from worker.courses.extract.reading import MAX_UNPACKED_MB
from worker.errors import UsageError

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


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def test_a_word_document_keeps_what_stands_in_special_elements() -> None:
    # Given what Word wraps measures, symbols, exponents, revisions, forms and text boxes in
    word = docx.Document()
    paragraph = word.add_paragraph("Une taille de ")
    for xml in (
        '<w:smartTag {W} w:element="metricconverter"><w:r><w:t>37 cm</w:t></w:r></w:smartTag>',
        '<w:r {W}><w:t xml:space="preserve">, PAS </w:t><w:sym w:font="Symbol" w:char="F0B3"/><w:t> 140</w:t></w:r>',
        "<w:r {W}><w:t>, 10</w:t></w:r>",
        '<w:r {W}><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>9</w:t></w:r>',
        '<w:ins {W} w:id="1" w:author="a"><w:r><w:t>/L ajouté</w:t></w:r></w:ins>',
        '<w:del {W} w:id="2" w:author="a"><w:r><w:delText> supprimé</w:delText></w:r></w:del>',
        "<w:sdt {W}><w:sdtContent><w:r><w:t> en ligne</w:t></w:r></w:sdtContent></w:sdt>",
        "<w:r {W}><w:pict><w:txbxContent><w:p><w:r><w:t>Encadré : 5 %</w:t></w:r></w:p></w:txbxContent></w:pict></w:r>",
    ):
        paragraph._p.append(parse_xml(xml.replace("{W}", W)))
    block = "<w:sdt {W}><w:sdtContent><w:p><w:r><w:t>Dans un contrôle</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    word.element.body.insert(1, parse_xml(block.replace("{W}", W)))
    cell = word.add_table(1, 1).cell(0, 0)
    cell.text = "Dehors"
    cell.add_table(1, 1).cell(0, 0).text = "dedans"

    assert lines(read("a.docx", saved(word))) == [
        ("Une taille de 37 cm, PAS ≥ 140, 10⁹/L ajouté en ligne", False),
        ("Encadré : 5 %", False),
        ("Dans un contrôle", False),
        ("Dehors", False),
        ("dedans", False),
    ]


def test_footnotes_follow_their_paragraph() -> None:
    word = docx.Document()
    word.add_paragraph("Appel")._p.append(parse_xml(f'<w:r {W}><w:footnoteReference w:id="2"/></w:r>'))
    word.add_paragraph("Suite")
    notes = f"""<w:footnotes {W}><w:footnote w:type="separator" w:id="0"><w:p><w:r><w:t>-</w:t></w:r></w:p></w:footnote>
        <w:footnote w:id="2"><w:p><w:r><w:t>Chez 5 % des sujets.</w:t></w:r></w:p></w:footnote></w:footnotes>"""
    part = Part(PackURI("/word/footnotes.xml"), "application/xml", notes.encode(), word.part.package)
    word.part.relate_to(part, RELATIONSHIP_TYPE.FOOTNOTES)

    assert lines(read("a.docx", saved(word))) == [("Appel", False), ("Chez 5 % des sujets.", False), ("Suite", False)]


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
            ("PAS | 140", False),
            ("un", False),
            ("deux", False),
            ("fin", False),
        ]


def test_a_web_page_loses_nothing_of_its_text() -> None:
    # Given a page in one form, with what is to be remembered aside, old references, an exponent and deep nesting
    page = f"""<body><form><p>c&#156;ur &micro;mol, 10<sup>9</sup>/L, a<sup>b</sup></p><aside>&Agrave; retenir</aside>
        {"<div>" * 600}au fond{"</div>" * 600}<p>fin</p></form></body>"""

    expected = ["cœur µmol, 10⁹/L, ab", "À retenir", "au fond", "fin"]
    assert [text for text, _ in lines(read("a.html", page.encode()))] == expected


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [("iso-8859-1", "cp1252"), ("utf-16", "utf-8"), ("iso-8859-1", "utf-8"), ("utf-8", "cp1252"), ("klingon", "utf-8")],
)
def test_a_web_page_is_decoded_whatever_it_declares(declared: str, encoding: str) -> None:
    page = f'<head><meta charset="{declared}"></head><p>Le cœur d’Éluard, 37 °C</p>'

    assert lines(read("a.html", page.encode(encoding))) == [("Le cœur d’Éluard, 37 °C", False)]


def test_front_matter_table_rules_and_rules_under_items_are_no_text() -> None:
    text = "---\ntitle: HTA\ntags:\n  - a\n---\n# HTA\n| a | b |\n|---|:-:|\n| 1 | 2 |\n- item\n---\n---\nFin\n"

    assert lines(read("a.md", text.encode())) == [
        ("HTA", True),
        ("a | b", False),
        ("1 | 2", False),
        ("- item", False),
        ("Fin", False),
    ]


def test_lines_that_an_editor_broke_are_one_paragraph() -> None:
    text = (
        "La douleur est brutale et le testicule est ascensionné chez\nl'adolescent. Le réflexe est aboli.\n- un\n- deux"
    )

    expected = text.replace("chez\n", "chez ").split("\n")
    assert [text for text, _ in lines(read("a.txt", text.encode()))] == expected
    assert [text for text, _ in lines(read("a.md", text.encode()))] == expected


def test_markdown_headings_are_known_and_its_text_kept() -> None:
    text = f"# Un\n{TEXT} **gras**\n\nDeux\n====\n- point *a*\n```\n# pas un titre\n```\n"

    assert lines(read("a.md", text.encode())) == [
        ("Un", True),
        (f"{TEXT} gras", False),
        ("Deux", True),
        ("- point a", False),
        ("# pas un titre", False),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_is_decoded_whatever_wrote_it(encoding: str) -> None:
    assert lines(read("a.txt", TEXT.encode(encoding))) == [(TEXT, False)]


@pytest.mark.parametrize(
    "data",
    [
        (TEXT * 5).encode() + b"\xff",
        TEXT.encode("cp1252") + b"\x81",
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.encode("utf-32"),
    ],
)
def test_a_few_wrong_bytes_or_a_missing_mark_cost_no_accent(data: bytes) -> None:
    assert "".join(text for text, _ in lines(read("a.txt", data))).startswith(TEXT)


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.txt", make_pdf([[TEXT]]), "it is a PDF in spite of its name"),
        ("a.docx", make_pdf([[TEXT]]), "it is a PDF in spite of its name"),
        ("a.txt", b"PK\x03\x04", "an archive or an Office file in spite"),
        ("a.md", b"\xff\xd8\xff\xe0", "an image in spite"),
        ("a.txt", bytes(range(32)) * 40, "no text in spite"),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "an old .doc or .ppt file"),
        (
            "a.pptx",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            "locked with a password",
        ),
    ],
)
def test_a_wrong_extension_is_one_sentence(name: str, data: bytes, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        read(name, data)


@pytest.mark.parametrize("name", ["a.docx", "a.pptx"])
def test_what_unpacks_without_end_is_refused_before_it_is_unpacked(name: str) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("word/document.xml", "w") as part:
        for _ in range(MAX_UNPACKED_MB + 1):
            part.write(bytes(1024 * 1024))

    assert len(file.getvalue()) < 1024 * 1024
    with pytest.raises(UsageError, match="unpacks to more than"):
        read(name, file.getvalue())


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


# Files that end their reader


def make_bomb(depth: int, width: int) -> bytes:
    """A PDF of 3 kB whose page shows a form, which shows another `width` times, and so on `depth` times."""
    shown = b"/X Do " * width

    def stream(head: bytes, body: bytes) -> bytes:
        return b"<<%s/Length %d>>stream\n%s\nendstream" % (head, len(body), body)

    def form(resources: bytes, body: bytes) -> bytes:
        return stream(b"/Type/XObject/Subtype/Form/BBox[0 0 600 800]/Resources<<%s>>" % resources, body)

    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</XObject<</X 6 0 R>>>>/Contents 4 0 R>>",
        stream(b"", shown),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        *(form(b"/XObject<</X %d 0 R>>" % (7 + level), shown) for level in range(depth - 1)),
        form(b"/Font<</F 5 0 R>>", b"BT /F 10 Tf 10 10 Td (bonjour le monde) Tj ET "),
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    end = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (size, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + end


def test_a_file_that_ends_its_reader_is_refused_and_the_next_one_is_read() -> None:
    with DocumentReader() as reader:
        assert reader.read(Path("a.pdf"), make_bomb(2, 2)).page_count == 1
        with pytest.raises(UsageError) as caught:
            reader.read(Path("b.pdf"), make_bomb(8, 20))  # asks for all the memory there is
        after = reader.read(Path("c.md"), "# Après\n\nLe suivant est lu.\n".encode())

    assert str(caught.value) == ENDED
    assert [line.text for line in after.pages[0].lines if line.text] == ["Après", "Le suivant est lu."]


def test_a_file_that_is_never_read_to_its_end_is_given_up() -> None:
    with DocumentReader(timeout_s=0.5) as reader, pytest.raises(UsageError) as caught:
        reader.read(Path("b.pdf"), make_bomb(8, 20))

    assert str(caught.value) == LATE


def test_who_closes_the_reader_does_not_wait_for_what_it_reads() -> None:
    reader = DocumentReader()
    readings = [reader.begin(Path(name), make_bomb(8, 20)) for name in ("a.pdf", "b.pdf")]

    reader.close()

    for reading in readings:
        with pytest.raises((UsageError, CancelledError)):
            reading.result(timeout=0)


def test_what_the_child_reads_is_what_is_read_here() -> None:
    files = [
        ("a.pdf", make_pdf([[TEXT], ["Page deux"]])),
        ("b.md", b"# Un\n\ndeux\n"),
        ("c.html", b"<h1>Un</h1><p>deux"),
    ]
    with DocumentReader() as reader:
        for name, data in files:
            assert reader.read(Path(name), data) == read(name, data)


@pytest.mark.parametrize(("name", "data"), [("a.pdf", b"%PDF-1.7 nothing"), ("b.exe", b"MZ"), ("c.md", b"")])
def test_the_childs_refusals_are_those_of_here(name: str, data: bytes) -> None:
    with pytest.raises(UsageError) as here:
        read(name, data)
    with DocumentReader() as reader, pytest.raises(UsageError) as there:
        reader.read(Path(name), data)
    assert str(there.value) == str(here.value)


def test_a_document_of_too_many_pages_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.courses.extract.pdf.MAX_PAGES", 1)

    with pytest.raises(UsageError, match="it has 2 pages, and 1 are read"):
        read("a.pdf", make_pdf([["Un"], ["Deux"]]))
