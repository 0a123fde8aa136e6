"""Each violation in a file is named with its line, and an invalid file records nothing."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus

import pytest

from adsum.accounts.access import Caller, Role, system_caller
from adsum.attendance.statuses.rules import CountsAs, Status
from adsum.batches.marks_import import grouping, rules
from adsum.batches.marks_import.rules import MarksOptions
from adsum.platform.errors import Invalid, Violation
from adsum.platform.files import listed_violations
from adsum.platform.http.list_files import FileKind
from adsum.wiring import Adsum
from tests.batches.marks_import.conftest import DAY, HEADER, Elsewhere, Files
from tests.support.api import violations
from tests.support.schools import caller, enrol, make_bare_school, make_class, make_session, make_student


async def test_every_invalid_line_is_named_and_nothing_is_recorded(files: Files, elsewhere: Elsewhere) -> None:
    first, second, third = files.students
    lines = [
        files.line(first),
        files.line(second, class_id="nowhere"),
        files.line(second, session="9"),
        files.line("nobody"),
        files.line(elsewhere.student_id),
        files.line(second, "asleep"),
        files.line(second, day="12/25/2024"),
        files.line(second, day="2025-02-29"),
        f"{files.api.school.class_id},,{third}",
        files.line(first, "absent"),
        ",,,,,,,",
    ]
    answer = await files.send(*lines)

    errors = answer.json()["errors"]
    assert {(each["pointer"], each["code"], each["params"].get("column")) for each in errors} == {
        ("marks.csv:3", "unknown_class", "class"),
        ("marks.csv:4", "session_not_of_class", "session"),
        ("marks.csv:5", "unknown_student", "student"),
        ("marks.csv:6", "not_enrolled", "studentId"),
        ("marks.csv:7", "unknown_status", "status"),
        ("marks.csv:8", "date_ambiguous", "date"),
        ("marks.csv:9", "date_impossible", "date"),
        ("marks.csv:10", "wrong_columns", None),
        ("marks.csv:11", "student_repeated", "studentId"),
    }
    details = {each["pointer"]: each["detail"] for each in errors}
    assert details["marks.csv:5"] == "line 5: there is no student 'nobody'"
    assert "is already in line 2" in details["marks.csv:11"]
    assert (await files.api.get("/attendances/batches")).json()["items"] == []


async def test_a_wrong_day_and_a_wrong_time_are_named_with_their_columns(files: Files) -> None:
    line = f"{files.line(files.students[2], day='2099-01-01')},,8.00,"

    answer = await files.send(line, header=f"{HEADER},note,arrivedAt,leftAt")

    assert [(error["pointer"], error["code"], error["params"]["column"]) for error in answer.json()["errors"]] == [
        ("marks.csv:2", "date_in_future", "date"),
        ("marks.csv:2", "wrong_form", "arrivedAt"),
    ]


async def test_a_source_id_without_its_zeros_marks_no_other_student(adsum: Adsum, files: Files) -> None:
    async with adsum.database.transaction() as connection:
        school = files.api.school
        class_id = await make_class(connection, school.school_id, source_id="k-7")
        await make_session(connection, class_id, period="1")
        zeros = await make_student(connection, school.school_id, source_id="0117")
        other = await make_student(connection, school.school_id, id=117)
        await enrol(connection, class_id, [zeros, other])
    header = "class,session,student,date,status"

    refused = await files.send("k-7,1,117,2024-12-25,absent", "k-7,1,0117,2024-12-25,late", header=header)
    teacher = await files.send("k-7,1,117,2024-12-25,absent", header=header, role="teacher")

    (error,) = refused.json()["errors"]
    assert (error["pointer"], error["code"], error["params"]["close"]) == ("marks.csv:2", "unknown_student", ["0117"])
    assert error["detail"] == ("line 2: there is no student '117'; '0117' exists: the file may have lost leading zeros")
    assert "0117" not in teacher.text
    assert await files.api.statuses() == {}
    assert (await files.api.get("/attendances/batches")).json()["items"] == []


async def test_names_of_students_close_to_an_unknown_one_are_shown_to_who_sees_them(
    adsum: Adsum, files: Files, elsewhere: Elsewhere
) -> None:
    async with adsum.database.transaction() as connection:
        school = files.api.school
        await enrol(connection, elsewhere.class_id, [elsewhere.student_id])
        await enrol(connection, school.class_id, [await make_student(connection, school.school_id, source_id="s-0104")])
    lines = [files.line(name) for name in ("S-99", "S-0104")]

    by_office, by_teacher = await files.send(*lines), await files.send(*lines, role="teacher")

    assert [error["params"].get("close") for error in by_office.json()["errors"]] == [["s-99"], ["s-0104"]]
    assert [error["params"].get("close") for error in by_teacher.json()["errors"]] == [None, ["s-0104"]]


async def test_an_ambiguous_status_is_refused_with_its_codes(adsum: Adsum, files: Files) -> None:
    ill = Status("ill", "P", "I", CountsAs.ABSENT)  # its label is the letter of `present`
    await adsum.statuses.add(files.api.school.school_id, ill, caller(Role.ADMIN))

    answer = await files.send(files.line(files.students[0], "P", class_id="nowhere"))

    assert [(error["code"], error["params"].get("codes")) for error in answer.json()["errors"]] == [
        ("ambiguous_status", ["present", "ill"]),
        ("unknown_class", None),
    ]
    assert [error["params"]["column"] for error in answer.json()["errors"]] == ["status", "class"]


async def test_a_line_with_an_ambiguous_status_counts_once(
    adsum: Adsum, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    ill = Status("ill", "P", "I", CountsAs.ABSENT)
    await adsum.statuses.add(files.api.school.school_id, ill, caller(Role.ADMIN))
    monkeypatch.setattr(rules, "MARKS", replace(rules.MARKS, max_rows=1))

    assert violations(await files.send(files.line(files.students[0], "P"))) == {("marks.csv:2", "ambiguous_status")}


async def test_a_row_with_names_that_differ_or_without_names_is_refused(
    adsum: Adsum, files: Files, elsewhere: Elsewhere
) -> None:
    async with adsum.database.transaction() as connection:
        await enrol(connection, elsewhere.class_id, [elsewhere.student_id])
    own, first = files.api.school.class_id, files.students[0]

    answer = await files.send(
        f"ma-7c,{own},,,,{first},2024-12-25,late,,",
        f"ma-7c,{elsewhere.class_id},,{elsewhere.session_id},s-99,{first},2024-12-25,late,2024-12-25,",
        f"ma-7c,{elsewhere.class_id},2,{elsewhere.session_id},s-99,,2024-12-25,late,2024-12-24,",
        ",,,,,,12/25/2024,late,,",
        header=f"{HEADER},learningDate,classTitle",
    )

    errors = [(error["pointer"], error["code"], error["params"].get("columns")) for error in answer.json()["errors"]]
    assert errors[:3] == [
        ("marks.csv:2", "names_differ", ["class", "classId"]),
        ("marks.csv:3", "names_differ", ["student", "studentId"]),
        ("marks.csv:4", "names_differ", ["date", "learningDate"]),
    ]
    assert [error[:2] for error in errors[3:]] == [
        ("marks.csv:5", "missing_value"),
        ("marks.csv:5", "missing_value"),
        ("marks.csv:5", "date_ambiguous"),
    ]


async def test_one_day_in_two_forms_is_one_day_and_two_days_are_shown(files: Files) -> None:
    header, student = "classId,sessionId,studentId,status,date,learningDate", files.students[0]
    school = files.api.school

    def line(first: str, second: str) -> str:
        return f"{school.class_id},{school.session_id},{student},late,{first},{second}"

    right = await files.send(line("25.12.2024", "2024-12-25"), header=header, dryRun=True)
    wrong = await files.send(line("25.12.2024", "2024-12-24"), line("25.13.2024", "yesterday"), header=header)

    assert right.status_code == HTTPStatus.OK, right.text
    first, *others = wrong.json()["errors"]
    assert first["detail"] == (
        "line 2: date '25.12.2024' and learningDate '2024-12-24' do not name the same: "
        "date is 2024-12-25, learningDate is 2024-12-24"
    )
    assert [(error["code"], error["params"]["column"]) for error in others] == [
        ("date_impossible", "date"),
        ("date_format", "learningDate"),
    ]


async def test_an_error_of_the_day_or_the_session_is_in_the_column_that_the_file_uses(files: Files) -> None:
    school, student = files.api.school, files.students[0]
    header = "classId,sessionId,studentId,status,learningDate"
    closed = f"/schools/{school.school_id}/closed-days/2024-12-25"
    assert (await files.api.change("PUT", closed, "office", None, json={"reason": "Christmas"})).is_success

    answer = await files.send(f"{school.class_id},{school.session_id},{student},late,2024-12-25", header=header)

    assert [(error["code"], error["params"]["column"]) for error in answer.json()["errors"]] == [
        ("school_closed", "learningDate")
    ]


async def test_a_class_of_another_school_is_named_with_the_school_if_the_caller_sees_it(
    adsum: Adsum, files: Files
) -> None:
    async with adsum.database.transaction() as connection:
        other = await make_bare_school(connection, name="Parkschule")
        class_id = await make_class(connection, other, source_id="p-1")
        await make_session(connection, class_id)
    lines = [f"{name},,,s-1,,2024-12-25,late" for name in ("p-1,", f",{class_id}", "q-1,")]
    content = "\n".join([HEADER, *lines])
    school_id = files.api.school.school_id

    async def refused(who: Caller) -> list[Violation]:
        with pytest.raises(Invalid) as error:
            await adsum.marks_import.import_file(school_id, content.encode(), who, MarksOptions())
        return [each for each in error.value.violations if each.code == "unknown_class"]

    by_admin, by_office = await refused(caller(Role.ADMIN)), await refused(caller(Role.OFFICE, school_id))

    assert [each.params.get("schools") for each in by_admin] == [["Parkschule"], ["Parkschule"], None]
    assert by_admin[0].detail == (
        "line 2: there is no class 'p-1' with a session at this school; it is a class of Parkschule"
    )
    assert [each.params.get("schools") for each in by_office] == [None, None, None]


async def test_a_file_without_marks_is_refused(files: Files) -> None:
    answer = await files.send_bytes(f"{HEADER}\n1,,1,2024-12-25,Späti\n".encode("latin-1"))

    assert answer.status_code == HTTPStatus.BAD_REQUEST, answer.text
    assert violations(answer) == {("marks.csv:2", "wrong_encoding")}


async def test_the_number_of_reported_errors_is_limited(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed_violations, "MAX_LISTED_VIOLATIONS", 2)
    right = files.line(files.students[0])

    answer = await files.send(right, *[files.line("y", class_id="x")] * 3)

    assert violations(answer) == {("marks.csv:3", "unknown_class"), ("marks.csv:4", "unknown_class")}
    assert answer.json()["detail"] == "the file has 3 errors; 2 of them are listed"
    assert answer.json()["params"] == {"total": 3}


async def test_the_number_of_lines_and_batches_is_limited(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [files.line(files.students[0], day=day) for day in ("2024-12-02", "2024-12-03")]
    limits = ((rules, "MARKS", replace(rules.MARKS, max_rows=1)), (grouping, "MAX_BATCHES", 1))
    for module, limit, value in limits:
        with monkeypatch.context() as patched:
            patched.setattr(module, limit, value)
            assert violations(await files.send(*lines)) == {("marks.csv", "too_long")}


async def test_without_a_school_the_errors_of_the_file_come_first(adsum: Adsum, files: Files) -> None:
    async with adsum.database.transaction() as connection:
        await make_bare_school(connection)

    async def errors(line: str) -> list[tuple[str, str]]:
        content = f"class,session,student,date,status\n{line}\n".encode()
        with pytest.raises(Invalid) as refused:
            await adsum.marks_import.import_file(None, content, system_caller(), rules.MarksOptions())
        return [(each.pointer, each.code) for each in refused.value.violations]

    school_missing = ("/schoolId", "missing_field")
    assert await errors("7b,1,s-1,soon,present") == [("marks.csv:2", "date_format"), school_missing]
    assert await errors(f"7b,1,s-1,{DAY},present") == [school_missing]


async def test_a_teacher_imports_own_classes_and_learns_nothing_about_others(
    adsum: Adsum, files: Files, elsewhere: Elsewhere
) -> None:
    before_they_taught = files.line(files.students[0], day="2024-09-01")
    accepted = await files.send(files.line(files.students[0]), role="teacher", dryRun=True)
    others = await files.send(
        files.line("s-99", class_id="ma-7c", session="2"),
        files.line("s-99", class_id="nowhere", session="2"),
        files.line("s-99"),
        files.line("s-00"),
        files.line(elsewhere.student_id),
        before_they_taught,
        role="teacher",
    )

    assert accepted.status_code == HTTPStatus.OK, accepted.text
    assert violations(others) == {
        ("marks.csv:2", "unknown_class"),
        ("marks.csv:3", "unknown_class"),
        ("marks.csv:4", "not_on_roster"),
        ("marks.csv:5", "not_on_roster"),
        ("marks.csv:6", "not_on_roster"),
        ("marks.csv:7", "unknown_class"),
    }
    details = {error["detail"].partition(": ")[2] for error in others.json()["errors"]}
    assert "student 's-99' is not on the roster of this class on that day" in details
    assert "student 's-00' is not on the roster of this class on that day" in details


async def test_import_requires_permission(adsum: Adsum, files: Files) -> None:
    async with adsum.database.transaction() as connection:
        other = await make_bare_school(connection)
    line = files.line(files.students[0])

    assert (await files.send(line, role="viewer")).status_code == HTTPStatus.FORBIDDEN
    assert (await files.send(line, schoolId=other)).status_code == HTTPStatus.NOT_FOUND
    as_json = await files.send(line, kind="application/json")
    assert as_json.status_code == HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    assert (as_json.json()["detail"], as_json.json()["params"]) == (
        f"send the body with Content-Type: text/csv or {FileKind.XLSX}",
        {"accepted": ["text/csv", FileKind.XLSX]},
    )
    assert violations(await files.send(line, onExisting="fail")) == {("/query/onExisting", "unknown_value")}
