"""Merges two records of one student."""

from __future__ import annotations

from collections.abc import Sequence

from adsum.absences.repository.planned import lock_absences, sessions_of_students
from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.platform.clock import Clock
from adsum.platform.database.answers import KeyedRequest, claim_key, store_result
from adsum.platform.database.contention import repeats_if_contended
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Invalid, NotFound, Violation, refuse
from adsum.platform.telemetry import logger
from adsum.privacy.access import require_student
from adsum.privacy.holds.repository import holds_of
from adsum.privacy.holds.rules import refuse_held
from adsum.privacy.merging.repository import (
    count_rows,
    find_doubles,
    lock_students,
    merge_of_removed,
    merges_into,
    move,
)
from adsum.privacy.merging.rules import ChoiceNeeded, Merge, MergeChoices, NamesNotConfirmed
from adsum.privacy.repository.references import lock_schools_of, open_batches_with
from adsum.privacy.rules import StudentIsBeingMarked
from adsum.roster.repository.students import find_student
from adsum.roster.session_fence import advance_fences
from adsum.schools.locks import lock_imports

log = logger(__name__)


class StudentMerges:
    """Merges of two records of one student. Every method raises Forbidden without `student:data`."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def preview(self, student_id: int, removed_id: int, choices: MergeChoices, caller: Caller) -> Merge:
        """The result of `merge` if it ran now. Raises as `merge`, except ChoiceNeeded and NamesNotConfirmed: doubles
        without a choice have no `prefer`, and the merge has warnings.
        """
        require_permission(caller, Permission.STUDENT_DATA)
        async with self._database.snapshot() as connection:
            if (before := await _merged_before(connection, student_id, removed_id, caller)) is not None:
                return before.repeated(choices)
            return await _preview(connection, student_id, removed_id, choices, caller)

    @repeats_if_contended
    async def merge(
        self,
        student_id: int,
        removed_id: int,
        choices: MergeChoices,
        caller: Caller,
        keyed: KeyedRequest[Merge] | None = None,
    ) -> Merge:
        """Moves everything of the record `removed_id` to the student, and lets its source id name the student.

        It is idempotent: the same merge again returns the first one, which then `is_repeated`. All of it happens, or
        nothing.

        Raises:
            Forbidden: without `student:data`.
            NotFound: the student does not exist, is not visible, or was merged into another one.
            OtherSchools: the caller does not see all schools of both.
            StudentOnHold: the data of the removed record are on hold.
            StudentIsBeingMarked: an open run names one of both.
            ChoiceNeeded: both have a record in some sessions, and `choices` do not choose.
            NamesNotConfirmed: the names differ, and `choices` do not allow it.
            Invalid: with all violations: the removed record does not exist, or a choice chooses nothing.
        """
        require_permission(caller, Permission.STUDENT_DATA)
        pair = [student_id, removed_id]
        async with self._database.transaction() as connection:
            await claim_key(connection, keyed)
            await lock_imports(connection)
            await lock_schools_of(connection, pair)
            if (before := await _merged_before(connection, student_id, removed_id, caller)) is not None:
                repeated = before.repeated(choices)
                await store_result(connection, keyed, repeated)
                return repeated
            await _lock_data_of(connection, pair)
            merge = await _preview(connection, student_id, removed_id, choices, caller)
            school_id = await require_student(connection, student_id, caller)
            _refuse_unclear(merge, choices)
            await move(connection, merge.by(caller, self._now()), caller)
            done = await merge_of_removed(connection, removed_id)
            assert done is not None
            await record(
                connection,
                caller,
                Action.STUDENTS_MERGED,
                school_id=school_id,
                student_id=student_id,
                after={"removedId": removed_id, "records": done.moved.records},
            )
            await store_result(connection, keyed, done)
        log.info("students merged", student_ids=pair, rows=done.moved.records, actor=caller.actor)
        return done

    async def merges(self, student_id: int, caller: Caller) -> Sequence[Merge]:
        """The merges into a student, the newest first. Raises NotFound, and OtherSchools."""
        require_permission(caller, Permission.STUDENT_DATA)
        async with self._database.snapshot() as connection:
            await require_student(connection, student_id, caller)
            return await merges_into(connection, student_id)


async def _lock_data_of(connection: Connection, student_ids: Sequence[int]) -> None:
    await lock_absences(connection, student_ids)
    # The fence that submissions take, so that none with these students is accepted meanwhile.
    await advance_fences(connection, await sessions_of_students(connection, student_ids))
    await lock_students(connection, student_ids)


async def _preview(
    connection: Connection, student_id: int, removed_id: int, choices: MergeChoices, caller: Caller
) -> Merge:
    await require_student(connection, student_id, caller)
    await _require_removed(connection, student_id, removed_id, caller)
    refuse_held(removed_id, await holds_of(connection, removed_id))
    await _refuse_open_batches(connection, (student_id, removed_id))
    doubles = await find_doubles(connection, caller, student_id, removed_id, choices)
    refuse(list(choices.violations(doubles)))
    student, removed = [await find_student(connection, caller, each) for each in (student_id, removed_id)]
    assert student is not None
    assert removed is not None
    return Merge(student, removed, await count_rows(connection, removed_id, doubles), doubles)


def _refuse_unclear(merge: Merge, choices: MergeChoices) -> None:
    violations = merge.violations(choices)
    undecided = sum(each.prefer is None for each in merge.doubles)
    if undecided:
        sessions = "1 session" if undecided == 1 else f"{undecided} sessions"
        raise ChoiceNeeded(f"both have a record in {sessions}: choose which one holds in each", violations)
    if violations:
        raise NamesNotConfirmed(violations[0].detail, violations)


async def _merged_before(connection: Connection, student_id: int, removed_id: int, caller: Caller) -> Merge | None:
    done = await merge_of_removed(connection, removed_id)
    if done is None or done.student.id != student_id:
        return None
    await require_student(connection, student_id, caller)
    return done


async def _require_removed(connection: Connection, student_id: int, removed_id: int, caller: Caller) -> None:
    at, params = "/removedStudentId", {"studentId": removed_id}
    if removed_id == student_id:
        detail = "a student cannot be merged into their own record: name two records"
        raise Invalid(detail, [Violation("same_student", detail, at, params)])
    try:
        await require_student(connection, removed_id, caller)
    except NotFound as error:
        raise Invalid(error.detail, [Violation("unknown_student", error.detail, at, params)]) from None


async def _refuse_open_batches(connection: Connection, student_ids: Sequence[int]) -> None:
    open_batches = [
        Violation(
            StudentIsBeingMarked.code,
            f"batch {batch.id} with student {student_id} is being processed: wait for it, or cancel it",
            params={"batchId": batch.id, "studentId": student_id},
        )
        for student_id in student_ids
        for batch in await open_batches_with(connection, student_id)
    ]
    if open_batches:
        raise StudentIsBeingMarked(open_batches[0].detail, open_batches)
