"""Statements about the contacts of students."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school
from adsum.roster.student_contacts.rules import StudentContact, in_order_of_calls
from adsum.roster.tables import student_contacts


async def contacts_of_students(
    connection: AsyncConnection, caller: Caller, student_ids: Collection[int]
) -> dict[int, list[StudentContact]]:
    """The contacts whom the rosters of visible schools name, by student. Students without contacts are missing."""
    c = student_contacts.c
    columns = (c[each.name] for each in fields(StudentContact))
    statement = select(c.student_id, *columns).where(
        c.student_id.in_(student_ids), in_visible_school(caller, c.school_id)
    )
    found: dict[int, list[StudentContact]] = {}
    for student_id, *values in await connection.execute(statement):
        found.setdefault(student_id, []).append(StudentContact(*values))
    return {student_id: in_order_of_calls(contacts) for student_id, contacts in found.items()}
