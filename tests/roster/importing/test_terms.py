"""Terms of roster files: the school's calendar, when classes run, and the dates of enrolments without any."""

from __future__ import annotations

from datetime import date

import pytest

from adsum.accounts.access import system_caller
from adsum.attendance.closed_marks import marks_on_closed_days
from adsum.batches.submission import Selection, Submission
from adsum.batches.validate import CheckedSubmission, Request, check_submissions
from adsum.operations.migrations import tables
from adsum.platform.errors import Invalid
from adsum.platform.paging import PageRequest
from adsum.registers.day_roster import read_day_roster
from adsum.schools.calendar.service import SchoolCalendar
from tests.roster.conftest import Importing, places_and_codes
from tests.roster.files import a_class, a_school
from tests.roster.importing.terms import BETWEEN, IN_FIRST, IN_SECOND, LATER, due_on, opening
from tests.roster.terms_files import EARLY, FIRST, LATE, SECOND, YEAR, term, with_terms


async def submitted(importing: Importing, day: date, *, force: bool = False) -> CheckedSubmission | set[str]:
    """The plan of marking the only class on a day, or the codes of its violations."""
    (session,) = await importing.rows(tables.sessions)
    reason = "A makeup lesson" if force else None
    submission = Submission(
        session["class_id"], session["id"], day.isoformat(), Selection(is_selected_all=True), force=force, reason=reason
    )
    async with importing.database.snapshot() as connection:
        (check,) = await check_submissions(
            connection, [Request(submission, system_caller())], now=LATER, max_batch_size=100
        )
    if isinstance(check, Invalid):
        return {violation.code for violation in check.violations}
    assert isinstance(check, CheckedSubmission)
    return check


async def enrolled_on(importing: Importing, day: date) -> int:
    (session,) = await importing.rows(tables.sessions)
    async with importing.database.snapshot() as connection:
        roster = await read_day_roster(connection, system_caller(), session["class_id"], day, None, LATER)
    return len(roster.students)


async def test_a_class_runs_in_its_terms_and_registers_rosters_and_plans_agree(importing: Importing) -> None:
    report = await importing.run(with_terms(None, FIRST))

    assert (report.violation_count, report.warning_count) == (0, 0)
    assert [await due_on(importing, day) for day in (IN_FIRST, BETWEEN, IN_SECOND)] == [1, 0, 0]
    assert [await enrolled_on(importing, day) for day in (IN_FIRST, BETWEEN, IN_SECOND)] == [3, 0, 0]
    plan = await submitted(importing, IN_FIRST)
    assert isinstance(plan, CheckedSubmission)
    assert len(plan.requested) == 3
    assert await submitted(importing, BETWEEN) == {"school_closed", "empty_roster"}
    assert await submitted(importing, IN_SECOND) == {"outside_class_terms", "empty_roster"}
    assert await submitted(importing, IN_SECOND, force=True) == {"empty_roster"}


async def test_the_last_day_of_a_term_is_the_one_before_its_end(importing: Importing) -> None:
    await importing.run(with_terms(None, FIRST))

    assert [await due_on(importing, date(2024, 10, 31)), await due_on(importing, date(2024, 11, 1))] == [1, 0]


async def test_an_enrolment_with_dates_keeps_them_and_the_class_still_runs_in_its_terms_only(
    importing: Importing,
) -> None:
    await importing.run(with_terms(None, FIRST, dated=True))

    assert set((await importing.spans()).values()) == {(date(2024, 9, 2), date(2024, 11, 1))}
    roster = with_terms(None, FIRST, dated=True)
    for row in roster.tables["enrollments"]:
        row["endDate"] = "2025-06-01"
    await importing.run(roster)

    assert await due_on(importing, IN_SECOND) == 0
    assert await submitted(importing, IN_SECOND) == {"outside_class_terms"}
    plan = await submitted(importing, IN_SECOND, force=True)
    assert isinstance(plan, CheckedSubmission)
    assert plan.forced_reason == "A makeup lesson"


async def test_a_class_of_several_terms_does_not_run_between_them(importing: Importing) -> None:
    await importing.run(with_terms(None, FIRST, SECOND))

    assert [await due_on(importing, day) for day in (IN_FIRST, BETWEEN, IN_SECOND)] == [1, 0, 1]
    assert set((await importing.spans()).values()) == {(date(2024, 9, 1), date(2025, 6, 1))}


async def test_a_teacher_without_dates_teaches_in_the_terms_of_the_class(importing: Importing) -> None:
    await importing.run(with_terms(None, FIRST))

    (teaching,) = await importing.rows(tables.class_teachers)
    assert (teaching["begin_date"], teaching["end_date"]) == (date(2024, 9, 1), date(2024, 11, 1))


@pytest.mark.parametrize(
    ("named", "open_in", "due"),
    [
        ([YEAR], [FIRST, SECOND], [1, 0, 1]),
        ([EARLY], [FIRST, SECOND], [0, 0, 0]),
        ([LATE], [FIRST, SECOND], [1, 0, 0]),
        ([], [FIRST, SECOND], [1, 0, 1]),
    ],
    ids=["a school year", "the first grading period", "the second grading period", "no term"],
)
async def test_the_school_is_open_in_the_narrowest_terms_above_grading_periods(
    importing: Importing, named: list[str], open_in: list[str], due: list[int]
) -> None:
    await importing.run(with_terms(None, *named))

    assert await opening(importing) == open_in
    assert [await due_on(importing, day) for day in (IN_FIRST, BETWEEN, IN_SECOND)] == due


