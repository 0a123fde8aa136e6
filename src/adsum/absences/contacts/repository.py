"""Statements about contacts and the students to call."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy import Select, distinct, exists, func, insert, not_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.absences.contacts.rules import Contact, ContactFilters, ContactResult, NewContact
from adsum.absences.rules import Author
from adsum.absences.tables import absence_contacts
from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school
from adsum.attendance.tables import attendances
from adsum.platform.database.columns import columns_of
from adsum.platform.database.filters import equal, in_period
from adsum.platform.texts import note_text

_COLUMNS = columns_of(absence_contacts, Contact, author="contacted")


async def absent_students(
    connection: AsyncConnection,
    school_id: int,
    day: date,
    statuses: Collection[str],
    after: int,
    limit: int,
) -> Sequence[int]:
    """At most `limit` ids of students after `after` who have a record with one of these statuses on the day."""
    a = attendances.c
    absent = select(a.student_id).where(
        a.school_id == school_id, a.learning_date == day, a.status.in_(sorted(statuses)), a.student_id > after
    )
    return list(await connection.scalars(absent.distinct().order_by(a.student_id).limit(limit)))


async def count_uncalled(connection: AsyncConnection, school_id: int, day: date, statuses: Collection[str]) -> int:
    """The number of students with a record with one of these statuses on the day, and without a contact about it."""
    a, c = attendances.c, absence_contacts.c
    called = select(c.id).where(c.school_id == school_id, c.day == day, c.student_id == a.student_id)
    statement = select(func.count(distinct(a.student_id))).where(
        a.school_id == school_id, a.learning_date == day, a.status.in_(sorted(statuses)), not_(exists(called))
    )
    return (await connection.execute(statement)).scalar_one()


async def add_contact(
    connection: AsyncConnection, school_id: int, student_id: int, day: date, contact: NewContact, author: Author
) -> Contact:
    """Stores a contact."""
    row = {
        "school_id": school_id,
        "student_id": student_id,
        "day": day,
        "result": contact.result,
        "person": note_text(contact.person or "") or None,
        "note": note_text(contact.note or "") or None,
        "contacted_at": author.at,
        "contacted_role": author.caller.role.value,
        "user_id": author.caller.user_id,
        "key_id": author.caller.key_id,
    }
    added = await connection.execute(insert(absence_contacts).values(row).returning(*_COLUMNS))
    return _contact(*added.one())


async def contacts_of_day(
    connection: AsyncConnection, school_id: int, day: date, student_ids: Collection[int]
) -> list[Contact]:
    """The contacts about these students and this day, the newest first."""
    c = absence_contacts.c
    of_day = (c.school_id == school_id, c.day == day, c.student_id.in_(student_ids))
    return [_contact(*row) for row in await connection.execute(_select_contacts().where(*of_day))]


async def list_contacts(
    connection: AsyncConnection, caller: Caller, filters: ContactFilters, before: int | None, limit: int
) -> list[Contact]:
    """At most `limit` contacts of the schools that the caller sees, the newest first, from before the id `before`."""
    c = absence_contacts.c
    conditions = [
        *equal((c.school_id, filters.school_id), (c.student_id, filters.student_id)),
        *in_period(c.day, filters.first_day, filters.last_day),
    ]
    statement = _select_contacts().where(in_visible_school(caller, c.school_id), *conditions).limit(limit)
    if before is not None:
        statement = statement.where(c.id < before)
    return [_contact(*row) for row in await connection.execute(statement)]


def _select_contacts() -> Select[*tuple[Any, ...]]:
    return select(*_COLUMNS).order_by(absence_contacts.c.id.desc())


def _contact(*row: Any) -> Contact:
    found = Contact(*row)
    return replace(found, result=ContactResult(found.result))
