"""The creator of each webhook, and the API key whose end stops it"""

import json

import sqlalchemy as sa
from alembic import op

from adsum.operations.migrations.online import read

revision = "0072"
down_revision = "0071"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
REFERENCES = {"created_user_id": "users", "created_key_id": "api_keys", "ends_with_key_id": "api_keys"}

# The audit log says who created the webhooks that there are. `system` is the role of the command line there.
CREATED = """
SELECT after, caller_role, caller_user_id, caller_key_id
FROM audit_entries
WHERE action = 'webhook_created'
ORDER BY id
"""
# A webhook whose key has ended goes on, as it did before: nothing stops because of an upgrade.
SET_CREATOR = sa.text(
    """
    UPDATE webhooks
    SET created_role = :role,
        created_user_id = :user_id,
        created_key_id = :key_id,
        ends_with_key_id = (
            SELECT id
            FROM api_keys
            WHERE id = :key_id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > CURRENT_TIMESTAMP)
        )
    WHERE id = :id
    """
)


def upgrade() -> None:
    created = read(CREATED)
    # SQLite makes the table again, since a reference cannot be added.
    with op.batch_alter_table("webhooks", table_kwargs={"sqlite_autoincrement": True}) as webhooks:
        webhooks.add_column(sa.Column("created_role", sa.String(32)))
        for column, table in REFERENCES.items():
            webhooks.add_column(sa.Column(column, ID))
            webhooks.create_foreign_key(f"fk_webhooks_{column}", table, [column], ["id"])
    for after, role, user_id, key_id in created:
        values = {"id": json.loads(after)["webhookId"], "user_id": user_id, "key_id": key_id}
        op.get_bind().execute(SET_CREATOR, values | {"role": "admin" if role == "system" else role})


def downgrade() -> None:
    with op.batch_alter_table("webhooks", table_kwargs={"sqlite_autoincrement": True}) as webhooks:
        for column in REFERENCES:
            webhooks.drop_constraint(f"fk_webhooks_{column}", type_="foreignkey")
            webhooks.drop_column(column)
        webhooks.drop_column("created_role")
