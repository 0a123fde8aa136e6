"""What a client needs to know before it marks a class: classes, sessions, students, and the roster of a day."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from adsum.absences.rules import known_of
from adsum.accounts.access import Caller, Permission, require_permission
from adsum.batches.repository.standing import find_standing
from adsum.platform.database.engine import Connection, Database
from adsum.platform.days import today_in
from adsum.platform.errors import Invalid, NotFound, Violation
from adsum.platform.ids import Batch
from adsum.platform.paging import Page, PageRequest, begin_of, by_number, page_of
from adsum.roster.classes import ClassRow, find_class, list_classes
from adsum.roster.enrolments import RosterStudent, roster_of
from adsum.roster.filters import ClassFilters, SessionFilters, StudentFilters
from adsum.roster.rules import roster_version
from adsum.roster.sessions import SessionRow, SessionTitles, find_session, list_sessions, titles_of_sessions
from adsum.roster.students import StudentName, StudentRow, find_student, list_students, names_of_students
from adsum.roster.timetable.repository import is_session_seen, times_of
from adsum.schools.repository import today_of_schools


@dataclass(frozen=True, slots=True)
class Roster:
    """Who is enrolled in a class on a day, in the school's order. `version` is for create-batch to send back."""

    of: ClassRow
    day: date
    version: str
    students: Sequence[RosterStudent]
    session: SessionRow | None = None
    # By student, what a register of the session that was asked for will say, by an absence known beforehand.
    known: Mapping[int, str] = field(default_factory=dict[int, str])


async def _session(connection: Connection, caller: Caller, batch: Batch) -> SessionRow:
    session = await find_session(connection, batch.session_id)
    is_of_class = session is not None and session.class_id == batch.class_id
    if session is None or not is_of_class or not await _is_seen(connection, caller, batch):
        detail = f"class {batch.class_id} has no session {batch.session_id}"
        raise Invalid(detail, [Violation("session_not_of_class", detail, "/query/sessionId")])
    return session


async def _is_seen(connection: Connection, caller: Caller, batch: Batch) -> bool:
    return await is_session_seen(connection, caller, batch.session_id, batch.learning_date)


async def _known(connection: Connection, batch: Batch) -> dict[int, str]:
    standing = (await find_standing(connection, [batch]))[batch]
    times = await times_of(connection, batch.session_id)
    known = known_of(standing.known, batch.session_id, batch.learning_date, times)
    return {student_id: each.absence.status for student_id, each in known.items()}


async def read_roster(
    connection: Connection, caller: Caller, class_id: int, day: date | None, session_id: int | None, now: datetime
) -> Roster:
    """As `Directory.roster`, in an open transaction."""
    require_permission(caller, Permission.ROSTER_READ)
    visible_on = day or await today_of_schools(connection, caller, now)
    found = await find_class(connection, caller, class_id, visible_on)
    if found is None:
        raise NotFound(f"there is no class {class_id}", classId=class_id)
    day = day or today_in(found.time_zone, now)
    students = await roster_of(connection, class_id, day)
    batch = Batch(class_id, session_id, day) if session_id is not None else None
    session = await _session(connection, caller, batch) if batch is not None else None
    known = await _known(connection, batch) if batch is not None else {}
    version = roster_version(student.student_id for student in students)
    return Roster(found, day, version, students, session, known)


class Directory:
    """Reads what rosters say, for whoever may see it. Lists hold only what the caller sees.

    Every method raises Forbidden without the permission `roster:read`, every list of pages Invalid for a wrong cursor.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def roster(
        self, caller: Caller, class_id: int, day: date | None = None, session_id: int | None = None
    ) -> Roster:
        """The roster of a class on `day`, or on the school's today; with a session what is known beforehand of it.

        Raises:
            NotFound: there is no such class, or the caller does not see it on that day.
            Invalid: the class has no such session.
        """
        async with self._database.snapshot() as connection:
            return await read_roster(connection, caller, class_id, day, session_id, self._now())

    async def find_class(self, caller: Caller, class_id: int) -> ClassRow:
        """One class. Raises NotFound where there is none, or the caller does not see it today."""
        require_permission(caller, Permission.ROSTER_READ)
        async with self._database.snapshot() as connection:
            today = await today_of_schools(connection, caller, self._now())
            found = await find_class(connection, caller, class_id, today)
        if found is None:
            raise NotFound(f"there is no class {class_id}", classId=class_id)
        return found

    async def classes(self, caller: Caller, filters: ClassFilters, page: PageRequest) -> Page[ClassRow]:
        """Classes by id; of a teacher those that they teach today."""
        require_permission(caller, Permission.ROSTER_READ)
        after = begin_of(page, filters, by_number) or 0
        async with self._database.snapshot() as connection:
            today = await today_of_schools(connection, caller, self._now())
            rows = await list_classes(connection, caller, filters, today, after, page.limit + 1)
        return page_of(rows, page, filters, lambda row: (row.id,))

    async def sessions(self, caller: Caller, filters: SessionFilters, page: PageRequest) -> Page[SessionRow]:
        """Sessions by id; of a teacher those of the classes that they teach today."""
        require_permission(caller, Permission.ROSTER_READ)
        after = begin_of(page, filters, by_number) or 0
        async with self._database.snapshot() as connection:
            today = await today_of_schools(connection, caller, self._now())
            rows = await list_sessions(connection, caller, filters, today, after, page.limit + 1)
        return page_of(rows, page, filters, lambda row: (row.id,))

    async def students(self, caller: Caller, filters: StudentFilters, page: PageRequest) -> Page[StudentRow]:
        """Students by id; of a teacher those in the classes that they teach on the day asked for, or today."""
        require_permission(caller, Permission.ROSTER_READ)
        after = begin_of(page, filters, by_number) or 0
        async with self._database.snapshot() as connection:
            today = await today_of_schools(connection, caller, self._now())
            rows = await list_students(connection, caller, filters, today, after, page.limit + 1)
        return page_of(rows, page, filters, lambda row: (row.id,))

    async def titles(self, caller: Caller, session_ids: Collection[int]) -> dict[int, SessionTitles]:
        """What these sessions and their classes are called; of a teacher those that they ever taught."""
        require_permission(caller, Permission.ROSTER_READ)
        async with self._database.snapshot() as connection:
            return await titles_of_sessions(connection, caller, session_ids)

    async def names(self, caller: Caller, student_ids: Collection[int]) -> dict[int, StudentName]:
        """What these students are called; of a teacher those who were ever in a class of theirs."""
        require_permission(caller, Permission.ROSTER_READ)
        async with self._database.snapshot() as connection:
            return await names_of_students(connection, caller, student_ids)

    async def class_of(self, caller: Caller, class_id: int) -> ClassRow:
        """One class; a teacher's, whenever they teach it. Raises NotFound."""
        require_permission(caller, Permission.ROSTER_READ)
        async with self._database.snapshot() as connection:
            found = await find_class(connection, caller, class_id)
        if found is None:
            raise NotFound(f"there is no class {class_id}", classId=class_id)
        return found

    async def student(self, caller: Caller, student_id: int) -> StudentRow:
        """One student; of a teacher, one in a class that they ever teach. Raises NotFound."""
        require_permission(caller, Permission.ROSTER_READ)
        async with self._database.snapshot() as connection:
            found = await find_student(connection, caller, student_id)
        if found is None:
            raise NotFound(f"there is no student {student_id}", studentId=student_id)
        return found
