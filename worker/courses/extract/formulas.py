"""Formulas as a line of text: `\\frac{1}{6}` and its MathML are `1/6`, `\\alpha` is α, `10^{-8}` is 10⁻⁸."""

from __future__ import annotations

import re
from html.entities import html5
from itertools import islice

from lxml import etree

from worker.courses.extract.signs import lower_digits, raise_digits

# What TeX calls otherwise than MathML does, whose names HTML's entities are.
_SIGNS = {
    "infty": "∞", "cdot": "·", "neq": "≠", "ldots": "…", "dots": "…", "cdots": "…", "exists": "∃", "partial": "∂",
    "circ": "°", "degree": "°", "textdegree": "°", "to": "→", "times": "×", "epsilon": "ε", "varepsilon": "ε",
    "phi": "φ", "varphi": "φ", "star": "*", "ast": "*", "lvert": "|", "rvert": "|", "vert": "|", "mid": "|",
    "emptyset": "∅", "lbrace": "{", "rbrace": "}", "langle": "⟨", "rangle": "⟩", "iff": "⇔", "implies": "⇒",
    "leqslant": "⩽", "geqslant": "⩾", "prime": "′", "hbar": "ℏ", "ell": "ℓ", "longrightarrow": "→",
    "rightleftharpoons": "⇌", "bmod": "mod", "and": "∧", "or": "∨", "mu": "μ", "not": "\u0338", "quad": "\u2003",
    "qquad": "\u2003",
}  # fmt: skip
_FUNCTIONS = frozenset(
    ("log", "lim", "max", "min", "exp", "sup", "inf", "det", "dim", "arg", "deg", "ln", "cos", "sin", "tan")
)
# What is said of the letters that follow, or of the place, and is no sign.
_SILENT = frozenset((
    "left", "right", "big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr", "text", "textbf", "textit",
    "textrm", "textsf", "texttt", "mathrm", "mathbf", "mathit", "mathsf", "mathcal", "mathbb", "mathfrak", "mathtt",
    "mathop", "operatorname", "boldsymbol", "bm", "mbox", "hbox", "displaystyle", "textstyle", "scriptstyle",
    "limits", "nolimits", "nonumber", "notag", "hline", "middle", "mathstrut", "bf", "rm", "it", "underline",
    "overline", "bar", "hat", "vec", "tilde", "dot", "ddot", "widehat", "widetilde", "overrightarrow", "underbrace",
    "overbrace", "boxed", "label", "tag", "ref", "mathord", "mathrel", "ensuremath", "si", "SI", "num", "unit",
    "pu", "ce", "centering", "small", "large",
))  # fmt: skip
_TOKEN = re.compile(r"\\([A-Za-z]+)\*?([ \t]*)|\\(.)|([{}^_$&~])|([^\\{}^_$&~]+)", re.DOTALL)
_PLACE = re.compile(r"\\(?:begin|end)[ \t]*\{[A-Za-z]+\*?\}(?:\{[lcr|@ ]*\})?|\\label[ \t]*\{[^{}]*\}|(?<!\\)%[^\n]*")
_DELIMITED = re.compile(r"(?:\\\(|\\\[|\$\$?)(.*?)(?:\\\)|\\\]|\$\$?)", re.DOTALL)
_COMPOUND = re.compile(r"[-+−±=·× ]")
_DEEPEST = 50  # braces in braces; deeper ones are read as they stand


def read_tex(formula: str) -> str:
    """A formula as it can be said in a line. Never fails: what is not understood stays by its name."""
    stack: list[_Group] = [_Group()]
    for name, spaced, sign, mark, plain in _TOKEN.findall(_PLACE.sub(" ", formula)):
        if mark == "{" and len(stack) <= _DEEPEST:
            stack.append(_Group())
        elif mark == "}" and len(stack) > 1:
            inner = stack.pop().text()
            stack[-1].add(inner, is_whole=True)
        elif mark in ("^", "_"):
            stack[-1].waits.append(mark)
        elif mark:
            stack[-1].add("" if mark == "$" else " ")
        elif plain:
            _add_plain(stack[-1], plain)
        elif sign:
            stack[-1].add(" " if sign in " ,;:\n\\!" else sign)
        elif name in ("frac", "dfrac", "tfrac", "cfrac"):
            stack[-1].waits += ["/2", "/1"]
        elif name == "sqrt":
            stack[-1].waits.append("√")
        elif name not in _SILENT:
            stack[-1].add(_sign(name, spaced))
    while len(stack) > 1:
        inner = stack.pop().text()
        stack[-1].add(inner)
    return " ".join(stack[0].text().split())


