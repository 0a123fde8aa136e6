"""The tables. One schema for SQLite and Postgres; the migrations make it, a test holds the two together."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)

from adsum.storage.columns import BigInt, Instant, Json, RunId

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[int]:
    return Column("id", BigInt, primary_key=True)


def _of(table: str, *, nullable: bool = False) -> Column[int]:
    """A reference: `_of("school")` is `school_id`, to `schools.id`."""
    plural = "classes" if table == "class" else f"{table}s"
    return Column(f"{table}_id", BigInt, ForeignKey(f"{plural}.id"), nullable=nullable)


schools = Table(
    "schools",
    metadata,
    _id(),
    Column("source_id", String(255), unique=True),
    Column("name", String(255), nullable=False),
    Column("time_zone", String(64), nullable=False),
    # For how many days teachers may mark and correct; NULL: for ever.
    Column("edit_window_days", Integer),
)

# What a school has changed of the statuses that every school begins with, or added to them.
statuses = Table(
    "statuses",
    metadata,
    Column("school_id", BigInt, ForeignKey("schools.id"), nullable=False),
    Column("code", String(32), nullable=False),
    Column("label", String(64), nullable=False),
    Column("letter", String(8), nullable=False),
    Column("counts_as", String(16), nullable=False),
    Column("flags", Json, nullable=False),
    Column("position", Integer, nullable=False),
    Column("retired_at", Instant),
    PrimaryKeyConstraint("school_id", "code"),
    CheckConstraint("counts_as IN ('attended', 'absent', 'not_expected')", "counts_as"),
)

students = Table(
    "students",
    metadata,
    _id(),
    _of("school"),
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
    _id(),
    _of("school"),
    Column("source_id", String(255)),
    Column("title", String(255), nullable=False),
    Column("code", String(255)),
    Column("active", Boolean, nullable=False, server_default=true()),
    UniqueConstraint("school_id", "source_id"),
)

sessions = Table(
    "sessions",
    metadata,
    _id(),
    _of("class"),
    # '' is the one default session of a class whose roster file names no periods.
    Column("period", String(64), nullable=False, server_default=""),
    Column("title", String(255), nullable=False),
    # Of a platform that puts its sessions itself; roster files have none.
    Column("source_id", String(255)),
    Column("active", Boolean, nullable=False, server_default=true()),
    # Raised by whoever changes what a submission looks at: see storage/turns.py.
    Column("turn", Integer, nullable=False, server_default="0"),
    UniqueConstraint("class_id", "period"),
    Index(None, "source_id"),
)

# When a session meets in each week; of one that has no times nobody knows. Weekday 1 is Monday; local 'HH:MM'.
session_times = Table(
    "session_times",
    metadata,
    _id(),
    _of("session"),
    Column("weekday", Integer, nullable=False),
    Column("begins", String(5), nullable=False),
    Column("ends", String(5), nullable=False),
    UniqueConstraint("session_id", "weekday", "begins"),
)

# A school that has terms is closed outside of them. From begin_date on, up to but without end_date.
terms = Table(
    "terms",
    metadata,
    _id(),
    _of("school"),
    Column("source_id", String(255)),
    Column("title", String(255), nullable=False),
    Column("begin_date", Date, nullable=False),
    Column("end_date", Date, nullable=False),
    UniqueConstraint("school_id", "source_id"),
    Index(None, "school_id", "begin_date"),
)

# A student is enrolled from begin_date on, up to but without end_date, as OneRoster has it; NULL is without bound.
enrolments = Table(
    "enrolments",
    metadata,
    _id(),
    _of("class"),
    _of("student"),
    Column("source_id", String(255)),
    Column("begin_date", Date),
    Column("end_date", Date),
    UniqueConstraint("class_id", "source_id"),
    Index(None, "class_id", "student_id"),
    Index(None, "student_id"),
)

# A teacher comes with the roster, without a login: no email, no password. `user add --teacher` gives both.
users = Table(
    "users",
    metadata,
    _id(),
    _of("school", nullable=True),
    Column("source_id", String(255)),
    Column("email", String(320), unique=True),
    Column("password_hash", String(255)),
    Column("given_name", String(255), nullable=False, server_default=""),
    Column("family_name", String(255), nullable=False, server_default=""),
    Column("role", String(32), nullable=False),
    Column("disabled", Boolean, nullable=False, server_default=false()),
    # Every token names the generation that it was made in; raising it ends all of them at once.
    Column("token_generation", Integer, nullable=False, server_default="0"),
    UniqueConstraint("school_id", "source_id"),
)

class_teachers = Table(
    "class_teachers",
    metadata,
    _id(),
    _of("class"),
    _of("user"),
    Column("source_id", String(255)),
    Column("begin_date", Date),
    Column("end_date", Date),
    UniqueConstraint("class_id", "source_id"),
    Index(None, "user_id", "class_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    _id(),
    Column("name", String(255), nullable=False),
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("permissions", Json, nullable=False),
    # NULL: every school.
    Column("schools", Json),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)

# Who stands in for a teacher, as the office says; roster files know nothing of it, and end none. The days as above.
class_covers = Table(
    "class_covers",
    metadata,
    _id(),
    _of("school"),
    _of("class"),
    # NULL: all of the class.
    _of("session", nullable=True),
    _of("user"),
    Column("begin_date", Date, nullable=False),
    Column("end_date", Date, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_role", String(32), nullable=False),
    Column("created_user_id", BigInt, ForeignKey("users.id")),
    Column("created_key_id", BigInt, ForeignKey("api_keys.id")),
    Index(None, "user_id", "class_id"),
    Index(None, "class_id"),
    Index(None, "school_id", "begin_date"),
)

closed_days = Table(
    "closed_days",
    metadata,
    _of("school"),
    Column("day", Date, nullable=False),
    Column("reason", String(500), nullable=False),
    # Local 'HH:MM', from which on the school is closed; NULL: all day.
    Column("from_time", String(5)),
    Column("created_at", Instant, nullable=False),
    Column("created_role", String(32), nullable=False),
    _of("user", nullable=True),
    Column("key_id", BigInt, ForeignKey("api_keys.id")),
    PrimaryKeyConstraint("school_id", "day"),
)

batch_runs = Table(
    "batch_runs",
    metadata,
    Column("run_id", RunId, primary_key=True),
    _of("school"),
    _of("class"),
    _of("session"),
    Column("learning_date", Date, nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("on_existing", String(16), nullable=False),
    # [[{"student": 7, "status": "present", "note"?, "arrived"?, "left"?, "absence"?, "version"?}, …], …]: the jobs of
    # each chunk.
    Column("plan", Json, nullable=False),
    # [7, …]: students whose record stays as it is; they count as skipped.
    Column("kept", Json, nullable=False),
    # Of how many students each chunk was cut; with 1 a message bears the seed's job id.
    Column("chunk_size", Integer, nullable=False),
    # A retry goes on with the batch: what the run before it came to, failures left out.
    Column("carried_recorded", Integer, nullable=False, server_default="0"),
    Column("carried_skipped", Integer, nullable=False, server_default="0"),
    Column("carried_cancelled", Integer, nullable=False, server_default="0"),
    Column("total_jobs", Integer, nullable=False),
    Column("accepted_at", Instant, nullable=False),
    Column("accepted_role", String(32), nullable=False),
    _of("user", nullable=True),
    Column("key_id", BigInt, ForeignKey("api_keys.id")),
    Column("ended_at", Instant),
    # The process that closed it; NULL: a request did.
    Column("ended_by", String(300)),
    # The final counts: NULL while the run is open, when they are computed from the rows.
    Column("recorded_jobs", Integer),
    Column("skipped_jobs", Integer),
    Column("failed_jobs", Integer),
    Column("cancelled_jobs", Integer),
    # Why the class was marked although the school was closed on that day.
    Column("forced_reason", String(500)),
    # Whether what its records say is in the summaries that reports read: see storage/summaries.py.
    Column("summarised", Boolean, nullable=False, server_default=false()),
    # Since when the plan and the failures of a run that ended long ago are gone; the counts above stay.
    Column("pruned_at", Instant),
    UniqueConstraint("session_id", "learning_date", "number"),
    CheckConstraint("state IN ('open', 'closed', 'cancelled')", "state"),
    CheckConstraint(
        "state = 'open' OR total_jobs = recorded_jobs + skipped_jobs + failed_jobs + cancelled_jobs", "counts"
    ),
    # At most one open run a batch: this index is what refuses a second submission.
    Index(
        "uq_batch_runs_open",
        "session_id",
        "learning_date",
        unique=True,
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    Index(None, "school_id", "learning_date", "session_id"),
    Index(None, "learning_date", "session_id"),
    # What the sweeper reads: run ids are in the order of acceptance.
    Index(
        "ix_batch_runs_open",
        "run_id",
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    # What somebody has to look at: few, among millions that went well.
    Index(
        "ix_batch_runs_failed",
        "learning_date",
        "session_id",
        sqlite_where=text("failed_jobs > 0"),
        postgresql_where=text("failed_jobs > 0"),
    ),
    # Days whose summaries are to be made anew.
    Index(
        "ix_batch_runs_unsummarised",
        "school_id",
        "learning_date",
        # As each of them has it in the query: else SQLite would not know that the index serves it.
        sqlite_where=text("ended_at IS NOT NULL AND summarised = 0"),
        postgresql_where=text("ended_at IS NOT NULL AND NOT summarised"),
    ),
    # Who looks for runs that ended: lately, or so long ago that they are pruned. What is pruned leaves the index.
    Index(
        None,
        "ended_at",
        sqlite_where=text("ended_at IS NOT NULL AND pruned_at IS NULL"),
        postgresql_where=text("ended_at IS NOT NULL AND pruned_at IS NULL"),
    ),
)

# No foreign keys. What a row copies from its run (school, class, session, who marked it) has them there, and a student
# is inserted only while an enrolment, which has one, is seen. On the hot path each would be an index look-up and a row
# lock a student: with two, Postgres spent two thirds of an insert on them.
attendances = Table(
    "attendances",
    metadata,
    _id(),
    Column("school_id", BigInt, nullable=False),
    Column("class_id", BigInt, nullable=False),
    Column("session_id", BigInt, nullable=False),
    Column("learning_date", Date, nullable=False),
    Column("student_id", BigInt, nullable=False),
    # NULL: the mark was cleared. Rows are never deleted.
    Column("status", String(32)),
    Column("note", Text),
    # Local 'HH:MM' of that day.
    Column("arrived_at", String(5)),
    Column("left_at", String(5)),
    # What only the office reads and writes; it stays whatever becomes of the mark.
    Column("office_note", Text),
    # The absence known beforehand that the mark comes from; corrections and further runs set it anew.
    Column("absence_id", BigInt),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("marked_at", Instant, nullable=False),
    Column("marked_role", String(32), nullable=False),
    Column("user_id", BigInt),
    Column("key_id", BigInt),
    # The run that made the record; corrections leave it, and stand in attendance_changes.
    Column("run_id", RunId, nullable=False),
    # In this order, so that the rows of a class share index pages.
    UniqueConstraint("session_id", "learning_date", "student_id"),
    Index(None, "student_id", "learning_date"),
    Index(None, "school_id", "learning_date"),
)

# Append-only. `version` is the record's after the change, so that one version can be made only once.
attendance_changes = Table(
    "attendance_changes",
    metadata,
    Column("attendance_id", BigInt, ForeignKey("attendances.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("old_status", String(32)),
    Column("new_status", String(32)),
    Column("old_note", Text),
    Column("new_note", Text),
    Column("old_arrived_at", String(5)),
    Column("new_arrived_at", String(5)),
    Column("old_left_at", String(5)),
    Column("new_left_at", String(5)),
    # Both NULL where the change left the office's note alone.
    Column("old_office_note", Text),
    Column("new_office_note", Text),
    Column("changed_at", Instant, nullable=False),
    Column("changed_role", String(32), nullable=False),
    _of("user", nullable=True),
    Column("key_id", BigInt, ForeignKey("api_keys.id")),
    Column("reason", Text),
    # Of the run that made the change; of the run that the change takes back.
    Column("run_id", RunId),
    Column("undoes_run_id", RunId),
    # The absence that the new mark comes from.
    Column("absence_id", BigInt),
    PrimaryKeyConstraint("attendance_id", "version"),
)

# What the office knows beforehand: a student will be away, from first_day to last_day. Deleted only with a student.
absences = Table(
    "absences",
    metadata,
    _id(),
    _of("school"),
    _of("student"),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    # [456, …]: only these sessions. NULL: all of them, or those of the times.
    Column("session_ids", Json),
    # Local 'HH:MM': only sessions that by the timetable meet between them. Both or neither.
    Column("from_time", String(5)),
    Column("to_time", String(5)),
    Column("status", String(32), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("revoked_at", Instant),
    Index(None, "school_id", "last_day"),
    Index(None, "student_id", "last_day"),
)

# Append-only: what an absence said in each version, and who said so.
absence_versions = Table(
    "absence_versions",
    metadata,
    Column("absence_id", BigInt, ForeignKey("absences.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("said", Json, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("changed_role", String(32), nullable=False),
    _of("user", nullable=True),
    Column("key_id", BigInt, ForeignKey("api_keys.id")),
    PrimaryKeyConstraint("absence_id", "version"),
)

# Runs that were open when an absence was entered: what they record is corrected when they have ended.
due_absences = Table(
    "due_absences",
    metadata,
    Column("run_id", RunId, ForeignKey("batch_runs.run_id"), nullable=False),
    Column("absence_id", BigInt, ForeignKey("absences.id"), nullable=False),
    PrimaryKeyConstraint("run_id", "absence_id"),
)

# What a teacher said of a student whose mark is the office's: kept beside it until the office settles which holds.
contradictions = Table(
    "contradictions",
    metadata,
    _id(),
    _of("school"),
    _of("class"),
    _of("session"),
    Column("learning_date", Date, nullable=False),
    _of("student"),
    Column("status", String(32), nullable=False),
    Column("note", Text),
    Column("said_at", Instant, nullable=False),
    Column("said_role", String(32), nullable=False),
    _of("user", nullable=True),
    Column("key_id", BigInt, ForeignKey("api_keys.id")),
    Column("resolved_at", Instant),
    UniqueConstraint("session_id", "learning_date", "student_id"),
    Index(None, "student_id"),
    Index(
        "ix_contradictions_open",
        "school_id",
        "learning_date",
        sqlite_where=text("resolved_at IS NULL"),
        postgresql_where=text("resolved_at IS NULL"),
    ),
)

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

job_failures = Table(
    "job_failures",
    metadata,
    Column("run_id", RunId, ForeignKey("batch_runs.run_id"), nullable=False),
    Column("student_id", BigInt, nullable=False),
    Column("code", String(64), nullable=False),
    Column("failed_at", Instant, nullable=False),
    PrimaryKeyConstraint("run_id", "student_id"),
)

# What was answered to a request that carried an Idempotency-Key; the digest is of its body.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("actor", String(64), nullable=False),
    Column("key", String(255), nullable=False),
    Column("body_digest", String(64), nullable=False),
    Column("answer", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("actor", "key"),
    Index(None, "created_at"),
)
