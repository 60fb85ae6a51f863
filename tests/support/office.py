"""What LibreOffice makes of a workbook: the real program, where a machine has it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def save_by_libreoffice(source: Path, target: Path) -> None:
    """Have LibreOffice open a workbook and save it. Skips where the program, or its part for workbooks, is absent."""
    office = shutil.which("soffice") or shutil.which("libreoffice")
    if office is None or not Path(office).resolve().with_name("libsclo.so").exists():
        pytest.skip("LibreOffice Calc is not installed")
    folder = target.parent / "office"
    command = [office, "--headless", f"-env:UserInstallation=file://{folder}/profile", "--convert-to", "xlsx"]
    subprocess.run([*command, "--outdir", str(folder), str(source)], check=True, capture_output=True, timeout=180)
    shutil.move(folder / source.name, target)
