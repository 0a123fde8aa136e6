"""Grades as imports store them now: `09,10`

Older versions stored the list of a roster file as it was written, so that `09, 10` was not found by the grade 10.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

STUDENTS = sa.table("students", sa.column("grade", sa.Text()))


def upgrade() -> None:
    grade, connection = STUDENTS.c.grade, op.get_bind()
    stored = connection.scalars(sa.select(grade).where(grade.is_not(None)).distinct()).all()
    update = sa.update(STUDENTS).where(grade == sa.bindparam("stored")).values(grade=sa.bindparam("listed"))
    for text in stored:
        items = (item.strip() for item in text.split(","))
        listed = ",".join(dict.fromkeys(item for item in items if item)) or None
        if listed != text:
            connection.execute(update, {"stored": text, "listed": listed})
