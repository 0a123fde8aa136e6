"""The roster of a class on a day, with the statuses of planned absences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from adsum.absences.repository.planned import planned_absences_of_class
from adsum.absences.rules import StudentAbsence, absences_of_session
from adsum.accounts.access import Caller, Permission, require_permission
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.days import today_in
from adsum.platform.errors import Invalid, NotFound, Violation
from adsum.platform.ids import Batch
from adsum.roster.repository.classes import find_class, find_session, is_visible_session
from adsum.roster.repository.students import roster_of
from adsum.roster.rules import ClassRow, RosterStudent, SessionRow, roster_version
from adsum.roster.timetable.repository import times_of
from adsum.schools.repository import today_of_schools


@dataclass(frozen=True, slots=True)
class DayRoster:
    """The students who are enrolled in a class on a day, in the school's order.

    Attributes:
        of: the class.
        day: the day.
        version: a digest of the students. A client sends it back with create-batch.
        students: the students.
        session: the session of the request; None: the request names none.
        planned_absences: by student, the planned absence that applies to the session.
    """

    of: ClassRow
    day: date
    version: str
    students: Sequence[RosterStudent]
    session: SessionRow | None = None
    planned_absences: Mapping[int, StudentAbsence] = field(default_factory=dict[int, StudentAbsence])

    def planned_status(self, student_id: int) -> str | None:
        """The status of the planned absence of a student, or None."""
        planned = self.planned_absences.get(student_id)
        return planned.absence.status if planned is not None else None


class DayRosters:
    """Reads rosters of a day. `now` is the clock."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def roster(
        self, caller: Caller, class_id: int, day: date | None = None, session_id: int | None = None
    ) -> DayRoster:
        """The roster of a class on `day`, or on the school's today; with a session, its planned absences.

        Raises:
            Forbidden: without `roster:read`.
            NotFound: there is no such class, or the caller does not see it on that day.
            Invalid: the class has no such session.
        """
        async with self._database.snapshot() as connection:
            return await read_day_roster(connection, caller, class_id, day, session_id, self._now())


async def read_day_roster(
    connection: Connection, caller: Caller, class_id: int, day: date | None, session_id: int | None, now: datetime
) -> DayRoster:
    """As `DayRosters.roster`, in an open transaction."""
    require_permission(caller, Permission.ROSTER_READ)
    visible_on = day or await today_of_schools(connection, caller, now)
    found = await find_class(connection, caller, class_id, visible_on)
    if found is None:
        raise NotFound(f"there is no class {class_id}", classId=class_id)
    day = day or today_in(found.time_zone, now)
    students = await roster_of(connection, class_id, day)
    batch = Batch(class_id, session_id, day) if session_id is not None else None
    session = await _session(connection, caller, batch) if batch is not None else None
    planned = await _planned_absences(connection, batch) if batch is not None else {}
    version = roster_version(student.student_id for student in students)
    return DayRoster(found, day, version, students, session, planned)


async def _session(connection: Connection, caller: Caller, batch: Batch) -> SessionRow:
    session = await find_session(connection, batch.session_id)
    is_of_class = session is not None and session.class_id == batch.class_id
    if (
        session is None
        or not is_of_class
        or not await is_visible_session(connection, caller, batch.session_id, batch.learning_date)
    ):
        detail = f"class {batch.class_id} has no session {batch.session_id}"
        raise Invalid(detail, [Violation("session_not_of_class", detail, "/query/sessionId")])
    return session


async def _planned_absences(connection: Connection, batch: Batch) -> dict[int, StudentAbsence]:
    planned = await planned_absences_of_class(connection, batch.class_id, batch.learning_date)
    times = await times_of(connection, batch.session_id)
    return absences_of_session(planned, batch.session_id, batch.learning_date, times)
