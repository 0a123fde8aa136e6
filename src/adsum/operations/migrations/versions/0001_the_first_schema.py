"""The first schema"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

# Copied, not imported: a migration uses the values of the time at which it was written.
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
RUN_ID = sa.String(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("permissions", JSON, nullable=False),
        sa.Column("schools", JSON, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("revoked_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("secret_hash", name="uq_api_keys_secret_hash"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("body_digest", sa.String(length=64), nullable=False),
        sa.Column("answer", JSON, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("actor", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "schools",
        sa.Column("id", ID, nullable=False),
        sa.Column("source_id", sa.String(length=255), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_schools"),
        sa.UniqueConstraint("source_id", name="uq_schools_source_id"),
    )
    op.create_table(
        "classes",
        sa.Column("id", ID, nullable=False),
        sa.Column("school_id", ID, nullable=False),
        sa.Column("source_id", sa.String(length=255), nullable=True),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("code", sa.String(length=255), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name="fk_classes_school_id"),
        sa.PrimaryKeyConstraint("id", name="pk_classes"),
        sa.UniqueConstraint("school_id", "source_id", name="uq_classes_school_id_source_id"),
    )
    op.create_table(
        "students",
        sa.Column("id", ID, nullable=False),
        sa.Column("school_id", ID, nullable=False),
        sa.Column("source_id", sa.String(length=255), nullable=True),
        sa.Column("given_name", sa.String(length=255), nullable=False),
        sa.Column("family_name", sa.String(length=255), nullable=False),
        sa.Column("grade", sa.String(length=32), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name="fk_students_school_id"),
        sa.PrimaryKeyConstraint("id", name="pk_students"),
        sa.UniqueConstraint("school_id", "source_id", name="uq_students_school_id_source_id"),
    )
    op.create_table(
        "users",
        sa.Column("id", ID, nullable=False),
        sa.Column("school_id", ID, nullable=True),
        sa.Column("source_id", sa.String(length=255), nullable=True),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("password_hash", sa.String(length=255), nullable=True),
        sa.Column("given_name", sa.String(length=255), server_default="", nullable=False),
        sa.Column("family_name", sa.String(length=255), server_default="", nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("disabled", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("token_generation", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name="fk_users_school_id"),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
        sa.UniqueConstraint("school_id", "source_id", name="uq_users_school_id_source_id"),
    )
    op.create_table(
        "class_teachers",
        sa.Column("id", ID, nullable=False),
        sa.Column("class_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("source_id", sa.String(length=255), nullable=True),
        sa.Column("begin_date", sa.Date(), nullable=True),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name="fk_class_teachers_class_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_class_teachers_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_class_teachers"),
        sa.UniqueConstraint("class_id", "source_id", name="uq_class_teachers_class_id_source_id"),
    )
    op.create_index("ix_class_teachers_user_id_class_id", "class_teachers", ["user_id", "class_id"], unique=False)

    op.create_table(
        "enrolments",
        sa.Column("id", ID, nullable=False),
        sa.Column("class_id", ID, nullable=False),
        sa.Column("student_id", ID, nullable=False),
        sa.Column("source_id", sa.String(length=255), nullable=True),
        sa.Column("begin_date", sa.Date(), nullable=True),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name="fk_enrolments_class_id"),
        sa.ForeignKeyConstraint(["student_id"], ["students.id"], name="fk_enrolments_student_id"),
        sa.PrimaryKeyConstraint("id", name="pk_enrolments"),
        sa.UniqueConstraint("class_id", "source_id", name="uq_enrolments_class_id_source_id"),
    )
    op.create_index("ix_enrolments_class_id_student_id", "enrolments", ["class_id", "student_id"], unique=False)
    op.create_index("ix_enrolments_student_id", "enrolments", ["student_id"], unique=False)

    op.create_table(
        "sessions",
        sa.Column("id", ID, nullable=False),
        sa.Column("class_id", ID, nullable=False),
        sa.Column("period", sa.String(length=64), server_default="", nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name="fk_sessions_class_id"),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("class_id", "period", name="uq_sessions_class_id_period"),
    )
    op.create_table(
        "attendances",
        sa.Column("id", ID, nullable=False),
        sa.Column("school_id", ID, nullable=False),
        sa.Column("class_id", ID, nullable=False),
        sa.Column("session_id", ID, nullable=False),
        sa.Column("learning_date", sa.Date(), nullable=False),
        sa.Column("student_id", ID, nullable=False),
        sa.Column("status", sa.String(length=32), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("marked_at", INSTANT, nullable=False),
        sa.Column("marked_role", sa.String(length=32), nullable=False),
        sa.Column("user_id", ID, nullable=True),
        sa.Column("key_id", ID, nullable=True),
        sa.Column("run_id", RUN_ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_attendances"),
        sa.UniqueConstraint(
            "session_id", "learning_date", "student_id", name="uq_attendances_session_id_learning_date_student_id"
        ),
    )
    op.create_index(
        "ix_attendances_school_id_learning_date", "attendances", ["school_id", "learning_date"], unique=False
    )
    op.create_index(
        "ix_attendances_student_id_learning_date", "attendances", ["student_id", "learning_date"], unique=False
    )

    op.create_table(
        "batch_runs",
        sa.Column("run_id", RUN_ID, nullable=False),
        sa.Column("school_id", ID, nullable=False),
        sa.Column("class_id", ID, nullable=False),
        sa.Column("session_id", ID, nullable=False),
        sa.Column("learning_date", sa.Date(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("on_existing", sa.String(length=16), nullable=False),
        sa.Column("plan", JSON, nullable=False),
        sa.Column("kept", JSON, nullable=False),
        sa.Column("chunk_size", sa.Integer(), nullable=False),
        sa.Column("carried_recorded", sa.Integer(), server_default="0", nullable=False),
        sa.Column("carried_skipped", sa.Integer(), server_default="0", nullable=False),
        sa.Column("carried_cancelled", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total_jobs", sa.Integer(), nullable=False),
        sa.Column("accepted_at", INSTANT, nullable=False),
        sa.Column("accepted_role", sa.String(length=32), nullable=False),
        sa.Column("user_id", ID, nullable=True),
        sa.Column("key_id", ID, nullable=True),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("recorded_jobs", sa.Integer(), nullable=True),
        sa.Column("skipped_jobs", sa.Integer(), nullable=True),
        sa.Column("failed_jobs", sa.Integer(), nullable=True),
        sa.Column("cancelled_jobs", sa.Integer(), nullable=True),
        sa.Column("pruned_at", INSTANT, nullable=True),
        sa.CheckConstraint(
            "state = 'open' OR total_jobs = recorded_jobs + skipped_jobs + failed_jobs + cancelled_jobs",
            name="ck_batch_runs_counts",
        ),
        sa.CheckConstraint("state IN ('open', 'closed', 'cancelled')", name="ck_batch_runs_state"),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name="fk_batch_runs_class_id"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_batch_runs_key_id"),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name="fk_batch_runs_school_id"),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name="fk_batch_runs_session_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_batch_runs_user_id"),
        sa.PrimaryKeyConstraint("run_id", name="pk_batch_runs"),
        sa.UniqueConstraint(
            "session_id", "learning_date", "number", name="uq_batch_runs_session_id_learning_date_number"
        ),
    )
    op.create_index(
        "ix_batch_runs_school_id_learning_date_session_id",
        "batch_runs",
        ["school_id", "learning_date", "session_id"],
        unique=False,
    )
    op.create_index(
        "ix_batch_runs_ended_at",
        "batch_runs",
        ["ended_at"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NOT NULL AND pruned_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NOT NULL AND pruned_at IS NULL"),
    )
    op.create_index(
        "ix_batch_runs_learning_date_session_id", "batch_runs", ["learning_date", "session_id"], unique=False
    )
    op.create_index(
        "ix_batch_runs_open",
        "batch_runs",
        ["run_id"],
        unique=False,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "uq_batch_runs_open",
        "batch_runs",
        ["session_id", "learning_date"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )

    op.create_table(
        "attendance_changes",
        sa.Column("attendance_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("old_status", sa.String(length=32), nullable=True),
        sa.Column("new_status", sa.String(length=32), nullable=True),
        sa.Column("old_note", sa.Text(), nullable=True),
        sa.Column("new_note", sa.Text(), nullable=True),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("changed_role", sa.String(length=32), nullable=False),
        sa.Column("user_id", ID, nullable=True),
        sa.Column("key_id", ID, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("run_id", RUN_ID, nullable=True),
        sa.ForeignKeyConstraint(["attendance_id"], ["attendances.id"], name="fk_attendance_changes_attendance_id"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_attendance_changes_key_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_attendance_changes_user_id"),
        sa.PrimaryKeyConstraint("attendance_id", "version", name="pk_attendance_changes"),
    )
    op.create_table(
        "job_failures",
        sa.Column("run_id", RUN_ID, nullable=False),
        sa.Column("student_id", ID, nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("failed_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["batch_runs.run_id"], name="fk_job_failures_run_id"),
        sa.PrimaryKeyConstraint("run_id", "student_id", name="pk_job_failures"),
    )
