"""Tables: schools and their calendars."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    false,
    true,
)

from adsum.platform.database.columns import BigInt, Instant, Json, id_column, metadata, reference

schools = Table(
    "schools",
    metadata,
    id_column(),
    Column("source_id", String(255), unique=True),
    Column("name", String(255), nullable=False),
    Column("time_zone", String(64), nullable=False),
    # Days after a learning date within which teachers may write; NULL: no limit.
    Column("edit_window_days", Integer),
    # A session of which a student missed this percentage of the minutes counts as absent in reports; NULL: none does.
    Column("missed_from_percent", Integer),
    # The weekdays on which sessions without times meet, in order; 1 is Monday.
    Column("weekdays", String(7), nullable=False, server_default="12345"),
    # Whether the office manages the logins of teachers and viewers.
    Column("office_manages_logins", Boolean, nullable=False, server_default=false()),
    # Retention or a dropped year has deleted the records of the days before, and none is written for them.
    Column("records_from", Date),
    # The letters of present, absent, late and excused until the school changes them; NULL: those of every other school.
    Column("default_letters", String(4)),
)

# Each change of a setting of a school, such as its time zone. The values are as they were at that time.
school_changes = Table(
    "school_changes",
    metadata,
    id_column(),
    reference("school"),
    Column("setting", String(32), nullable=False),
    Column("old_value", Json),
    Column("new_value", Json),
    Column("changed_at", Instant, nullable=False),
    Column("changed_role", String(32), nullable=False),
    reference("user", nullable=True),
    Column("key_id", BigInt, ForeignKey("api_keys.id")),
    Index(None, "school_id", "id"),
)

closed_days = Table(
    "closed_days",
    metadata,
    reference("school"),
    Column("day", Date, nullable=False),
    Column("reason", String(500), nullable=False),
    # Local 'HH:MM' from which the school is closed; NULL: all day.
    Column("from_time", String(5)),
    Column("created_at", Instant, nullable=False),
    Column("created_role", String(32), nullable=False),
    reference("user", nullable=True),
    Column("key_id", BigInt, ForeignKey("api_keys.id")),
    PrimaryKeyConstraint("school_id", "day"),
)

# A school is closed outside of its terms with opens_school, if it has any. A term ends before end_date.
terms = Table(
    "terms",
    metadata,
    id_column(),
    reference("school"),
    Column("source_id", String(255)),
    Column("title", String(255), nullable=False),
    Column("begin_date", Date, nullable=False),
    Column("end_date", Date, nullable=False),
    # Of a roster file: OneRoster's type, and the source id of the term that it is a part of.
    Column("kind", String(16)),
    Column("parent_source_id", String(255)),
    Column("opens_school", Boolean, nullable=False, server_default=true()),
    UniqueConstraint("school_id", "source_id"),
    Index(None, "school_id", "begin_date"),
)

# The known terms of classes, made of classes.term_source_ids. A class without rows is bounded by no term.
class_terms = Table(
    "class_terms",
    metadata,
    reference("class"),
    reference("term"),
    PrimaryKeyConstraint("class_id", "term_id"),
    Index(None, "term_id"),
)
