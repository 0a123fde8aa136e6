"""Tables: students, classes, sessions, timetables and enrolments."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    func,
    text,
    true,
)

from adsum.platform.database.columns import BigInt, id_column, metadata, reference
from adsum.platform.database.search import search_column

students = Table(
    "students",
    metadata,
    id_column(),
    reference("school"),
    Column("source_id", String(255)),
    Column("given_name", String(255), nullable=False),
    Column("family_name", String(255), nullable=False),
    # Several grades are separated by commas. SQLite ignores the length, and a new type would copy its table.
    Column("grade", Text().with_variant(String(32), "sqlite")),
    search_column("given_name", "family_name", "source_id"),
    Column("active", Boolean, nullable=False, server_default=true()),
    # The student of whom this was a second record: see privacy/merging. The row stays, so that its source id names that
    # student. Without a foreign key, which SQLite adds to new tables only.
    Column("merged_into", BigInt),
    UniqueConstraint("school_id", "source_id"),
    Index(
        "ix_students_merged_into",
        "merged_into",
        sqlite_where=text("merged_into IS NOT NULL"),
        postgresql_where=text("merged_into IS NOT NULL"),
    ),
)

# Rows that stand for a student. The others are second records, and only their source ids are used.
is_student = students.c.merged_into.is_(None)
# The student whom a row of `students` names.
named_student_id = func.coalesce(students.c.merged_into, students.c.id)

classes = Table(
    "classes",
    metadata,
    id_column(),
    reference("school"),
    Column("source_id", String(255)),
    Column("title", String(255), nullable=False),
    Column("code", String(255)),
    # The terms in the newest roster file: source ids, separated by commas. '' for none.
    Column("term_source_ids", Text, nullable=False, server_default=""),
    search_column("title", "code", "source_id"),
    Column("active", Boolean, nullable=False, server_default=true()),
    UniqueConstraint("school_id", "source_id"),
)

sessions = Table(
    "sessions",
    metadata,
    id_column(),
    reference("class"),
    # '' for the default session of a class without periods in the roster file.
    Column("period", String(64), nullable=False, server_default=""),
    Column("title", String(255), nullable=False),
    # Set by upserts of another platform; roster files have no session ids.
    Column("source_id", String(255)),
    # Whether the newest roster has it. The days on which it is due are those of its validity.
    Column("active", Boolean, nullable=False, server_default=true()),
    # The fence of the session: see session_fence.py.
    Column("turn", Integer, nullable=False, server_default="0"),
    # The validity, half-open, without the days of `session_gaps`: see session_validity.py. NULL: no bound.
    Column("begin_date", Date),
    Column("end_date", Date),
    UniqueConstraint("class_id", "period"),
    Index(None, "source_id"),
)

# Days within the validity of a session on which it was not in the roster: from begin_date until before end_date.
session_gaps = Table(
    "session_gaps",
    metadata,
    reference("session"),
    Column("begin_date", Date, nullable=False),
    Column("end_date", Date, nullable=False),
    PrimaryKeyConstraint("session_id", "begin_date"),
)

# The weekly times of sessions, each with the days on which it holds, half-open; NULL: no bound. On days without a row
# the times of a session are unknown. Weekday 1 is Monday; local 'HH:MM'.
session_times = Table(
    "session_times",
    metadata,
    id_column(),
    reference("session"),
    Column("weekday", Integer, nullable=False),
    Column("begins", String(5), nullable=False),
    Column("ends", String(5), nullable=False),
    Column("begin_date", Date),
    Column("end_date", Date),
    UniqueConstraint("session_id", "weekday", "begins", "begin_date"),
    # NULLs are distinct in the constraint.
    Index(
        "ix_session_times_without_begin_date",
        "session_id",
        "weekday",
        "begins",
        unique=True,
        sqlite_where=text("begin_date IS NULL"),
        postgresql_where=text("begin_date IS NULL"),
    ),
)

# A student is enrolled from begin_date until before end_date, as in OneRoster; NULL: no bound.
enrolments = Table(
    "enrolments",
    metadata,
    id_column(),
    reference("class"),
    reference("student"),
    Column("source_id", String(255)),
    Column("begin_date", Date),
    Column("end_date", Date),
    # Whether the date is that of the terms of the class, because the enrolment has none of its own.
    Column("begin_from_terms", Boolean, nullable=False, server_default=false()),
    Column("end_from_terms", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("class_id", "source_id"),
    Index(None, "class_id", "student_id"),
    Index(None, "student_id"),
)

# The schools of a student besides `students.school_id`, the home school: see repository/membership.py.
student_schools = Table(
    "student_schools",
    metadata,
    reference("school"),
    reference("student"),
    # Whether the newest roster file has the student at this school. A former school has them no longer.
    Column("active", Boolean, nullable=False),
    # The source id that names the student at this school; NULL: only merged records of the school do, if any.
    Column("source_id", String(255)),
    PrimaryKeyConstraint("school_id", "student_id"),
    Index(None, "student_id"),
    Index(None, "school_id", "source_id"),
)

# The guardians, parents and relatives whom the newest roster of a school names for a student, in OneRoster: agents. The
# row of the student in users.csv names them, or theirs the student; a delta file may have one of both rows.
student_contacts = Table(
    "student_contacts",
    metadata,
    reference("school"),
    reference("student"),
    Column("source_id", String(255), nullable=False),
    Column("role", String(16), nullable=False),
    Column("given_name", String(255), nullable=False),
    Column("family_name", String(255), nullable=False),
    Column("phone", String(255)),
    Column("sms", String(255)),
    Column("email", String(255)),
    Column("named_by_student", Boolean, nullable=False),
    Column("named_by_contact", Boolean, nullable=False),
    PrimaryKeyConstraint("school_id", "student_id", "source_id"),
    Index(None, "student_id"),
)
