"""The plan of a run: students to insert, to update, to keep, and conflicts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsum.attendance.rules import Mark, RecordedMark
from adsum.batches.rules import OnExisting
from adsum.batches.run import AttendanceJob, MarkConflict, Plan, conflicts_with, make_plan, recorded_already

PRESENT, ABSENT, LATE = Mark("present"), Mark("absent"), Mark("late", "bus")
SKIP, UPDATE, FAIL = OnExisting.SKIP, OnExisting.UPDATE, OnExisting.FAIL

statuses = st.sampled_from(["present", "absent", "late"])
notes = st.none() | st.sampled_from(["bus", "ill"])
requests = st.dictionaries(st.integers(1, 9), st.builds(Mark, statuses, notes))
records = st.dictionaries(
    st.integers(1, 9), st.builds(RecordedMark, st.none() | statuses, notes, st.integers(min_value=1, max_value=5))
)


def test_a_student_without_a_record_is_inserted() -> None:
    assert make_plan({1: PRESENT, 2: LATE}, {}, SKIP) == Plan(
        (AttendanceJob(1, PRESENT), AttendanceJob(2, LATE)), (), ()
    )


def test_an_existing_record_is_kept_and_a_different_mark_is_a_conflict() -> None:
    existing = RecordedMark("late", "bus", 3)
    assert make_plan({1: PRESENT}, {1: existing}, SKIP) == Plan((), (1,), (MarkConflict(1, existing, PRESENT),))


@pytest.mark.parametrize("on_existing", list(OnExisting))
def test_an_existing_record_with_the_same_mark_is_not_a_conflict(on_existing: OnExisting) -> None:
    assert make_plan({1: PRESENT}, {1: RecordedMark("present", None, 2)}, on_existing) == Plan((), (1,), ())


def test_an_update_names_the_version_of_the_current_record() -> None:
    assert make_plan({1: ABSENT}, {1: RecordedMark("present", None, 4)}, UPDATE).jobs == (AttendanceJob(1, ABSENT, 4),)


@pytest.mark.parametrize("on_existing", list(OnExisting))
def test_a_cleared_mark_counts_as_none_and_is_marked_again(on_existing: OnExisting) -> None:
    existing = {1: RecordedMark(None, None, 2)}
    assert make_plan({1: PRESENT}, existing, on_existing) == Plan((AttendanceJob(1, PRESENT, 2),), (), ())
    assert recorded_already({1: PRESENT}, existing) == []


@pytest.mark.parametrize(
    ("mark", "same"),
    [
        (Mark("late"), True),
        (Mark("late", "bus"), True),
        (Mark("late", "ill"), False),
        (Mark("late", ""), False),
        (Mark("present", "bus"), False),
    ],
)
def test_a_mark_without_a_note_keeps_the_existing_note(mark: Mark, same: bool) -> None:
    assert RecordedMark("late", "bus", 1).is_unchanged_by(mark) is same


def test_unmarked_students_are_not_in_the_plan() -> None:
    assert make_plan({}, {1: RecordedMark("present", None, 1)}, UPDATE) == Plan((), (), ())


@given(requests, records, st.sampled_from(OnExisting))
def test_every_marked_student_is_a_job_or_kept_in_the_order_of_the_marks(
    requested: dict[int, Mark], existing: dict[int, RecordedMark], on_existing: OnExisting
) -> None:
    plan = make_plan(requested, existing, on_existing)
    planned = [job.student_id for job in plan.jobs]
    assert sorted([*planned, *plan.kept]) == sorted(requested)
    assert plan.total == len(requested)
    assert planned == [student for student in requested if student in planned]
    assert {conflict.student_id for conflict in plan.conflicts} <= set(plan.kept)


@given(requests, records)
def test_exactly_the_kept_students_with_a_different_mark_are_conflicts(
    requested: dict[int, Mark], existing: dict[int, RecordedMark]
) -> None:
    plan = make_plan(requested, existing, SKIP)
    differing = [student for student in plan.kept if not existing[student].is_unchanged_by(requested[student])]
    assert [conflict.student_id for conflict in plan.conflicts] == differing


@given(requests, records)
def test_an_update_has_no_conflicts(requested: dict[int, Mark], existing: dict[int, RecordedMark]) -> None:
    assert make_plan(requested, existing, UPDATE).conflicts == ()


def test_recorded_students_are_named_regardless_of_their_mark() -> None:
    existing = {1: RecordedMark("present", None, 1), 2: RecordedMark("late", None, 1), 9: RecordedMark("late", None, 1)}
    assert recorded_already({3: PRESENT, 2: PRESENT, 1: PRESENT}, existing) == [2, 1]


def test_every_different_mark_of_a_skipped_request_is_a_conflict() -> None:
    existing = {1: RecordedMark("present"), 2: RecordedMark("late", "bus")}
    assert conflicts_with({1: PRESENT, 2: ABSENT, 3: PRESENT}, existing) == (
        MarkConflict(2, existing[2], ABSENT),
        MarkConflict(3, None, PRESENT),
    )


@pytest.mark.parametrize(("size", "lengths"), [(1, [1, 1, 1, 1, 1]), (2, [2, 2, 1]), (5, [5]), (500, [5])])
def test_jobs_are_cut_into_chunks_in_order(size: int, lengths: list[int]) -> None:
    plan = make_plan(dict.fromkeys(range(5), PRESENT), {}, SKIP)
    chunks = plan.chunks(size)
    assert [len(chunk) for chunk in chunks] == lengths
    assert tuple(job for chunk in chunks for job in chunk) == plan.jobs


def test_a_plan_without_jobs_has_no_chunks() -> None:
    assert Plan((), (1,), ()).chunks(500) == ()


def test_a_stored_job_omits_unset_fields() -> None:
    assert AttendanceJob(7, PRESENT).to_json() == {"student": 7, "status": "present"}
    assert json.loads(json.dumps(AttendanceJob(7, LATE, 2).to_json())) == {
        "student": 7,
        "status": "late",
        "note": "bus",
        "version": 2,
    }
