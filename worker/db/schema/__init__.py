"""The database's schema: moving it between revisions, comparing it with the models, and writing the Prisma schema."""

from worker.db.schema.compare import check
from worker.db.schema.migrate import current_revision, downgrade, upgrade

__all__ = ["check", "current_revision", "downgrade", "upgrade"]
