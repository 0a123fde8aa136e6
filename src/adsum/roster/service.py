"""What a client needs to know before it marks a class: classes, sessions, and students."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.platform.database.engine import Database
from adsum.platform.errors import NotFound
from adsum.platform.paging import Page, PageRequest, begin_of, by_number, page_of
from adsum.roster.classes import ClassRow, find_class, list_classes
from adsum.roster.filters import ClassFilters, SessionFilters, StudentFilters
from adsum.roster.sessions import SessionRow, SessionTitles, list_sessions, titles_of_sessions
from adsum.roster.students import StudentName, StudentRow, find_student, list_students, names_of_students
from adsum.schools.repository import today_of_schools


class Directory:
    """Reads what rosters say, for whoever may see it. Lists hold only what the caller sees.

    Every method raises Forbidden without the permission `roster:read`, every list of pages Invalid for a wrong cursor.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

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
