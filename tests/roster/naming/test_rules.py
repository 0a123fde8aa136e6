"""RowNames in files: source ids and Adsum's ids are never mixed, and an unknown name shows what is close to it."""

from __future__ import annotations

import pytest

from adsum.platform.errors import Violation
from adsum.roster.naming.rules import (
    CLASS_COLUMNS,
    SESSION_COLUMNS,
    STUDENT_COLUMNS,
    Name,
    NamedSession,
    NamedStudent,
    NameIndex,
    RosterNames,
    RowNames,
    classes_unknown,
    names_in,
    with_schools,
)

OURS = (Name("class", "k-7"),)


def roster(*sessions: tuple[int, str, str | None]) -> RosterNames:
    """RowNames of class 7, `k-7`, with these sessions, and of students 117 and 5 (`0117`)."""
    named = [NamedSession(number, period, source_id, 7, "k-7") for number, period, source_id in sessions]
    return RosterNames(named, [NamedStudent(117, None, 117), NamedStudent(5, "0117", 5)])


@pytest.mark.parametrize(
    ("written", "difference"),
    [
        ("117", "the file may have lost leading zeros"),
        ("00117", "the file may have added leading zeros"),
    ],
)
def test_a_source_id_never_finds_an_id_of_adsum_and_what_is_close_is_named(written: str, difference: str) -> None:
    names, name = roster(), Name("student", written)

    assert names.student_of((name,)) == names.student_of((name,)) == -1
    assert names.student_of((Name("studentId", "117"),)) == 117
    assert names.student_of((Name("student", "0117"),)) == 5
    assert names.with_similar_students("unknown_student", f"there is no {name}", (name,)) == Violation(
        "unknown_student",
        f"there is no student '{written}'; '0117' exists: {difference}",
        params={"column": "student", "close": ["0117"]},
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
    index = NameIndex(CLASS_COLUMNS, [(each, source_id, each) for each, source_id in enumerate(existing, start=1)])
    name = Name("class", written)

    assert index.find(name) is None
    assert index.unknown("unknown_class", "unknown", name).detail == f"unknown{hint}"


def test_a_source_id_in_the_column_of_adsums_ids_is_unknown_and_shows_its_column() -> None:
    index = NameIndex(STUDENT_COLUMNS, [(5, "0117", 5)])

    assert index.find(Name("studentId", "0117")) is None
    assert index.unknown("c", "unknown", Name("studentId", "0117")).detail == (
        "unknown; it is a source id, which belongs in the column student"
    )
    assert index.unknown("c", "unknown", Name("studentId", "05")).detail == "unknown"


def test_a_session_is_found_by_its_period_its_source_id_or_adsums_id() -> None:
    names = roster((1, "2", "mon"), (2, "", None), (3, "09", "2-b"))

    written = [("session", "2"), ("session", "mon"), ("sessionId", "1"), ("sessionSourcedId", "mon"), ("period", "2")]
    found = [names.session_of(OURS, (Name(*name),)) for name in written]

    assert [session.id for session in found if isinstance(session, NamedSession)] == [1] * len(written)
    by_id = names.session_of((Name("classId", "7"),), (Name("session", ""),))
    assert by_id == NamedSession(2, "", None, 7, "k-7")
    assert names.session_of(OURS, (Name("session", "9"),)) == Violation(
        "session_not_of_class",
        "class 'k-7' has no session '9'; '09' exists: the file may have lost leading zeros",
        params={"column": "session", "close": ["09"]},
    )
    assert names.session_of(OURS, (Name("session", "3"),)) == Violation(
        "session_not_of_class",
        "class 'k-7' has no session '3'; it is an id of Adsum, which belongs in the column sessionId",
        params={"column": "session"},
    )


def test_the_period_of_one_session_and_the_source_id_of_another_are_not_mixed() -> None:
    names, written = roster((1, "2", None), (2, "3", "2")), Name("session", "2")
    found = names.session_of(OURS, (written,))

    assert isinstance(found, Violation)
    assert (found.code, found.params) == ("ambiguous_session", {"column": "session"})
    for further, session_id in (
        (Name("sessionId", "1"), 1),
        (Name("sessionSourcedId", "2"), 2),
        (Name("period", "2"), 1),
    ):
        session = names.session_of(OURS, (written, further))
        assert isinstance(session, NamedSession)
        assert session.id == session_id


@pytest.mark.parametrize(
    ("class_names", "session_names", "code", "columns"),
    [
        ([("class", "k-7"), ("classId", "8")], [("session", "1")], "names_differ", ["class", "classId"]),
        (
            [("classId", "7"), ("classSourcedId", "k-8")],
            [("session", "1")],
            "names_differ",
            ["classId", "classSourcedId"],
        ),
        ([("classId", "7"), ("classSourcedId", "k-9")], [("session", "1")], "unknown_class", None),
        ([("class", "k-7")], [("sessionId", "1"), ("period", "2")], "names_differ", ["sessionId", "period"]),
        ([("class", "k-7")], [("sessionId", "1"), ("period", "3")], "session_not_of_class", None),
        (
            [("class", "k-7")],
            [("sessionId", "1"), ("sessionSourcedId", "tue")],
            "names_differ",
            ["sessionId", "sessionSourcedId"],
        ),
        ([("class", "k-7")], [("sessionId", "3")], "session_not_of_class", None),
        ([("class", "k-7"), ("classId", "7")], [("session", "mon"), ("sessionId", "1"), ("period", "1")], None, None),
    ],
)
def test_all_names_of_a_class_and_a_session_have_to_name_the_same(
    class_names: list[tuple[str, str]],
    session_names: list[tuple[str, str]],
    code: str | None,
    columns: list[str] | None,
) -> None:
    names = RosterNames(
        [
            NamedSession(1, "1", "mon", 7, "k-7"),
            NamedSession(2, "2", "tue", 7, "k-7"),
            NamedSession(3, "1", None, 8, "k-8"),
        ]
    )

    found = names.session_of(tuple(Name(*each) for each in class_names), tuple(Name(*each) for each in session_names))

    if code is None:
        assert found == NamedSession(1, "1", "mon", 7, "k-7")
    else:
        assert isinstance(found, Violation)
        assert (found.code, found.params.get("columns")) == (code, columns)


def test_all_names_of_a_student_have_to_name_the_same() -> None:
    names = roster()
    zeros, other = Name("studentId", "5"), Name("studentId", "117")
    source, nobody = Name("studentSourcedId", "0117"), Name("studentSourcedId", "0118")
    unseen = Name("studentId", "900")

    assert names.student_of((zeros, source)) == 5
    assert names.student_of((other, source)) == Violation(
        "names_differ",
        "studentId '117' and studentSourcedId '0117' do not name the same: "
        "studentId is student 117, studentSourcedId is student 5",
        params={
            "column": "studentId",
            "columns": ["studentId", "studentSourcedId"],
            "named": ["student 117", "student 5"],
        },
    )
    assert names.student_of((zeros, nobody)) == -1, "a source id that nobody has"
    assert names.student_of((unseen, source)) == -2, "another student's source id"


def test_adsums_id_of_a_student_whom_the_caller_does_not_see_is_left_to_the_validation() -> None:
    names, unseen = roster(), Name("studentId", "900")

    assert names.student_of((unseen,)) == names.student_of((unseen, Name("studentSourcedId", "s-900"))) == 900
    assert names.student_of((Name("studentId", "0900"),)) == -1, "as no export writes an id"
    assert names.student_of((Name("studentId", "9" * 19),)) == -2, "no database stores it"
    assert names.with_similar_students("c", "unknown", (unseen,)) == Violation(
        "c", "unknown", params={"column": "studentId"}
    )
    assert names.with_similar_students("c", "not enrolled", (Name("studentId", "5"),)) == Violation(
        "c", "not enrolled", params={"column": "studentId"}
    )


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"student": "s-1", "studentId": "", "studentSourcedId": ""}, (Name("student", "s-1"),)),
        ({"studentId": "1"}, (Name("studentId", "1"),)),
        ({"studentSourcedId": "s-1", "studentId": "1"}, (Name("studentId", "1"), Name("studentSourcedId", "s-1"))),
    ],
)
def test_the_filled_columns_name_a_student(cells: dict[str, str], expected: RowNames) -> None:
    violations: list[Violation] = []

    assert names_in(cells, STUDENT_COLUMNS, violations) == expected
    assert violations == []