async def test_the_terms_are_in_the_calendar_of_the_school(importing: Importing) -> None:
    await importing.run(with_terms(None, FIRST))
    calendar = SchoolCalendar(importing.database, lambda: LATER, marks_on_closed_days)
    (school,) = await importing.rows(tables.schools)

    page = await calendar.terms(school["id"], system_caller(), PageRequest(limit=10))

    assert [(each.source_id, each.kind, each.parent_source_id, each.opens_school) for each in page.items] == [
        (YEAR, "schoolYear", None, False),
        (FIRST, "semester", YEAR, True),
        (SECOND, "semester", YEAR, True),
        (EARLY, "gradingPeriod", FIRST, False),
        (LATE, "gradingPeriod", FIRST, False),
    ]


async def test_an_unknown_term_is_a_warning_with_its_place_and_bounds_nothing(importing: Importing) -> None:
    report = await importing.run(with_terms(None, FIRST, "third"))

    assert places_and_codes(report.warnings) == [("classes.csv:2", "unknown_term")]
    assert report.warnings[0].params == {"file": "classes.csv", "row": 2, "column": "termSourcedIds", "term": "third"}
    assert [await due_on(importing, day) for day in (IN_FIRST, BETWEEN, IN_SECOND)] == [1, 0, 1]
    assert set((await importing.spans()).values()) == {(None, None)}


async def test_without_academic_sessions_one_warning_says_that_terms_are_unknown(importing: Importing) -> None:
    roster = with_terms(a_school(classes=2), FIRST)
    sessions = roster.tables.pop("academicSessions")
    report = await importing.run(roster)

    assert places_and_codes(report.warnings) == [("classes.csv", "unknown_terms")]
    assert await due_on(importing, BETWEEN) == 2
    roster.tables["academicSessions"] = sessions
    assert (await importing.run(roster)).warnings == ()
    assert await due_on(importing, BETWEEN) == 0


async def test_wrong_academic_sessions_are_left_out_with_their_places(importing: Importing) -> None:
    roster = with_terms(None, FIRST)
    roster.tables["academicSessions"] += [
        term("reversed", "term", "2025-01-01", "2025-01-01"),
        term("odd", "trimester", "2025-01-01", "2025-02-01"),
        term("undated", "term", "", "soon"),
        term("lonely", "ext:block", "2025-01-01", "2025-02-01", "nobody"),
        term(FIRST, "semester", "2025-01-01", "2025-02-01"),
    ]
    report = await importing.run(roster)

    assert places_and_codes(report.violations) == [
        ("academicSessions.csv:7", "end_before_begin"),
        ("academicSessions.csv:8", "unknown_type"),
        ("academicSessions.csv:9", "missing_value"),
        ("academicSessions.csv:9", "date_format"),
        ("academicSessions.csv:11", "repeated_id"),
    ]
    assert places_and_codes(report.warnings) == [("academicSessions.csv:10", "unknown_term")]
    assert await due_on(importing, IN_FIRST) == 1


async def test_academic_sessions_that_are_parts_of_themselves_are_named_and_have_no_parent(
    importing: Importing,
) -> None:
    roster = with_terms(a_school(), FIRST)
    year = roster.row("academicSessions", YEAR)
    year["parentSourcedId"] = FIRST
    roster.tables["academicSessions"].append(term("own", "term", "2025-01-01", "2025-02-01", "own"))
    report = await importing.run(roster)
    rows = {row["sourcedId"]: number for number, row in enumerate(roster.tables["academicSessions"], start=2)}

    circles = [warning for warning in report.warnings if warning.code == "circular_terms"]
    assert {(each.params["row"], *each.params["terms"]) for each in circles} == {
        (rows[YEAR], YEAR, FIRST, YEAR),
        (rows[FIRST], FIRST, YEAR, FIRST),
        (rows["own"], "own", "own"),
    }
    assert f"{FIRST} in {YEAR} in {FIRST}" in "".join(each.detail for each in circles)
    parents = {row["source_id"]: row["parent_source_id"] for row in await importing.rows(tables.terms)}
    assert [parents[each] for each in (YEAR, FIRST, "own")] == [None, None, None]
    assert (await importing.run(roster)).changes_nothing


async def test_each_school_is_open_in_the_school_year_that_its_own_classes_name(importing: Importing) -> None:
    roster = with_terms(None, FIRST)
    roster.tables["orgs"].append({"sourcedId": "school-2", "status": "active", "name": "Birkenhof", "type": "school"})
    roster.tables["classes"].append({**a_class("class-2", school="school-2"), "termSourcedIds": "other"})
    roster.tables["academicSessions"].append(term("other", "schoolYear", "2024-08-15", "2025-07-15"))
    await importing.run(roster)

    schools = {row["id"]: row["source_id"] for row in await importing.rows(tables.schools)}
    found = {
        (schools[row["school_id"]], row["source_id"])
        for row in await importing.rows(tables.terms)
        if row["opens_school"]
    }
    assert found == {("school-1", FIRST), ("school-1", SECOND), ("school-2", "other")}
