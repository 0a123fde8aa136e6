"""Lists and rosters over HTTP."""

from __future__ import annotations

from codecs import BOM_UTF8
from datetime import date
from http import HTTPStatus

import httpx2
import pytest

from adsum.accounts.access import Role
from adsum.platform.ids import Batch
from adsum.roster.rules import roster_version
from tests.attendance.conftest import Reader
from tests.support.schools import SchoolIds, assign, make_record, make_school, make_session

CHRISTMAS = date(2024, 12, 25)
PATHS = ("/classes", "/classes/1/roster", "/sessions", "/students", "/attendances")


@pytest.fixture
async def school(reader: Reader) -> SchoolIds:
    """Two students who are recorded on Christmas Day, in the first of two sessions."""
    async with reader.adsum.database.transaction() as connection:
        school = await make_school(connection, students=2)
        await make_session(connection, school.class_id, period="2", title="Period 2")
        for student_id in school.student_ids:
            batch = Batch(school.class_id, school.session_id, CHRISTMAS)
            await make_record(connection, school.school_id, batch, student_id)
    return school


def wrong_in(answer: httpx2.Response) -> set[str]:
    """Returns the names of the invalid parameters in a 422."""
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return {entry["params"]["name"] for entry in answer.json()["errors"]}


def codes_in(answer: httpx2.Response) -> list[str]:
    return [entry["code"] for entry in answer.json()["errors"]]


async def test_the_roster_of_a_day_with_its_version(reader: Reader, school: SchoolIds) -> None:
    await reader.sign_in(Role.OFFICE, school.school_id)

    answer = await reader.get(f"/classes/{school.class_id}/roster?date=2024-12-25")

    assert answer.status_code == HTTPStatus.OK
    assert answer.json() == {
        "classId": school.class_id,
        "date": "2024-12-25",
        "rosterVersion": roster_version(school.student_ids),
        "items": [
            {
                "studentId": student_id,
                "sourcedId": None,
                "givenName": f"Given {number}",
                "familyName": f"Family {number:04}",
                "grade": None,
                "knownStatus": None,
            }
            for number, student_id in enumerate(school.student_ids, 1)
        ],
    }


@pytest.mark.parametrize("path", ["/classes", "/sessions", "/students"])
async def test_each_list_of_the_roster_is_narrowed_by_the_school_id(
    reader: Reader, school: SchoolIds, path: str
) -> None:
    async with reader.adsum.database.transaction() as connection:
        other = await make_school(connection, students=1)
    await reader.sign_in(Role.ADMIN)

    ids = [
        {item["id"] for item in (await reader.get(f"{path}?schoolId={school_id}")).json()["items"]}
        for school_id in (school.school_id, other.school_id)
    ]

    expected = {
        "/classes": [{school.class_id}, {other.class_id}],
        "/students": [{*school.student_ids}, {*other.student_ids}],
    }
    assert all(ids)
    assert ids[0].isdisjoint(ids[1])
    assert ids == expected.get(path, ids)


async def test_classes_sessions_and_students_as_json(reader: Reader, school: SchoolIds) -> None:
    await reader.sign_in(Role.VIEWER, school.school_id)

    classes = (await reader.get("/classes")).json()
    sessions = (await reader.get(f"/sessions?classId={school.class_id}")).json()
    students = (await reader.get("/students?q=given%202")).json()

    assert classes == {
        "items": [
            {
                "id": school.class_id,
                "schoolId": school.school_id,
                "sourcedId": None,
                "title": "7b",
                "code": None,
                "active": True,
            }
        ],
        "nextCursor": None,
    }
    assert [(item["classId"], item["period"], item["title"]) for item in sessions["items"]] == [
        (school.class_id, "", "Attendance"),
        (school.class_id, "2", "Period 2"),
    ]
    assert [(item["id"], item["givenName"], item["active"]) for item in students["items"]] == [
        (school.student_ids[1], "Given 2", True)
    ]


async def test_the_list_of_records_is_paged(reader: Reader, school: SchoolIds) -> None:
    await reader.sign_in(Role.OFFICE, school.school_id)

    first = (await reader.get("/attendances?limit=1&status=present&from=2024-12-25&to=2024-12-25")).json()
    cursor = first["nextCursor"]
    second = await reader.get(f"/attendances?limit=1&status=present&from=2024-12-25&to=2024-12-25&cursor={cursor}")
    elsewhere = await reader.get(f"/attendances?limit=1&status=absent&cursor={cursor}")

    (item,) = first["items"]
    assert item == item | {
        "batchId": Batch(school.class_id, school.session_id, CHRISTMAS).id,
        "classId": school.class_id,
        "sessionId": school.session_id,
        "studentId": school.student_ids[0],
        "learningDate": "2024-12-25",
        "status": "present",
        "note": None,
        "version": 1,
        "markedAt": "2024-12-25T08:30:00Z",
        "markedByRole": "office",
        "markedByUserId": None,
    }
    assert [item["studentId"] for item in second.json()["items"]] == [school.student_ids[1]]
    assert second.json()["nextCursor"] is None
    assert wrong_in(elsewhere) == {"cursor"}
    assert codes_in(elsewhere) == ["wrong_cursor"]


async def test_records_are_narrowed_to_one_school_as_json_and_as_csv(reader: Reader, school: SchoolIds) -> None:
    async with reader.adsum.database.transaction() as connection:
        other = await make_school(connection, students=1)
        batch = Batch(other.class_id, other.session_id, CHRISTMAS)
        await make_record(connection, other.school_id, batch, other.student_ids[0])
    await reader.sign_in(Role.ADMIN)

    path = f"/attendances?schoolId={other.school_id}"
    (item,) = (await reader.get(path)).json()["items"]
    csv = await reader.get(path, accept="text/csv")

    assert item["studentId"] == other.student_ids[0]
    assert len(csv.text.splitlines()) == 2
    assert wrong_in(await reader.get("/attendances?schoolId=x")) == {"schoolId"}


