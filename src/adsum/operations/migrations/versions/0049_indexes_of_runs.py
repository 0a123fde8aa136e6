"""Indexes of undone runs and of the runs of a user, and those of texts that revision 0039 once created"""

from adsum.operations.migrations.online import create_index, drop_index

revision = "0049"
down_revision = "0048"
ONLINE = True

TEXTS = {
    "attendances": "note IS NOT NULL OR office_note IS NOT NULL",
    "attendance_changes": "old_note IS NOT NULL OR new_note IS NOT NULL OR old_office_note IS NOT NULL "
    "OR new_office_note IS NOT NULL OR reason IS NOT NULL",
}


def upgrade() -> None:
    create_index("ix_attendances_texts", "attendances", ["school_id", "learning_date"], TEXTS["attendances"])
    create_index("ix_attendance_changes_texts", "attendance_changes", ["attendance_id"], TEXTS["attendance_changes"])
    days = ["learning_date", "session_id"]
    create_index("ix_batch_runs_undone", "batch_runs", days, "undone_at IS NOT NULL")
    create_index("ix_batch_runs_submitted", "batch_runs", ["user_id", *reversed(days)], "user_id IS NOT NULL")
    drop_index("ix_batch_runs_user_id")
