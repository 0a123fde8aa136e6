"""Column types that mean the same on SQLite and Postgres, the shared metadata, and common columns."""

from __future__ import annotations

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
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine
from typing_extensions import override

BigInt = BigInteger().with_variant(Integer, "sqlite")
"""64 bits on both. Only `INTEGER` is SQLite's own row id, which counts up by itself."""

Json: TypeEngine[Any] = JSON().with_variant(postgresql.JSONB(), "postgresql")

RunId: TypeEngine[str] = String(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")
"""A UUID in its usual 36 characters; 16 bytes on Postgres, since every record carries one."""


class Instant(TypeDecorator[datetime]):
    """A moment in UTC. SQLite keeps no offset, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    @override
    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


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
