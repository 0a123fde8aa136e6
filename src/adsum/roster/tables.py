"""Tables: students, classes, sessions, timetables and enrolments."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    true,
)

from adsum.platform.database.columns import id_column, metadata, reference

students = Table(
    "students",
    metadata,
    id_column(),
    reference("school"),
    Column("source_id", String(255)),
    Column("given_name", String(255), nullable=False),
    Column("family_name", String(255), nullable=False),
    Column("grade", String(32)),
    Column("active", Boolean, nullable=False, server_default=true()),
    UniqueConstraint("school_id", "source_id"),
)

classes = Table(
    "classes",
    metadata,
    id_column(),
    reference("school"),
    Column("source_id", String(255)),
    Column("title", String(255), nullable=False),
    Column("code", String(255)),
    Column("active", Boolean, nullable=False, server_default=true()),
    UniqueConstraint("school_id", "source_id"),
)

sessions = Table(
    "sessions",
    metadata,
    id_column(),
    reference("class"),
    # '' is the one default session of a class whose roster file names no periods.
    Column("period", String(64), nullable=False, server_default=""),
    Column("title", String(255), nullable=False),
    # Of a platform that puts its sessions itself; roster files have none.
    Column("source_id", String(255)),
    Column("active", Boolean, nullable=False, server_default=true()),
    # Raised by whoever changes what a submission looks at: see roster/session_fence.py.
    Column("turn", Integer, nullable=False, server_default="0"),
    UniqueConstraint("class_id", "period"),
    Index(None, "source_id"),
)

# When a session meets in each week; of one that has no times nobody knows. Weekday 1 is Monday; local 'HH:MM'.
session_times = Table(
    "session_times",
    metadata,
    id_column(),
    reference("session"),
    Column("weekday", Integer, nullable=False),
    Column("begins", String(5), nullable=False),
    Column("ends", String(5), nullable=False),
    UniqueConstraint("session_id", "weekday", "begins"),
)

# A student is enrolled from begin_date on, up to but without end_date, as OneRoster has it; NULL is without bound.
enrolments = Table(
    "enrolments",
    metadata,
    id_column(),
    reference("class"),
    reference("student"),
    Column("source_id", String(255)),
    Column("begin_date", Date),
    Column("end_date", Date),
    UniqueConstraint("class_id", "source_id"),
    Index(None, "class_id", "student_id"),
    Index(None, "student_id"),
)
