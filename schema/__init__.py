"""The database itself: numbered SQL, the revisions that run it, and the Prisma schema. Imports nothing of ours."""

# Not Alembic's common `alembic_version`: a platform may have an Alembic of its own.
VERSION_TABLE = "medq_version"
