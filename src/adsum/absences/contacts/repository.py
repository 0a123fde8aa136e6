"""Statements about contacts and the students to call."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from datetime import date
from typing import Any

from sqlalchemy import Select, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.absences.contacts.rules import Contact, ContactFilters, ContactResult
from adsum.absences.tables import absence_contacts
from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school
from adsum.attendance.tables import attendances
from adsum.platform.database.filters import equal, in_period

# The columns of the fields of `Contact` whose names differ.
_AUTHOR = {
    "contacted_by_role": "contacted_role",
    "contacted_by_user_id": "user_id",
    "contacted_by_key_id": "key_id",
}


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


async def add_contact(connection: AsyncConnection, values: dict[str, Any]) -> Contact:
    """Stores a contact. `values` are the fields of `Contact` without the id."""
    row = {_AUTHOR.get(name, name): value for name, value in values.items()}
    contact_id = await connection.scalar(insert(absence_contacts).values(row).returning(absence_contacts.c.id))
    assert contact_id is not None, "it was inserted"
    return Contact(id=contact_id, **values)


async def contacts_of_day(
    connection: AsyncConnection, school_id: int, day: date, student_ids: Collection[int]
) -> list[Contact]:
    """The contacts about these students and this day, the newest first."""
    c = absence_contacts.c
    of_day = (c.school_id == school_id, c.day == day, c.student_id.in_(student_ids))
    return _contacts(await connection.execute(_select_contacts().where(*of_day)))


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
    return _contacts(await connection.execute(statement))


def _select_contacts() -> Select[*tuple[Any, ...]]:
    columns = (absence_contacts.c[_AUTHOR.get(each.name, each.name)] for each in fields(Contact))
    return select(*columns).order_by(absence_contacts.c.id.desc())


def _contacts(rows: Iterable[Sequence[Any]]) -> list[Contact]:
    found: list[Contact] = []
    for row in rows:
        values: dict[str, Any] = {each.name: value for each, value in zip(fields(Contact), row, strict=True)}
        values["result"] = ContactResult(values["result"])
        found.append(Contact(**values))
    return found
