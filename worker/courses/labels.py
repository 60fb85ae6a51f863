"""What a course file's own name and its folders say of it: level, specialty, course, title."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from worker.courses.document import CourseLabels
from worker.upload.parsing.values import find_level, read_level


def read_labels(path: Path, given: CourseLabels) -> CourseLabels:
    """What is given, else what the folders tell: the level, below it the specialty, below that the course."""
    folders = [clean_name(name) for name in _place(path).parent.parts[-4:]]
    at = max((i for i, name in enumerate(folders) if find_level(name)), default=None)
    below = folders[at + 1 :] if at is not None else []
    found = CourseLabels(
        level=find_level(folders[at]) if at is not None else find_level(path.stem),
        specialty=below[0] if below else None,
        course=below[1] if len(below) > 1 else None,
    )
    return CourseLabels(
        level=read_level(given.level) if given.level else found.level,
        specialty=clean_name(given.specialty or "") or found.specialty,
        course=clean_name(given.course or "") or found.course,
        source=clean_name(given.source or "") or None,
    )


def read_title(path: Path) -> str:
    """What a document is called until somebody says otherwise."""
    return clean_name(path.stem.replace("_", " "))


def read_file_name(path: Path) -> str:
    """The name that a file keeps when its content changes: its own with the two folders above it."""
    return "/".join(map(clean_name, _place(path).parts[-3:])).lstrip("/")


def _place(path: Path) -> Path:
    """Where the operator put the file: links are not followed, or a library of links would have no labels."""
    return Path(os.path.abspath(path))  # noqa: PTH100 (`resolve` follows them)


def clean_name(name: str) -> str:
    """A file's or folder's name as text: composed accents (macOS takes them apart), cp1252 where it is no UTF-8."""
    try:
        text = os.fsencode(name).decode("utf-8")
    except UnicodeDecodeError:
        text = os.fsencode(name).decode("cp1252", errors="replace")
    except UnicodeEncodeError:
        text = name.encode("utf-8", errors="replace").decode("utf-8")
    shown = "".join(
        c if unicodedata.category(c) not in ("Cc", "Cf", "Cs") else " " for c in unicodedata.normalize("NFC", text)
    )
    return " ".join(shown.split())
