"""Accept: promises, refusals and repeated requests."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from adsum.accounts.access import Caller, Role, system_caller
from adsum.attendance.rules import Mark, RecordedMark
from adsum.batches.queue.ledger import LedgerKeys
from adsum.batches.repository import jobs
from adsum.batches.rules import BatchState, OnExisting
from adsum.batches.run import MarkConflict
from adsum.batches.service import Attendance
from adsum.batches.submission import Selection, StudentMark
from adsum.platform.errors import Forbidden, IdempotencyKeyReused, Invalid, RecordsExist
from adsum.platform.settings import Settings
from adsum.wiring import Adsum, open_adsum
from tests.support.installation import RunWorker, ended
from tests.support.runs import DAY, batch_of, count_records, make_run, records, updates
from tests.support.schools import SchoolIds, caller, make_record, make_school
from tests.support.submissions import status_of, submission

SYSTEM = system_caller()
PRESENT, LATE = Mark("present"), Mark("late", "bus")


def marking(*student_ids: int, mark: Mark = LATE) -> Selection:
    return Selection(False, marks=[StudentMark(student_id, mark) for student_id in student_ids])


async def test_twenty_concurrent_requests_with_one_key_make_one_run_and_get_one_response(
    adsum: Adsum, school: SchoolIds
) -> None:
    request = submission(school, idempotency_key="monday")
    results = await asyncio.gather(*(adsum.attendances.create_batch(request, SYSTEM) for _ in range(20)))
    assert sorted(result.is_repeated for result in results) == [False] + [True] * 19
    assert all(replace(result, is_repeated=True) == replace(results[0], is_repeated=True) for result in results)
    assert (results[0].added_jobs, results[0].is_skipped) == (30, False)


async def test_twenty_concurrent_requests_without_a_key_make_one_run(adsum: Adsum, school: SchoolIds) -> None:
    results = await asyncio.gather(*(adsum.attendances.create_batch(submission(school), SYSTEM) for _ in range(20)))
    assert len({result.run_id for result in results}) == 1
    assert sorted(result.is_skipped for result in results) == [False] + [True] * 19


async def test_a_key_reused_with_another_body_is_refused(adsum: Adsum, school: SchoolIds) -> None:
    await adsum.attendances.create_batch(submission(school, idempotency_key="monday"), SYSTEM)
    other = submission(school, idempotency_key="monday", selection=marking(school.student_ids[0]))
    with pytest.raises(IdempotencyKeyReused):
        await adsum.attendances.create_batch(other, SYSTEM)


async def test_keys_of_different_callers_are_independent(adsum: Adsum, school: SchoolIds) -> None:
    request = submission(school, idempotency_key="monday")
    first = await adsum.attendances.create_batch(request, SYSTEM)
    teacher = caller(Role.TEACHER, school.school_id, school.teacher_id)
    assert not first.is_skipped
    assert (await adsum.attendances.create_batch(request, teacher)).is_skipped


async def test_marks_of_a_second_teacher_that_are_not_applied_are_conflicts(adsum: Adsum, school: SchoolIds) -> None:
    one, two, three, *_ = school.student_ids
    async with adsum.database.transaction() as connection:
        await make_record(connection, school.school_id, batch_of(school), three, status="excused")
    first = await adsum.attendances.create_batch(submission(school, selection=marking(one)), SYSTEM)
    second = await adsum.attendances.create_batch(
        submission(school, selection=marking(one, two, three, mark=PRESENT)), SYSTEM
    )
    assert (second.is_skipped, second.run_id, second.added_jobs, second.skipped_jobs) == (True, first.run_id, 0, 3)
    assert second.conflicts == (
        MarkConflict(one, RecordedMark("late", "bus"), PRESENT),
        MarkConflict(two, None, PRESENT),
        MarkConflict(three, RecordedMark("excused", None, 1, is_offices=True), PRESENT),
    )


async def test_a_correction_made_while_the_run_is_open_is_the_current_mark(adsum: Adsum, school: SchoolIds) -> None:
    """The run has recorded `present`, and a user corrected it to `late`: another request for `late` has no conflict."""
    one, *_ = school.student_ids
    async with adsum.database.transaction() as connection:
        await make_record(connection, school.school_id, batch_of(school), one, status="late", version=3)
        await make_run(connection, school, updates({one: 1, school.student_ids[1]: 1}))
    request = submission(school, selection=marking(one, mark=Mark("late")))
    result = await adsum.attendances.create_batch(request, SYSTEM)
    assert (result.is_skipped, result.conflicts) == (True, ())


async def test_an_open_run_without_pending_jobs_is_closed_first_and_its_lock_released(
    adsum: Adsum, school: SchoolIds, redis: Redis, worker: RunWorker
) -> None:
    """As after a worker died between writing and settling, and its message was lost."""
    one, two, *_ = school.student_ids
    first = await adsum.attendances.create_batch(submission(school, selection=marking(one)), SYSTEM)
    async with adsum.database.transaction() as connection:
        assert first.run_id is not None
        await jobs.insert_records(connection, [jobs.JobSlice(first.run_id, 0)])
    second = await adsum.attendances.create_batch(submission(school, selection=marking(two)), SYSTEM)
    keys = LedgerKeys("", batch_of(school))
    assert (second.is_skipped, second.added_jobs) == (False, 1)
    assert await redis.get(keys.lock) == second.run_id
    assert not await redis.exists(keys.ticket(one))
    async with worker():
        assert (await ended(adsum, second.batch_id)).tally.recorded == 1


async def test_no_run_is_created_if_closing_the_open_run_leaves_no_job(
    adsum: Adsum, school: SchoolIds, redis: Redis
) -> None:
    request = submission(school)
    first = await adsum.attendances.create_batch(request, SYSTEM)
    async with adsum.database.transaction() as connection:
        assert first.run_id is not None
        await jobs.insert_records(connection, [jobs.JobSlice(first.run_id, 0)])
    second = await adsum.attendances.create_batch(request, SYSTEM)
    assert (second.run_id, second.is_new_run, second.is_skipped, second.skipped_jobs) == (
        first.run_id,
        False,
        False,
        30,
    )
    assert (await status_of(adsum, second)).state is BatchState.COMPLETED
    keys = LedgerKeys("", batch_of(school))
    assert await redis.exists(keys.marker)
    assert not await redis.exists(keys.lock, keys.counter, *map(keys.ticket, school.student_ids))


async def test_a_completely_recorded_class_needs_no_run(adsum: Adsum, school: SchoolIds) -> None:
    one, *_ = school.student_ids
    async with adsum.database.transaction() as connection:
        await make_record(connection, school.school_id, batch_of(school), one)
    result = await adsum.attendances.create_batch(submission(school, selection=marking(one)), SYSTEM)
    assert (result.run_id, result.total_jobs, result.skipped_jobs) == (None, 1, 1)
    assert [conflict.student_id for conflict in result.conflicts] == [one]


async def test_on_existing_fail_refuses_the_request_if_any_student_is_recorded(adsum: Adsum, school: SchoolIds) -> None:
    one, two, *_ = school.student_ids
    async with adsum.database.transaction() as connection:
        await make_record(connection, school.school_id, batch_of(school), two)
    request = submission(school, selection=marking(one, two), on_existing=OnExisting.FAIL)
    with pytest.raises(RecordsExist) as error:
        await adsum.attendances.create_batch(request, SYSTEM)
    assert [(violation.pointer, violation.params) for violation in error.value.violations] == [
        ("/marks/1/studentId", {"studentId": two})
    ]
    fine = submission(school, selection=marking(one), on_existing=OnExisting.FAIL)
    assert (await adsum.attendances.create_batch(fine, SYSTEM)).added_jobs == 1


async def test_a_caller_without_permission_is_refused_before_validation(adsum: Adsum, school: SchoolIds) -> None:
    with pytest.raises(Forbidden):
        await adsum.attendances.create_batch(
            submission(school, learning_date="nonsense"), Caller(Role.KEY, frozenset())
        )


async def test_all_violations_are_named_including_an_invalid_roster_version(adsum: Adsum, school: SchoolIds) -> None:
    request = submission(
        school,
        roster_version="nonsense",
        selection=Selection(False, selected=[school.student_ids[0], 999_999], unselected=[school.student_ids[0]]),
    )
    with pytest.raises(Invalid) as error:
        await adsum.attendances.create_batch(request, SYSTEM)
    assert {violation.code for violation in error.value.violations} == {
        "wrong_roster_version",
        "student_in_both_lists",
        "unknown_student",
    }


async def test_a_list_of_attendances_is_one_batch(adsum: Adsum, school: SchoolIds, worker: RunWorker) -> None:
    one, two, *_ = school.student_ids
    attendances = [
        Attendance(school.class_id, school.session_id, DAY, one),
        Attendance(school.class_id, school.session_id, DAY, two, "late", "bus"),
    ]
    result = await adsum.attendances.process_batch_attendances(attendances, SYSTEM)
    async with worker():
        assert (await ended(adsum, result.batch_id)).tally.recorded == 2
    async with adsum.database.snapshot() as connection:
        found = await records(connection, batch_of(school))
    assert found == {one: RecordedMark("present", None, 1), two: RecordedMark("late", "bus", 1)}


async def test_attendances_of_two_sessions_are_refused_and_the_differing_ones_named(
    adsum: Adsum, school: SchoolIds
) -> None:
    attendances = [Attendance(school.class_id, session, DAY, each) for each, session in enumerate([9, 9, 8, 9])]
    with pytest.raises(Invalid) as error:
        await adsum.attendances.process_batch_attendances(attendances, SYSTEM)
    assert [violation.pointer for violation in error.value.violations] == ["/2"]


async def test_violations_of_attendances_are_at_the_index_of_the_caller(adsum: Adsum, school: SchoolIds) -> None:
    one, two, *_ = school.student_ids
    students = [(one, "present", None), (999, "present", None), (two, "nowhere", None), (two, "late", "x" * 501)]
    attendances = [Attendance(school.class_id, school.session_id, DAY, *each) for each in students]
    with pytest.raises(Invalid) as error:
        await adsum.attendances.process_batch_attendances(attendances, SYSTEM)
    pointers = {violation.pointer: violation.code for violation in error.value.violations}
    assert pointers["/3/note"] == "note_too_long"
    assert {pointer.split("/")[1] for pointer in pointers} == {"1", "2", "3"}


async def test_errors_without_violations_are_raised_as_they_are(adsum: Adsum, school: SchoolIds) -> None:
    attendances = [Attendance(school.class_id, school.session_id, DAY, school.student_ids[0])]
    with pytest.raises(Forbidden):
        await adsum.attendances.process_batch_attendances(attendances, caller(Role.VIEWER, school.school_id))


async def test_an_empty_list_of_attendances_is_refused(adsum: Adsum) -> None:
    with pytest.raises(Invalid):
        await adsum.attendances.process_batch_attendances([], SYSTEM)


@pytest.mark.parametrize("note", ["x" * 501, "nul \x00", "half a letter \ud83d"])
async def test_a_note_that_cannot_be_stored_is_refused(adsum: Adsum, school: SchoolIds, note: str) -> None:
    attendances = [Attendance(school.class_id, school.session_id, DAY, school.student_ids[0], "late", note)]
    with pytest.raises(Invalid):
        await adsum.attendances.process_batch_attendances(attendances, SYSTEM)
    async with adsum.database.snapshot() as connection:
        assert await count_records(connection) == 0


async def test_a_class_without_enrolled_students_on_that_day_is_refused(adsum: Adsum, school: SchoolIds) -> None:
    with pytest.raises(Invalid) as error:
        await adsum.attendances.create_batch(submission(school, learning_date="2024-09-01"), SYSTEM)
    assert [violation.code for violation in error.value.violations] == ["empty_roster"]


async def test_a_batch_of_more_students_than_the_setting_allows_is_refused(settings: Settings) -> None:
    async with open_adsum(settings.model_copy(update={"max_batch_size": 2})) as small:
        async with small.database.transaction() as connection:
            school = await make_school(connection, students=3)
        for selection in (Selection(True), Selection(False, selected=[*school.student_ids, 998, 999])):
            with pytest.raises(Invalid) as error:
                await small.attendances.create_batch(submission(school, selection=selection), SYSTEM)
            assert [violation.code for violation in error.value.violations] == ["batch_too_large"]
