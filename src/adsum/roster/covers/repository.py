"""Statements about covers. `accounts.visibility` applies them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, delete, insert, not_, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller, Role
from adsum.accounts.tables import class_covers, class_teachers, is_disabled, users
from adsum.accounts.visibility import in_visible_school
from adsum.platform.days import A_DAY
from adsum.roster.covers.rules import Cover, CoverFilters, CoverRow
from adsum.schools.tables import schools

CoverPosition = tuple[date, int]
"""The sort key of a cover: its first day and its id, both descending."""


async def is_teacher_of(connection: AsyncConnection, user_id: int, school_id: int) -> bool:
    """Whether the school has this teacher, with an enabled login. Locks the user row until the transaction ends."""
    c = users.c
    found = select(c.id).where(
        c.id == user_id, c.school_id == school_id, c.role == Role.TEACHER.value, not_(is_disabled)
    )
    return await connection.scalar(found.with_for_update(key_share=True)) is not None


async def same_cover(connection: AsyncConnection, caller: Caller, cover: Cover) -> CoverRow | None:
    """An existing cover with the same class, session, teacher and days."""
    values = _columns(cover)
    row = (await connection.execute(_covers(caller).filter_by(**values).limit(1))).one_or_none()
    return None if row is None else (await _with_replaced(connection, [_row(*row)]))[0]


async def add_cover(connection: AsyncConnection, school_id: int, cover: Cover, caller: Caller, now: datetime) -> int:
    """Inserts a cover; returns its id."""
    created = {
        "created_at": now,
        "created_role": caller.role.value,
        "created_user_id": caller.user_id,
        "created_key_id": caller.key_id,
    }
    added = insert(class_covers).values(school_id=school_id, **_columns(cover), **created)
    return int((await connection.execute(added.returning(class_covers.c.id))).scalar_one())


async def list_covers(
    connection: AsyncConnection, caller: Caller, filters: CoverFilters, after: CoverPosition | None, limit: int
) -> list[CoverRow]:
    """At most `limit` covers of the caller's schools, by descending first day, after the key `after`."""
    c = class_covers.c
    statement = _covers(caller).order_by(c.begin_date.desc(), c.id.desc()).limit(limit)
    filtered = ((c.school_id, filters.school_id), (c.class_id, filters.class_id), (c.user_id, filters.teacher_id))
    for column, value in filtered:
        if value is not None:
            statement = statement.where(column == value)
    if filters.first_day is not None:
        statement = statement.where(c.end_date > filters.first_day)
    if filters.last_day is not None:
        statement = statement.where(c.begin_date <= filters.last_day)
    if after is not None:
        statement = statement.where(tuple_(c.begin_date, c.id) < after)
    return await _with_replaced(connection, [_row(*row) for row in await connection.execute(statement)])


async def find_cover(
    connection: AsyncConnection, caller: Caller, cover_id: int, *, lock: bool = False
) -> CoverRow | None:
    """A cover of the caller's schools. `lock` locks its row until the transaction ends."""
    statement = _covers(caller).where(class_covers.c.id == cover_id)
    locked = statement.with_for_update(of=class_covers) if lock else statement
    row = (await connection.execute(locked)).one_or_none()
    return None if row is None else (await _with_replaced(connection, [_row(*row)]))[0]


async def end_cover(connection: AsyncConnection, row: CoverRow, today: date) -> None:
    """Ends a cover before `today`; deletes it if it has no earlier day."""
    c = class_covers.c
    if row.cover.first_day >= today:
        await connection.execute(delete(class_covers).where(c.id == row.id))
    else:
        await connection.execute(update(class_covers).where(c.id == row.id, c.end_date > today).values(end_date=today))


def _covers(caller: Caller) -> Select[*tuple[Any, ...]]:
    c = class_covers.c
    return (
        select(
            *(c.id, c.school_id, schools.c.time_zone, c.class_id, c.session_id, c.user_id, c.begin_date, c.end_date),
            *(c.created_at, c.created_role, c.created_user_id, c.created_key_id),
        )
        .select_from(class_covers)
        .join(schools, schools.c.id == c.school_id)
        .where(in_visible_school(caller, c.school_id))
    )


async def _with_replaced(connection: AsyncConnection, rows: Sequence[CoverRow]) -> list[CoverRow]:
    c, t = class_covers.c, class_teachers.c
    statement = (
        select(c.id, t.user_id)
        .distinct()
        .join(class_teachers, t.class_id == c.class_id)
        .where(
            *(c.id.in_([row.id for row in rows]), t.user_id != c.user_id),
            or_(t.begin_date.is_(None), t.begin_date < c.end_date),
            or_(t.end_date.is_(None), t.end_date > c.begin_date),
        )
        .order_by(t.user_id)
    )
    replaced = defaultdict[int, list[int]](list)
    for cover_id, user_id in await connection.execute(statement):
        replaced[cover_id].append(user_id)
    return [replace(row, replaced_ids=replaced[row.id]) for row in rows]


def _columns(cover: Cover) -> dict[str, Any]:
    return {
        "class_id": cover.class_id,
        "session_id": cover.session_id,
        "user_id": cover.teacher_id,
        "begin_date": cover.first_day,
        "end_date": cover.last_day + A_DAY,
    }


def _row(cover_id: int, school_id: int, time_zone: str, *columns: Any) -> CoverRow:
    class_id, session_id, user_id, begin, end, *created = columns
    return CoverRow(cover_id, school_id, time_zone, Cover(class_id, session_id, user_id, begin, end - A_DAY), *created)
