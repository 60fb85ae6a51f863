"""The database itself: numbered SQL, the revisions that run it, and the Prisma schema. Imports nothing of ours."""
