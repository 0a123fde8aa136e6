"""Academic sessions for the tests: a school year of two semesters, of which the first has two grading periods."""

from __future__ import annotations

from tests.roster.files import Roster, Row, a_school

YEAR, FIRST, SECOND, EARLY, LATE = "year", "first", "second", "early", "late"


def term(source_id: str, kind: str, begin: str, end: str, parent: str = "") -> Row:
    return {
        "sourcedId": source_id,
        "status": "active",
        "title": f"Title of {source_id}",
        "type": kind,
        "startDate": begin,
        "endDate": end,
        "parentSourcedId": parent,
    }


def with_terms(roster: Roster | None = None, *named: str, dated: bool = False) -> Roster:
    """A school whose classes run in the terms `named`; `dated`: whether enrolments have dates of their own."""
    roster = roster or a_school()
    roster.tables["academicSessions"] = [
        term(YEAR, "schoolYear", "2024-08-01", "2025-07-01"),
        term(FIRST, "semester", "2024-09-01", "2024-11-01", YEAR),
        term(SECOND, "semester", "2024-12-01", "2025-06-01", YEAR),
        term(EARLY, "gradingPeriod", "2024-09-01", "2024-10-01", FIRST),
        term(LATE, "gradingPeriod", "2024-10-01", "2024-11-01", FIRST),
    ]
    for row in roster.tables["classes"]:
        row["termSourcedIds"] = ",".join(named)
    if not dated:
        for row in roster.tables["enrollments"]:
            row["beginDate"] = row["endDate"] = ""
    return roster
