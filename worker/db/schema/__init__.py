"""The database's schema: moving it between revisions, and comparing it with the models and the Prisma schema."""

from worker.db.schema.compare import check
from worker.db.schema.migrate import current_revision, downgrade, upgrade
from worker.db.schema.prisma import read_prisma

__all__ = ["check", "current_revision", "downgrade", "read_prisma", "upgrade"]
