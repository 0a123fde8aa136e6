"""Whose mark stands: the office's before a teacher's, what is known beforehand before `present`."""

from __future__ import annotations

from datetime import date

from adsum.absences.precedence import Precedence, Ruling
from adsum.absences.rules import Absence, KnownAbsence
from adsum.attendance.rules import Mark, RecordedMark
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.batches.plan import make_plan
from adsum.batches.rules import OnExisting

DAY = date(2024, 12, 25)
KNOWN = {4: KnownAbsence(9, 4, Absence(DAY, DAY, "excused", "doctor"))}
EXCUSED = Mark("excused", absence_id=9)


def rule(
    asked: dict[int, Mark],
    *,
    deliberate: set[int] | None = None,
    existing: dict[int, RecordedMark] | None = None,
    overrules: bool = False,
) -> Ruling:
    precedence = Precedence(KNOWN, existing or {}, SchoolStatuses())
    return precedence.rule(asked, deliberate or set(), overrules=overrules)


def test_all_present_is_filled_with_what_is_known_and_contradicts_nobody() -> None:
    assert rule({4: Mark("present"), 5: Mark("present")}) == Ruling({4: EXCUSED, 5: Mark("present")}, {})


def test_present_on_purpose_is_kept_beside_what_is_known() -> None:
    assert rule({4: Mark("present")}, deliberate={4}) == Ruling({4: EXCUSED}, {4: Mark("present")})


def test_absent_on_purpose_agrees_with_what_explains_it_and_keeps_its_note() -> None:
    ruling = rule({4: Mark("absent", "not here")}, deliberate={4})

    assert ruling == Ruling({4: Mark("excused", "not here", absence_id=9)}, {})


def test_who_says_the_same_is_taken_at_their_word() -> None:
    assert rule({4: Mark("excused")}, deliberate={4}) == Ruling({4: Mark("excused")}, {})


def test_the_office_has_the_last_word_on_whom_it_names_and_not_by_all_present() -> None:
    asked = {4: Mark("present")}

    assert rule(asked, deliberate={4}, overrules=True) == Ruling(asked, {})
    assert rule(asked, overrules=True) == Ruling({4: EXCUSED}, {})


def test_what_the_office_decided_in_sight_of_the_absence_stands_before_it() -> None:
    decided = {4: RecordedMark("late", version=2, is_offices=True)}

    assert rule({4: Mark("present")}, existing=decided) == Ruling({4: Mark("present")}, {})
    assert rule({4: Mark("present")}, deliberate={4}, existing=decided).contradictions == {4: Mark("present")}
    assert rule({4: Mark("late")}, deliberate={4}, existing=decided).contradictions == {}


def test_a_cleared_mark_of_the_offices_is_filled_again() -> None:
    cleared = {4: RecordedMark(None, version=2, is_offices=True)}

    assert rule({4: Mark("present")}, existing=cleared) == Ruling({4: EXCUSED}, {})


def test_a_status_that_the_school_no_longer_has_agrees_with_nothing_else() -> None:
    unknown = {5: RecordedMark("trip", version=1, is_offices=True)}

    assert rule({5: Mark("absent")}, deliberate={5}, existing=unknown).contradictions == {5: Mark("absent")}


def test_a_teachers_own_earlier_mark_is_no_contradiction() -> None:
    own = {5: RecordedMark("present", version=1)}

    assert rule({5: Mark("late")}, deliberate={5}, existing=own) == Ruling({5: Mark("late")}, {})


def test_a_teacher_updates_their_own_marks_and_not_the_offices() -> None:
    existing = {1: RecordedMark("present", version=1), 2: RecordedMark("late", version=1, is_offices=True)}
    asked = {1: Mark("absent"), 2: Mark("absent")}

    plan = make_plan(asked, existing, OnExisting.UPDATE, overrules=False)

    assert [job.student_id for job in plan.jobs] == [1]
    assert [conflict.student_id for conflict in plan.conflicts] == [2]
    assert len(make_plan(asked, existing, OnExisting.UPDATE).jobs) == 2


def test_a_mark_without_times_leaves_them_and_one_with_others_changes_them() -> None:
    existing = {1: RecordedMark("late", version=1, arrived_at="08:10")}

    assert not make_plan({1: Mark("late")}, existing, OnExisting.UPDATE).jobs
    assert make_plan({1: Mark("late", arrived_at="08:20")}, existing, OnExisting.UPDATE).jobs
