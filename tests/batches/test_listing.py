"""`GET /attendances/batches`: each batch once, by its newest run, in pages."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from adsum.accounts.access import Caller, Role
from adsum.batches.rules import BatchFilters
from adsum.platform.paging import PageRequest
from adsum.wiring import Adsum
from tests.support.api import Api, violations
from tests.support.installation import RunWorker, ended
from tests.support.schools import caller, make_bare_school

DAYS = ["2024-12-23", "2024-12-24", "2024-12-25"]


def batch_ids(answer: dict[str, list[dict[str, str]]]) -> list[str]:
    return [item["batchId"] for item in answer["items"]]


async def test_pages_list_each_batch_once_newest_day_first(api: Api) -> None:
    created = [(await api.create(learningDate=day)).json()["batchId"] for day in DAYS]
    listed: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await api.get("/attendances/batches", limit=1, **cursor)).json()
        listed += batch_ids(page)
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert listed == created[::-1]


async def test_the_list_is_filtered_by_school(api: Api) -> None:
    async with api.adsum.database.transaction() as connection:
        other = await make_bare_school(connection)
    await api.sign_in(Role.ADMIN, None)
    created = (await api.create(learningDate=DAYS[0])).json()["batchId"]
    for school_id, listed in ((api.school.school_id, [created]), (other, [])):
        assert batch_ids((await api.get("/attendances/batches", "admin", schoolId=school_id)).json()) == listed


async def test_a_batch_with_several_runs_is_listed_once(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    first = await api.create(isSelectedAll=False, selectedStudentIds=api.school.student_ids[:1])
    async with worker():
        await ended(adsum, first.json()["batchId"])
        second = await api.create()
        await ended(adsum, first.json()["batchId"])
    (item,) = (await api.get("/attendances/batches")).json()["items"]
    assert (item["runId"], item["recordedJobs"], item["skippedJobs"]) == (second.json()["runId"], 29, 1)


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ({"from": "2024-12-24"}, ["2024-12-25", "2024-12-24"]),
        ({"to": "2024-12-23"}, ["2024-12-23"]),
        ({"state": "processing"}, ["2024-12-25", "2024-12-24"]),
        ({"state": "completed"}, ["2024-12-23"]),
        ({"state": "completed_with_errors"}, []),
        ({"state": "cancelled"}, []),
    ],
)
async def test_filters_narrow_the_list(
    adsum: Adsum, api: Api, worker: RunWorker, query: dict[str, str], days: list[str]
) -> None:
    created = await api.create(learningDate=DAYS[0])
    async with worker():
        await ended(adsum, created.json()["batchId"])
    for day in DAYS[1:]:
        await api.create(learningDate=day)
    listed = (await api.get("/attendances/batches", **query)).json()
    assert [each[-8:] for each in batch_ids(listed)] == ["".join(reversed(day.split("-"))) for day in days]
    narrower: list[dict[str, Any]] = [{"classId": api.school.class_id}, {"sessionId": api.school.session_id}]
    for filters in narrower:
        assert batch_ids((await api.get("/attendances/batches", **query, **filters)).json()) == batch_ids(listed)
        other: dict[str, Any] = {name: number + 1 for name, number in filters.items()}
        assert batch_ids((await api.get("/attendances/batches", **query, **other)).json()) == []


async def test_a_cursor_of_another_query_is_refused(api: Api) -> None:
    for day in DAYS:
        await api.create(learningDate=day)
    page = (await api.get("/attendances/batches", limit=1)).json()
    refused = await api.get("/attendances/batches", state="completed", cursor=page["nextCursor"])
    assert (refused.status_code, violations(refused)) == (422, {("/query/cursor", "wrong_cursor")})


async def submitted(adsum: Adsum, actor: Caller, **filters: Any) -> list[str]:
    """The days of the batches, read one by one, in the order of their submission."""
    days: list[str] = []
    page = PageRequest(limit=1)
    while True:
        found = await adsum.batches.submitted(actor, BatchFilters(**filters), page)
        days += [each.batch.learning_date.isoformat() for each in found.items]
        if found.next_cursor is None:
            return days
        page = PageRequest(found.next_cursor, 1)


async def test_batches_by_submission_begin_with_those_that_run(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    office = caller(Role.OFFICE, api.school.school_id)
    assert await submitted(adsum, office) == []
    for day in ("2024-12-25", "2024-12-18"):
        created = await api.create(learningDate=day)
        async with worker():
            await ended(adsum, created.json()["batchId"])
    for day in ("2024-12-23", "2024-12-20"):
        await api.create(learningDate=day)

    assert await submitted(adsum, office) == ["2024-12-20", "2024-12-23", "2024-12-18", "2024-12-25"]
    assert await submitted(adsum, office, first_day=date(2024, 12, 20)) == ["2024-12-20", "2024-12-23", "2024-12-25"]
    assert await submitted(adsum, caller(Role.OFFICE, api.school.school_id + 1)) == []


async def test_a_submission_of_a_user_is_listed_also_if_another_user_has_submitted_since(
    adsum: Adsum, api: Api, worker: RunWorker
) -> None:
    teacher = caller(Role.TEACHER, api.school.school_id, api.school.teacher_id)
    created = await api.create(
        "teacher", learningDate=DAYS[0], isSelectedAll=False, selectedStudentIds=api.school.student_ids[:1]
    )
    async with worker():
        await ended(adsum, created.json()["batchId"])
    for day in DAYS[:2]:
        await api.create("office", learningDate=day)
    assert await submitted(adsum, teacher) == [DAYS[1], DAYS[0]]
    assert await submitted(adsum, teacher, submitted_by=api.school.teacher_id) == [DAYS[0]]
