"""Source ids without blanks at their ends

`PUT …/by-source` stored ids as they were sent. It now strips blanks, as the import of roster files does, so that a row
with blanks in its id would not be found again. A row keeps its blanks if another one has the id without them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OWNERS = {"classes": "school_id", "students": "school_id", "sessions": "class_id", "enrolments": "class_id"}


def upgrade() -> None:
    for name, owner in OWNERS.items():
        _strip(sa.table(name, sa.column("id", ID), sa.column(owner, ID), sa.column("source_id", sa.String())), owner)


def _strip(rows: sa.TableClause, owner: str) -> None:
    """Updates the few rows with blanks one by one. Of rows with the same stripped id, the oldest gets it."""
    stored, other = rows.c.source_id, rows.alias("other")
    blanks = "".join(character for character in map(chr, range(0x3001)) if character.isspace())
    stripped = sa.func.ltrim(sa.func.rtrim(stored, blanks), blanks)
    found = sa.select(rows.c.id, stripped).where(stored != stripped, stripped != "").order_by(rows.c.id)
    is_taken = sa.exists().where(other.c[owner] == rows.c[owner], other.c.source_id == sa.bindparam("stripped"))
    update = sa.update(rows).where(rows.c.id == sa.bindparam("of_id"), ~is_taken)
    update = update.values(source_id=sa.bindparam("stripped"))
    connection = op.get_bind()
    for row_id, text in connection.execute(found).all():
        connection.execute(update, {"of_id": row_id, "stripped": text})
