"""Statements that read the audit log."""

from __future__ import annotations

from sqlalchemy import ColumnElement, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.audit.tables import audit_entries
from adsum.accounts.visibility import in_visible_school
from adsum.operations.audit.rules import AuditEntry, AuditFilters

_C = audit_entries.c
_ENTRY = select(
    *(_C.id, _C.position, _C.hash, _C.created_at, _C.action, _C.caller_role, _C.caller_user_id, _C.caller_key_id),
    *(_C.os_user, _C.address, _C.request_id, _C.agent, _C.school_id, _C.student_id, _C.user_id, _C.key_id),
    *(_C.before, _C.after),
)


async def list_entries(
    connection: AsyncConnection, caller: Caller, filters: AuditFilters, before_id: int | None, limit: int
) -> list[AuditEntry]:
    """The newest entries that match, before an id. An entry of no school is visible to callers of all schools only."""
    query = _ENTRY.where(in_visible_school(caller, _C.school_id), *_conditions(filters))
    if before_id is not None:
        query = query.where(_C.id < before_id)
    rows = await connection.execute(query.order_by(_C.id.desc()).limit(limit))
    return [AuditEntry(*row) for row in rows]


def _conditions(filters: AuditFilters) -> list[ColumnElement[bool]]:
    by_value = {
        _C.action: filters.action,
        _C.student_id: filters.student_id,
        _C.school_id: filters.school_id,
    }
    about = ((_C.caller_user_id, _C.user_id, filters.user_id), (_C.caller_key_id, _C.key_id, filters.key_id))
    return [
        true() if filters.since is None else _C.created_at >= filters.since,
        true() if filters.until is None else _C.created_at < filters.until,
        *(column == value for column, value in by_value.items() if value is not None),
        *(or_(of_caller == value, of_whom == value) for of_caller, of_whom, value in about if value is not None),
    ]
