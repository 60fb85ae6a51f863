"""How well course passages are found, on documents and questions that somebody names: `medq eval --courses`.

The documents are ingested into a database of their own, dropped afterwards, and searched as a worker searches; plain
BM25 ranks the same passages in the same run. What is measured is in `courses.recall`; no LLM is asked.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from worker.courses import document_store, passage_search
from worker.courses.document import Corpus, CourseLabels, FoundPassage
from worker.courses.embedder import Embedder, Role
from worker.courses.files import find_files
from worker.courses.ingest import EMBEDDING_TIMEOUT_S, IngestedFile, embed_chunks, ingest_files
from worker.courses.recall import RECALLED, AskedCourses, CourseQuestion, CourseRecall, Recalled, StoredPassage, System
from worker.courses.search import choose_passages, compose_query
from worker.courses.search.bm25 import PlainBm25
from worker.courses.search.choose import rank_passages
from worker.courses.search.expected import ExpectedPassages
from worker.db.engine import Database, connect
from worker.errors import JobFailed, UsageError
from worker.evaluation.run import scratch_database
from worker.messages.headers import CASE_TEXT, QUESTION_TEXT
from worker.questions.question import LETTERS, Question, fold_name
from worker.questions.sheets import RawSheet
from worker.upload.reading import read_sheets

BATCH = 5  # questions that are searched for at once, as a worker does
MAX_BYTES, MAX_ROWS = 200_000_000, 100_000

# What a column may be called, after folding.
HEADERS: Mapping[str, tuple[str, ...]] = {
    "question": ("question", QUESTION_TEXT, "texte question", "enonce"),
    "options": ("options", "propositions", "choix"),
    "passage": (
        "passage",
        "passage attendu",
        "texte attendu",
        "extrait",
        "expected passage",
        "expected text",
        "expected",
    ),
    "document": ("document", "fichier", "file"),
    "page": ("page", "pages"),
    "case": (CASE_TEXT, "cas", "case"),
    "specialty": ("matiere", "specialite", "specialty"),
    "course": ("cours", "course"),
    "level": ("niveau", "level"),
}
_OPTION = re.compile(r"(?:option|proposition|reponse|choix|item)? ?([a-j])")
_PAGES = re.compile(r"(\d{1,5})(?:\s*[-–—]\s*(\d{1,5}))?")
_LABEL = re.compile(r"^[A-Ja-j]\s*[.):]\s+")


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which column holds what: by name, those of single options, and the headers of others."""

    named: Mapping[str, int]
    options: tuple[int, ...]
    others: tuple[str, ...]


