"""Statements on closed days and terms."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.schools.calendar.rules import ClosedDay, ClosedDayFilters, RecordedClosedDay, Term
from adsum.schools.rules import weekdays_of
from adsum.schools.tables import class_terms, closed_days, schools, terms


async def weekdays_of_school(connection: AsyncConnection, school_id: int) -> tuple[int, ...]:
    """The ISO weekdays on which sessions without times meet, of an existing school."""
    found = await connection.execute(select(schools.c.weekdays).where(schools.c.id == school_id))
    return weekdays_of(found.scalar_one())


async def list_closed_days(
    connection: AsyncConnection, school_id: int, filters: ClosedDayFilters, after: date | None, limit: int
) -> list[RecordedClosedDay]:
    """At most `limit` closed days of a school after the day `after`, by day."""
    c = closed_days.c
    statement = (
        select(c.day, c.reason, c.from_time, c.created_at, c.created_role, c.user_id, c.key_id)
        .where(c.school_id == school_id)
        .order_by(c.day)
        .limit(limit)
    )
    if filters.first_day is not None:
        statement = statement.where(c.day >= filters.first_day)
    if filters.last_day is not None:
        statement = statement.where(c.day <= filters.last_day)
    if after is not None:
        statement = statement.where(c.day > after)
    return [RecordedClosedDay(*row) for row in await connection.execute(statement)]


async def close_day(
    connection: AsyncConnection, school_id: int, closed: ClosedDay, caller: Caller, now: datetime
) -> RecordedClosedDay:
    """Closes a school on a day on which it is not closed."""
    row = RecordedClosedDay(
        closed.day, closed.reason, closed.from_time, now, caller.role.value, caller.user_id, caller.key_id
    )
    values = {name: getattr(row, name) for name in row.__slots__ if name in closed_days.c}
    await connection.execute(insert(closed_days).values(school_id=school_id, **values))
    return row


async def open_days(connection: AsyncConnection, school_id: int, first: date, last: date) -> list[ClosedDay]:
    """Removes the closed days from `first` up to and including `last`. Returns them, by day."""
    c = closed_days.c
    removed = delete(closed_days).where(c.school_id == school_id, c.day.between(first, last))
    rows = await connection.execute(removed.returning(c.day, c.reason, c.from_time))
    return sorted((ClosedDay(*row) for row in rows), key=lambda each: each.day)


async def list_terms(connection: AsyncConnection, school_id: int, after: int, limit: int) -> list[Term]:
    """At most `limit` terms of a school with an id greater than `after`, by id."""
    c = terms.c
    statement = (
        select(c.id, c.source_id, c.title, c.begin_date, c.end_date, c.kind, c.parent_source_id, c.opens_school)
        .where(c.school_id == school_id, c.id > after)
        .order_by(c.id)
        .limit(limit)
    )
    return [Term(*row) for row in await connection.execute(statement)]


async def add_term(connection: AsyncConnection, school_id: int, title: str, begin: date, end: date) -> Term:
    """Adds a term from `begin` up to but without `end`."""
    added = insert(terms).values(school_id=school_id, title=title, begin_date=begin, end_date=end)
    term_id = (await connection.execute(added.returning(terms.c.id))).scalar_one()
    return Term(term_id, None, title, begin, end)


async def is_term_of_class(connection: AsyncConnection, school_id: int, term_id: int) -> bool:
    """Whether any class runs in this term of a school."""
    own = select(terms.c.id).join(class_terms, class_terms.c.term_id == terms.c.id)
    found = own.where(terms.c.id == term_id, terms.c.school_id == school_id)
    return await connection.scalar(found.limit(1)) is not None


async def remove_term(connection: AsyncConnection, school_id: int, term_id: int) -> tuple[date, date] | None:
    """Removes a term. Returns its dates; None: the school has no term with this id."""
    removed = delete(terms).where(terms.c.school_id == school_id, terms.c.id == term_id)
    row = (await connection.execute(removed.returning(terms.c.begin_date, terms.c.end_date))).one_or_none()
    return None if row is None else (row.begin_date, row.end_date)