def _sign(name: str, spaced: str) -> str:
    found = _SIGNS.get(name)
    if found is None:
        found = name if name in _FUNCTIONS else html5.get(f"{name};", f"{name} ")
    return found if found.isalpha() else found + spaced


class _Group:
    """What stands between two braces, and what waits for the next of its parts: an exponent, a fraction."""

    __slots__ = ("parts", "waits")

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.waits: list[str] = []

    def add(self, part: str, *, is_whole: bool = False) -> None:
        wait = self.waits.pop() if self.waits and (is_whole or part.strip()) else ""
        if wait == "^":
            part = raise_part(part)
        elif wait == "_" and part.strip():
            part = lower_part(part, "".join(self.parts[-1:]))
        elif wait == "√":
            part = f"√{enclose(part)}"
        elif wait == "/1":
            part = f"{enclose(part)}/"
        elif wait == "/2":
            part = enclose(part)
        self.parts.append(part)

    def text(self) -> str:
        return "".join(self.parts)


def _add_plain(group: _Group, plain: str) -> None:
    """Letters and figures; only the first of them is what an exponent or a fraction waits for."""
    while plain and group.waits:
        first = plain.lstrip()[:1]
        plain = plain.lstrip()[1:]
        if not first:
            return
        group.add(first)
    if plain:
        group.add(plain)


def raise_part(part: str) -> str:
    """An exponent: `⁻⁸`, or `^(n+1)` where figures are not all of it."""
    bare = "".join(part.split())
    raised = raise_digits(bare)
    if raised != bare or bare in ("°", "*", "′", "'", "+", "-") or not bare:
        return raised
    return f"^{bare}" if len(bare) == 1 else f"^({bare})"


def lower_part(part: str, before: str) -> str:
    """An index: `₂` or `max` behind a letter, `_(i,1)` where it would not be read as one."""
    bare = part.strip()
    if not (bare.isalnum() and before[-1:].isalnum()):
        return f"_({bare})"
    return lower_digits(bare)


def enclose(part: str) -> str:
    """In brackets, if it would not be read as one otherwise."""
    part = part.strip()
    return f"({part})" if _COMPOUND.search(part.lstrip("-−")) else part


def read_delimited(text: str) -> str | None:
    """What stands between `\\(` and `\\)`, `\\[` and `\\]`, or dollars; None where no formula begins there."""
    text = text.strip()
    found = _DELIMITED.fullmatch(text)
    return read_tex(found[1]) if found else None


def read_math(element: etree._Element) -> str:
    """A `math` element: by the TeX that it was made from, else by its parts."""
    for note in element.iter("annotation"):
        if "tex" in (note.get("encoding") or "").casefold() and (note.text or "").strip():
            return read_tex(note.text or "")
    parts: list[str] = []
    for event, part in etree.iterwalk(element, events=("start", "end")):
        if event == "start":
            parts.append(_opening(part))
        else:
            parts.append(_closing(part))
    return " ".join("".join(parts).split())


def _opening(part: etree._Element) -> str:
    if part.tag in ("annotation", "annotation-xml"):
        return ""
    text = (part.text or "").strip()
    if _is_at(part, 1, "msup") or _is_at(part, 2, "msubsup"):
        text = raise_part(text) if len(part) == 0 else f"^{text}"
    elif _is_at(part, 1, "msub", "msubsup"):
        text = lower_digits(text)
    sign = "√" if part.tag in ("msqrt", "mroot") else ""
    bracket = "(" if _is_compound(part) else ""
    return f"{sign}{bracket}{text}" if part.tag != "mtext" else f" {text} "


def _closing(part: etree._Element) -> str:
    after = ")" if _is_compound(part) else ""
    parent = part.getparent()
    if parent is not None and parent.tag == "mfrac" and part.getnext() is not None:
        after += "/"
    if part.tag in ("mtr", "mtd"):
        after += " "
    return after


def _is_at(part: etree._Element, place: int, *tags: str) -> bool:
    """Whether so many others stand before a part in one of these."""
    parent = part.getparent()
    if parent is None or parent.tag not in tags:
        return False
    before = list(islice(part.itersiblings(preceding=True), place + 1))
    return len(before) == place


def _is_compound(part: etree._Element) -> bool:
    parent = part.getparent()
    is_half = parent is not None and parent.tag in ("mfrac", "msqrt")
    return is_half and len(part) > 1
