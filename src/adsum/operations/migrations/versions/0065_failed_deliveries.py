"""An index of failed deliveries; answers of receivers to events are removed"""

import sqlalchemy as sa
from alembic import op

from adsum.operations.migrations.online import create_index, drop_index, read, slices

revision = "0065"
down_revision = "0064"
ONLINE = True

FAILED = "(status IS NULL OR status < 200 OR status > 299)"
WITH_ANSWER = "SELECT id FROM webhook_deliveries WHERE event_id IS NOT NULL AND answer <> '' ORDER BY id"
REMOVE_ANSWER = sa.text("UPDATE webhook_deliveries SET answer = '' WHERE id = :id")


def upgrade() -> None:
    _remove_answers()
    create_index("ix_webhook_deliveries_failed", "webhook_deliveries", ["webhook_id", "id"], FAILED)


def downgrade() -> None:
    drop_index("ix_webhook_deliveries_failed")


def _remove_answers() -> None:
    for rows in slices(read(WITH_ANSWER)):
        op.get_bind().execute(REMOVE_ANSWER, [{"id": row[0]} for row in rows])
