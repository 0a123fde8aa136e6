"""The folded text by which students, classes and people are found"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

# The text has to be what the code of this version computes, so that imports find it unchanged.
from adsum.platform.texts import search_spellings

revision = "0013"
down_revision = "0012"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SEARCHED = {
    "students": ("given_name", "family_name", "source_id"),
    "classes": ("title", "code", "source_id"),
    "users": ("given_name", "family_name", "source_id"),
}
SLICE = 5_000


def upgrade() -> None:
    for table, searched in SEARCHED.items():
        op.add_column(table, sa.Column("search_text", sa.Text(), nullable=False, server_default=""))
        _fill(table, searched)


def _fill(table: str, searched: tuple[str, ...]) -> None:
    """Updates the existing rows in slices, each of which takes less than the statement timeout."""
    rows = sa.table(
        table,
        sa.column("id", ID),
        sa.column("search_text", sa.Text()),
        *(sa.column(name, sa.String()) for name in searched),
    )
    page = sa.select(rows.c.id, *(rows.c[name] for name in searched)).order_by(rows.c.id).limit(SLICE)
    update = sa.update(rows).where(rows.c.id == sa.bindparam("of_id")).values(search_text=sa.bindparam("text"))
    connection, after = op.get_bind(), 0
    while found := connection.execute(page.where(rows.c.id > after)).all():
        connection.execute(update, [{"of_id": row[0], "text": _search_text(row[1:])} for row in found])
        after = found[-1][0]


def _search_text(texts: Sequence[str | None]) -> str:
    return " ".join(search_spellings(" ".join(text for text in texts if text)))
