"""Files and folders that are their user's alone, whatever the caller's umask: a web app's is not ours to set.

A storage folder with the setgid bit is shared with its group on purpose: what is put there may be read by that group.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO


def make_folder(folder: Path) -> None:
    """Make it and what is missing above it; what exists stays as it is."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():
            raise
        return
    shared = _is_shared(folder.parent)
    folder.chmod(0o750 | stat.S_ISGID if shared else 0o700)


def create_file(path: Path) -> BinaryIO:
    """A new file to write into; `FileExistsError` when there is one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        if _is_shared(path.parent):
            os.fchmod(descriptor, 0o640)
        return os.fdopen(descriptor, "wb")
    except BaseException:
        os.close(descriptor)
        raise


def _is_shared(folder: Path) -> bool:
    return bool(folder.stat().st_mode & stat.S_ISGID)
