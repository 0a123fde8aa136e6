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


def _numbers_of_sessions() -> list[Column[int]]:
    """The number of sessions with a mark; the other numbers are of these."""
    return [Column(name, Integer, nullable=False) for name in ("sessions", "attended", "absent", "authorised", "late")]


def _numbers_of_days() -> list[Column[int]]:
    """Days of students, and the number of them on which at least half of the time was missed."""
    return [Column(name, Integer, nullable=False) for name in ("days", "days_absent")]


def _minutes() -> list[Column[int]]:
    """Of sessions with times: their minutes, and those that were missed."""
    return [Column(name, Integer, nullable=False, server_default="0") for name in ("minutes", "minutes_missed")]


# A day of one student.
student_days = Table(
    "student_days",
    metadata,
    Column("school_id", BigInt, nullable=False),
    Column("day", Date, nullable=False),
    Column("student_id", BigInt, nullable=False),
    *_numbers_of_sessions(),
    # Minutes by the timetable. If one of these sessions has no times, each session counts as 1.
    Column("time", Integer, nullable=False),
    Column("time_missed", Integer, nullable=False),
    *_minutes(),
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
    *_numbers_of_sessions(),
    *_numbers_of_days(),
    *_minutes(),
    PrimaryKeyConstraint("school_id", "day", "class_id"),
)

# A day of a school.
school_days = Table(
    "school_days",
    metadata,
    Column("school_id", BigInt, nullable=False),
    Column("day", Date, nullable=False),
    *_numbers_of_sessions(),
    *_numbers_of_days(),
    *_minutes(),
    PrimaryKeyConstraint("school_id", "day"),
)

# A month of one student; `month` is its first day.
student_months = Table(
    "student_months",
    metadata,
    Column("school_id", BigInt, nullable=False),
    Column("month", Date, nullable=False),
    Column("student_id", BigInt, nullable=False),
    *_numbers_of_sessions(),
    *_numbers_of_days(),
    *_minutes(),
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
