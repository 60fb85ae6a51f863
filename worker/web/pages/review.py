"""À trancher: one question at a time, the official answer and both looks side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel

from worker.errors import DecisionConflict, DecisionRefused
from worker.messages import page_words
from worker.questions.decision import Action
from worker.review.open_items import Queue, read_queue
from worker.text.french import typeset
from worker.web.access import Anyone, Visitor
from worker.web.api.items import find_item, settle
from worker.web.bodies import Decision, Item, Text
from worker.web.forms import Id, OptionalId
from worker.web.pages.render import go, page
from worker.web.parts import Given, Parts

router = APIRouter()

Specialty = Annotated[Text | None, Query(max_length=500)]


@dataclass(frozen=True)
class Place:
    """Where one stands in which queue; written into every address of the page."""

    job_id: str | None
    specialty: str | None

    def at(self, item_id: str | None, **more: str | None) -> str:
        """The address of a row of this queue."""
        named = {"tache": self.job_id, "specialite": self.specialty, "item": item_id, **more}
        wanted = {name: value for name, value in named.items() if value}
        return f"/a-trancher?{urlencode(wanted)}" if wanted else "/a-trancher"


class Asked(BaseModel):
    """What the address of the page names: the queue, the row, and which row was just settled how."""

    tache: OptionalId = None
    specialite: Specialty = None
    item: OptionalId = None
    fait: OptionalId = None
    quoi: Action | None = None


@dataclass(frozen=True)
class View:
    """What a page shows: a row of a queue, the row that was settled before it, and what is told above it."""

    place: Place
    item_id: str | None
    settled: str | None = None
    said: str | None = None
    refused: str | None = None
    status: int = 200


@router.get("/a-trancher")
def review_page(request: Request, parts: Given, visitor: Anyone, asked: Annotated[Asked, Query()]) -> Response:
    """The question to settle: the one named, else the first of the queue."""
    said = page_words.DECISION_DONE.get(asked.quoi or "") if asked.fait else None
    settled = None if asked.quoi == "undo" else asked.fait
    place = Place(asked.tache, asked.specialite or None)
    return _show(request, parts, visitor, View(place, asked.item, settled=settled, said=said))


def _show(request: Request, parts: Parts, visitor: Visitor, view: View) -> Response:
    place, settled = view.place, view.settled
    queue = _queue(parts, place, view.item_id, settled)
    item = None if queue.here is None else Item.of(find_item(parts, queue.here))
    total = sum(queue.by_specialty.values())
    return page(
        request, "review.html", visitor, status=view.status, item=item, place=place, queue=queue, settled=settled,
        said=view.said,
        # What `U` takes back: the decision before this one, or the one that stands here.
        last=item.id if item is not None and item.decision is not None and not item.is_open else settled,
        refused=view.refused, total=total,
        left=queue.by_specialty.get(place.specialty, 0) if place.specialty else total,
        # The place where it goes on is decided before the answer is there.
        ahead=None if item is None else place.at(queue.next, fait=item.id),
        columns=[] if item is None else columns_of(item),
    )  # fmt: skip


def _queue(parts: Parts, place: Place, item_id: str | None, settled: str | None) -> Queue:
    return read_queue(parts.reads, job_id=place.job_id, specialty=place.specialty, item_id=item_id, settled=settled)


@dataclass(frozen=True)
class Column:
    """One of the answers that stand side by side.

    `marks` are its letters, `other` those on which it differs from the official key; `options`: letter, what is said of
    it, and whether the analyses differ about it from the official key.
    """

    title: str
    answer: str | None
    marks: frozenset[str] = frozenset()
    other: frozenset[str] = frozenset()
    differs: bool = False
    is_official: bool = False
    confidence: float | None = None
    model: str | None = None
    explanation: str | None = None
    options: tuple[tuple[str, str, bool], ...] = ()
    quotes: tuple[tuple[str, str | None], ...] = ()

    @property
    def same_options(self) -> list[tuple[str, str, bool]]:
        """What is said of the options about which nobody differs."""
        return [option for option in self.options if not option[2]]


def columns_of(item: Item) -> list[Column]:
    """The official answer, then each look."""
    question = item.question
    if question is None:
        return []
    official = question.official_key or question.official_answer
    key = frozenset(official or "") if question.options else frozenset()
    answers = [look.key or look.answer or (official if look.verdict == "upholds" else None) for look in item.looks]
    marks = [frozenset(answer or "") if question.options else frozenset[str]() for answer in answers]
    # Without an official key there is nothing to differ from.
    others = [found ^ key if key and found else frozenset[str]() for found in marks]
    disputed = frozenset[str]().union(*others)

    def said(explanations: Mapping[str, str | None]) -> tuple[tuple[str, str, bool], ...]:
        return tuple((letter, text, letter in disputed) for letter, text in sorted(explanations.items()) if text)

    columns = [
        Column(
            page_words.OFFICIAL_ANSWER, official, key, is_official=True, explanation=question.explanation,
            options=said(question.option_explanations),
        )
    ]  # fmt: skip
    for number, look in enumerate(item.looks):
        answer = answers[number]
        columns.append(
            Column(
                page_words.look(number + 1),
                answer,
                marks[number],
                others[number],
                differs=look.verdict == "contests" if look.verdict else bool(official) and answer != official,
                confidence=look.confidence,
                model=look.model,
                explanation=look.explanation,
                options=said(look.option_explanations),
                quotes=tuple((quote.quote, quote.source) for quote in look.citations),
            )
        )
    return columns


class Settled(BaseModel):
    """The form of a decision. An answer and an explanation belong to `edit` alone."""

    action: Action
    version: Annotated[Text | None, Form(max_length=64)] = None
    lettres: list[Annotated[str, Form(max_length=1)]] = []
    reponse: Annotated[Text | None, Form(max_length=10_000)] = None
    explication: Annotated[Text | None, Form(max_length=200_000)] = None
    commentaire: Annotated[Text | None, Form(max_length=10_000)] = None
    tache: Annotated[Text | None, Form(max_length=191)] = None
    specialite: Annotated[Text | None, Form(max_length=500)] = None

    def to_decision(self) -> Decision:
        """As the API takes it."""
        is_edit = self.action == "edit"
        return Decision(
            action=self.action,
            version=self.version or None,
            key="".join(self.lettres) or None if is_edit else None,
            answer=self.reponse or None if is_edit else None,
            explanation=self.explication or None if is_edit else None,
            comment=self.commentaire or None,
        )


@router.post("/a-trancher/{item_id}")
def decide_page(
    request: Request, parts: Given, visitor: Anyone, item_id: Id, form: Annotated[Settled, Form()]
) -> Response:
    """Settle it, and on to the next; a refusal shows the question as it is now, with the reason."""
    place, action = Place(form.tache or None, form.specialite or None), form.action
    try:
        settle(parts, visitor, item_id, form.to_decision(), "page")
    except DecisionRefused as refusal:
        status = 409 if isinstance(refusal, DecisionConflict) else 422
        find_item(parts, item_id)
        return _show(request, parts, visitor, View(place, item_id, refused=typeset(str(refusal)), status=status))
    if action == "undo":
        return go(place.at(item_id, fait=item_id, quoi="undo"))
    queue = _queue(parts, place, item_id, item_id)
    if queue.next is None and not queue.by_specialty:
        return go(place.at(None, fait=item_id, quoi=action))
    return go(place.at(queue.next, fait=item_id, quoi=action))