@pytest.mark.parametrize(
    ("cells", "detail"),
    [
        ({"student": "", "class": "7b"}, "student is empty"),
        ({"student": "", "studentId": ""}, "student and studentId are both empty"),
        (dict.fromkeys(STUDENT_COLUMNS, ""), "student and studentId and studentSourcedId are all empty"),
    ],
)
def test_a_row_that_names_no_student_is_a_violation(cells: dict[str, str], detail: str) -> None:
    violations: list[Violation] = []

    assert names_in(cells, STUDENT_COLUMNS, violations) is None
    (violation,) = violations
    assert (violation.code, violation.detail) == ("missing_value", detail)
    assert violation.params["columns"] == [column for column in STUDENT_COLUMNS if column in cells]


@pytest.mark.parametrize("column", ["session", "sessionId", "sessionSourcedId", "period"])
def test_empty_cells_of_all_columns_name_the_session_without_a_period(column: str) -> None:
    violations: list[Violation] = []
    name = Name(column, "")

    assert names_in({column: ""}, SESSION_COLUMNS, violations, may_be_empty=True) == (name,)
    assert violations == []
    assert roster((1, "2", "mon"), (2, "", None)).session_of(OURS, (name,)) == NamedSession(2, "", None, 7, "k-7")
    assert roster((1, "2", "mon"), (3, "1", "tue")).session_of(OURS, (name,)) == Violation(
        "session_not_of_class",
        f"{column} is empty, but every session of class 'k-7' has a period: name one of '1', '2'",
        params={"column": column},
    )


