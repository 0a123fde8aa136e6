"""The marks of days on which a school is closed. They stay, and reports do not count them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date

from adsum.attendance.repository import count_marks
from adsum.platform.database.engine import Connection
from adsum.roster.timetable.repository import times_of_sessions
from adsum.schools.calendar.rules import Calendar, ClosedDay


async def marks_on_closed_days(
    connection: Connection, school_id: int, closed: Sequence[ClosedDay]
) -> Mapping[date, int]:
    """By day, the number of marks in the sessions that these closed days close. Days without any are left out."""
    if not closed:
        return {}
    by_day = {each.day: each for each in closed}
    rows = await count_marks(connection, school_id, by_day.keys())
    partly = {session_id for day, session_id, _ in rows if by_day[day].from_time is not None}
    times = await times_of_sessions(connection, partly) if partly else {}
    found = Counter[date]()
    for day, session_id, marks in rows:
        if Calendar(closed=[by_day[day]], times=times.get(session_id, ())).closure(day) is not None:
            found[day] += marks
    return found
