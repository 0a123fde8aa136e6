"""Statements about reminders of missing registers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school, is_taught_by
from adsum.platform.database.filters import equal, in_period
from adsum.registers.reminders.rules import ReminderFilters, SentReminder
from adsum.registers.rules import Register
from adsum.registers.tables import register_reminders
from adsum.roster.tables import sessions


async def add_reminders(connection: AsyncConnection, registers: Sequence[Register]) -> None:
    """Stores the reminders of registers."""
    rows = [
        {
            "school_id": each.school_id,
            "session_id": each.session_id,
            "learning_date": each.learning_date,
            "reminded_at": each.reminder.reminded_at,
            "reminded_role": each.reminder.reminded_by_role,
            "user_id": each.reminder.reminded_by_user_id,
            "key_id": each.reminder.reminded_by_key_id,
        }
        for each in registers
        if each.reminder is not None
    ]
    if rows:
        await connection.execute(insert(register_reminders), rows)


async def reminded_days(connection: AsyncConnection, caller: Caller, user_id: int, since: date) -> list[date]:
    """The days since `since` with a reminder of a register of the user, at the schools that the caller sees.

    Reminders of other teachers' registers do not count: every teacher's page asks this again and again.
    """
    c, s = register_reminders.c, sessions.c
    days = (
        select(c.learning_date)
        .join(sessions, s.id == c.session_id)
        .where(in_visible_school(caller, c.school_id), c.learning_date >= since)
        .where(is_taught_by(user_id, s.class_id, s.id, c.learning_date))
    )
    return sorted(await connection.scalars(days.distinct()))


async def list_reminders(
    connection: AsyncConnection, caller: Caller, filters: ReminderFilters, before: int | None, limit: int
) -> list[SentReminder]:
    """At most `limit` reminders of the schools that the caller sees, the newest first, from before the id `before`."""
    c = register_reminders.c
    statement = (
        select(
            *(c.reminded_at, c.reminded_role, c.user_id, c.key_id),
            *(c.id, c.school_id, sessions.c.class_id, c.session_id, c.learning_date),
        )
        .join(sessions, sessions.c.id == c.session_id)
        .where(
            in_visible_school(caller, c.school_id),
            *equal((c.school_id, filters.school_id), (c.session_id, filters.session_id)),
            *in_period(c.learning_date, filters.first_day, filters.last_day),
        )
        .order_by(c.id.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(c.id < before)
    return [SentReminder(*row) for row in await connection.execute(statement)]
