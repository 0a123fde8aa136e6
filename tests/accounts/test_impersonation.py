"""API keys on behalf of a person: permissions, authors in the history, and errors."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from adsum.accounts.access import Permission, Role
from adsum.wiring import Adsum
from tests.support.api import Api, violations
from tests.support.installation import RunWorker, ended
from tests.support.people import disable
from tests.support.schools import make_bare_school, make_class, make_session

READ_AND_MARK = (Permission.ATTENDANCE_CREATE, Permission.ATTENDANCE_READ, Permission.BATCH_READ)


class Platform:
    """A program with the API key of a school, which acts on behalf of people of that school."""

    def __init__(self, api: Api, secret: str, key_id: int) -> None:
        self.api = api
        self.key_id = key_id
        self.headers = {"X-API-Key": secret}

    @property
    def teacher(self) -> str:
        return f"teacher@class{self.api.school.class_id}.example"

    def person(self, role: Role) -> str:
        return f"{role.value}@school{self.api.school.school_id}.example"

    async def mark(self, person: str, headers: dict[str, str] | None = None, **fields: Any) -> httpx2.Response:
        school = self.api.school
        body = {"classId": school.class_id, "sessionId": school.session_id, "learningDate": "2024-12-25"}
        return await self.api.client.post(
            "/attendances/create-batch",
            params={"onBehalfOf": person},
            headers=self.headers | (headers or {}),
            json=body | {"isSelectedAll": True} | fields,
        )

    async def ask(self, path: str, person: str, **query: Any) -> httpx2.Response:
        return await self.api.client.get(path, params=query | {"onBehalfOf": person}, headers=self.headers)


async def platform_of(api: Api, *permissions: Permission) -> Platform:
    made = await api.adsum.api_keys.create("platform", permissions, [api.school.school_id])
    return Platform(api, made.secret, made.key.id)


@pytest.fixture
async def platform(api: Api) -> Platform:
    return await platform_of(api, *READ_AND_MARK, Permission.ROSTER_READ, Permission.ATTENDANCE_ACT_AS)


async def test_a_key_marks_and_corrects_on_behalf_of_a_teacher(
    adsum: Adsum, platform: Platform, worker: RunWorker
) -> None:
    created = await platform.mark(platform.teacher.upper())
    assert created.status_code == 202, created.text
    async with worker():
        await ended(adsum, created.json()["batchId"])
    batch = (await platform.ask(f"/attendances/batches/{created.json()['batchId']}", platform.teacher)).json()
    records = (await platform.ask("/attendances", platform.teacher, limit=1)).json()["items"]
    path = f"/attendances/{records[0]['id']}"
    named = {"onBehalfOf": platform.teacher}
    headers = platform.headers | {"If-Match": '"1"'}
    corrected = await platform.api.client.patch(path, params=named, headers=headers, json={"status": "late"})
    history = (await platform.ask(f"{path}/history", platform.teacher)).json()["items"]

    both = (platform.api.school.teacher_id, platform.key_id)
    run = batch["runs"][0]
    assert (run["acceptedByUserId"], run["acceptedByKeyId"], run["acceptedByRole"]) == (*both, "teacher")
    assert corrected.json()["markedByUserId"] == both[0]
    assert [(each["changedByUserId"], each["changedByKeyId"]) for each in history] == [both, both]


async def test_only_permissions_of_both_the_person_and_the_key_apply(adsum: Adsum, platform: Platform) -> None:
    async with adsum.database.transaction() as connection:
        colleagues = await make_class(connection, platform.api.school.school_id)
        session_id = await make_session(connection, colleagues)

    assert (await platform.mark(platform.teacher, classId=colleagues, sessionId=session_id)).status_code == 404
    assert (await platform.mark(platform.person(Role.VIEWER))).status_code == 403
    assert (await platform.mark(platform.person(Role.OFFICE))).status_code == 202
    # The office has this permission; the key does not.
    assert (await platform.ask("/absences", platform.person(Role.OFFICE))).status_code == 403


async def test_unknown_disabled_and_foreign_persons_are_the_same_error(adsum: Adsum, platform: Platform) -> None:
    async with adsum.database.transaction() as connection:
        elsewhere = await make_bare_school(connection)
    await adsum.accounts.add_user("off@school.example", Role.OFFICE, school_id=platform.api.school.school_id)
    await disable(adsum.people, "off@school.example")
    await adsum.accounts.add_user("far@school.example", Role.OFFICE, school_id=elsewhere)
    nobody = ("off@school.example", "far@school.example", "no@school.example", "", "\x00", "x" * 999)

    refused = [await platform.mark(person) for person in nobody]

    assert {answer.status_code for answer in refused} == {422}
    assert len({answer.text for answer in refused}) == 1
    assert refused[0].json()["errors"][0]["code"] == "unknown_person"


async def test_a_key_without_the_permission_cannot_act_on_behalf_of_others(api: Api) -> None:
    other = await platform_of(api, *READ_AND_MARK)
    query = {"onBehalfOf": other.teacher}

    refused = await other.mark(other.teacher)
    of_person = await api.get("/attendances", "office", **query)
    twice = await api.client.get(f"/attendances?onBehalfOf=a&onBehalfOf={other.teacher}", headers=other.headers)

    assert (refused.status_code, refused.json()["params"]) == (403, {"permission": "attendance:act-as"})
    assert of_person.status_code == 403
    assert (twice.status_code, twice.json()["errors"][0]["code"]) == (422, "field_repeated")


async def test_a_header_names_the_person_outside_of_the_address(api: Api, platform: Platform) -> None:
    async def ask(*emails: str, **query: str) -> httpx2.Response:
        named = [(b"X-On-Behalf-Of", email.encode()) for email in emails]
        key = [(name.encode(), value.encode()) for name, value in platform.headers.items()]
        return await api.client.get("/attendances", params=query, headers=[*key, *named])

    right = await ask(platform.teacher)
    unknown = await ask("zoë@school.example")
    for twice in (await ask(platform.teacher, onBehalfOf=platform.teacher), await ask("a", "b")):
        assert violations(twice) == {("/header/X-On-Behalf-Of", "field_repeated")}

    assert right.status_code == 200
    assert violations(unknown) == {("/header/X-On-Behalf-Of", "unknown_person")}


async def test_two_persons_of_one_key_share_no_idempotency_key(platform: Platform) -> None:
    key = {"Idempotency-Key": "monday"}

    one = await platform.mark(platform.teacher, key)
    marks = {"isSelectedAll": False, "selectedStudentIds": platform.api.school.student_ids[:1]}
    other = await platform.mark(platform.person(Role.OFFICE), key, **marks)
    again = await platform.mark(platform.teacher, key)

    assert one.status_code == 202
    assert (other.status_code, other.json()["isSkipped"]) == (200, True)
    assert (again.status_code, again.json()["runId"]) == (202, one.json()["runId"])


async def test_on_behalf_of_is_allowed_beside_any_other_query(platform: Platform) -> None:
    roster = f"/classes/{platform.api.school.class_id}/roster"

    assert (await platform.ask(roster, platform.teacher, date="2024-12-25")).status_code == 200
    assert (await platform.ask("/classes", platform.teacher, limit=1)).status_code == 200
    assert (await platform.ask("/classes", platform.teacher, onbehalfof="x")).status_code == 422
