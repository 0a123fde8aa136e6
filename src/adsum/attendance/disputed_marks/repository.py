"""Disputed marks, in the table `contradictions`: one for a student, session and day at most."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school, in_visible_session
from adsum.attendance.disputed_marks.rules import DisputeFilters
from adsum.attendance.rules import DisputedMark, OpenDispute
from adsum.attendance.tables import attendances, contradictions
from adsum.platform.database.filters import equal, in_period

DisputePosition = tuple[date, int]
"""The sort key of a list of disputes, the newest learning date first: the day, the id."""


async def add_disputed_marks(connection: AsyncConnection, marks: Sequence[DisputedMark]) -> None:
    """Stores disputed marks. A mark replaces an older one for the same student, session and day, and opens it again."""
    if not marks:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    # In one order, so that two transactions with marks for the same students do not deadlock.
    rows = sorted((_columns(each) for each in marks), key=lambda row: (row["session_id"], row["student_id"]))
    statement = dialect.insert(contradictions)
    replaced = ("status", "note", "said_at", "said_role", "user_id", "key_id")
    newest = {name: getattr(statement.excluded, name) for name in replaced}
    key = ("session_id", "learning_date", "student_id")
    await connection.execute(
        statement.on_conflict_do_update(index_elements=key, set_={**newest, "resolved_at": None}), rows
    )


async def list_disputes(
    connection: AsyncConnection, caller: Caller, filters: DisputeFilters, after: DisputePosition | None, limit: int
) -> list[OpenDispute]:
    """At most `limit` visible open disputes, the newest day first."""
    c = contradictions.c
    statement = (
        _open_disputes(caller).where(*_matches(filters)).order_by(c.learning_date.desc(), c.id.desc()).limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(c.learning_date, c.id) < after)
    return [OpenDispute(*row) for row in await connection.execute(statement)]


async def find_dispute(connection: AsyncConnection, caller: Caller, dispute_id: int) -> OpenDispute | None:
    """An open dispute, if the caller may see it."""
    row = (await connection.execute(_open_disputes(caller).where(contradictions.c.id == dispute_id))).one_or_none()
    return None if row is None else OpenDispute(*row)


async def find_dispute_of_record(connection: AsyncConnection, caller: Caller, record_id: int) -> OpenDispute | None:
    """The open dispute about a record, if there is one and the caller may see it."""
    row = (await connection.execute(_open_disputes(caller).where(attendances.c.id == record_id))).one_or_none()
    return None if row is None else OpenDispute(*row)


async def resolve_dispute(connection: AsyncConnection, record_id: int, now: datetime) -> None:
    """Marks the dispute about a record as resolved, if there is an open one."""
    c, a = contradictions.c, attendances.c
    of_record = select(a.session_id, a.learning_date, a.student_id).where(a.id == record_id)
    await connection.execute(
        update(contradictions)
        .where(tuple_(c.session_id, c.learning_date, c.student_id).in_(of_record), c.resolved_at.is_(None))
        .values(resolved_at=now)
    )


async def reopen_dispute(connection: AsyncConnection, record_id: int, resolved_at: datetime) -> None:
    """Opens the dispute about a record again, if it was resolved at this moment."""
    c, a = contradictions.c, attendances.c
    of_record = select(a.session_id, a.learning_date, a.student_id).where(a.id == record_id)
    await connection.execute(
        update(contradictions)
        .where(tuple_(c.session_id, c.learning_date, c.student_id).in_(of_record), c.resolved_at == resolved_at)
        .values(resolved_at=None)
    )


def _open_disputes(caller: Caller) -> Select[*tuple[Any, ...]]:
    """A mark that the record has by now is no longer disputed, and neither is a cleared mark."""
    c, a = contradictions.c, attendances.c
    return (
        select(
            *(c.id, c.school_id, c.class_id, c.session_id, c.learning_date, c.student_id),
            *(a.id, a.version, a.status, a.note, c.status, c.note, c.said_at, c.said_role, c.user_id, c.key_id),
        )
        .join(
            attendances,
            and_(a.session_id == c.session_id, a.learning_date == c.learning_date, a.student_id == c.student_id),
        )
        .where(
            *(c.resolved_at.is_(None), a.status.is_not(None)),
            or_(a.status != c.status, and_(c.note.is_not(None), c.note.is_distinct_from(a.note))),
            in_visible_school(caller, c.school_id),
            in_visible_session(caller, c.class_id, c.session_id, c.learning_date),
        )
    )


def _matches(filters: DisputeFilters) -> list[ColumnElement[bool]]:
    c = contradictions.c
    return [
        *equal((c.school_id, filters.school_id), (c.class_id, filters.class_id), (c.student_id, filters.student_id)),
        *in_period(c.learning_date, filters.first_day, filters.last_day),
    ]


def _columns(disputed: DisputedMark) -> dict[str, Any]:
    return {
        "school_id": disputed.school_id,
        "class_id": disputed.batch.class_id,
        "session_id": disputed.batch.session_id,
        "learning_date": disputed.batch.learning_date,
        "student_id": disputed.student_id,
        "status": disputed.mark.status,
        "note": disputed.mark.note,
        "said_at": disputed.at,
        "said_role": disputed.author.role,
        "user_id": disputed.author.user_id,
        "key_id": disputed.author.key_id,
    }
