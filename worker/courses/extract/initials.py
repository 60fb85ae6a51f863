"""Large initials at the head of a text, which a page sets over some lines and tells apart from their word."""

from __future__ import annotations

import re
from collections.abc import Sequence

from worker.courses.extract.rows import Span

LARGER = 1.7  # times the letters of the text beside it
SHORTEST = 10  # characters of the text beside it
LONGEST = 2  # characters: `L`, `1` of `1ère`
FARTHEST = 1.2  # of a line's height: how far the text begins behind it
LEVEL = 0.6  # of a line's height: how much higher or lower than its head the text's does
_APOSTROPHE = re.compile(r"['\u2019]")
MOST = 40  # of one page: more are the letters of a drawing
A_WORD = "À"  # what stands behind it is another word


def return_initials(printed: Sequence[list[Span]]) -> list[list[Span]]:
    """Each large initial as the first letter of the line that goes on beside its head."""
    initials = [number for number, line in enumerate(printed) if _may_be_initial(line)]
    if len(initials) > MOST:
        return list(printed)
    taken: dict[int, Span] = {}  # by the line that goes on
    gone: set[int] = set()
    for number in initials:
        initial = printed[number][0]
        beside = [at for at, line in enumerate(printed) if at not in taken and _goes_on(initial, line[0])]
        if beside:
            taken[min(beside, key=lambda at: abs(printed[at][0].top - initial.top))] = initial
            gone.add(number)
    return [
        [_with_initial(taken[number], line[0]), *line[1:]] if number in taken else line
        for number, line in enumerate(printed)
        if number not in gone
    ]


def _may_be_initial(line: Sequence[Span]) -> bool:
    text = line[0].text
    return len(line) == 1 and len(text) <= LONGEST and not line[0].cells and (text[0].isupper() or text.isdigit())


def _goes_on(initial: Span, span: Span) -> bool:
    """Whether a text begins beside the head of an initial, in small letters or with an apostrophe."""
    return (
        not span.cells
        and initial.size > LARGER * span.size > 0
        and -0.2 * span.height < span.left - initial.right < FARTHEST * span.height
        and abs(span.top - initial.top) < max(LEVEL * span.height, 0.25 * initial.height)
        and len(span.text) >= SHORTEST
        and (span.text[0].islower() or (_APOSTROPHE.match(span.text) is not None and initial.text.isalpha()))
    )


def _with_initial(initial: Span, span: Span) -> Span:
    space = " " if initial.text == A_WORD else ""
    return span._replace(text=f"{initial.text}{space}{span.text}", left=initial.left)