def test_an_empty_cell_beside_a_filled_one_names_nothing() -> None:
    violations: list[Violation] = []
    cells = {"session": "2", "sessionId": ""}

    assert names_in(cells, SESSION_COLUMNS, violations, may_be_empty=True) == (Name("session", "2"),)


def test_at_most_ten_periods_are_listed() -> None:
    names = roster(*((number, f"{number:02}", None) for number in range(1, 13)))
    found = names.session_of(OURS, (Name("session", ""),))

    assert isinstance(found, Violation)
    assert found.detail.endswith("'10' and 2 more")


def test_the_ids_of_a_merged_record_name_the_student() -> None:
    """Records 31 (`s-31`) and 40, of another home school, were merged into student 5."""
    merged = [NamedStudent(5, "s-31", 31), NamedStudent(5, "s-5", 5), NamedStudent(5, None, 40)]
    names = RosterNames([], merged)
    kept, removed, elsewhere = (Name("studentId", "5"),), (Name("studentId", "31"),), (Name("studentId", "40"),)

    for written in (kept, removed, elsewhere, (Name("student", "s-31"),), (*removed, Name("studentSourcedId", "s-31"))):
        assert names.student_of(written) == 5
    assert names.names_same_record(removed, (Name("student", "s-31"),))
    assert names.names_same_record(kept, (Name("student", "s-5"),))
    assert not names.names_same_record(kept, removed)
    assert not names.names_same_record((Name("student", "s-5"),), (Name("student", "s-31"),))
    assert not names.names_same_record(kept, (Name("studentId", "999"),))


def test_the_source_id_of_a_merged_record_may_name_a_later_student_of_the_school() -> None:
    names = RosterNames([], [NamedStudent(5, "s-31", 31), NamedStudent(7, "s-31", 7)])

    assert names.student_of((Name("student", "s-31"),)) == 7
    assert names.names_same_record((Name("student", "s-31"),), (Name("studentId", "7"),))


def test_a_class_of_other_schools_is_named_with_them() -> None:
    names = RosterNames([NamedSession(1, "", None, 7, "k-7")])
    unknown = [names.unknown_class(Name("class", text)) for text in ("k-8", "k-9")]
    schools = {Name("class", "k-8"): ["Lindenhof"]}
    other = Violation("unknown_status", "x")

    assert classes_unknown([*unknown, other]) == {Name("class", "k-8"), Name("class", "k-9")}
    unstorable = names.unknown_class(Name("class", "k\x00"))
    assert classes_unknown([unstorable]) == set()
    many = [names.unknown_class(Name("class", f"k-{number}")) for number in range(2_000)]
    assert len(classes_unknown(many)) == 1_000
    first, second, third = with_schools([*unknown, other], schools)
    assert first.detail == "there is no class 'k-8' with a session at this school; it is a class of Lindenhof"
    assert first.params == {"column": "class", "name": "k-8", "schools": ["Lindenhof"]}
    assert (second, third) == (unknown[1], other)
    (of_many,) = with_schools(unknown[:1], {Name("class", "k-8"): ["A", "B", "C", "D", "E"]})
    assert of_many.detail.endswith("it is a class of A, B, C and 2 more schools")
