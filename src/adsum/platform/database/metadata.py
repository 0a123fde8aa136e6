"""The metadata of all tables, and the columns that most of them share."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKey,
    MetaData,
)

from adsum.platform.database.columns import BigInt

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def id_column() -> Column[int]:
    """The primary key `id`."""
    return Column("id", BigInt, primary_key=True)


def reference(table: str, *, nullable: bool = False) -> Column[int]:
    """A reference: `reference("school")` is `school_id`, to `schools.id`."""
    plural = "classes" if table == "class" else f"{table}s"
    return Column(f"{table}_id", BigInt, ForeignKey(f"{plural}.id"), nullable=nullable)
