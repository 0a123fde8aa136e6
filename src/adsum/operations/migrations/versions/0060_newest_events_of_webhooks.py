"""The newest event of each webhook, replays of periods, and webhooks that are being deleted"""

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0059"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("newest_id", ID, nullable=False, server_default="0"))
    op.add_column("webhooks", sa.Column("deleted_at", sa.DateTime(timezone=True)))
    # Each is looked at once, and then only when an event matches.
    op.execute("UPDATE webhooks SET newest_id = COALESCE((SELECT last_id FROM event_log), 0)")
    op.create_table(
        "webhook_replays",
        sa.Column("id", ID, nullable=False),
        sa.Column("webhook_id", ID, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("position", ID, nullable=False),
        sa.Column("last_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_replays"),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.id"], name="fk_webhook_replays_webhook_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_webhook_replays_webhook_id_id", "webhook_replays", ["webhook_id", "id"])


def downgrade() -> None:
    op.drop_table("webhook_replays")
    op.drop_column("webhooks", "deleted_at")
    op.drop_column("webhooks", "newest_id")
