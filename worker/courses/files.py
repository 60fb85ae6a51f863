"""Which files are course documents, among what an operator names. They are not read here."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from worker.courses.extract import SUFFIXES
from worker.errors import UsageError


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The files to read: those named, and in folders every one of a known kind, in order and once.

    A folder that cannot be opened is among them, to be refused by name; a link that leads out of its folder is not.
    Raises `UsageError` for a path that does not exist.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            below = (p for p in _files_below(path) if p.is_dir() or p.suffix.lower() in SUFFIXES)
            found.update((p, None) for p in below if not _leads_out(p, path))
        elif path.exists():
            found[path] = None
        else:
            raise UsageError(f"{path}: no such file or folder. Give the path of course documents.")
    return list(found)


def find_links_out(paths: Iterable[Path]) -> list[Path]:
    """The links in those folders that lead to files elsewhere: whoever may write a folder may not have them read."""
    below = ((p, folder) for folder in paths if folder.is_dir() for p in _files_below(folder))
    return [p for p, folder in below if p.suffix.lower() in SUFFIXES and _leads_out(p, folder)]


def _leads_out(path: Path, folder: Path) -> bool:
    return path.is_symlink() and not path.resolve().is_relative_to(folder.resolve())


def count_other_kinds(paths: Iterable[Path]) -> Counter[str]:
    """How many files of which other kinds stand in those folders, and are left out."""
    files = (p for path in paths if path.is_dir() for p in _files_below(path) if not p.is_dir())
    return Counter(p.suffix.lower() for p in files if p.suffix.lower() not in SUFFIXES and p.suffix)


def _files_below(folder: Path) -> list[Path]:
    """In order, every file, and folders that cannot be opened. Linked folders are passed over: they may go round."""
    found: list[Path] = []

    def note_closed(error: OSError) -> None:
        found.append(Path(error.filename))

    for parent, folders, names in os.walk(folder, onerror=note_closed):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        found += (Path(parent, name) for name in names if not _is_hidden(name))
    return sorted(found)


def _is_hidden(name: str) -> bool:
    """`.git`, what macOS adds to archives, and "~$cours.docx": Word's lock on an open file."""
    return name.startswith((".", "~$")) or name == "__MACOSX"
