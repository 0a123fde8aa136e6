"""Exports and erases the data of a student."""

from __future__ import annotations

from adsum.absences.repository.planned import lock_absences, sessions_of_students
from adsum.accounts.access import Caller, Permission, require_confirmed, require_permission
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.named_schools import require_school
from adsum.platform.clock import Clock
from adsum.platform.database.contention import repeats_if_contended
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.tombstones import Erased, remove_tombstone
from adsum.platform.errors import NotFound
from adsum.platform.telemetry import logger
from adsum.privacy.access import require_student
from adsum.privacy.holds.repository import holds_of
from adsum.privacy.holds.rules import refuse_held
from adsum.privacy.repository.erasure import erase_student
from adsum.privacy.repository.export import personal_data
from adsum.privacy.repository.references import lock_schools_of, open_batches_with
from adsum.privacy.rules import ErasedStudent, PersonalData, StudentIsBeingMarked
from adsum.roster.session_fence import advance_fences
from adsum.schools.locks import lock_imports

log = logger(__name__)


class StudentData:
    """Exports and erasures. Records each in the audit log, and logs it with its caller and the id of the student."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def export(self, student_id: int, caller: Caller) -> PersonalData:
        """All data about a student, with the entry of this export in the audit log.

        Raises:
            Forbidden: without `student:data`.
            ConfirmationNeeded: the caller has confirmed their sign-in too long ago.
            NotFound: the student does not exist or is not visible.
            OtherSchools: the caller does not see all schools of the student.
        """
        require_permission(caller, Permission.STUDENT_DATA)
        require_confirmed(caller)
        async with self._database.transaction() as connection:
            school_id = await require_student(connection, student_id, caller)
            await record(connection, caller, Action.STUDENT_EXPORTED, school_id=school_id, student_id=student_id)
        async with self._database.snapshot() as connection:
            await require_student(connection, student_id, caller)
            data = await personal_data(connection, student_id)
        log.info("student data exported", student_id=student_id, actor=caller.actor)
        return data

    @repeats_if_contended
    async def erase(self, student_id: int, caller: Caller) -> ErasedStudent:
        """Deletes a student with their enrolments, records, history, failures, absences and marks in plans.

        The counts of batches stay: they contain no personal data. So does a tombstone without a name, so that later
        imports leave the student out until `readmit`.

        Raises:
            Forbidden: without `student:data`.
            ConfirmationNeeded: the caller has confirmed their sign-in too long ago.
            NotFound: the student does not exist or is not visible.
            OtherSchools: the caller does not see all schools of the student.
            StudentOnHold: the data of the student are on hold.
            StudentIsBeingMarked: an open run names the student.
        """
        require_permission(caller, Permission.STUDENT_DATA)
        require_confirmed(caller)
        async with self._database.transaction() as connection:
            school_id = await _lock_erasable(connection, student_id, caller)
            await _keep_submissions_away(connection, student_id)
            await _refuse_open_batches(connection, student_id)
            records = await erase_student(connection, student_id, self._now())
            after = {"records": records}
            await record(
                connection, caller, Action.STUDENT_ERASED, school_id=school_id, student_id=student_id, after=after
            )
        await self._truncate_log(student_id)
        log.info("student erased", student_id=student_id, rows=records, actor=caller.actor)
        return ErasedStudent(student_id, records)

    async def _truncate_log(self, student_id: int) -> None:
        """Erased data also leave the log of SQLite, which would keep them for a while."""
        if not await self._database.truncate_log():
            log.warning("the erased data leaves the database's log within an hour", student_id=student_id)

    async def readmit(self, school_id: int, source_id: str, caller: Caller) -> None:
        """Lets later imports of the school add an erased student again, as a new student without history.

        Raises:
            Forbidden: without `student:data`.
            NotFound: the school does not exist or is not visible; or no student with this source id was erased there.
        """
        require_permission(caller, Permission.STUDENT_DATA)
        async with self._database.transaction() as connection:
            await require_school(connection, caller, school_id)
            if not await remove_tombstone(connection, Erased.STUDENT, school_id, source_id):
                raise NotFound("no student with this source id was erased at this school", schoolId=school_id)
            await record(connection, caller, Action.STUDENT_READMITTED, school_id=school_id)
        log.info("student readmitted", school_id=school_id, actor=caller.actor)


async def _lock_erasable(connection: Connection, student_id: int, caller: Caller) -> int | None:
    """Locks the schools and the absences of a student. Returns the school; None if they are of several.

    Raises NotFound, OtherSchools, StudentOnHold: as `StudentData.erase`.
    """
    # Before any lock on a school: an import gives students schools, and locks most schools last.
    await lock_imports(connection)
    await lock_schools_of(connection, [student_id])
    school_id = await require_student(connection, student_id, caller)
    refuse_held(student_id, await holds_of(connection, student_id))
    await lock_absences(connection, [student_id])
    return school_id


async def _keep_submissions_away(connection: Connection, student_id: int) -> None:
    """Takes the fence that submissions take, so that none with this student is accepted meanwhile."""
    await advance_fences(connection, await sessions_of_students(connection, [student_id]))


async def _refuse_open_batches(connection: Connection, student_id: int) -> None:
    if await open_batches_with(connection, student_id):
        detail = f"a batch with student {student_id} is being processed: wait for it, or cancel it"
        raise StudentIsBeingMarked(detail, studentId=student_id)
