"""Statements that read the audit log."""

from __future__ import annotations

from sqlalchemy import ColumnElement, false, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.audit.rules import SYSTEM
from adsum.accounts.audit.tables import audit_entries
from adsum.accounts.visibility import in_visible_school
from adsum.operations.audit.rules import AuditEntry, AuditFilters, Parties

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
    by_value = {_C.student_id: filters.student_id, _C.school_id: filters.school_id}
    of_either = ((_C.caller_user_id, _C.user_id, filters.user_id), (_C.caller_key_id, _C.key_id, filters.key_id))
    return [
        true() if filters.since is None else _C.created_at >= filters.since,
        true() if filters.until is None else _C.created_at < filters.until,
        _C.action.in_(filters.actions) if filters.actions else true(),
        true() if filters.by is None else _is_by(filters.by),
        true() if filters.about is None else _is_about(filters.about),
        *(column == value for column, value in by_value.items() if value is not None),
        *(or_(of_caller == value, of_whom == value) for of_caller, of_whom, value in of_either if value is not None),
    ]


def _is_by(parties: Parties) -> ColumnElement[bool]:
    is_by_system = _C.caller_role == SYSTEM if parties.system else false()
    return or_(is_by_system, _C.caller_user_id.in_(parties.people), _C.caller_key_id.in_(parties.keys))


def _is_about(parties: Parties) -> ColumnElement[bool]:
    return or_(_C.student_id.in_(parties.students), _C.user_id.in_(parties.people), _C.key_id.in_(parties.keys))
