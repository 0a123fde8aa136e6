"""Helpers for tests of the audit log."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from adsum.accounts.audit.tables import audit_entries
from adsum.platform.database.engine import Database


async def entries_of(database: Database, *actions: str) -> list[dict[str, Any]]:
    """The entries of these actions, or all, in the order in which they were written."""
    c = audit_entries.c
    query = select(audit_entries).order_by(c.id)
    async with database.snapshot() as connection:
        rows = await connection.execute(query.where(c.action.in_(actions)) if actions else query)
        return [dict(row) for row in rows.mappings()]
