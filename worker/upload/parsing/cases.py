"""Which number a question has within its case: known for sure, or not at all."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

# Of cells in small letters with single spaces.
_OF_CASE = re.compile(
    r"(?:cas ?(?:n ?[°ºo]? ?)?)?(\d{1,4}) ?[.\-–—/:, ] ?(?:q(?:uestion)? ?(?:n ?[°ºo]? ?)?)?(\d{1,4})",
)
_PLAIN = re.compile(r"(?:q(?:uestion)?)? ?(?:n ?[°ºo]?\.? ?)?(\d{1,4})(?:[.,]0{1,3})? ?[.)]?")


def number_in_case(cells: Sequence[str], index: int, listed: Collection[int], case: str) -> int | None:
    """The number under which a key such as `1AB, 2E` answers the row at `index` of its case; None when in doubt.

    `cells` are the rows' own numbers, in the order of the file; `listed` the numbers that the key gives; `case` the
    number of the case, as written. The numbers may be those of the case (`Cas 2 - Q1`, `2.1`, 1 to n), or go on
    through the whole file, and the key may follow either; without any, the order counts when the key has as many.
    """
    count = len(cells)
    own = [" ".join(cell.casefold().split()) for cell in cells]
    in_order = set(range(1, count + 1))
    if not any(own):
        return index + 1 if set(listed) == in_order else None
    plain = [_PLAIN.fullmatch(cell) for cell in own]
    if all(plain):
        return _of_plain([int(match[1]) for match in plain if match], index, set(listed))
    pairs = [_OF_CASE.fullmatch(cell) for cell in own]
    if not all(pairs):
        return None
    cases = {int(match[1]) for match in pairs if match}
    numbers = [int(match[2]) for match in pairs if match]
    belongs = len(cases) == 1 and (not case.isdigit() or cases == {int(case)})
    return numbers[index] if belongs and len(set(numbers)) == count else None


def _of_plain(numbers: Sequence[int], index: int, listed: set[int]) -> int | None:
    """Numbers from 1 are the case's own; others go on from the cases before, and the key may count anew."""
    if len(set(numbers)) < len(numbers):
        return None
    if min(numbers) == 1:
        return numbers[index]
    consecutive = list(numbers) == list(range(numbers[0], numbers[0] + len(numbers)))
    anew = set(range(1, len(numbers) + 1))
    if listed == set(numbers) != anew or (listed & set(numbers) and not listed & anew):
        return numbers[index]
    return index + 1 if consecutive and listed == anew and not listed & set(numbers) else None
