"""Statements on holds."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.privacy.holds.rules import Hold
from adsum.privacy.tables import student_holds
from adsum.roster.repository.membership import is_visible_student
from adsum.roster.tables import students

_COLUMNS = [student_holds.c[each.name] for each in fields(Hold)]


def held_students() -> Select[int]:
    """The students whose data are on hold."""
    return select(student_holds.c.student_id).where(student_holds.c.lifted_at.is_(None))


async def holds_of(connection: AsyncConnection, student_id: int) -> list[Hold]:
    """The holds in effect on a student, by id. Placing one locks the schools of the student."""
    return await _holds(connection, student_holds.c.student_id == student_id, student_holds.c.lifted_at.is_(None))


async def find_hold(connection: AsyncConnection, caller: Caller, hold_id: int) -> Hold | None:
    """A hold on a student whom the caller sees, locked until the transaction ends."""
    statement = (
        select(*_COLUMNS)
        .join(students, students.c.id == student_holds.c.student_id)
        .where(student_holds.c.id == hold_id, is_visible_student(caller))
        .with_for_update(of=student_holds)
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else Hold(*row)


async def list_holds(connection: AsyncConnection, caller: Caller, after: int, limit: int) -> list[Hold]:
    """At most `limit` holds in effect on students whom the caller sees, by id, after the hold `after`."""
    statement = (
        select(*_COLUMNS)
        .join(students, students.c.id == student_holds.c.student_id)
        .where(student_holds.c.lifted_at.is_(None), student_holds.c.id > after, is_visible_student(caller))
        .order_by(student_holds.c.id)
        .limit(limit)
    )
    return [Hold(*row) for row in await connection.execute(statement)]


async def place(
    connection: AsyncConnection,
    student_id: int,
    reason: str,
    reference: str | None,
    author: Caller,
    now: datetime,
) -> Hold:
    """Adds a hold."""
    values: dict[str, Any] = {
        "student_id": student_id,
        "reason": reason,
        "reference": reference,
        "placed_at": now,
        "placed_role": author.role.value,
        "user_id": author.user_id,
        "key_id": author.key_id,
    }
    added = insert(student_holds).values(values).returning(student_holds.c.id)
    return Hold(id=(await connection.scalars(added)).one(), **values)


async def lift(connection: AsyncConnection, hold_id: int, author: Caller, now: datetime) -> None:
    """Ends a hold. The row stays until the student is erased."""
    values = {
        "lifted_at": now,
        "lifted_role": author.role.value,
        "lifted_user_id": author.user_id,
        "lifted_key_id": author.key_id,
    }
    await connection.execute(update(student_holds).where(student_holds.c.id == hold_id).values(values))


async def _holds(connection: AsyncConnection, *conditions: ColumnElement[bool]) -> list[Hold]:
    statement = select(*_COLUMNS).where(*conditions).order_by(student_holds.c.id)
    return [Hold(*row) for row in await connection.execute(statement)]