async def test_a_client_that_accepts_csv_gets_all_records_as_csv(reader: Reader, school: SchoolIds) -> None:
    await reader.sign_in(Role.OFFICE, school.school_id)

    answer = await reader.get("/attendances?limit=1", accept="text/csv;q=0.9, */*;q=0.1")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="attendances.csv"'
    assert answer.headers["vary"] == "Accept"
    assert len(answer.text.splitlines()) == 3
    assert answer.content[:3] != BOM_UTF8
    for_excel = await reader.get("/attendances", accept="text/csv; bom=true")
    assert for_excel.content == BOM_UTF8 + (await reader.get("/attendances", accept="text/csv")).content


async def test_records_have_names_and_source_ids(reader: Reader, school: SchoolIds) -> None:
    await reader.sign_in(Role.OFFICE, school.school_id)

    item = (await reader.get("/attendances?limit=1")).json()["items"][0]
    one = (await reader.get(f"/attendances/{item['id']}")).json()

    assert (item["givenName"], item["familyName"], item["classTitle"]) == ("Given 1", "Family 0001", "7b")
    assert (item["studentSourcedId"], item["sessionTitle"]) == (None, "Attendance")
    assert (one["givenName"], one["classTitle"]) == ("Given 1", "7b")


@pytest.mark.every_case
@pytest.mark.parametrize("path", PATHS)
async def test_an_unknown_caller_gets_401_and_an_operator_403(reader: Reader, school: SchoolIds, path: str) -> None:
    unknown = await reader.get(path)
    await reader.sign_in(Role.OPERATOR, school.school_id)
    operator = await reader.get(path)

    assert (unknown.status_code, operator.status_code) == (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


async def test_an_operator_gets_no_csv(reader: Reader, school: SchoolIds) -> None:
    await reader.sign_in(Role.OPERATOR, school.school_id)

    assert (await reader.get("/attendances", accept="text/csv")).status_code == HTTPStatus.FORBIDDEN


async def test_an_invisible_roster_and_a_missing_roster_have_the_same_answer(reader: Reader, school: SchoolIds) -> None:
    user_id = await reader.sign_in(Role.TEACHER, school.school_id)
    hidden = await reader.get(f"/classes/{school.class_id}/roster")
    missing = await reader.get(f"/classes/{school.class_id + 10**6}/roster")
    async with reader.adsum.database.transaction() as connection:
        await assign(connection, school.class_id, user_id)
    shown = await reader.get(f"/classes/{school.class_id}/roster")

    assert (hidden.status_code, missing.status_code) == (HTTPStatus.NOT_FOUND, HTTPStatus.NOT_FOUND)
    assert hidden.json()["code"] == missing.json()["code"] == "not_found"
    assert shown.status_code == HTTPStatus.OK


async def test_all_invalid_parameters_are_reported_in_one_answer(reader: Reader, school: SchoolIds) -> None:
    await reader.sign_in(Role.OFFICE, school.school_id)

    records = await reader.get(
        "/attendances?from=2025-02-29&to=25/12/2024&classId=12abc&sessionId=0&studentId=9223372036854775808"
        "&status=%00&limit=201&cursor=!&colour=red"
    )
    students = await reader.get(f"/students?date=0209-13-01&q={'x' * 101}&classId=&from=2024-12-25&sourcedId=%00")

    assert wrong_in(records) == {
        *("from", "to", "classId", "sessionId", "studentId", "status", "limit", "cursor", "colour"),
    }
    assert wrong_in(students) == {"date", "q", "classId", "from", "sourcedId"}


async def test_a_status_that_no_visible_school_has_is_reported(reader: Reader, school: SchoolIds) -> None:
    await reader.sign_in(Role.OFFICE, school.school_id)

    for accept in ("application/json", "text/csv"):
        answer = await reader.get("/attendances?status=gone", accept=accept)
        assert (wrong_in(answer), codes_in(answer)) == ({"status"}, ["unknown_status"])


@pytest.mark.parametrize("path", PATHS)
async def test_an_unknown_parameter_is_refused(reader: Reader, school: SchoolIds, path: str) -> None:
    await reader.sign_in(Role.OFFICE, school.school_id)

    answer = await reader.get(f"{path}?colour=red")

    assert wrong_in(answer) == {"colour"}
    assert codes_in(answer) == ["unknown_field"]


async def test_a_repeated_parameter_is_refused(reader: Reader, school: SchoolIds) -> None:
    await reader.sign_in(Role.OFFICE, school.school_id)

    answer = await reader.get("/attendances?status=absent&status=late")

    assert wrong_in(answer) == {"status"}
    assert codes_in(answer) == ["field_repeated"]


async def test_reversed_days_are_reported_with_all_other_violations(reader: Reader, school: SchoolIds) -> None:
    await reader.sign_in(Role.OFFICE, school.school_id)

    answer = await reader.get("/attendances?from=2024-12-25&to=2024-12-24&limit=0")

    assert wrong_in(answer) == {"to", "limit"}


@pytest.mark.parametrize("day", ["2025-02-29", "25/12/2024", "2024-12-25T00:00:00.000Z", "20241225", "", "today"])
async def test_the_day_of_a_roster_must_be_a_plain_date(reader: Reader, school: SchoolIds, day: str) -> None:
    await reader.sign_in(Role.OFFICE, school.school_id)

    assert wrong_in(await reader.get(f"/classes/{school.class_id}/roster?date={day}")) == {"date"}
