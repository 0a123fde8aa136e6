"""Precedence of the office's marks and of planned absences over a teacher's marks."""

from __future__ import annotations

from datetime import date

from adsum.absences.precedence import Precedence, ResolvedMarks
from adsum.absences.rules import AppliedAbsence, StudentAbsence
from adsum.attendance.rules import Mark, RecordedMark
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.batches.rules import OnExisting
from adsum.batches.run import make_plan

DAY = date(2024, 12, 25)
ABSENCES = {4: StudentAbsence(9, 4, AppliedAbsence(DAY, DAY, "excused"))}
EXCUSED = Mark("excused", absence_id=9)


def resolve(
    requested: dict[int, Mark],
    *,
    explicit: set[int] | None = None,
    recorded: dict[int, RecordedMark] | None = None,
    overrules: bool = False,
) -> ResolvedMarks:
    precedence = Precedence(ABSENCES, recorded or {}, SchoolStatuses())
    return precedence.resolve(requested, explicit or set(), overrules=overrules)


def test_all_present_records_the_planned_absence_and_disputes_nothing() -> None:
    assert resolve({4: Mark("present"), 5: Mark("present")}) == ResolvedMarks({4: EXCUSED, 5: Mark("present")}, {})


def test_an_explicit_present_is_stored_beside_the_planned_absence() -> None:
    assert resolve({4: Mark("present")}, explicit={4}) == ResolvedMarks({4: EXCUSED}, {4: Mark("present")})


def test_an_explicit_late_is_stored_beside_the_planned_absence_and_keeps_its_time() -> None:
    resolved = resolve({4: Mark("late", arrived_at="08:20")}, explicit={4})

    recorded = Mark("excused", arrived_at="08:20", absence_id=9)
    assert resolved == ResolvedMarks({4: recorded}, {4: Mark("late", arrived_at="08:20")})


def test_an_explicit_absent_agrees_with_the_planned_absence_and_keeps_its_note() -> None:
    resolved = resolve({4: Mark("absent", "not here")}, explicit={4})

    assert resolved == ResolvedMarks({4: Mark("excused", "not here", absence_id=9)}, {})


def test_an_explicit_mark_with_the_planned_status_is_recorded_as_it_is() -> None:
    assert resolve({4: Mark("excused")}, explicit={4}) == ResolvedMarks({4: Mark("excused")}, {})


def test_the_office_overrules_an_absence_by_naming_the_student_and_not_by_all_present() -> None:
    requested = {4: Mark("present")}

    assert resolve(requested, explicit={4}, overrules=True) == ResolvedMarks(requested, {})
    assert resolve(requested, overrules=True) == ResolvedMarks({4: EXCUSED}, {})


def test_a_mark_that_the_office_set_after_the_absence_takes_precedence_over_it() -> None:
    decided = {4: RecordedMark("late", version=2, is_offices=True)}

    assert resolve({4: Mark("present")}, recorded=decided) == ResolvedMarks({4: Mark("present")}, {})
    assert resolve({4: Mark("present")}, explicit={4}, recorded=decided).disputed == {4: Mark("present")}
    assert resolve({4: Mark("late")}, explicit={4}, recorded=decided).disputed == {}


def test_the_absence_is_recorded_again_after_the_office_has_cleared_the_mark() -> None:
    cleared = {4: RecordedMark(None, version=2, is_offices=True)}

    assert resolve({4: Mark("present")}, recorded=cleared) == ResolvedMarks({4: EXCUSED}, {})


def test_a_status_that_the_school_does_not_have_agrees_only_with_itself() -> None:
    unknown = {5: RecordedMark("trip", version=1, is_offices=True)}

    assert resolve({5: Mark("absent")}, explicit={5}, recorded=unknown).disputed == {5: Mark("absent")}


def test_a_mark_that_differs_from_the_teachers_own_record_disputes_nothing() -> None:
    own = {5: RecordedMark("present", version=1)}

    assert resolve({5: Mark("late")}, explicit={5}, recorded=own) == ResolvedMarks({5: Mark("late")}, {})


def test_a_teachers_update_changes_teachers_marks_and_not_the_offices() -> None:
    existing = {1: RecordedMark("present", version=1), 2: RecordedMark("late", version=1, is_offices=True)}
    requested = {1: Mark("absent"), 2: Mark("absent")}

    plan = make_plan(requested, existing, OnExisting.UPDATE, overrules=False)

    assert [job.student_id for job in plan.jobs] == [1]
    assert [conflict.student_id for conflict in plan.conflicts] == [2]
    assert len(make_plan(requested, existing, OnExisting.UPDATE).jobs) == 2


def test_a_mark_without_times_keeps_the_recorded_times_and_a_mark_with_other_times_changes_them() -> None:
    existing = {1: RecordedMark("late", version=1, arrived_at="08:10")}

    assert not make_plan({1: Mark("late")}, existing, OnExisting.UPDATE).jobs
    assert make_plan({1: Mark("late", arrived_at="08:20")}, existing, OnExisting.UPDATE).jobs
