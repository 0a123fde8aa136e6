"""Tables: runs, and failures of their jobs."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
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
    text,
)

from adsum.platform.database.columns import BigInt, Instant, Json, RunId, metadata, reference

batch_runs = Table(
    "batch_runs",
    metadata,
    Column("run_id", RunId, primary_key=True),
    reference("school"),
    reference("class"),
    reference("session"),
    Column("learning_date", Date, nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("on_existing", String(16), nullable=False),
    # The jobs of each chunk, with the keys of `run.PLAN_KEYS`: [[{"student": 7, "status": "present", "note"?, …}, …],
    # …].
    Column("plan", Json, nullable=False),
    # [7, …]: students whose record stays; they count as skipped.
    Column("kept", Json, nullable=False),
    # Maximum number of students per chunk. With 1, a message has the seed's job id.
    Column("chunk_size", Integer, nullable=False),
    # Of a retry: the counts of the run before it, without failures, which it carries over.
    Column("carried_recorded", Integer, nullable=False, server_default="0"),
    Column("carried_skipped", Integer, nullable=False, server_default="0"),
    Column("carried_cancelled", Integer, nullable=False, server_default="0"),
    Column("total_jobs", Integer, nullable=False),
    Column("accepted_at", Instant, nullable=False),
    Column("accepted_role", String(32), nullable=False),
    reference("user", nullable=True),
    Column("key_id", BigInt, ForeignKey("api_keys.id")),
    Column("ended_at", Instant),
    # The process that closed the run; NULL: a request did.
    Column("ended_by", String(300)),
    # The final counts. NULL while the run is open: then they are computed from the rows.
    Column("recorded_jobs", Integer),
    Column("skipped_jobs", Integer),
    Column("failed_jobs", Integer),
    Column("cancelled_jobs", Integer),
    # The last undo that set a record back; how many records were set back, and how many of the run the last undo left.
    Column("undone_at", Instant),
    Column("undone_jobs", Integer, nullable=False, server_default="0"),
    Column("not_undone_jobs", Integer, nullable=False, server_default="0"),
    # Why attendance was recorded although the school was closed on that day.
    Column("forced_reason", String(500)),
    # The context of the trace of the request, as BullMQ's `tm` has it; NULL: it is not traced.
    Column("trace", String(1000)),
    # Whether the summaries that reports read include its records: see reports/repository/summaries.py.
    Column("summarised", Boolean, nullable=False, server_default=false()),
    # When the plan and the failures of a run that ended long ago were removed; the counts above stay.
    Column("pruned_at", Instant),
    UniqueConstraint("session_id", "learning_date", "number"),
    CheckConstraint("state IN ('open', 'closed', 'cancelled')", "state"),
    CheckConstraint(
        "state = 'open' OR total_jobs = recorded_jobs + skipped_jobs + failed_jobs + cancelled_jobs", "counts"
    ),
    # At most one open run per batch: this index refuses a second one.
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
    # Read by the sweeper: run ids are in the order of acceptance.
    Index(
        "ix_batch_runs_open",
        "run_id",
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    # Runs with failures, which people look for: few among millions.
    Index(
        "ix_batch_runs_failed",
        "learning_date",
        "session_id",
        sqlite_where=text("failed_jobs > 0"),
        postgresql_where=text("failed_jobs > 0"),
    ),
    # Undone runs, which people look for, too.
    Index(
        "ix_batch_runs_undone",
        "learning_date",
        "session_id",
        sqlite_where=text("undone_at IS NOT NULL"),
        postgresql_where=text("undone_at IS NOT NULL"),
    ),
    # The batches that a user has submitted.
    Index(
        "ix_batch_runs_submitted",
        "user_id",
        "session_id",
        "learning_date",
        sqlite_where=text("user_id IS NOT NULL"),
        postgresql_where=text("user_id IS NOT NULL"),
    ),
    # Days whose summaries are stale.
    Index(
        "ix_batch_runs_unsummarised",
        "school_id",
        "learning_date",
        # In the form of the query of each dialect: otherwise SQLite does not use the index.
        sqlite_where=text("ended_at IS NOT NULL AND summarised = 0"),
        postgresql_where=text("ended_at IS NOT NULL AND NOT summarised"),
    ),
    # Runs that ended: recently, or so long ago that they are pruned. Pruned runs are not in the index.
    Index(
        None,
        "ended_at",
        sqlite_where=text("ended_at IS NOT NULL AND pruned_at IS NULL"),
        postgresql_where=text("ended_at IS NOT NULL AND pruned_at IS NULL"),
    ),
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

# Each number of shards that the queue has had, and when the process began that began last of those that used it.
queue_shards = Table(
    "queue_shards",
    metadata,
    Column("shards", Integer, primary_key=True, autoincrement=False),
    Column("used_at", Instant, nullable=False),
)
