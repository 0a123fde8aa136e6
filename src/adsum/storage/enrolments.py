"""Enrolments: who is on the roster of a class on a day."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.storage.spans import covers
from adsum.storage.tables import enrolments, students


@dataclass(frozen=True, slots=True)
class RosterStudent:
    """One student of a roster."""

    student_id: int
    source_id: str | None
    given_name: str
    family_name: str
    grade: str | None


async def enrolled_students(connection: AsyncConnection, class_id: int, day: date) -> list[int]:
    """The ids of who is enrolled in the class on `day`, each once, in order."""
    enrolled = select(enrolments.c.student_id).where(enrolments.c.class_id == class_id, covers(enrolments, day))
    return sorted(set(await connection.scalars(enrolled)))


async def roster_of(connection: AsyncConnection, class_id: int, day: date) -> list[RosterStudent]:
    """Who is enrolled in the class on `day`, each once, by family name, given name and id.

    Only the dates of the enrolments decide: a student whom the newest roster file no longer has stays on the rosters of
    the days on which they were enrolled.
    """
    enrolled = select(enrolments.c.student_id).where(enrolments.c.class_id == class_id, covers(enrolments, day))
    statement = select(
        students.c.id, students.c.source_id, students.c.given_name, students.c.family_name, students.c.grade
    ).where(students.c.id.in_(enrolled))
    roster = [RosterStudent(*row) for row in await connection.execute(statement)]
    return sorted(roster, key=_by_name)


def _by_name(student: RosterStudent) -> tuple[str, str, int]:
    return _folded(student.family_name), _folded(student.given_name), student.student_id


def _folded(name: str) -> str:
    """Sorted here, since every collation of every database has another order; Åberg stands at A, de Vries at D."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