def read_course_questions(path: Path) -> tuple[list[CourseQuestion], tuple[str, ...]]:
    """The questions of a CSV file or workbook, and the headers of columns that are not read.

    Raises `UsageError` naming the row that is not understood.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file. Give a CSV file or a workbook of questions; --help tells its columns.")
    try:
        sheets = read_sheets(path.read_bytes(), path.name, max_bytes=MAX_BYTES, max_rows=MAX_ROWS)
    except JobFailed as error:
        raise UsageError(f"{path}: {error}") from error
    sheet = next((sheet for sheet in sheets if sheet.rows), None)
    if sheet is None:
        raise UsageError(f"{path} is empty.")
    columns = _find_columns(path, sheet)
    questions = [_read_row(path, number, cells, columns) for number, cells in sheet.rows[1:]]
    asked = [question for question in questions if question is not None]
    if not asked:
        raise UsageError(f"{path} holds no question below its headers.")
    return asked, columns.others


def _find_columns(path: Path, sheet: RawSheet) -> _Columns:
    named: dict[str, int] = {}
    options: list[int] = []
    others: list[str] = []
    for place, header in enumerate(sheet.rows[0][1]):
        folded = fold_name(header)
        name = next((name for name, known in HEADERS.items() if folded in known), None)
        if name is not None and name not in named:
            named[name] = place
        elif _OPTION.fullmatch(folded):
            options.append(place)
        elif header.strip():
            others.append(header.strip())
    if "question" not in named:
        there = ", ".join(repr(header) for header in others) or "none"
        raise UsageError(f"{path} has no column `question` in its first row. Other columns there: {there}.")
    if not named.keys() & {"passage", "document"}:
        raise UsageError(
            f"{path} tells of no question what should be found: add a column `passage` (a text of the document), or "
            "`document` and `page`. Where they are empty, the subject is in no course."
        )
    return _Columns(named, tuple(options), tuple(others))


def _read_row(path: Path, number: int, cells: Sequence[str], columns: _Columns) -> CourseQuestion | None:
    def cell(name: str) -> str:
        place = columns.named.get(name)
        return cells[place].strip() if place is not None and place < len(cells) else ""

    if not cell("question"):
        return None
    if cell("page") and not cell("document"):
        raise UsageError(f"{path}, row {number}: page {cell('page')} of which document? Fill in `document`.")
    singles = [cells[place].strip() for place in columns.options if place < len(cells)]
    options = [text for text in (*_split_options(cell("options")), *singles) if text]
    question = Question(
        type="qcm" if options else "qroc",
        specialty=cell("specialty"),
        course=cell("course"),
        level=cell("level"),
        semester="",
        text=cell("question"),
        options=dict(zip(LETTERS, options, strict=False)),
        case_text=cell("case") or None,
    )
    passage, document = cell("passage") or None, cell("document") or None
    return CourseQuestion(number, question, passage, document, _pages(path, number, cell))


def _split_options(text: str) -> list[str]:
    """Options in one cell: one on a line, or between `|`, or between `;` where there are neither."""
    separator = next((sign for sign in ("\n", "|", ";") if sign in text), "\n")
    return [_LABEL.sub("", part.strip()) for part in text.split(separator)]


def _pages(path: Path, number: int, cell: Callable[[str], str]) -> tuple[int, int] | None:
    text = cell("page")
    if not text:
        return None
    found = _PAGES.fullmatch(text)
    if found is None:
        raise UsageError(f"{path}, row {number}: {text!r} is no page. Write 12 or 12-13.")
    return int(found[1]), int(found[2] or found[1])


def evaluate_courses(
    folder: Path,
    questions: Sequence[CourseQuestion],
    database_url: str,
    *,
    told: Callable[[IngestedFile], None],
    embedder: Embedder | None = None,
) -> CourseRecall:
    """Ingest the folder beside the database at this URL, search for every question, and measure.

    `told` hears of each file once it is read; `embedder` is the model with which workers would search. Raises
    `UsageError` when there is nothing to search, a named document is not there or the server holds no vectors,
    `ProviderUnavailable` when the embedder fails.
    """
    files = find_files([folder])
    if not files:
        raise UsageError(f"{folder} holds no course document. PDF, DOCX, PPTX, HTML, MD and TXT files are read.")
    if embedder is not None:  # before everything is read
        embedder.embed([questions[0].question.text], Role.QUERY, timeout_s=EMBEDDING_TIMEOUT_S)
    with scratch_database(database_url) as url:
        database = Database(connect(url, pool_size=2, name="medq-eval-courses"))
        try:
            done = []
            for file in ingest_files(database, files, CourseLabels()):
                done.append(file)
                told(file)
            if embedder is not None:
                sum(embed_chunks(database, embedder))
            return _measure(database, done, questions, embedder)
        finally:
            database.close()


def _measure(
    database: Database, done: Sequence[IngestedFile], questions: Sequence[CourseQuestion], embedder: Embedder | None
) -> CourseRecall:
    passages = database.transact(document_store.list_passages)
    if not passages:
        raise UsageError("None of these documents could be read: there is nothing to search.")
    expected = ExpectedPassages(passages)
    for one in questions:
        if one.document is not None and not expected.knows_document(one.document):
            raise UsageError(f"Row {one.row}: there is no document {one.document!r} in the folder.")
    model = embedder.model if embedder else None
    corpus = database.transact(lambda c: passage_search.read_corpus(c, model=model))
    started = time.perf_counter()
    found = [each for batch in _batches(questions) for each in _search(database, corpus, batch, embedder)]
    spent_ms = 1000 * (time.perf_counter() - started)
    plain = PlainBm25([passage.text for passage in passages])
    asked = [_compare(one, expected, each, plain, passages) for one, each in zip(questions, found, strict=True)]
    return CourseRecall(
        documents=sum(file.status in ("added", "replaced") for file in done),
        pages=sum(file.pages for file in done),
        passages=len(passages),
        refused=sum(file.status == "refused" for file in done),
        search_ms=spent_ms / -(-len(questions) // BATCH),
        asked=tuple(asked),
    )


def _batches(questions: Sequence[CourseQuestion]) -> Iterator[Sequence[CourseQuestion]]:
    return (questions[at : at + BATCH] for at in range(0, len(questions), BATCH))


def _search(
    database: Database, corpus: Corpus, batch: Sequence[CourseQuestion], embedder: Embedder | None
) -> list[list[FoundPassage]]:
    queries = [compose_query(str(one.row), one.question) for one in batch]
    vectors = None
    if embedder is not None:
        made = embedder.embed([query.text for query in queries], Role.QUERY, timeout_s=EMBEDDING_TIMEOUT_S)
        vectors = passage_search.Vectors(embedder.model, made)
    found = database.transact(lambda c: passage_search.search_passages(c, queries, corpus, vectors=vectors))
    return [found[query.item_id] for query in queries]


def _compare(
    one: CourseQuestion,
    expected: ExpectedPassages,
    found: Sequence[FoundPassage],
    plain: PlainBm25,
    passages: Sequence[StoredPassage],
) -> AskedCourses:
    right = frozenset() if one.is_foreign else expected.find(one)
    question = one.question
    words = " ".join([question.case_text or "", question.text, *question.options.values()])
    by_system: dict[System, Recalled] = {
        "worker": _recall([p.chunk_id for p in choose_passages(found)], right),
        "ranking": _recall([p.chunk_id for p in rank_passages(found)[:RECALLED]], right),
        "bm25": _recall([passages[n].id for n in plain.rank(words, most=RECALLED)], right),
    }
    return AskedCourses(one, is_read=one.is_foreign or bool(right), by_system=by_system)


def _recall(shown: Sequence[str], right: frozenset[str]) -> Recalled:
    rank = next((n for n, chunk_id in enumerate(shown, start=1) if chunk_id in right), None)
    return Recalled(rank, len(shown))
