"""The audit log: entries, which are only added, and the state of their chain

Triggers refuse to change an entry except by sealing it, to delete one except after `pruned_position` has passed it, and
to move the chain back. A migration that makes `audit_entries` again on SQLite has to make its triggers again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
COLUMNS = (
    "id", "created_at", "action", "caller_role", "caller_user_id", "caller_key_id", "os_user", "address", "request_id",
    "agent", "school_id", "student_id", "user_id", "key_id", "before", "after",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("id", ID, nullable=False),
        sa.Column("position", ID),
        sa.Column("hash", sa.String(64)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.String(48), nullable=False),
        sa.Column("caller_role", sa.String(32)),
        sa.Column("caller_user_id", ID),
        sa.Column("caller_key_id", ID),
        sa.Column("os_user", sa.String(64)),
        sa.Column("address", sa.String(64)),
        sa.Column("request_id", sa.String(64)),
        sa.Column("agent", sa.String(120)),
        sa.Column("school_id", ID),
        sa.Column("student_id", ID),
        sa.Column("user_id", ID),
        sa.Column("key_id", ID),
        sa.Column("before", sa.Text()),
        sa.Column("after", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entries"),
        sa.UniqueConstraint("position", name="uq_audit_entries_position"),
        sqlite_autoincrement=True,
    )
    unsealed, of_student = sa.text("position IS NULL"), sa.text("student_id IS NOT NULL")
    op.create_index(
        "ix_audit_entries_unsealed", "audit_entries", ["id"], sqlite_where=unsealed, postgresql_where=unsealed
    )
    op.create_index(
        "ix_audit_entries_student_id",
        "audit_entries",
        ["student_id"],
        sqlite_where=of_student,
        postgresql_where=of_student,
    )
    op.create_index("ix_audit_entries_created_at", "audit_entries", ["created_at"])
    op.create_table(
        "audit_chain",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", ID, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("signature", sa.String(64)),
        sa.Column("pruned_position", ID, nullable=False),
        sa.Column("pruned_hash", sa.String(64), nullable=False),
        sa.Column("pruned_signature", sa.String(64)),
        sa.Column("logged_position", ID, nullable=False),
        sa.CheckConstraint("number = 1", name=op.f("ck_audit_chain_one_row")),
        sa.PrimaryKeyConstraint("number", name="pk_audit_chain"),
    )
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    for statement in _sqlite_triggers() if is_sqlite else _postgres_triggers():
        connection.exec_driver_sql(statement)


SEALED = "NEW.position IS NOT NULL OR NEW.hash IS NOT NULL"
MOVED_BACK = (
    "NEW.position < OLD.position OR NEW.pruned_position < OLD.pruned_position OR NEW.pruned_position > NEW.position"
    " OR (NEW.position = OLD.position AND NEW.hash <> OLD.hash)"
    " OR (NEW.pruned_position = OLD.pruned_position AND NEW.pruned_hash <> OLD.pruned_hash)"
)


def _is_not_sealing(differs: str) -> str:
    changed = " OR ".join(f'OLD."{name}" {differs} NEW."{name}"' for name in COLUMNS)
    return f"OLD.position IS NOT NULL OR NEW.position IS NULL OR NEW.hash IS NULL OR {changed}"


def _sqlite_triggers() -> list[str]:
    # INSERT OR REPLACE and UPDATE OR REPLACE delete without the trigger for DELETE.
    is_replacing = "EXISTS (SELECT 1 FROM audit_entries WHERE id = NEW.id)"
    is_taken = "EXISTS (SELECT 1 FROM audit_entries WHERE position = NEW.position)"
    pruned = "coalesce((SELECT pruned_position FROM audit_chain), 0)"
    triggers = {
        "entries_insert": f"BEFORE INSERT ON audit_entries WHEN {SEALED} OR {is_replacing}",
        "entries_update": f"BEFORE UPDATE ON audit_entries WHEN {_is_not_sealing('IS NOT')} OR {is_taken}",
        "entries_delete": f"BEFORE DELETE ON audit_entries WHEN OLD.position IS NULL OR OLD.position > {pruned}",
        "chain_update": f"BEFORE UPDATE ON audit_chain WHEN {MOVED_BACK}",
        "chain_insert": "BEFORE INSERT ON audit_chain WHEN EXISTS (SELECT 1 FROM audit_chain)",
        "chain_delete": "BEFORE DELETE ON audit_chain",
    }
    refusal = "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
    return [f"CREATE TRIGGER audit_{name} {condition} {refusal}" for name, condition in triggers.items()]


REFUSE = """CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END $$"""
REFUSE_DELETE = """CREATE FUNCTION refuse_audit_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.position <= (SELECT pruned_position FROM audit_chain) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only';
END $$"""


def _postgres_triggers() -> list[str]:
    refuse, refuse_delete = (f"EXECUTE FUNCTION refuse_audit_{name}()" for name in ("change", "delete"))
    triggers = {
        "entries_insert": f"BEFORE INSERT ON audit_entries FOR EACH ROW WHEN ({SEALED}) {refuse}",
        "entries_update": f"BEFORE UPDATE ON audit_entries FOR EACH ROW"
        f" WHEN ({_is_not_sealing('IS DISTINCT FROM')}) {refuse}",
        "entries_delete": f"BEFORE DELETE ON audit_entries FOR EACH ROW {refuse_delete}",
        "entries_truncate": f"BEFORE TRUNCATE ON audit_entries {refuse}",
        "chain_update": f"BEFORE UPDATE ON audit_chain FOR EACH ROW WHEN ({MOVED_BACK}) {refuse}",
        "chain_delete": f"BEFORE DELETE ON audit_chain FOR EACH ROW {refuse}",
        "chain_truncate": f"BEFORE TRUNCATE ON audit_chain {refuse}",
    }
    return [REFUSE, REFUSE_DELETE, *(f"CREATE TRIGGER audit_{name} {rest}" for name, rest in triggers.items())]
