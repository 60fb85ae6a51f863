"""Uploaded bytes become sheets of text cells, or one `JobFailed` with one French sentence.

What is in an upload is read in a child process, whatever it is: `child.py`. The child's own work is `reading.py`.
"""

from worker.upload.reading.child import ReaderKilled, keep_ready, read_sheets

__all__ = ["ReaderKilled", "keep_ready", "read_sheets"]
