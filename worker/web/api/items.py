"""The rows of a job, and what a person decides about them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from worker.messages import web_problems
from worker.messages.decision_replies import NO_SUCH_ITEM
from worker.questions.decision import Decided, Order, Source
from worker.review.decide import decide
from worker.review.decision_store import ItemView, find_items, list_items
from worker.web.access import Anyone, Visitor
from worker.web.api.jobs import get_job
from worker.web.bodies import Decision, DecisionMade, Item, ItemPage, ItemStatus
from worker.web.forms import Cursor, Id, read_item_cursor, write_cursor
from worker.web.parts import Given, Parts
from worker.web.problems import Refused

router = APIRouter(tags=["items"])


class Wanted(BaseModel):
    """Which rows of a job."""

    status: ItemStatus | None = None
    open: bool = False
    cursor: Cursor = None
    limit: Annotated[int, Query(ge=1, le=200)] = 50


@router.get("/jobs/{job_id}/items")
def list_all(
    parts: Given,
    visitor: Anyone,  # noqa: ARG001
    job_id: Id,
    wanted: Annotated[Wanted, Query()],
) -> ItemPage:
    """The rows of a job in the order of its file; with `open` those that wait for a person."""
    after, limit = read_item_cursor(wanted.cursor), wanted.limit
    get_job(parts, job_id)
    with parts.reads.connect() as connection:
        found = list_items(
            connection, job_id, status=wanted.status, open_only=wanted.open, after=after, limit=limit + 1
        )
    page = found[:limit]
    more = write_cursor(page[-1].position) if len(found) > limit else None
    return ItemPage(items=[Item.of(item) for item in page], next=more)


def find_item(parts: Parts, item_id: str) -> ItemView:
    """The row with this very id, or a 404; for the page too."""
    with parts.reads.connect() as connection:
        found = next((item for item in find_items(connection, item_id) if item.id == item_id), None)
    if found is None:
        raise Refused(404, NO_SUCH_ITEM)
    return found


@router.get("/items/{item_id}")
def show(parts: Given, visitor: Anyone, item_id: Id) -> Item:  # noqa: ARG001
    """One row: the question, the official answer, both looks, what stands."""
    return Item.of(find_item(parts, item_id))


def settle(parts: Parts, visitor: Visitor, item_id: str, decision: Decision, source: Source) -> Decided:
    """Decide in the visitor's name; for the page too. Raises as `decide` does."""
    if decision.action != "edit" and (decision.key or decision.answer or decision.explanation):
        raise Refused(422, web_problems.ONLY_EDIT_TYPES)
    item = find_item(parts, item_id)
    order = Order(item.id, user_id=visitor.person.id, source=source, **decision.model_dump())
    decided = decide(parts.database, order)
    if decided.needs_explanation:
        parts.explain_later(item.id)
    return decided


@router.post("/items/{item_id}/decision", responses={409: {"description": "It changed since, or is settled."}})
def decide_item(parts: Given, visitor: Anyone, item_id: Id, decision: Decision) -> DecisionMade:
    """Settle one row, and every row of the same content with it. The same decision given again changes nothing."""
    decided = settle(parts, visitor, item_id, decision, "api")
    return DecisionMade.of(decided, Item.of(find_item(parts, item_id)))
