"""Column types that mean the same on SQLite and Postgres, the shared metadata, and common columns."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    event,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine
from typing_extensions import override

BigInt = BigInteger().with_variant(Integer, "sqlite")
"""A 64-bit integer. On SQLite it is `INTEGER`, because only that type is an auto-incremented primary key."""

Json: TypeEngine[Any] = JSON().with_variant(postgresql.JSONB(), "postgresql")

RunId: TypeEngine[str] = String(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")
"""A UUID as text of 36 characters; on Postgres it is stored in 16 bytes, because every record has one."""


class Instant(TypeDecorator[datetime]):
    """A time in UTC. SQLite stores no offset, so it is added on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    @override
    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Ids(TypeDecorator[tuple[int, ...]]):
    """Ids as a JSON list."""

    impl = Json
    cache_ok = True

    @override
    def process_result_value(self, value: list[int] | None, dialect: Dialect) -> tuple[int, ...] | None:
        return None if value is None else tuple(value)


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
    """The primary key `id`. The id of a deleted row is not used again: clients may still hold it."""
    column: Column[int] = Column("id", BigInt, primary_key=True)
    event.listen(column, "after_parent_attach", _autoincrement)
    return column


def _autoincrement(_column: Column[int], table: Table) -> None:
    """Postgres takes ids from a sequence. SQLite would take the one after the largest that is left."""
    table.dialect_options["sqlite"]["autoincrement"] = True


def columns_of(table: Table, kind: type[Any], *, author: str, **others: str) -> list[Column[Any]]:
    """The columns of a table that hold the fields of a dataclass, in their order.

    `author`: the verb of the fields of its author. `entered_by_role`, `entered_by_user_id` and `entered_by_key_id` are
    the columns `entered_role`, `user_id` and `key_id`. `others`: the columns of other fields with another name.
    """
    by = f"{author}_by_"
    renamed = {f"{by}role": f"{author}_role", f"{by}user_id": "user_id", f"{by}key_id": "key_id"} | others
    return [table.c[renamed.get(each.name, each.name)] for each in fields(kind)]


def reference(table: str, *, nullable: bool = False) -> Column[int]:
    """A foreign key: `reference("school")` is the column `school_id`, which references `schools.id`."""
    plural = "classes" if table == "class" else f"{table}s"
    return Column(f"{table}_id", BigInt, ForeignKey(f"{plural}.id"), nullable=nullable)
