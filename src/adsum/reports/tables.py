"""Tables: summaries of days and months, which reports read."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Date,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
)

from adsum.platform.database.columns import BigInt, metadata

# What a day came to for one student, of the sessions that count: what reports read, and nothing else. Derived.
student_days = Table(
    "student_days",
    metadata,
    Column("school_id", BigInt, nullable=False),
    Column("day", Date, nullable=False),
    Column("student_id", BigInt, nullable=False),
    # Of the sessions in which the student was expected: how many, and how they went.
    Column("sessions", Integer, nullable=False),
    Column("attended", Integer, nullable=False),
    Column("absent", Integer, nullable=False),
    Column("authorised", Integer, nullable=False),
    Column("late", Integer, nullable=False),
    # By the timetable; where one of these sessions has no times, each of them counts as 1.
    Column("time", Integer, nullable=False),
    Column("time_missed", Integer, nullable=False),
    PrimaryKeyConstraint("school_id", "day", "student_id"),
    Index(None, "student_id", "day"),
)

# The same for one class.
class_days = Table(
    "class_days",
    metadata,
    Column("school_id", BigInt, nullable=False),
    Column("day", Date, nullable=False),
    Column("class_id", BigInt, nullable=False),
    Column("sessions", Integer, nullable=False),
    Column("attended", Integer, nullable=False),
    Column("absent", Integer, nullable=False),
    Column("authorised", Integer, nullable=False),
    Column("late", Integer, nullable=False),
    # Days of single students, and on how many of them at least half of the time was missed.
    Column("days", Integer, nullable=False),
    Column("days_absent", Integer, nullable=False),
    PrimaryKeyConstraint("school_id", "day", "class_id"),
)

# The same of the whole school.
school_days = Table(
    "school_days",
    metadata,
    Column("school_id", BigInt, nullable=False),
    Column("day", Date, nullable=False),
    Column("sessions", Integer, nullable=False),
    Column("attended", Integer, nullable=False),
    Column("absent", Integer, nullable=False),
    Column("authorised", Integer, nullable=False),
    Column("late", Integer, nullable=False),
    Column("days", Integer, nullable=False),
    Column("days_absent", Integer, nullable=False),
    PrimaryKeyConstraint("school_id", "day"),
)

# The days of a student in one month, named by its first day.
student_months = Table(
    "student_months",
    metadata,
    Column("school_id", BigInt, nullable=False),
    Column("month", Date, nullable=False),
    Column("student_id", BigInt, nullable=False),
    Column("sessions", Integer, nullable=False),
    Column("attended", Integer, nullable=False),
    Column("absent", Integer, nullable=False),
    Column("authorised", Integer, nullable=False),
    Column("late", Integer, nullable=False),
    Column("days", Integer, nullable=False),
    Column("days_absent", Integer, nullable=False),
    # The last day on which the student was not absent; and of the days after it, on all of which they were: how many,
    # and the first.
    Column("attended_on", Date),
    Column("absent_after", Integer, nullable=False),
    Column("absent_from", Date),
    PrimaryKeyConstraint("school_id", "month", "student_id"),
    Index(None, "student_id"),
)
