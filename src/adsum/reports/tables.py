"""Tables of summaries: days and months, from which reports read. All of them are derived from the records."""

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

# A day of one student.
student_days = Table(
    "student_days",
    metadata,
    Column("school_id", BigInt, nullable=False),
    Column("day", Date, nullable=False),
    Column("student_id", BigInt, nullable=False),
    # Sessions with a mark of the student; the other numbers are of these.
    Column("sessions", Integer, nullable=False),
    Column("attended", Integer, nullable=False),
    Column("absent", Integer, nullable=False),
    Column("authorised", Integer, nullable=False),
    Column("late", Integer, nullable=False),
    # Minutes by the timetable. If one of these sessions has no times, each session counts as 1.
    Column("time", Integer, nullable=False),
    Column("time_missed", Integer, nullable=False),
    # Of sessions with times: their minutes, and those that were missed.
    Column("minutes", Integer, nullable=False, server_default="0"),
    Column("minutes_missed", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("school_id", "day", "student_id"),
    Index(None, "student_id", "day"),
)

# A day of one class.
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
    # Days of its students, and the number of them on which at least half of the time was missed.
    Column("days", Integer, nullable=False),
    Column("days_absent", Integer, nullable=False),
    Column("minutes", Integer, nullable=False, server_default="0"),
    Column("minutes_missed", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("school_id", "day", "class_id"),
)

# A day of a school.
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
    Column("minutes", Integer, nullable=False, server_default="0"),
    Column("minutes_missed", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("school_id", "day"),
)

# A month of one student; `month` is its first day.
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
    Column("minutes", Integer, nullable=False, server_default="0"),
    Column("minutes_missed", Integer, nullable=False, server_default="0"),
    # The last day on which the student was not absent; the number of days after it, on all of which the student was
    # absent; and the first of these.
    Column("attended_on", Date),
    Column("absent_after", Integer, nullable=False),
    Column("absent_from", Date),
    PrimaryKeyConstraint("school_id", "month", "student_id"),
    Index(None, "student_id"),
)

# A student without a mark in a partly taken register. Few rows where registers are taken completely.
unmarked_students = Table(
    "unmarked_students",
    metadata,
    Column("school_id", BigInt, nullable=False),
    Column("day", Date, nullable=False),
    Column("session_id", BigInt, nullable=False),
    Column("student_id", BigInt, nullable=False),
    Column("class_id", BigInt, nullable=False),
    PrimaryKeyConstraint("school_id", "day", "session_id", "student_id"),
    Index(None, "student_id"),
)
