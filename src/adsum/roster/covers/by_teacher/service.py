"""Plans the cover of a teacher who is away."""

from __future__ import annotations

from datetime import date

from adsum.accounts.access import Caller, Permission, Role, require_permission
from adsum.accounts.named_schools import require_school
from adsum.platform.database.engine import Database
from adsum.platform.days import A_DAY, validate_days
from adsum.platform.errors import NotFound, refuse
from adsum.roster.covers.by_teacher.repository import duties_of_day, held_sessions, teachers_of_school
from adsum.roster.covers.by_teacher.rules import MAX_DAYS, AwayPlan, CoverNeed, Teacher, needs_of_day
from adsum.roster.people.repository import find_person


class TeachersAway:
    """Finds the sessions of a teacher who is away, and the colleagues who are free in each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def teachers(self, school_id: int, caller: Caller) -> list[Teacher]:
        """The teachers of a school who can be away and can cover, by name.

        Raises:
            Forbidden: without `school:manage`.
            NotFound: the caller does not see the school.
        """
        require_permission(caller, Permission.SCHOOL_MANAGE)
        async with self._database.snapshot() as connection:
            await require_school(connection, caller, school_id)
            return sorted(await teachers_of_school(connection, school_id), key=lambda each: each.order)

    async def plan(self, teacher_id: int, first_day: date, last_day: date, caller: Caller) -> AwayPlan:
        """The sessions that the teacher teaches or covers on these days, both inclusive.

        A colleague is free if they teach and cover nothing at the time of the session. A session whose times are
        unknown lasts the whole day.

        Raises:
            Forbidden: without `school:manage`.
            NotFound: the caller sees no such teacher.
            Invalid: wrong days.
        """
        require_permission(caller, Permission.SCHOOL_MANAGE)
        refuse(validate_days(first_day, last_day, MAX_DAYS, f"a plan has at most {MAX_DAYS} days"))
        async with self._database.snapshot() as connection:
            person = await find_person(connection, caller, teacher_id)
            if person is None or person.role != Role.TEACHER or person.school_id is None:
                raise NotFound(f"there is no teacher {teacher_id}", teacherId=teacher_id)
            teachers = await teachers_of_school(connection, person.school_id)
            needs: list[CoverNeed] = []
            for number in range((last_day - first_day).days + 1):
                day = first_day + number * A_DAY
                held = await held_sessions(connection, person.school_id, day)
                duties = await duties_of_day(connection, person.school_id, day)
                needs += needs_of_day(day, teacher_id, held, duties, teachers)
        away = Teacher(person.id, person.given_name, person.family_name, person.email)
        return AwayPlan(person.school_id, away, needs, {each.id: each for each in teachers})
