"""Formulas of Word and PowerPoint (OMML) as a line of text."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lxml import etree

from worker.courses.extract.formulas import enclose, lower_part, raise_part

OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/math"


def read_office_math(formula: etree._Element) -> str:
    """An `oMath` of Word or PowerPoint (ECMA-376, part 1, 22.1): a fraction is `1/6`, a power 10⁻⁸, a root `√(a+b)`."""
    made: dict[etree._Element, str] = {}  # what is read of each part, from the innermost outwards
    for _, part in etree.iterwalk(formula, events=("end",)):
        made[part] = _make(part, {inner: made.pop(inner) for inner in part if isinstance(inner.tag, str)})
    return made[formula]


def _make(part: etree._Element, made: Mapping[etree._Element, str]) -> str:
    name = etree.QName(part).localname
    if name == "del" or name.endswith("Pr"):
        return ""
    read = _PARTS.get(name)
    if read is None:
        return (part.text or "") * (name == "t") + _BETWEEN.get(name, "").join(filter(None, made.values()))
    inside: dict[str, str] = {}
    for inner, text in made.items():
        of = etree.QName(inner).localname
        inside[of] = f"{inside[of]}|{text}" if of in inside else text
    return read(part, inside)


_Inside = Mapping[str, str]  # what a part holds, by name


def _read_fraction(_: etree._Element, inside: _Inside) -> str:
    return f"{enclose(inside.get('num', ''))}/{enclose(inside.get('den', ''))}"


def _read_root(_: etree._Element, inside: _Inside) -> str:
    return f"√{enclose(inside.get('e', ''))}"


def _read_script(_: etree._Element, inside: _Inside) -> str:
    low, high = inside.get("sub", "").strip(), inside.get("sup", "").strip()
    lowered = lower_part(low, inside.get("e", "").strip()) if low else ""
    return inside.get("e", "") + lowered + (raise_part(high) if high else "")


def _read_sum(part: etree._Element, inside: _Inside) -> str:
    low, high = inside.get("sub", "").strip(), inside.get("sup", "").strip()
    bounds = (f"_({low})" if low else "") + (f"^({high})" if high else "")
    return f"{_sign(part, 'naryPr', 'chr', '∫')}{bounds} {inside.get('e', '')}"


def _read_brackets(part: etree._Element, inside: _Inside) -> str:
    begin = _sign(part, "dPr", "begChr", "(")
    return begin + inside.get("e", "") + _sign(part, "dPr", "endChr", ")")


_PARTS: Mapping[str, Callable[[etree._Element, _Inside], str]] = {
    "f": _read_fraction,
    "rad": _read_root,
    **dict.fromkeys(("sSup", "sSub", "sSubSup"), _read_script),
    "nary": _read_sum,
    "d": _read_brackets,
}
_BETWEEN = {"m": " ; ", **dict.fromkeys(("mr", "eqArr", "limLow", "limUpp", "func"), " ")}


def _sign(part: etree._Element, properties: str, name: str, usual: str) -> str:
    found = part.find(f"{{{OFFICE}}}{properties}/{{{OFFICE}}}{name}")
    return usual if found is None else found.get(f"{{{OFFICE}}}val") or ""
