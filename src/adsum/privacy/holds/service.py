"""Places, lists and lifts holds on the data of students."""

from __future__ import annotations

from dataclasses import replace

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.named_schools import require_named_school
from adsum.platform.clock import Clock
from adsum.platform.database.answers import KeyedRequest, claim_key, store_result
from adsum.platform.database.contention import repeats_if_contended
from adsum.platform.database.engine import Database
from adsum.platform.errors import NotFound, refuse
from adsum.platform.paging import PageRequest, RowPage, begin_of, by_number, page_of
from adsum.platform.telemetry import logger
from adsum.privacy.access import require_student
from adsum.privacy.holds import repository as statements
from adsum.privacy.holds.rules import Hold, HoldExists, HoldReason, validate_reference
from adsum.privacy.repository.references import lock_schools_of
from adsum.roster.repository.membership import in_one_school

QUERY = "holds"

log = logger(__name__)


class StudentHolds:
    """Holds on the data of students. Every method raises Forbidden without `student:data`."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def page(self, caller: Caller, page: PageRequest, school_id: int | None = None) -> RowPage[Hold]:
        """One page of the holds in effect on students whom the caller sees, by id.

        `school_id`: only students of this school.

        Raises:
            NotFound: the caller does not see this school.
            Invalid: a wrong cursor.
        """
        require_permission(caller, Permission.STUDENT_DATA)
        query = (QUERY, school_id)
        after = begin_of(page, query, by_number) or 0
        async with self._database.snapshot() as connection:
            await require_named_school(connection, caller, school_id)
            seen_by = in_one_school(caller, school_id)
            rows = await statements.list_holds(connection, seen_by, after, page.limit + 1)
        return page_of(rows, page, query, lambda row: (row.id,))

    @repeats_if_contended
    async def place(
        self,
        student_id: int,
        reason: HoldReason,
        reference: str | None,
        caller: Caller,
        keyed: KeyedRequest[Hold] | None = None,
    ) -> Hold:
        """Places a hold. It waits for an erasure, a merge or a retention run that is deleting data of the student.

        Raises:
            NotFound: the student does not exist or is not visible.
            OtherSchools: the caller does not see all schools of the student.
            HoldExists: the student is on hold for this reason.
            Invalid: the reference is too long.
        """
        require_permission(caller, Permission.STUDENT_DATA)
        reference = (reference or "").strip() or None
        refuse(list(validate_reference(reference)))
        async with self._database.transaction() as connection:
            await claim_key(connection, keyed)
            # Deletions of data of the student lock these schools, too, and look for holds after that.
            await lock_schools_of(connection, [student_id])
            school_id = await require_student(connection, student_id, caller)
            if any(hold.reason == reason for hold in await statements.holds_of(connection, student_id)):
                raise HoldExists(f"student {student_id} is on hold for this reason already", studentId=student_id)
            hold = await statements.place(connection, student_id, reason.value, reference, caller, self._now())
            after = {"holdId": hold.id, "reason": hold.reason}
            await record(
                connection, caller, Action.HOLD_PLACED, school_id=school_id, student_id=student_id, after=after
            )
            await store_result(connection, keyed, hold)
        log.info("hold placed", student_id=student_id, actor=caller.actor)
        return hold

    async def lift(self, hold_id: int, caller: Caller) -> Hold:
        """Lifts a hold. A hold that is lifted already stays as it is.

        Raises:
            NotFound: there is no such hold, or its student is not visible.
            OtherSchools: the caller does not see all schools of the student.
        """
        require_permission(caller, Permission.STUDENT_DATA)
        async with self._database.transaction() as connection:
            hold = await statements.find_hold(connection, caller, hold_id)
            if hold is None:
                raise NotFound(f"there is no hold {hold_id}", holdId=hold_id)
            school_id = await require_student(connection, hold.student_id, caller)
            if hold.lifted_at is not None:
                return hold
            now = self._now()
            await statements.lift(connection, hold_id, caller, now)
            await record(
                *(connection, caller, Action.HOLD_LIFTED),
                school_id=school_id,
                student_id=hold.student_id,
                before={"holdId": hold.id, "reason": hold.reason},
            )
        log.info("hold lifted", student_id=hold.student_id, actor=caller.actor)
        return replace(
            hold,
            lifted_at=now,
            lifted_role=caller.role.value,
            lifted_user_id=caller.user_id,
            lifted_key_id=caller.key_id,
        )
