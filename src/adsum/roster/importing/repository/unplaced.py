"""Statements that find the schools of stored people, classes and enrolments that rows without an org name."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from sqlalchemy import ColumnElement, Date, FromClause, Select, literal, not_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.tables import class_teachers, users
from adsum.accounts.visibility import in_visible_school
from adsum.platform.database.validity import Day
from adsum.roster.importing.repository.changes import has_not_ended
from adsum.roster.importing.repository.staging import MAX_IDS_PER_STATEMENT
from adsum.roster.importing.rules import Stored
from adsum.roster.importing.tables import import_schools
from adsum.roster.repository.membership import student_names
from adsum.roster.tables import classes, enrolments, student_contacts
from adsum.schools.tables import schools

# The source id, and the school where it is stored.
Places = Select[str, int]


async def only_school(connection: AsyncConnection, caller: Caller) -> str | None:
    """The source id of the only school with one that the caller sees; None: there are several, or none."""
    visible = select(schools.c.source_id).where(
        schools.c.source_id.is_not(None), in_visible_school(caller, schools.c.id)
    )
    found = list(await connection.scalars(visible.limit(2)))
    return found[0] if len(found) == 1 else None


async def stored_elsewhere(
    connection: AsyncConnection, caller: Caller, thing: Stored, source_ids: Collection[str], today: Day
) -> set[str]:
    """The source ids that are stored at visible schools, none of which is a school of the import.

    `today`: from `today_of_schools`.
    """
    ordered = sorted(source_ids)
    here: set[str] = set()
    elsewhere: set[str] = set()
    for start in range(0, len(ordered), MAX_IDS_PER_STATEMENT):
        for places in _places(thing, today):
            c = places.subquery("places").c
            is_of_import = c.school_id.in_(select(import_schools.c.school_id)).label("is_of_import")
            found = (
                select(c.source_id, is_of_import)
                .join(schools, schools.c.id == c.school_id)
                .where(c.source_id.in_(ordered[start : start + MAX_IDS_PER_STATEMENT]))
                .where(schools.c.source_id.is_not(None), in_visible_school(caller, c.school_id))
            )
            for source_id, is_here in await connection.execute(found):
                (here if is_here else elsewhere).add(source_id)
    return elsewhere - here


def _places(thing: Stored, today: Day) -> tuple[Places, ...]:
    """Active students, teachers and contacts, active classes, or enrolments that have not ended, with their schools."""
    if thing is Stored.CLASS:
        return (_at_school(classes, classes.c.school_id, classes.c.active),)
    if thing is Stored.ENROLMENT:
        on = literal(today, Date) if isinstance(today, date) else today
        return tuple(
            _at_school(
                # The day may be an expression over the time zone of the school.
                table.join(classes, classes.c.id == table.c.class_id).join(
                    schools, schools.c.id == classes.c.school_id
                ),
                classes.c.school_id,
                has_not_ended(table, on),
                source_id=table.c.source_id,
            )
            for table in (enrolments, class_teachers)
        )
    return (
        _at_school(student_names, student_names.c.school_id, student_names.c.active),
        _at_school(users, users.c.school_id, not_(users.c.left_roster)),
        _at_school(student_contacts, student_contacts.c.school_id, true()),
    )


def _at_school(
    source: FromClause,
    school_id: ColumnElement[int],
    condition: ColumnElement[bool],
    *,
    source_id: ColumnElement[str] | None = None,
) -> Places:
    named = source.c.source_id if source_id is None else source_id
    return select(named.label("source_id"), school_id.label("school_id")).select_from(source).where(condition)
