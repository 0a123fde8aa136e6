"""Permissions: callers mark only their classes, and errors reveal no others."""

from __future__ import annotations

from typing import Any

import pytest

from adsum.accounts.access import Permission, Role
from adsum.wiring import Adsum
from tests.support.api import Api
from tests.support.installation import RunWorker, ended
from tests.support.schools import make_class, make_school, make_session


async def test_a_teacher_marks_their_own_class(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    created = await api.create("teacher")
    assert created.status_code == 202
    async with worker():
        await ended(adsum, created.json()["batchId"])
    assert (await api.get(created.json()["statusUrl"], "teacher")).json()["isCompleted"] is True


async def test_a_class_of_another_teacher_or_school_is_404(adsum: Adsum, api: Api) -> None:
    async with adsum.database.transaction() as connection:
        colleague = await make_class(connection, api.school.school_id)
        session_id = await make_session(connection, colleague)
        other_school = await make_school(connection)
    assert (await api.create("teacher", classId=colleague, sessionId=session_id)).status_code == 404
    elsewhere: dict[str, Any] = {"classId": other_school.class_id, "sessionId": other_school.session_id}
    assert (await api.create("teacher", **elsewhere)).status_code == 404
    assert (await api.create("office", **elsewhere)).status_code == 404


async def test_a_class_is_404_on_a_day_before_the_teachers_assignment(api: Api) -> None:
    assert (await api.create("teacher", learningDate="2024-09-01")).status_code == 404


async def test_a_hidden_class_is_404_even_if_the_request_has_other_errors(adsum: Adsum, api: Api) -> None:
    async with adsum.database.transaction() as connection:
        colleague = await make_class(connection, api.school.school_id)
    refused = await api.create("teacher", classId=colleague, learningDate="25/12/2024", sessionId=1)
    assert refused.status_code == 404


async def test_no_token_is_401_and_marking_as_viewer_or_operator_is_403(api: Api) -> None:
    assert (await api.create("nobody")).status_code == 401
    assert (await api.create("viewer")).status_code == 403
    assert (await api.create("operator")).status_code == 403


@pytest.mark.parametrize("role", ["office", "viewer", "operator", "teacher"])
async def test_every_role_of_the_school_reads_the_progress_of_a_batch(api: Api, role: str) -> None:
    created = await api.create()
    assert (await api.get(created.json()["statusUrl"], role)).json()["remainingJobs"] == 30
    listed = (await api.get("/attendances/batches", role)).json()
    assert [batch["batchId"] for batch in listed["items"]] == [created.json()["batchId"]]


async def test_a_batch_of_another_school_is_404(adsum: Adsum, api: Api) -> None:
    async with adsum.database.transaction() as connection:
        other_school = await make_school(connection)
    await api.sign_in(Role.OFFICE, other_school.school_id)
    created = await api.create("teacher")
    assert (await api.get(created.json()["statusUrl"], "office")).status_code == 404
    assert (await api.get("/attendances/batches", "office")).json()["items"] == []


async def test_an_api_key_marks_classes_of_its_schools_only(adsum: Adsum, api: Api) -> None:
    async with adsum.database.transaction() as connection:
        other_school = await make_school(connection)
    made = await adsum.api_keys.create("lms", [Permission.ATTENDANCE_CREATE], [api.school.school_id])
    body = {"classId": api.school.class_id, "sessionId": api.school.session_id} | {
        "learningDate": "2024-12-25",
        "isSelectedAll": True,
    }
    headers = {"X-API-Key": made.secret}
    elsewhere = body | {"classId": other_school.class_id, "sessionId": other_school.session_id}
    assert (await api.post("/attendances/create-batch", body, "nobody", headers)).status_code == 202
    assert (await api.post("/attendances/create-batch", elsewhere, "nobody", headers)).status_code == 404
