"""A roster of two schools, and a student who moves between them."""

from __future__ import annotations

from datetime import date

import pytest

from tests.roster.files import Roster, a_class, a_school, enrolment, user

OTHER = "school-2"
MOVED = "student-1"
OLD, NEW = f"class-1-{MOVED}", f"class-2-{MOVED}"
DAY = date(2024, 10, 15)
BEGIN = date(2024, 9, 2)


@pytest.fixture
def roster() -> Roster:
    """Twelve students at `SCHOOL`; the other school has a class and one student."""
    roster = a_school(students=12)
    roster.add("orgs", sourcedId=OTHER, name="Rosenhof", type="school")
    roster.tables["classes"].append(a_class("class-2", school=OTHER))
    roster.tables["users"].append(user("native", "student", "Grace", "Hopper", orgs=OTHER))
    return roster


def transferred(roster: Roster, day: str = "2024-10-15") -> Roster:
    """The student is one of the other school now; the old enrolment ends, and a new one begins, on `day`."""
    roster.row("users", MOVED)["orgSourcedIds"] = OTHER
    roster.row("enrollments", OLD)["endDate"] = day
    roster.tables["enrollments"].append(enrolment("class-2", MOVED, begin=day, school=OTHER))
    return roster
