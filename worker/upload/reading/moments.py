"""Dates and times as a number format of a spreadsheet shows them. A serial number counts days since 1900, or 1904."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

Token = tuple[str, str]  # of a number format: kind, text

MONTHS = {
    "fr": (
        *("janvier", "février", "mars", "avril", "mai", "juin"),
        *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
    ),
    "en": (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
}
SHORT_MONTHS = {
    "fr": ("janv", "févr", "mars", "avr", "mai", "juin", "juil", "août", "sept", "oct", "nov", "déc"),
    "en": tuple(name[:3] for name in MONTHS["en"]),
}
DAYS = {
    "fr": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
_END = 2_958_466  # the day after 31 December 9999


def is_elapsed(text: str) -> bool:
    """True for what stands in brackets where hours go past a day: `[h]`."""
    return text.lower() in ("h", "hh", "m", "mm", "s", "ss")


def shows_day(tokens: Sequence[Token]) -> bool:
    """True when a day, a month or a year is shown."""
    return any(
        kind == "date"
        and (text[0] in "yd" or (text[0] == "m" and (len(text) > 2 or not _stands_by_time(tokens, index))))
        for index, (kind, text) in enumerate(tokens)
    )


def show_moment(value: float, tokens: Sequence[Token], language: str, *, from_1904: bool) -> str | None:
    """The moment of a serial number; None for what is not known for sure. `language` is a key of `MONTHS`."""
    decimals = _second_decimals(tokens)
    moment = _to_moment(value, tokens, decimals, from_1904=from_1904)
    if moment is None:
        return None
    has_half = any(kind == "ampm" for kind, _ in tokens)
    parts: list[str] = []
    for index, (kind, text) in enumerate(tokens):
        if kind == "text":
            parts.append(text)
        elif kind == "date":
            is_minute = text in ("m", "mm") and _stands_by_time(tokens, index)
            parts.append(_date_part(moment, text, language, is_minute=is_minute, has_half=has_half))
        elif kind == "ampm":
            parts.append("PM" if moment.hour >= 12 else "AM")
        elif kind == "bracket":
            parts.append(_elapsed_part(value, text.lower()))
        elif kind == "sign" and text in "/,":
            parts.append(text)
        elif (kind, text) == ("sign", ".") and decimals:
            parts.append(f",{moment.microsecond:06d}"[: decimals + 1])
        elif (kind, text) == ("sign", "."):
            parts.append(text)
        elif kind == "digit" and decimals:
            continue  # written with the point before them
        elif kind != "sign" or text != "@":
            return None
    return "".join(parts).strip()


def _second_decimals(tokens: Sequence[Token]) -> int:
    """How many decimals the seconds have: `ss.00`."""
    for index, token in enumerate(tokens):
        if token == ("sign", "."):
            rest = tokens[index + 1 :]
            return next((n for n, (kind, _) in enumerate(rest) if kind != "digit"), len(rest))
    return 0


def _to_moment(value: float, tokens: Sequence[Token], decimals: int, *, from_1904: bool) -> datetime | None:
    """The moment of a serial number, rounded to what is shown; None before the calendar's first day."""
    has_day = shows_day(tokens)
    before_first = value < 1 and not from_1904
    no_such_day = 60 <= value < 61 and not from_1904  # 29 February 1900, which Excel has and the calendar has not
    if not 0 <= value < _END or (has_day and (before_first or no_such_day)):
        return None
    begin = datetime(1904, 1, 1) if from_1904 else datetime(1899, 12, 30 if value >= 61 else 31)  # noqa: DTZ001
    shown = 10**-decimals if any(kind == "date" and text[0] == "s" for kind, text in tokens) else 1e-3
    seconds = round(value * 86400 / shown) * shown
    try:
        return begin + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _stands_by_time(tokens: Sequence[Token], index: int) -> bool:
    """`m` after hours or before seconds is minutes."""
    before = [text for kind, text in tokens[:index] if kind in ("date", "bracket")]
    after = [text for kind, text in tokens[index + 1 :] if kind in ("date", "bracket")]
    return bool((before and before[-1].lower()[0] == "h") or (after and after[0].lower()[0] == "s"))


def _date_part(moment: datetime, text: str, language: str, *, is_minute: bool, has_half: bool) -> str:
    size = len(text)
    kind = "minute" if is_minute else text[0]
    if kind == "m" and size > 2:
        names = SHORT_MONTHS if size == 3 else MONTHS
        name = names[language][moment.month - 1]
        return name[0] if size == 5 else name
    if kind == "d" and size > 2:
        day = DAYS[language][moment.weekday()]
        return day[:3] if size == 3 else day
    if kind == "y":
        return f"{moment.year % 100:02d}" if size < 3 else f"{moment.year:04d}"
    hour = (moment.hour % 12 or 12) if has_half else moment.hour
    number = {"minute": moment.minute, "m": moment.month, "d": moment.day, "h": hour, "s": moment.second}[kind]
    return f"{number:0{min(size, 2)}d}"


def _elapsed_part(value: float, text: str) -> str:
    seconds = round(value * 86400)
    number = seconds // {"h": 3600, "m": 60, "s": 1}[text[0]]
    return f"{number:0{len(text)}d}"
