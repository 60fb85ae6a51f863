"""What a fault run counted, as one JSON line: printed, and kept in the file that MEDQ_FAULT_RECORD names."""

from __future__ import annotations

import json
import os
from pathlib import Path


def record(fault: str, **counted: object) -> None:
    """Keep the counts of one run; docs/reliability.md shows those of a whole suite."""
    line = json.dumps({"fault": fault, **counted}, ensure_ascii=False)
    print(line)
    if path := os.environ.get("MEDQ_FAULT_RECORD"):
        with Path(path).open("a") as file:
            file.write(line + "\n")
