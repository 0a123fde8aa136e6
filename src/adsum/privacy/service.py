"""A child's data: handing all of it over, and erasing it."""

from __future__ import annotations

from dataclasses import dataclass

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Conflict, NotFound
from adsum.platform.telemetry import logger
from adsum.privacy.erasure import erase_student, is_being_marked, lock_school_of, sessions_of_student
from adsum.privacy.repository import PersonalData, personal_data, sees_student
from adsum.roster.session_fence import advance_fences

log = logger(__name__)


class StudentIsBeingMarked(Conflict):
    """An open run has the student: what is promised cannot be erased before it is done, or cancelled."""

    code = "student_is_being_marked"


@dataclass(frozen=True, slots=True)
class Erased:
    """A student who was erased, and how many records with them."""

    student_id: int
    records: int


class StudentData:
    """For whoever answers for the data of a school. Each use stands in the log, with who and whose."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def export(self, student_id: int, caller: Caller) -> PersonalData:
        """Everything that is kept about a student.

        Raises:
            Forbidden: without `student:data`.
            NotFound: there is no such student in a school of the caller's.
        """
        require_permission(caller, Permission.STUDENT_DATA)
        async with self._database.snapshot() as connection:
            await _require(connection, student_id, caller)
            found = await personal_data(connection, student_id)
        log.info("a student's data was exported", student_id=student_id, actor=caller.actor)
        return found

    async def erase(self, student_id: int, caller: Caller) -> Erased:
        """Deletes a student with their enrolments, records, history, failures and marks in plans.

        The counts of batches stay; they name nobody. A roster file that still has the student brings back their name,
        and nothing else: take them out there first.

        Raises:
            Forbidden: without `student:data`.
            NotFound: there is no such student in a school of the caller's.
            StudentIsBeingMarked: a batch with the student is being processed.
        """
        require_permission(caller, Permission.STUDENT_DATA)
        async with self._database.transaction() as connection:
            await lock_school_of(connection, student_id)
            await _require(connection, student_id, caller)
            # As a submission does: so none is accepted with this student meanwhile.
            sessions = await sessions_of_student(connection, student_id)
            await advance_fences(connection, sessions)
            if await is_being_marked(connection, student_id):
                raise StudentIsBeingMarked(
                    f"a batch with student {student_id} is being processed: wait for it, or cancel it",
                    studentId=student_id,
                )
            records = await erase_student(connection, student_id)
        log.info("a student was erased", student_id=student_id, rows=records, actor=caller.actor)
        return Erased(student_id, records)


async def _require(connection: Connection, student_id: int, caller: Caller) -> None:
    if not await sees_student(connection, caller, student_id):
        raise NotFound(f"there is no student {student_id}", studentId=student_id)
