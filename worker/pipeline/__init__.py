"""The line: what is done with a task, one room per step. With `courier`, `upkeep` and `runner` the only place that
begins a transaction. A model is never called inside one.
"""

from worker.pipeline.analyse import say_waits
from worker.pipeline.claiming import Claimed
from worker.pipeline.deciding import decide
from worker.pipeline.explaining import Explainer
from worker.pipeline.failing import bury, fail_job, quarantine
from worker.pipeline.finish import find_workbook, write_report
from worker.pipeline.line import Line
from worker.pipeline.returned import TakenIn, read_review, settle_returned

__all__ = [
    "Claimed",
    "Explainer",
    "Line",
    "TakenIn",
    "bury",
    "decide",
    "fail_job",
    "find_workbook",
    "quarantine",
    "read_review",
    "say_waits",
    "settle_returned",
    "write_report",
]
