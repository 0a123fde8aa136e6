"""Names in files: source ids and Adsum's ids are never mixed, and an unknown name shows what is close to it."""

from __future__ import annotations

from typing import Any

import pytest

from adsum.platform.errors import Violation
from adsum.roster.naming.rules import CLASS, STUDENT, Name, NamedSession, NamedStudent, NameIndex, RosterNames, name_in

OURS = Name("class", "k-7")


def roster(*sessions: tuple[int, str, str | None]) -> RosterNames:
    """Names of class 7, `k-7`, with these sessions, and of students 117 and 5 (`0117`)."""
    named = [NamedSession(number, period, source_id, 7, "k-7") for number, period, source_id in sessions]
    return RosterNames(named, [NamedStudent(117, None), NamedStudent(5, "0117")])


@pytest.mark.parametrize(
    ("written", "difference"),
    [
        ("117", "the file may have lost leading zeros"),
        ("00117", "the file may have added leading zeros"),
    ],
)
def test_a_source_id_never_finds_an_id_of_adsum_and_what_is_close_is_named(written: str, difference: str) -> None:
    names, name = roster(), Name("student", written)

    assert names.student_of(name) == names.student_of(name) < 0
    assert names.student_of(Name("studentId", "117")) == 117
    assert names.student_of(Name("student", "0117")) == 5
    assert names.unknown_student("unknown_student", f"there is no {name}", name) == Violation(
        "unknown_student",
        f"there is no student '{written}'; '0117' exists: {difference}",
        params={"close": ["0117"]},
    )


@pytest.mark.parametrize(
    ("existing", "written", "hint"),
    [
        (["K-7"], "k-7", "; 'K-7' exists: upper and lower case differ"),
        (["k 7"], "k7", "; 'k 7' exists: blanks differ"),
        (["0K 7"], "k7", "; '0K 7' exists: they differ in case, blanks or leading zeros"),
        (["07", "007"], "7", "; '07' and '007' exist: the file may have lost leading zeros"),
        (["00", "a"], "0", "; '00' exists: the file may have lost leading zeros"),
        (["k-7"], "k-8", ""),
        (["k-7"], "1", "; it is an id of Adsum, which belongs in the column classId"),
    ],
)
def test_an_unknown_source_id_shows_what_is_close(existing: list[str], written: str, hint: str) -> None:
    index = NameIndex(CLASS, enumerate(existing, start=1))
    name = Name("class", written)

    assert index.find(name) is None
    assert index.unknown("unknown_class", "unknown", name).detail == f"unknown{hint}"


def test_a_source_id_in_the_column_of_adsums_ids_is_unknown_and_shows_its_column() -> None:
    index = NameIndex(STUDENT, [(5, "0117")])

    assert index.find(Name("studentId", "0117")) is None
    assert index.unknown("c", "unknown", Name("studentId", "0117")).detail == (
        "unknown; it is a source id, which belongs in the column student"
    )
    assert index.unknown("c", "unknown", Name("studentId", "05")).detail == "unknown"


def test_a_session_is_found_by_its_period_its_source_id_or_adsums_id() -> None:
    names = roster((1, "2", "mon"), (2, "", None), (3, "09", "2-b"))

    found = [names.session_of(OURS, Name(*name)) for name in (("session", "2"), ("session", "mon"), ("sessionId", "1"))]

    assert [session.id for session in found if isinstance(session, NamedSession)] == [1, 1, 1]
    assert names.session_of(Name("classId", "7"), Name("session", "")) == NamedSession(2, "", None, 7, "k-7")
    assert names.session_of(OURS, Name("session", "9")) == Violation(
        "session_not_of_class",
        "class 'k-7' has no session '9'; '09' exists: the file may have lost leading zeros",
        params={"close": ["09"]},
    )
    assert names.session_of(OURS, Name("session", "3")) == Violation(
        "session_not_of_class",
        "class 'k-7' has no session '3'; it is an id of Adsum, which belongs in the column sessionId",
    )


def test_the_period_of_one_session_and_the_source_id_of_another_are_not_mixed() -> None:
    found = roster((1, "2", None), (2, "3", "2")).session_of(OURS, Name("session", "2"))

    assert isinstance(found, Violation)
    assert found.code == "ambiguous_session"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"student": "s-1", "studentId": ""}, Name("student", "s-1")),
        ({"studentId": "1"}, Name("studentId", "1")),
        ({"student": "s-1", "studentId": "1"}, "student and studentId are both filled; leave one of them empty"),
        ({"student": "", "studentId": ""}, "student and studentId are both empty"),
        ({"student": ""}, "student is empty"),
    ],
)
def test_a_row_names_a_student_in_one_of_two_columns(cells: dict[str, str], expected: Any) -> None:
    violations: list[Violation] = []
    found = name_in(cells, STUDENT, violations)

    assert found or [violation.detail for violation in violations] == [expected]
    assert violations or found == expected


def test_an_empty_name_is_a_name_where_it_may_be_empty() -> None:
    assert name_in({"class": ""}, CLASS, [], may_be_empty=True) == Name("class", "")
