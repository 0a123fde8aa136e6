"""Invalid requests: all violations are named, and nothing is enqueued."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import jwt
import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select

from adsum.accounts.access import Permission, Role
from adsum.batches.tables import batch_runs
from adsum.platform.ids import MAX_ID
from adsum.platform.keys import KeyPurpose
from adsum.servers import key_ring
from adsum.wiring import Adsum
from tests.support.api import Api, violations
from tests.support.installation import queue_keys
from tests.support.schools import enrol, make_class, make_school, make_session, make_student

UNKNOWN = 987_654_321


@pytest.fixture(autouse=True)
async def nothing_is_queued(adsum: Adsum, redis: Redis) -> AsyncGenerator[None]:
    yield
    async with adsum.database.snapshot() as connection:
        assert await connection.scalar(select(func.count()).select_from(batch_runs)) == 0
    assert await queue_keys(redis) == {}


async def test_every_unenrolled_student_is_named(adsum: Adsum, api: Api) -> None:
    async with adsum.database.transaction() as connection:
        of_another_school = (await make_school(connection, students=1)).student_ids[0]
        of_another_class = await make_student(connection, api.school.school_id)
        await enrol(connection, await make_class(connection, api.school.school_id), [of_another_class])
    refused = await api.create(
        isSelectedAll=False,
        selectedStudentIds=[api.school.student_ids[0], UNKNOWN],
        unselectedStudentIds=[of_another_school, of_another_class],
        marks=[{"studentId": UNKNOWN + 1, "status": "late"}],
    )
    assert refused.status_code == 422
    assert violations(refused) == {
        ("/selectedStudentIds/1", "unknown_student"),
        ("/unselectedStudentIds/0", "unknown_student"),
        ("/unselectedStudentIds/1", "not_enrolled"),
        ("/marks/0/studentId", "unknown_student"),
    }


async def test_who_sees_both_schools_learns_that_a_student_is_of_another_school(adsum: Adsum, api: Api) -> None:
    async with adsum.database.transaction() as connection:
        elsewhere = (await make_school(connection, students=1)).student_ids[0]
    await api.sign_in(Role.ADMIN, None)
    body: dict[str, Any] = {"isSelectedAll": False, "selectedStudentIds": [elsewhere, UNKNOWN]}
    seen = (await api.create("admin", **body)).json()["errors"]
    assert [(error["code"], error["detail"]) for error in seen] == [
        ("not_enrolled", f"student {elsewhere} is not of the school of class {api.school.class_id}"),
        ("unknown_student", f"there is no student {UNKNOWN}"),
    ]
    one, other = (await api.create("office", **body)).json()["errors"]
    assert one["code"] == other["code"] == "unknown_student"
    assert one["detail"].replace(str(elsewhere), str(UNKNOWN)) == other["detail"]


async def test_a_teacher_cannot_tell_a_student_of_another_class_from_one_who_does_not_exist(
    adsum: Adsum, api: Api
) -> None:
    async with adsum.database.transaction() as connection:
        of_another_class = await make_student(connection, api.school.school_id)
        await enrol(connection, await make_class(connection, api.school.school_id), [of_another_class])
    refused = await api.create("teacher", unselectedStudentIds=[of_another_class, UNKNOWN])
    assert violations(refused) == {
        ("/unselectedStudentIds/0", "not_on_roster"),
        ("/unselectedStudentIds/1", "not_on_roster"),
    }


async def test_a_key_without_permission_to_read_rosters_cannot_tell_either(adsum: Adsum, api: Api) -> None:
    async with adsum.database.transaction() as connection:
        of_another_class = await make_student(connection, api.school.school_id)
    made = await adsum.api_keys.create("kiosk", [Permission.ATTENDANCE_CREATE], [api.school.school_id])
    body = {
        "classId": api.school.class_id,
        "sessionId": api.school.session_id,
        "learningDate": "2024-12-25",
        "isSelectedAll": False,
        "selectedStudentIds": [of_another_class, UNKNOWN],
    }
    refused = await api.post("/attendances/create-batch", body, "nobody", {"X-API-Key": made.secret})
    assert {code for _, code in violations(refused)} == {"not_on_roster"}


@pytest.mark.parametrize("claims", [{"exp": 1}, {"sid": "0" * 32}, {"sub": "999"}])
async def test_an_expired_or_forged_token_is_401(adsum: Adsum, api: Api, claims: dict[str, object]) -> None:
    key = key_ring(adsum.settings).derive(KeyPurpose.TOKENS)
    known = jwt.decode(api.tokens["office"], key.secret, algorithms=["HS256"])  # pyright: ignore[reportUnknownMemberType]
    for signed_with in (key.secret, b"y" * 32):
        api.tokens["forger"] = jwt.encode(known | claims, signed_with, "HS256", {"kid": key.key_id})  # pyright: ignore[reportUnknownMemberType]
        assert (await api.create("forger")).status_code == 401


async def test_a_student_in_both_lists_or_twice_in_one_is_named(api: Api) -> None:
    one, two = api.school.student_ids[:2]
    refused = await api.create(selectedStudentIds=[one, two, two], unselectedStudentIds=[one])
    assert violations(refused) == {
        ("/selectedStudentIds/2", "student_repeated"),
        ("/unselectedStudentIds/0", "student_in_both_lists"),
    }


async def test_all_wrong_types_are_named(api: Api) -> None:
    refused = await api.create(
        classId="12abc",
        isSelectedAll="yes",
        selectedStudentIds=["12abc", None, 1.5, True, -1, 0, MAX_ID + 1],
        marks=[{"studentId": None, "status": 7}, {"status": "late", "colour": "red"}],
        onExisting="perhaps",
        surprise=1,
    )
    assert refused.status_code == 422
    assert {pointer for pointer, _ in violations(refused)} == {
        "/classId",
        "/isSelectedAll",
        *(f"/selectedStudentIds/{i}" for i in range(7)),
        "/marks/0/studentId",
        "/marks/0/status",
        "/marks/1/studentId",
        "/marks/1/colour",
        "/onExisting",
        "/surprise",
    }


async def test_a_date_and_times_of_a_wrong_form_are_named_with_wrong_types(api: Api) -> None:
    marks: list[Any] = [
        {"studentId": "7", "status": "late", "arrivedAt": "25:00", "leftAt": "10:00"},
        {"studentId": 7, "status": "late", "arrivedAt": 9, "leftAt": "{x}"},
        "late",
    ]
    refused = await api.create(learningDate="30.11.2024", isSelectedAll="yes", marks=marks)
    assert violations(refused) == {
        ("/learningDate", "date_format"),
        ("/isSelectedAll", "wrong_type"),
        ("/marks/0/studentId", "wrong_type"),
        ("/marks/0/arrivedAt", "wrong_form"),
        ("/marks/1/arrivedAt", "wrong_type"),
        ("/marks/1/leftAt", "wrong_form"),
        ("/marks/2", "wrong_type"),
    }
    for marks_of_wrong_type in ("late", None):
        refused = await api.create(learningDate="2024-12-25T10:00:00", marks=marks_of_wrong_type)
        assert violations(refused) == {("/learningDate", "date_without_offset"), ("/marks", "wrong_type")}


async def test_a_date_with_two_faults_is_named_once(api: Api) -> None:
    refused = await api.create(learningDate="x" * 65)
    assert violations(refused) == {("/learningDate", "too_long")}
    assert violations(await api.create(learningDate=20241225)) == {("/learningDate", "wrong_type")}


@pytest.mark.parametrize(
    ("day", "code"),
    [("30.11.2024", "date_format"), ("2999-01-01", "date_in_future"), ("0209-12-25", "date_too_early")],
)
async def test_students_of_other_schools_and_of_none_are_named_with_a_wrong_day(
    adsum: Adsum, api: Api, day: str, code: str
) -> None:
    async with adsum.database.transaction() as connection:
        elsewhere = (await make_school(connection, students=1)).student_ids[0]
    await api.sign_in(Role.ADMIN, None)
    body: dict[str, Any] = {
        "learningDate": day,
        "selectedStudentIds": [UNKNOWN, api.school.student_ids[0]],
        "unselectedStudentIds": [elsewhere],
    }
    assert violations(await api.create("admin", **body)) == {
        ("/learningDate", code),
        ("/selectedStudentIds/0", "unknown_student"),
        ("/unselectedStudentIds/0", "not_enrolled"),
    }
    # The roster that a teacher sees depends on the day.
    assert violations(await api.create("teacher", **body)) == {("/learningDate", code)}


async def test_an_unknown_status_is_named_with_the_allowed_ones(api: Api) -> None:
    refused = await api.create(marks=[{"studentId": api.school.student_ids[0], "status": "asleep"}])
    assert violations(refused) == {("/marks/0/status", "unknown_status")}
    assert refused.json()["errors"][0]["params"]["allowed"] == ["present", "absent", "late", "excused"]


async def test_an_empty_selection_is_refused(api: Api) -> None:
    assert violations(await api.create(isSelectedAll=False)) == {("/selectedStudentIds", "empty_selection")}


async def test_an_empty_class_is_refused(adsum: Adsum, api: Api) -> None:
    async with adsum.database.transaction() as connection:
        api.school = await make_school(connection, students=0)
    await api.sign_in_teacher()
    assert violations(await api.create("teacher")) == {("/classId", "empty_roster")}


async def test_a_session_of_another_class_is_refused_like_one_that_does_not_exist(adsum: Adsum, api: Api) -> None:
    async with adsum.database.transaction() as connection:
        other = await make_session(connection, await make_class(connection, api.school.school_id))
    for session_id in (other, UNKNOWN):
        assert violations(await api.create(sessionId=session_id)) == {("/sessionId", "session_not_of_class")}


async def test_all_violations_are_named_at_once(api: Api) -> None:
    refused = await api.create(sessionId=UNKNOWN, learningDate="25/12/2024", isSelectedAll=False)
    assert violations(refused) == {
        ("/sessionId", "session_not_of_class"),
        ("/learningDate", "date_format"),
        ("/selectedStudentIds", "empty_selection"),
    }


@pytest.mark.parametrize(
    ("day", "code"),
    [
        ("25/12/2024", "date_format"),
        ("2025-02-29", "date_impossible"),
        ("2024-12-25T25:00:00Z", "date_impossible"),
        ("0209-12-25", "date_too_early"),
        ("2999-01-01", "date_in_future"),
        ("2024-12-25T10:00:00", "date_without_offset"),
        ("", "date_format"),
        ("9999-12-31T23:59:59-23:00", "date_impossible"),
    ],
)
async def test_an_invalid_day_is_refused(api: Api, day: str, code: str) -> None:
    refused = await api.create(learningDate=day)
    assert (refused.status_code, violations(refused)) == (422, {("/learningDate", code)})


async def test_a_batch_of_more_students_than_the_limit_is_refused(api: Api) -> None:
    refused = await api.create(isSelectedAll=False, selectedStudentIds=list(range(1, 100_001)))
    assert violations(refused) == {("/selectedStudentIds", "too_long")}


@pytest.mark.parametrize("entry", [None, "12abc", {}])
async def test_a_list_with_too_many_wrong_entries_is_one_violation(api: Api, entry: object) -> None:
    refused = await api.create(marks=[entry] * 30_000)
    assert violations(refused) == {("/marks", "too_long")}


async def test_a_body_that_is_not_json_is_refused(api: Api) -> None:
    headers = {"Authorization": f"Bearer {api.tokens['office']}", "Content-Type": "application/json"}
    for content in (b"", b"{", b'{"classId": 1,}', b"\xff\xfe", b"null", b"[]"):
        refused = await api.client.post("/attendances/create-batch", content=content, headers=headers)
        assert refused.status_code in {400, 422}, content
        assert refused.headers["content-type"] == "application/problem+json"


async def test_a_body_of_fifty_megabytes_is_refused_with_and_without_its_length(api: Api) -> None:
    async def fifty_megabytes() -> AsyncGenerator[bytes]:
        for _ in range(50):
            yield b" " * 1_000_000

    refused = await api.create(surprise="x" * 50_000_000)
    assert (refused.status_code, violations(refused)) == (413, {("", "too_large")})
    headers = {"Authorization": f"Bearer {api.tokens['office']}", "Content-Type": "application/json"}
    refused = await api.client.post("/attendances/create-batch", content=fifty_megabytes(), headers=headers)
    assert (refused.status_code, violations(refused)) == (413, {("", "too_large")})


@pytest.mark.parametrize(
    "batch_id",
    [
        "class-1-session-1-date-25122024",
        "class-1-session-1-date-32122024",
        "class-0-session-1-date-25122024",
        "x",
        "%00",
    ],
)
async def test_a_missing_batch_is_404(api: Api, batch_id: str) -> None:
    response = await api.get(f"/attendances/batch-status/{batch_id}")
    assert (response.status_code, violations(response)) == (404, {("", "not_found")})


async def test_a_note_that_is_too_long_or_cannot_be_stored_is_refused(api: Api) -> None:
    one, two = api.school.student_ids[:2]
    marks: list[dict[str, Any]] = [
        {"studentId": one, "status": "late", "note": "x" * 501},
        {"studentId": two, "status": "late", "note": "\x00"},
    ]
    assert {pointer for pointer, _ in violations(await api.create(marks=marks))} == {"/marks/0/note", "/marks/1/note"}


async def test_an_error_repeats_nothing_of_the_body_except_the_violating_value(api: Api) -> None:
    refused = await api.create(marks=[{"studentId": None, "status": "late", "note": "has been beaten up"}])
    assert "beaten" not in json.dumps(refused.json())
