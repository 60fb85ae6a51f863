"""A template and its values become a page. Every text is escaped; the French of the templates is set here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from importlib.resources import files
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.types import Scope

from worker.messages import page_words, phrases, published_text, status_words
from worker.text.french import NO_BREAK, typeset
from worker.text.local_time import day_and_hour
from worker.web.access import Visitor
from worker.web.parts import Parts


class _French(PackageLoader):
    """Templates are written with plain spaces, as all sentences are."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool] | None]:
        source, name, is_fresh = super().get_source(environment, template)
        return typeset(source), name, is_fresh


def _version(name: str) -> str:
    """Part of an asset's address, so that a new one is fetched."""
    return hashlib.sha256((files("worker.web") / "static" / name).read_bytes()).hexdigest()[:12]


def percent(share: float | None) -> str:
    """`93 %`; nothing where it is not known."""
    return "" if share is None else f"{round(100 * share)}{NO_BREAK}%"


def number(value: float | None) -> str:
    """`12 345`; nothing where it is not known."""
    return "" if value is None else f"{value:,.0f}".replace(",", NO_BREAK)


def dollars(amount: float | None) -> str:
    """What it cost, or that nobody knows."""
    return page_words.PRICE_UNKNOWN if amount is None else phrases.dollars(amount).replace(" ", NO_BREAK)


def duration(seconds: float) -> str:
    """`5 min`."""
    return phrases.duration(seconds).replace(" ", NO_BREAK)


def size(count: int) -> str:
    """`1,2 Mo`."""
    if count < 1024 * 1024:
        return f"{max(1, round(count / 1024))}{NO_BREAK}ko"
    return f"{count / (1024 * 1024):.1f}{NO_BREAK}Mo".replace(".", ",")


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else day_and_hour(moment)


def _environment() -> Environment:
    made = Environment(
        loader=_French("worker.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {"percent": percent, "number": number, "dollars": dollars, "size": size, "moment": _moment}
    made.filters["pretty"] = lambda value: json.dumps(value, ensure_ascii=False, indent=2)
    made.globals |= {
        "job_words": status_words.JOB_WORDS,
        "jobs_words": status_words.JOBS_WORDS,
        "row_words": status_words.ROW_WORDS,
        "embedded_warning": typeset(published_text.EMBEDDED_WARNING),
        "count": phrases.count,
        "style": f"/statique/style.css?v={_version('style.css')}",
        "script": f"/statique/page.js?v={_version('page.js')}",
    }
    return made


ENVIRONMENT = _environment()


def page(request: Request, name: str, visitor: Visitor, *, status: int = 200, **values: Any) -> HTMLResponse:
    """The page of this name for this visitor."""
    parts: Parts = request.app.state.parts
    text = ENVIRONMENT.get_template(name).render(
        visitor=visitor,
        csrf=request.app.state.access.csrf_token(visitor),
        is_embedded=parts.is_embedded,
        max_file_mb=f"{parts.settings.max_file_mb:g}".replace(".", ","),
        here=request.url.path,
        **values,
    )
    return HTMLResponse(text, status)


def go(address: str) -> RedirectResponse:
    """After something was done: a page that may be reloaded."""
    return RedirectResponse(address, 303)


def problem_page(_scope: Scope, status: int, sentence: str) -> HTMLResponse:
    """What went wrong, for a person; to nobody in particular."""
    return HTMLResponse(ENVIRONMENT.get_template("problem.html").render(sentence=sentence, status=status), status)
