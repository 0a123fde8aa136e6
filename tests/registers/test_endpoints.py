"""The endpoints of registers."""

from __future__ import annotations

from http import HTTPStatus

from tests.support.api import Api, violations


async def test_a_missing_register_names_the_students_without_a_mark(api: Api) -> None:
    school = api.school
    (item,) = (await api.get("/registers/missing", "teacher", date="2024-12-24")).json()["items"]
    assert item == {
        "schoolId": school.school_id,
        "classId": school.class_id,
        "className": "7b",
        "sessionId": school.session_id,
        "sessionTitle": "Attendance",
        "learningDate": "2024-12-24",
        "teachers": [{"userId": school.teacher_id, "name": "", "isErased": False, "hasLogin": True}],
        "state": "missing",
        "marked": 0,
        "expected": 3,
        "missingStudentIds": school.student_ids,
        "isProcessing": False,
        "reminder": None,
    }


async def test_a_register_with_an_open_run_is_processing(api: Api) -> None:
    await api.create("teacher", learningDate="2024-12-24")
    (item,) = (await api.get("/registers", "teacher", date="2024-12-24", classId=api.school.class_id)).json()["items"]
    assert (item["state"], item["isProcessing"]) == ("missing", True)


async def test_an_operator_sees_no_registers_and_a_wrong_day_is_a_violation(api: Api) -> None:
    assert (await api.get("/registers", "operator")).status_code == HTTPStatus.FORBIDDEN
    assert violations(await api.get("/registers/missing", date="24.12.2024")) == {("/query/date", "date_format")}
