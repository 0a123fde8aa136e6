"""The search text of rows whose source ids had blanks at their ends

0013 computed it with these blanks, which 0014 removed. An import would count such a student as changed.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

# The text has to be what the code of this version computes, so that imports find it unchanged.
from adsum.platform.texts import search_spellings

revision = "0028"
down_revision = "0027"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SEARCHED = {
    "students": ("given_name", "family_name", "source_id"),
    "classes": ("title", "code", "source_id"),
    "users": ("given_name", "family_name", "source_id"),
}
SLICE = 5_000


def upgrade() -> None:
    for table, searched in SEARCHED.items():
        _correct(table, searched)


def _correct(table: str, searched: tuple[str, ...]) -> None:
    """Updates the rows with another text in slices, each of which takes less than the statement timeout."""
    rows = sa.table(
        table,
        sa.column("id", ID),
        sa.column("search_text", sa.Text()),
        *(sa.column(name, sa.String()) for name in searched),
    )
    page = sa.select(rows.c.id, rows.c.search_text, *(rows.c[name] for name in searched))
    page = page.order_by(rows.c.id).limit(SLICE)
    update = sa.update(rows).where(rows.c.id == sa.bindparam("of_id")).values(search_text=sa.bindparam("text"))
    connection, after = op.get_bind(), 0
    found: Sequence[Any]
    while found := connection.execute(page.where(rows.c.id > after)).all():
        texts = {row[0]: _search_text(row[2:]) for row in found}
        if wrong := [{"of_id": row[0], "text": texts[row[0]]} for row in found if row[1] != texts[row[0]]]:
            connection.execute(update, wrong)
        after = found[-1][0]


def _search_text(texts: Sequence[str | None]) -> str:
    return " ".join(search_spellings(" ".join(text for text in texts if text)))
