"""The platform's schema exactly as its specification gives it.

A database that holds tables of it already is taken over: see schema/adoption.py. That also mends an upgrade cut off
between the tables and the concurrent indexes, which cannot share a transaction.
"""

from __future__ import annotations

from alembic import op

from schema.adopted import RECORD_TABLE, has_record, recorded, take_back
from schema.adoption import adopt, is_there
from schema.online import run_online
from schema.scripts import read_sql, run_script, run_whole, split_statements

revision = "001"
down_revision = None


def upgrade() -> None:
    """Build the schema, or complete the platform's."""
    connection = op.get_bind()
    began_here = has_record(connection) and not recorded(connection)
    if is_there(connection) and not began_here:
        for note in adopt(connection):
            connection.info.get("say", str)(note)
        return
    if not began_here:
        run_online(connection, RECORD_TABLE, *split_statements(read_sql("001_up")))
    run_script(connection, "001_concurrently")


def downgrade() -> None:
    """Drop everything, data included; of a database that was taken over, only what was added to it."""
    connection = op.get_bind()
    if recorded(connection):
        take_back(connection)
    else:
        run_whole(connection, "001_down")
        connection.exec_driver_sql("DROP TABLE IF EXISTS medq_adopted")
