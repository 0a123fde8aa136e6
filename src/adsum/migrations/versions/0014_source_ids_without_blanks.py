"""Source ids without blanks at their ends

`PUT …/by-source` stored ids as they were sent. It now strips blanks, as the import of roster files does, so that a row
with blanks in its id would not be found again. A row keeps its blanks if another one has the id without them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

OWNERS = {"classes": "school_id", "students": "school_id", "sessions": "class_id", "enrolments": "class_id"}


def upgrade() -> None:
    blanks = "".join(character for character in map(chr, range(0x3001)) if character.isspace())
    for name, owner in OWNERS.items():
        table = sa.table(name, sa.column("id"), sa.column(owner), sa.column("source_id", sa.String))
        stored = table.c.source_id
        stripped = sa.func.ltrim(sa.func.rtrim(stored, blanks), blanks)
        rank = sa.func.row_number().over(
            partition_by=(table.c[owner], stripped), order_by=((stored != stripped), table.c.id)
        )
        ranked = sa.select(table.c.id, rank.label("rank")).where(stored.is_not(None)).subquery()
        firsts = sa.select(ranked.c.id).where(ranked.c.rank == 1)
        op.execute(
            table.update().where(stored != stripped, stripped != "", table.c.id.in_(firsts)).values(source_id=stripped)
        )
