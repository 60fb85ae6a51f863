"""What a module logs, whatever another test made of the loggers of this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture


@contextmanager
def events_of(module: ModuleType) -> Iterator[list[Any]]:
    """The events that `module` logs from now on, as dicts.

    A logger that was used once cannot be configured anew, and a command that ran in this process may have set a level
    below which all others say nothing.
    """
    capture = LogCapture()
    with pytest.MonkeyPatch.context() as patch:
        logger = structlog.wrap_logger(None, processors=[capture], wrapper_class=structlog.BoundLogger)
        patch.setattr(module, "log", logger)
        yield capture.entries
