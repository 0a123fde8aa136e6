"""Reads classes, sessions, students and names, for callers who may see them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TypeAlias, TypeVar

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.named_schools import require_named_school
from adsum.accounts.visibility import sees_names
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.reading import StandbyReader
from adsum.platform.database.validity import Day
from adsum.platform.errors import Invalid, NotFound, Violation
from adsum.platform.paging import PageRequest, RowPage, begin_of, by_number, page_of
from adsum.roster.repository.classes import (
    find_class,
    find_names,
    list_classes,
    list_sessions,
    sizes_of_schools,
    teachers_of_classes,
    titles_of_sessions,
)
from adsum.roster.repository.membership import in_one_school
from adsum.roster.repository.students import (
    MAX_IDS_PER_STATEMENT,
    find_student,
    list_students,
    schools_of_students,
    visible_student_names,
)
from adsum.roster.rules import (
    ClassFilters,
    ClassRow,
    NamedIds,
    Names,
    SchoolSize,
    SessionFilters,
    SessionRow,
    SessionTitles,
    StudentFilters,
    StudentName,
    StudentRow,
)
from adsum.schools.repository import today_of_schools

Filters = TypeVar("Filters", ClassFilters, SessionFilters, StudentFilters)
Row = TypeVar("Row", ClassRow, SessionRow, StudentRow)
_ListRows: TypeAlias = Callable[[Connection, Caller, Filters, Day, int, int], Awaitable[list[Row]]]


class Directory:
    """Reads the roster. Lists contain only what the caller sees: of a teacher, the classes that they teach today.

    Every method raises Forbidden without the permission `roster:read`. Every list raises Invalid for a wrong cursor,
    and NotFound for the filter of a school that the caller does not see.
    """

    def __init__(self, database: Database, reader: StandbyReader, now: Clock) -> None:
        self._database = database
        self._reader = reader
        self._now = now

    async def classes(self, caller: Caller, filters: ClassFilters, page: PageRequest) -> RowPage[ClassRow]:
        """A page of classes, by id."""
        return await self._page(list_classes, caller, filters, page)

    async def sessions(self, caller: Caller, filters: SessionFilters, page: PageRequest) -> RowPage[SessionRow]:
        """A page of sessions, by id."""
        return await self._page(list_sessions, caller, filters, page)

    async def students(self, caller: Caller, filters: StudentFilters, page: PageRequest) -> RowPage[StudentRow]:
        """A page of students, by id. A teacher sees the students of their classes on `filters.day`, or today."""
        return await self._page(list_students, caller, filters, page)

    async def find_class(self, caller: Caller, class_id: int) -> ClassRow:
        """A class that the caller sees today. Raises NotFound."""
        require_permission(caller, Permission.ROSTER_READ)
        async with self._database.snapshot() as connection:
            today = await today_of_schools(connection, caller, self._now())
            return _found_class(await find_class(connection, caller, class_id, today), class_id)

    async def find_class_of_school(self, caller: Caller, school_id: int, class_id: int) -> ClassRow:
        """As `find_class`. Raises NotFound also if the class belongs to another school."""
        found = await self.find_class(caller, class_id)
        if found.school_id != school_id:
            raise NotFound(f"school {school_id} has no class {class_id}", schoolId=school_id, classId=class_id)
        return found

    async def find_class_of_any_day(self, caller: Caller, class_id: int) -> ClassRow:
        """A class that the caller sees on any day. Raises NotFound."""
        require_permission(caller, Permission.ROSTER_READ)
        async with self._database.snapshot() as connection:
            return _found_class(await find_class(connection, caller, class_id), class_id)

    async def find_student(self, caller: Caller, student_id: int) -> StudentRow:
        """A student; of a teacher, one of a class that they teach on any day. Raises NotFound."""
        require_permission(caller, Permission.ROSTER_READ)
        async with self._database.snapshot() as connection:
            found = await find_student(connection, caller, student_id)
        if found is None:
            raise NotFound(f"there is no student {student_id}", studentId=student_id)
        return found

    async def teachers_of_classes(self, caller: Caller, class_ids: Collection[int]) -> dict[int, list[str]]:
        """By class that the caller sees today, the names of its teachers, in order. Classes without any are missing."""
        require_permission(caller, Permission.ROSTER_READ)
        async with self._database.snapshot() as connection:
            today = await today_of_schools(connection, caller, self._now())
            return await teachers_of_classes(connection, caller, class_ids, today)

    async def session_titles(self, caller: Caller, session_ids: Collection[int]) -> dict[int, SessionTitles]:
        """Titles by session id; of a teacher, of the classes that they teach on any day."""
        require_permission(caller, Permission.ROSTER_READ)
        async with self._database.snapshot() as connection:
            return await titles_of_sessions(connection, caller, session_ids)

    async def student_names(self, caller: Caller, student_ids: Collection[int]) -> dict[int, StudentName]:
        """Names by student id; of a teacher, of students of the classes that they teach on any day."""
        require_permission(caller, Permission.ROSTER_READ)
        async with self._database.snapshot() as connection:
            return await visible_student_names(connection, caller, student_ids)

    async def sizes_of_schools(self, school_ids: Collection[int], caller: Caller) -> dict[int, SchoolSize]:
        """Sizes by school id, of schools that the caller was shown. Raises Forbidden without `school:manage`."""
        require_permission(caller, Permission.SCHOOL_MANAGE)
        async with self._database.snapshot() as connection:
            return await sizes_of_schools(connection, school_ids)

    async def _page(
        self, list_rows: _ListRows[Filters, Row], caller: Caller, filters: Filters, page: PageRequest
    ) -> RowPage[Row]:
        require_permission(caller, Permission.ROSTER_READ)
        after = begin_of(page, filters, by_number) or 0
        async with self._reader.snapshot(caller) as connection:
            await require_named_school(connection, caller, filters.school_id)
            today = await today_of_schools(connection, caller, self._now())
            rows = await list_rows(connection, caller, filters, today, after, page.limit + 1)
        return page_of(rows, page, filters, lambda row: (row.id,))


def _found_class(found: ClassRow | None, class_id: int) -> ClassRow:
    if found is None:
        raise NotFound(f"there is no class {class_id}", classId=class_id)
    return found


class Naming:
    """Replaces ids by names on pages. A caller with `roster:read` sees the names of their schools."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def names_of(self, ids: NamedIds, caller: Caller) -> Names:
        """The names of these ids, in one statement; no names without `roster:read`."""
        if not sees_names(caller):
            return Names()
        async with self._database.autocommit_read() as connection:
            return await find_names(connection, caller, ids)

    async def names_of_students(self, student_ids: Collection[int], caller: Caller) -> dict[int, str]:
        """The names of any number of students, by id. Students whom the caller does not see are missing."""
        found = await self._slices(student_ids, lambda ids: NamedIds(students=ids), caller)
        return {student_id: name for names in found for student_id, name in names.students.items()}

    async def names_of_classes(self, class_ids: Collection[int], caller: Caller) -> dict[int, str]:
        """The titles of any number of classes, by id. Classes of schools that the caller does not see are missing."""
        found = await self._slices(class_ids, lambda ids: NamedIds(classes=ids), caller)
        return {class_id: title for names in found for class_id, title in names.classes.items()}

    async def _slices(
        self, ids: Collection[int], named: Callable[[Sequence[int]], NamedIds], caller: Caller
    ) -> list[Names]:
        """The names of any number of ids, in as many statements as they need."""
        ordered = sorted(set(ids))
        starts = range(0, len(ordered), MAX_IDS_PER_STATEMENT)
        return [await self.names_of(named(ordered[start : start + MAX_IDS_PER_STATEMENT]), caller) for start in starts]


async def school_of_student(connection: Connection, caller: Caller, student_id: int, school_id: int | None) -> int:
    """The school `school_id`; for None the home school of the student, or the first one that the caller sees.

    Raises Invalid if the student is not one of it, or the caller does not see it.
    """
    schools = await schools_of_students(connection, in_one_school(caller, school_id), [student_id])
    if student_id not in schools:
        at_school = "" if school_id is None else f" at school {school_id}"
        detail = f"there is no student {student_id}{at_school}"
        raise Invalid(detail, [Violation("unknown_student", detail, "/studentId", {"studentId": student_id})])
    return schools[student_id][0] if school_id is None else school_id
