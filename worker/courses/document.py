"""Course documents on their way into the store, and the passages that a search brings back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# Which stems the store holds. To be raised with every change of what `courses.search.stem_words` gives, a newer
# snowball among them: then `medq courses reindex` makes the new stems beside the old ones, for which older workers
# look.
INDEX_VERSION = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page, or one paragraph where the format knows paragraphs.

    `size` is the height of its letters over that of the document's body text, `is_bold` whether it is bold from end to
    end: what typesetting tells where no style does. A row of a table holds its cells with ` | ` between; `is_head`: the
    row names the columns of those below it. `foot` is how high it stands on its page in points, 0 where nothing tells;
    `linked` how much of its width are links (0 to 1). `goes_on`: whether it goes on from the line before it, by where
    both stand, and of a row whether from the one that the page before ends with; None where that says nothing.
    `is_typed`: it is set as programs are, in a document that is not.
    """

    text: str
    is_heading: bool = False
    size: float = 1.0
    is_bold: bool = False
    is_row: bool = False
    is_head: bool = False
    foot: float = 0.0
    linked: float = 0.0
    goes_on: bool | None = None
    is_typed: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page or a slide in reading order; `number` counts from 1, None where the format has no pages.

    Slides that stand on one sheet have its number. `is_around`: what the sheet says around them.
    """

    number: int | None
    lines: tuple[Line, ...]
    is_around: bool = False


@dataclass(frozen=True, slots=True)
class ExtractedDocument:
    """The text of a file. `is_typeset`: lines are those of a printed page, with running headers and cut words.
    `is_slides`: of pages that are wider than high, each of which ends what it says."""

    pages: tuple[Page, ...]
    is_typeset: bool = False
    is_slides: bool = False

    @property
    def page_count(self) -> int | None:
        """How many pages, where the format has any."""
        return self.pages[-1].number if self.pages else None  # slides that only build up others are left out


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a document: what is stored, found and quoted. Positions count from 0."""

    position: int
    text: str
    heading: str | None = None
    page: int | None = None
    last_page: int | None = None


@dataclass(frozen=True, slots=True)
class CourseLabels:
    """What an operator says of a document, or its folders do. `level` is spelled as questions spell it (DCEM2)."""

    level: str | None = None
    specialty: str | None = None
    course: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document ready to be stored: its passages, how often each stem stands in each, which orders each gives."""

    title: str
    file_name: str
    content_hash: str
    labels: CourseLabels
    specialty_key: str | None
    page_count: int | None
    chunks: tuple[Chunk, ...]
    chunk_terms: tuple[Mapping[str, int], ...]
    chunk_orders: tuple[Sequence[str], ...] = ()


@dataclass(frozen=True, slots=True)
class HeldPassage:
    """A passage that is kept out of the search for the sentences in it that give orders, until somebody allows it."""

    id: str
    document_id: str
    title: str
    page: int | None
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """How much there is to search, and whether with vectors.

    `terms`: the stems of all passages, each as often as it stands there. `outdated`: documents whose stems an earlier
    release made; they are found once `medq courses reindex` has been run. `unchecked`: documents that are searched and
    were not looked at for orders by the rules of this release.
    """

    documents: int = 0
    chunks: int = 0
    terms: int = 0
    outdated: int = 0
    unchecked: int = 0
    has_vectors: bool = False  # of the embedding model in use


@dataclass(frozen=True, slots=True)
class CourseQuery:
    """What to look for on behalf of one item: stems with their weight (0–1), the same in words, and where first.

    `asking`: those of the stems that are asked of any subject; `subject`: the others of the question's own words;
    `spelled_out`: those that abbreviations stand for; `compounds`: what a word with a hyphen is as one word → its parts
    among the stems.
    """

    item_id: str
    terms: Mapping[str, float]
    text: str
    level: str | None
    specialty_key: str | None
    asking: frozenset[str] = frozenset()
    subject: frozenset[str] = frozenset()
    spelled_out: frozenset[str] = frozenset()
    has_options: bool = False
    compounds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A passage that a search brought back for one item.

    `score` is BM25's. `coverage` is what the query's stems that stand in it are worth, over what the query's best ones
    are (0–1 and a little above); `breadth` over how many stems, as if all were worth the same, the query is spread;
    `names_subject`: a subject stem stands in it that is about as rare as the query's rarest, or the query has none (a
    word that no passage holds, under no spelling, is the rarest there is); `has_known_words`: the query has options,
    and several passages hold each of its own words;
    `scope` 0 = same level and specialty, 1 = same specialty, 2 = no specialty given, 3 = elsewhere;
    `similarity` the cosine of the vectors, None without; `nearness` by how many standard deviations of what passages at
    large have it is beyond the greatest that so many passages have by chance, None where too few tell.
    """

    chunk_id: str
    document_id: str
    position: int
    text: str
    title: str
    labels: CourseLabels
    page: int | None
    last_page: int | None
    score: float
    coverage: float
    breadth: float
    names_subject: bool
    has_known_words: bool
    scope: int
    similarity: float | None = None
    nearness: float | None = None
