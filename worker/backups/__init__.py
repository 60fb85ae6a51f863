"""The database saved into files and restored from them, with PostgreSQL's own programs."""

from worker.backups.restoring import restore
from worker.backups.saving import Backup, back_up
from worker.backups.sizes import megabytes

__all__ = ["Backup", "back_up", "megabytes", "restore"]
