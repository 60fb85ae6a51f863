"""Number formats of spreadsheets (ECMA-376, part 1, 18.8.31): a number as a French Excel shows it, or nothing.

No library that is still kept does this; what is here is what people's files hold. A format that is not understood for
sure gives None, and the caller says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal, getcontext
from fractions import Fraction
from functools import lru_cache

from worker.upload.reading.moments import Token, is_elapsed, show_moment, shows_day

BUILT_IN = {
    0: "General", 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00",
    5: '#,##0 "€"', 6: '#,##0 "€"', 7: '#,##0.00 "€"', 8: '#,##0.00 "€"',
    9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?", 13: "# ??/??",
    14: "dd/mm/yyyy", 15: "dd-mmm-yy", 16: "dd-mmm", 17: "mmm-yy",
    18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "hh:mm", 21: "hh:mm:ss", 22: "dd/mm/yyyy hh:mm",
    37: "#,##0;-#,##0", 38: "#,##0;-#,##0", 39: "#,##0.00;-#,##0.00", 40: "#,##0.00;-#,##0.00",
    41: "#,##0", 42: '#,##0 "€"', 43: "#,##0.00", 44: '#,##0.00 "€"',
    45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
}  # fmt: skip
LONGEST_FORMAT = 255  # Excel's own limit
# One token of a section; no two parts can take the same characters, so nothing is tried twice.
_TOKEN = re.compile(
    r'"(?P<text>[^"]*+)"|\\(?P<escaped>.)|_.|\*.|\[(?P<bracket>[^\[\]]*+)\]|(?P<general>general)|(?P<ampm>am/pm|a/p)'
    r"|(?P<exponent>e[+-])|(?P<date>y+|m+|d+|h+|s+)|(?P<digit>[0#?])|(?P<sign>[.,%/@])|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"(<=|>=|<>|=|<|>)\s*(-?\d+(?:\.\d+)?)")
_LOCALE = re.compile(r"\$([^-]*)(?:-([0-9A-Fa-f]+))?")
_FRACTION = re.compile(r"([#0? ]*+)/ ?([#0?]++|[1-9]\d*+) *+")
_LANGUAGES = {0x0C: "fr", 0x09: "en"}  # the low ten bits of a locale's number


def general(value: float) -> str:
    """A number without a format: up to 15 digits, as they are stored, with a decimal comma."""
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.15g}".replace(".", ",").replace("e", "E")


@lru_cache(maxsize=4096)
def is_date(code: str) -> bool:
    """True for a format that shows a day, a month or a year: what Excel makes of a typed `1-2`."""
    return shows_day(_sections(code)[0])


@lru_cache(maxsize=65536)
def format_number(value: float, code: str, *, from_1904: bool = False) -> str | None:
    """`value` as a French Excel shows it in a cell of this format; None when that is not known for sure."""
    if len(code) > LONGEST_FORMAT:
        return None
    if code.strip().lower() in ("", "general", "standard", "@"):
        return general(value)
    chosen = _choose(_sections(code), value)
    if chosen is None:
        return None
    section, shown = chosen
    language = _language(section)
    if language is None:
        return None
    tokens = [(kind, text) for kind, text in section if kind != "bracket" or is_elapsed(text)]
    if _is_moment(section):
        return show_moment(value, tokens, language, from_1904=from_1904)
    return _number(shown, tokens)


@lru_cache(maxsize=4096)
def _sections(code: str) -> tuple[tuple[Token, ...], ...]:
    sections: list[list[Token]] = [[]]
    for match in _TOKEN.finditer(code):
        kind = match.lastgroup
        if kind is None:
            continue  # `_x` and `*x`: room, not text
        text = match[kind]
        if kind == "other" and text == ";":
            sections.append([])
        elif kind in ("escaped", "other", "text"):
            sections[-1].append(("text", text))
        elif kind == "bracket" and text.startswith("$"):
            found = _LOCALE.fullmatch(text)
            if found and found[1]:
                sections[-1].append(("text", found[1]))
            sections[-1].append((kind, text))
        else:
            sections[-1].append((kind, text.lower()))
    return tuple(map(tuple, sections))


def _choose(sections: Sequence[tuple[Token, ...]], value: float) -> tuple[tuple[Token, ...], float] | None:
    """The section for this number and the number as that section shows it: the second one shows no minus of its own."""
    if any(_CONDITION.fullmatch(text) for section in sections for kind, text in section if kind == "bracket"):
        return _choose_by_condition(sections, value)
    if len(sections) > 4:
        return None
    if value < 0 and len(sections) > 1:
        return sections[1], -value
    if value == 0 and len(sections) > 2:
        return sections[2], value
    return sections[0], value


def _choose_by_condition(sections: Sequence[tuple[Token, ...]], value: float) -> tuple[tuple[Token, ...], float] | None:
    for section in sections:
        found = [m for kind, text in section if kind == "bracket" and (m := _CONDITION.fullmatch(text))]
        if not found or _holds(value, found[0][1], float(found[0][2])):
            return section, value
    return None


def _holds(value: float, sign: str, limit: float) -> bool:
    return {
        "<": value < limit,
        ">": value > limit,
        "<=": value <= limit,
        ">=": value >= limit,
        "=": value == limit,
        "<>": value != limit,
    }[sign]


def _language(section: Sequence[Token]) -> str | None:
    """The language of names of months and days; None for one that we do not write."""
    for kind, text in section:
        match = _LOCALE.fullmatch(text) if kind == "bracket" else None
        if match and match[2]:
            number = int(match[2], 16)
            if number >> 16 & 0xFF:  # another calendar, or other digits
                return None
            if number & 0xFFFF not in (0xF800, 0xF400):  # the system's own long date and time
                return _LANGUAGES.get(number & 0x3FF)
    return "fr"


def _is_moment(section: Sequence[Token]) -> bool:
    return any(kind == "date" or (kind == "bracket" and is_elapsed(text)) for kind, text in section)


# -- numbers -------------------------------------------------------------------------------------------------------


def _number(value: float, tokens: Sequence[Token]) -> str | None:
    kinds = {kind for kind, _ in tokens}
    signs = [text for kind, text in tokens if kind == "sign"]
    if "@" in signs or kinds & {"ampm", "date", "bracket"}:
        return None
    if "general" in kinds:
        whole = "".join(text if kind == "text" else general(abs(value)) for kind, text in tokens if kind != "sign")
        return ("-" if value < 0 else "") + whole if kinds <= {"general", "text"} else None
    if "digit" not in kinds:
        return "".join(text for kind, text in tokens if kind == "text") if kinds <= {"text"} else None
    if "/" in signs:
        return _fraction(value, tokens)
    if "exponent" in kinds:
        return _scientific(value, tokens)
    return _plain(value, tokens)


def _plain(value: float, tokens: Sequence[Token]) -> str | None:
    """Digits with decimals, thousands, percents, and texts before, among and after them."""
    scaled = Decimal(repr(value)) * (100 ** sum(token == ("sign", "%") for token in tokens))
    places = [index for index, (kind, _) in enumerate(tokens) if kind == "digit"]
    last = places[-1]
    point = next((index for index, token in enumerate(tokens) if token == ("sign", ".")), len(tokens))
    whole = [index for index in places if index < point]
    decimals = [index for index in places if index > point]
    commas = [index for index, token in enumerate(tokens) if token == ("sign", ",")]
    end = whole[-1] if whole else -1
    grouped = any(whole and whole[0] < index < end for index in commas)
    scaled /= 1000 ** sum(1 for index in commas if end < index and (index < point or index > last))
    step = Decimal(1).scaleb(-len(decimals))
    if abs(scaled) >= Decimal(10) ** (28 - len(decimals)):
        return None
    rounded = abs(scaled).quantize(step, rounding=ROUND_HALF_UP)
    digits, _, fraction = f"{rounded:f}".partition(".")
    shown = _spread(digits, whole, tokens, grouped=grouped) | _spread_decimals(fraction, decimals, tokens)
    if not whole and digits != "0":
        shown[point] = digits
    return ("-" if value < 0 and rounded else "") + _lay_out(tokens, shown, point, decimals).strip()


def _spread(digits: str, places: Sequence[int], tokens: Sequence[Token], *, grouped: bool) -> dict[int, str]:
    """Digits before the point, from the right, one to a place; what is left over goes before the first."""
    digits = "" if digits == "0" else digits
    zeros = [index for index, place in enumerate(reversed(places), start=1) if tokens[place][1] == "0"]
    digits = digits.rjust(max(zeros, default=0), "0")
    shown: dict[int, str] = {}
    for index, place in enumerate(reversed(places)):
        is_first = index == len(places) - 1
        end = max(0, len(digits) - index)
        taken = digits[:end] if is_first else digits[max(0, end - 1) : end]
        shown[place] = _group(taken, index) if grouped else taken
    return shown


def _group(digits: str, to_the_right: int) -> str:
    """Digits with a space before every third, counted from the point."""
    parts = []
    for offset, digit in enumerate(reversed(digits)):
        place = to_the_right + offset
        if place and place % 3 == 0:
            parts.append(" ")
        parts.append(digit)
    return "".join(reversed(parts))


def _spread_decimals(fraction: str, places: Sequence[int], tokens: Sequence[Token]) -> dict[int, str]:
    """Decimals, one to a place; zeros at the end only where the format asks for them."""
    needed = max((index for index, place in enumerate(places, start=1) if tokens[place][1] == "0"), default=0)
    kept = fraction.rstrip("0").ljust(needed, "0")
    return {place: kept[index : index + 1] for index, place in enumerate(places)}


def _lay_out(tokens: Sequence[Token], shown: dict[int, str], point: int, decimals: Sequence[int]) -> str:
    parts: list[str] = []
    has_decimals = any(shown.get(place) for place in decimals)
    for index, (kind, text) in enumerate(tokens):
        if index == point:
            parts.append(shown.get(point, "") + ("," if has_decimals else ""))
        elif kind == "digit":
            parts.append(shown.get(index, ""))
        elif (kind, text) == ("sign", "%"):
            parts.append("%" if parts and parts[-1].endswith((" ", "\u00a0", "\u202f")) else " %")
        elif kind == "text":
            parts.append(text)
    return "".join(parts)


def _fraction(value: float, tokens: Sequence[Token]) -> str | None:
    """`# ?/?` → `1 1/2`; `# ?/8` → in eighths."""
    pattern = "".join(text for _, text in tokens)
    match = _FRACTION.fullmatch(pattern)
    places = match[1].split() if match else []
    if match is None or not 0 < len(places) < 3:
        return None
    size = Fraction(abs(value)).limit_denominator(10**9)
    if set(match[2]) <= set("#0?"):
        near = size.limit_denominator(10 ** min(len(match[2]), 4) - 1)
        top, bottom = near.numerator, near.denominator
    else:
        bottom = int(match[2][:9])
        top = round(size * bottom) if 0 < bottom < 10_000 else 0
        if not 0 < bottom < 10_000:
            return None
    whole, top = divmod(top, bottom) if len(places) == 2 else (0, top)
    parts = [str(whole) if whole or not top else "", f"{top}/{bottom}" if top else ""]
    return ("-" if value < 0 else "") + " ".join(filter(None, parts))


def _scientific(value: float, tokens: Sequence[Token]) -> str | None:
    place = next(index for index, (kind, _) in enumerate(tokens) if kind == "exponent")
    before, after = tokens[:place], tokens[place + 1 :]
    width = sum(1 for kind, _ in after if kind == "digit")
    if not width or any(kind not in ("digit", "text") for kind, _ in after):
        return None
    point = next((index for index, token in enumerate(before) if token == ("sign", ".")), len(before))
    group = max(1, sum(1 for kind, _ in before[:point] if kind == "digit"))
    decimals = sum(1 for kind, _ in before[point:] if kind == "digit")
    if not any(kind == "digit" for kind, _ in before) or group + decimals >= getcontext().prec:
        return None
    number = Decimal(repr(value))
    exponent = number.adjusted() // group * group if number else 0
    mantissa = abs(number).scaleb(-exponent).quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    if mantissa >= 10**group:
        exponent += group
        mantissa = abs(number).scaleb(-exponent).quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    shown = _plain(float(mantissa), before)
    sign = "-" if exponent < 0 else "+" if tokens[place][1][1] == "+" else ""
    tail = "".join(text for kind, text in after if kind == "text")
    minus = "-" if value < 0 else ""
    return None if shown is None else f"{minus}{shown}E{sign}{abs(exponent):0{width}d}{tail}"
