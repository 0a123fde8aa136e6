"""Reads the contacts of students, for the office."""

from __future__ import annotations

from collections.abc import Sequence

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.platform.database.engine import Database
from adsum.platform.errors import NotFound
from adsum.roster.repository.students import find_student
from adsum.roster.student_contacts.repository import contacts_of_students
from adsum.roster.student_contacts.rules import StudentContact


class StudentContacts:
    """Reads the guardians, parents and relatives whom the roster names for a student."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_student(self, student_id: int, caller: Caller) -> Sequence[StudentContact]:
        """The contacts of a student whom the caller sees, in the order in which to call them.

        Raises:
            Forbidden: without `attendance:overrule` and `roster:read`.
            NotFound: there is no such student, or the caller does not see them.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        require_permission(caller, Permission.ROSTER_READ)
        async with self._database.snapshot() as connection:
            if await find_student(connection, caller, student_id) is None:
                raise NotFound(f"there is no student {student_id}", studentId=student_id)
            return (await contacts_of_students(connection, caller, [student_id])).get(student_id, [])
