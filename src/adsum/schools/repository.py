"""Statements on schools."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, case, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school
from adsum.platform.database.validity import Day
from adsum.platform.days import today_in
from adsum.schools.rules import EditWindow, School, SchoolChange
from adsum.schools.tables import school_changes, schools


async def today_of_schools(connection: AsyncConnection, caller: Caller, now: datetime) -> Day:
    """Today in the visible schools: a date, or an expression over `schools.time_zone` if their dates differ."""
    days = {zone: today_in(zone, now) for zone in await zones_of_schools(connection, caller)}
    if len(set(days.values())) <= 1:
        return next(iter(days.values()), now.date())
    return case({zone: literal(day, Date) for zone, day in days.items()}, value=schools.c.time_zone)


async def today_of_school(connection: AsyncConnection, school_id: int, now: datetime) -> date:
    """Today in an existing school."""
    return today_in(await time_zone_of(connection, school_id), now)


async def time_zone_of(connection: AsyncConnection, school_id: int) -> str:
    """The IANA name of the time zone of an existing school."""
    return (await connection.scalars(select(schools.c.time_zone).where(schools.c.id == school_id))).one()


async def zones_of_schools(connection: AsyncConnection, caller: Caller) -> list[str]:
    """The distinct time zones of the visible schools."""
    zones = select(schools.c.time_zone).where(in_visible_school(caller, schools.c.id)).distinct()
    return list(await connection.scalars(zones.order_by(schools.c.time_zone)))


async def common_zone(connection: AsyncConnection, caller: Caller) -> str:
    """The time zone of the visible schools; UTC if they have different ones."""
    zones = await zones_of_schools(connection, caller)
    return zones[0] if len(zones) == 1 else "UTC"


async def list_schools(connection: AsyncConnection, caller: Caller, after: int, limit: int) -> list[School]:
    """At most `limit` visible schools with an id greater than `after`, by id."""
    c = schools.c
    statement = (
        select(*(c[each.name] for each in fields(School)))
        .where(in_visible_school(caller, c.id), c.id > after)
        .order_by(c.id)
        .limit(limit)
    )
    return [School(*row) for row in await connection.execute(statement)]


async def names_of_schools(connection: AsyncConnection, school_ids: Collection[int]) -> dict[int, str]:
    """The names of these schools by id, of which there are at most some hundred."""
    rows = await connection.execute(select(schools.c.id, schools.c.name).where(schools.c.id.in_(sorted(school_ids))))
    return {row.id: row.name for row in rows}


async def edit_window_of(connection: AsyncConnection, school_id: int, now: datetime) -> EditWindow:
    """The edit window of an existing school."""
    c = schools.c
    columns = select(c.edit_window_days, c.time_zone, c.records_from)
    row = (await connection.execute(columns.where(c.id == school_id))).one()
    return EditWindow(row.edit_window_days, today_in(row.time_zone, now), row.records_from)


async def missed_share_of(connection: AsyncConnection, school_id: int) -> int | None:
    """From which percentage of its minutes on a session counts as missed in reports; None: never."""
    return await connection.scalar(select(schools.c.missed_from_percent).where(schools.c.id == school_id))


async def change_settings(
    connection: AsyncConnection,
    school_id: int,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    author: Caller,
    now: datetime,
) -> None:
    """Changes settings of a school, and adds the changes to its history. `old` and `new` have the same names."""
    await connection.execute(update(schools).where(schools.c.id == school_id).values(**new))
    await _add_changes(connection, [(school_id, name, old[name], value) for name, value in new.items()], author, now)


async def add_named_zones(
    connection: AsyncConnection, school_ids: Collection[int], time_zone: str, author: Caller, now: datetime
) -> None:
    """Adds to the history of schools that their time zone was named, and not assumed, if it tells of none."""
    c = school_changes.c
    told = select(c.school_id).where(c.school_id.in_(school_ids), c.setting == "time_zone")
    untold = sorted({*school_ids} - {*await connection.scalars(told)})
    await _add_changes(connection, [(each, "time_zone", None, time_zone) for each in untold], author, now)


async def _add_changes(
    connection: AsyncConnection, changes: Sequence[tuple[int, str, Any, Any]], author: Caller, now: datetime
) -> None:
    """Adds changes, given as (school, setting, old value, new value), to the history."""
    rows = [
        {
            "school_id": school_id,
            "setting": setting,
            "old_value": old,
            "new_value": new,
            "changed_at": now,
            "changed_role": author.role.value,
            "user_id": author.user_id,
            "key_id": author.key_id,
        }
        for school_id, setting, old, new in changes
    ]
    if rows:
        await connection.execute(insert(school_changes), rows)


async def list_school_changes(
    connection: AsyncConnection, school_id: int, before: int | None, limit: int
) -> list[SchoolChange]:
    """At most `limit` changes of the settings of a school, the newest first, from before the change `before`."""
    c = school_changes.c
    statement = (
        select(*(c[each.name] for each in fields(SchoolChange)))
        .where(c.school_id == school_id)
        .order_by(c.id.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(c.id < before)
    return [SchoolChange(*row) for row in await connection.execute(statement)]
