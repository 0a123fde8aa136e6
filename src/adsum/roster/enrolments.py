"""Enrolments: who is on the roster of a class on a day."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from sqlalchemy import BigInteger, Date, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.platform.database.columns import Json
from adsum.platform.database.input_rows import asking, rows_asked
from adsum.platform.database.validity import valid_on
from adsum.roster.school_order import school_order
from adsum.roster.tables import enrolments, students

# A look-up for each class. As a join, Postgres would read all enrolments there are, since it takes `asked` for many.
_ROSTERS = asking(
    """
SELECT asked.class_id, asked.day,
    (SELECT {list_of}(DISTINCT e.student_id) FROM enrolments e
     WHERE e.class_id = asked.class_id AND (e.begin_date IS NULL OR e.begin_date <= asked.day)
       AND (e.end_date IS NULL OR e.end_date > asked.day)) AS students
FROM asked""",
    {"class_id": "bigint", "day": "date"},
    {"class_id": BigInteger, "day": Date, "students": Json},
)


@dataclass(frozen=True, slots=True)
class RosterStudent:
    """One student of a roster."""

    student_id: int
    source_id: str | None
    given_name: str
    family_name: str
    grade: str | None


async def find_rosters(
    connection: AsyncConnection, wanted: Collection[tuple[int, date]]
) -> dict[tuple[int, date], list[int]]:
    """The ids of who is enrolled in each of these classes on its day, each once, in order."""
    asked = rows_asked({"class_id": class_id, "day": day.isoformat()} for class_id, day in wanted)
    rows = await _ROSTERS.fetch_all(connection, asked)
    return {(class_id, day): sorted(students or ()) for class_id, day, students in rows}


async def roster_of(connection: AsyncConnection, class_id: int, day: date) -> list[RosterStudent]:
    """Who is enrolled in the class on `day`, each once, by family name, given name and id.

    Only the dates of the enrolments decide: a student whom the newest roster file no longer has stays on the rosters of
    the days on which they were enrolled.
    """
    enrolled = select(enrolments.c.student_id).where(enrolments.c.class_id == class_id, valid_on(enrolments, day))
    statement = select(
        students.c.id, students.c.source_id, students.c.given_name, students.c.family_name, students.c.grade
    ).where(students.c.id.in_(enrolled))
    roster = [RosterStudent(*row) for row in await connection.execute(statement)]
    return sorted(roster, key=lambda each: school_order(each.family_name, each.given_name, each.student_id))
