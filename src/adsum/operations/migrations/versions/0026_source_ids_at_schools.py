"""The source ids of students at their other schools, and no equal times of a session"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STUDENTS = sa.table(
    "students", sa.column("id", ID), sa.column("school_id", ID), sa.column("merged_into", ID), sa.column("source_id")
)
STUDENT_SCHOOLS = sa.table(
    "student_schools", sa.column("school_id", ID), sa.column("student_id", ID), sa.column("source_id")
)
TIMES = sa.table(
    "session_times",
    sa.column("id", ID),
    sa.column("session_id", ID),
    sa.column("weekday", sa.Integer()),
    sa.column("begins", sa.String()),
    sa.column("begin_date", sa.Date()),
)


def upgrade() -> None:
    op.add_column("student_schools", sa.Column("source_id", sa.String(255)))
    op.create_index("ix_student_schools_school_id_source_id", "student_schools", ["school_id", "source_id"])
    _name_students_of_imports()
    _delete_equal_times()
    op.create_index(
        "ix_session_times_without_begin_date",
        "session_times",
        ["session_id", "weekday", "begins"],
        unique=True,
        sqlite_where=sa.text("begin_date IS NULL"),
        postgresql_where=sa.text("begin_date IS NULL"),
    )


def _name_students_of_imports() -> None:
    """A school of an import names the student as the home school does. A merged record names them itself."""
    s, o, merged = STUDENTS.c, STUDENT_SCHOOLS.c, STUDENTS.alias("merged").c
    source_id = sa.select(s.source_id).where(s.id == o.student_id).scalar_subquery()
    of_merge = sa.exists().where(merged.merged_into == o.student_id, merged.school_id == o.school_id)
    op.execute(sa.update(STUDENT_SCHOOLS).where(sa.not_(of_merge)).values(source_id=source_id))


def _delete_equal_times() -> None:
    """Keeps the first of equal times."""
    t, first = TIMES.c, TIMES.alias("first").c
    is_equal = (first[name] == t[name] for name in ("session_id", "weekday", "begins"))
    repeated = sa.exists().where(*is_equal, first.begin_date.is_(None), first.id < t.id)
    op.execute(sa.delete(TIMES).where(t.begin_date.is_(None), repeated))
