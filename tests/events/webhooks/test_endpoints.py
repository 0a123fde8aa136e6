"""Webhooks over HTTP: who manages them, what is refused, and what the audit log records."""

from __future__ import annotations

import json
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest
from sqlalchemy import select

from adsum.accounts.access import Role, system_caller
from adsum.accounts.audit.tables import audit_entries
from adsum.events.webhooks.tables import webhooks
from adsum.platform.errors import Invalid
from tests.events.webhooks.conftest import Receiver, happen
from tests.support.api import Api, violations
from tests.support.schools import make_school

PATH = "/webhooks"


@pytest.fixture
async def admin(api: Api) -> Api:
    """The API with an admin of the district and one of the school."""
    await api.sign_in(Role.ADMIN, None)
    api.tokens["district"] = api.tokens["admin"]
    await api.sign_in(Role.ADMIN, api.school.school_id)
    return api


async def create(api: Api, role: str = "district", **body: Any) -> dict[str, Any]:
    answer = await api.post(PATH, body, role)
    assert answer.status_code == HTTPStatus.CREATED, answer.text
    return answer.json()


async def test_the_life_of_a_webhook(admin: Api, receiver: Receiver) -> None:
    created = await create(admin, url=receiver.url, eventTypes=["roster.imported"])
    path = f"{PATH}/{created['id']}"
    shown = (await admin.get(path, "district")).json()
    changed = await admin.change("PATCH", path, "district", None, json={"inOrder": False, "enabled": False})
    rotated = await admin.post(f"{path}/rotate", {}, "district")
    tested = await admin.post(f"{path}/test", None, "district")
    listed = (await admin.get(PATH, "district")).json()
    deliveries = (await admin.get(f"{path}/deliveries", "district", failed=False)).json()
    deleted = await admin.change("DELETE", path, "district", None)

    secret = created.pop("secret")
    assert shown == created
    assert (created["url"], created["eventTypes"], created["inOrder"]) == (receiver.url, ["roster.imported"], True)
    assert (changed.json()["inOrder"], changed.json()["disabled"]) == (False, "by_person")
    assert secret.startswith("whsec_")
    assert rotated.json()["secret"] not in (secret, "")
    assert (tested.json()["status"], tested.json()["hasArrived"]) == (204, True)
    assert [each["id"] for each in listed["items"]] == [created["id"]]
    assert "secret" not in listed["items"][0]
    assert [(each["eventId"], each["eventType"]) for each in deliveries["items"]] == [(None, "webhook.test")]
    assert deleted.status_code == HTTPStatus.NO_CONTENT
    assert (await admin.get(path, "district")).status_code == HTTPStatus.NOT_FOUND
    async with admin.adsum.database.snapshot() as connection:
        query = select(audit_entries.c.action, audit_entries.c.after).where(audit_entries.c.action.like("webhook%"))
        entries = (await connection.execute(query.order_by(audit_entries.c.id))).all()
    assert [action for action, _ in entries] == [
        f"webhook_{each}" for each in ("created", "changed", "rotated", "tested", "deleted")
    ]
    assert json.loads(entries[3].after) == {"webhookId": created["id"], "host": "127.0.0.1"}
    assert all("key=1" not in str(after) and secret not in str(after) for _, after in entries)


async def test_the_secret_is_stored_encrypted(admin: Api, receiver: Receiver) -> None:
    created = await create(admin, url=receiver.url)

    async with admin.adsum.database.snapshot() as connection:
        stored = str(await connection.scalar(select(webhooks.c.secret)))
    assert stored.startswith("v1.")
    assert created["secret"].removeprefix("whsec_") not in stored


async def test_an_admin_of_a_school_manages_webhooks_of_that_school(admin: Api, receiver: Receiver) -> None:
    async with admin.adsum.database.transaction() as connection:
        other = await make_school(connection)
    of_all = await create(admin, url=receiver.url)
    own = await create(admin, "admin", url=receiver.url, schoolId=admin.school.school_id)

    for_all = await admin.post(PATH, {"url": receiver.url}, "admin")
    for_other = await admin.post(PATH, {"url": receiver.url, "schoolId": other.school_id}, "admin")

    assert for_all.status_code == HTTPStatus.FORBIDDEN
    assert violations(for_all) == {("/schoolId", "school_missing")}
    assert for_other.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert violations(for_other) == {("/schoolId", "unknown_school")}
    assert await ids(admin, "admin") == [own["id"]]
    assert await ids(admin, "district") == [of_all["id"], own["id"]]
    assert await ids(admin, "district", schoolId=admin.school.school_id) == [own["id"]]
    for school_id, role in ((other.school_id, "admin"), (99, "district")):
        unknown = await admin.get(PATH, role, schoolId=school_id)
        assert (unknown.status_code, unknown.json()["params"]) == (HTTPStatus.NOT_FOUND, {"schoolId": school_id})
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/deliveries"), ("POST", "/test")):
        answer = await admin.change(method, f"{PATH}/{of_all['id']}{path}", "admin", None)
        assert answer.status_code == HTTPStatus.NOT_FOUND, path


async def ids(api: Api, role: str, **filters: int) -> list[int]:
    return [each["id"] for each in (await api.get(PATH, role, **filters)).json()["items"]]


async def test_webhooks_are_listed_in_pages(admin: Api, receiver: Receiver) -> None:
    created = [(await create(admin, url=receiver.url))["id"] for _ in range(5)]
    first = (await admin.get(PATH, "district", limit=2)).json()
    second = (await admin.get(PATH, "district", limit=2, cursor=first["nextCursor"])).json()
    third = (await admin.get(PATH, "district", limit=2, cursor=second["nextCursor"])).json()
    of_school = await admin.get(PATH, "district", cursor=first["nextCursor"], schoolId=admin.school.school_id)
    wrong = await admin.get(PATH, "district", limit=0, cursor="x", school=1)

    assert [[each["id"] for each in page["items"]] for page in (first, second, third)] == [
        created[:2],
        created[2:4],
        created[4:],
    ]
    assert third["nextCursor"] is None
    assert violations(of_school) == {("/query/cursor", "wrong_cursor")}
    assert {code for _, code in violations(wrong)} == {"out_of_range", "wrong_cursor", "unknown_field"}


@pytest.mark.parametrize("role", ["office", "viewer", "operator", "teacher"])
async def test_webhooks_need_their_permission(api: Api, role: str) -> None:
    assert (await api.get(PATH, role)).status_code == HTTPStatus.FORBIDDEN
    assert (await api.post(PATH, {"url": "https://school.example/"}, role)).status_code == HTTPStatus.FORBIDDEN


async def test_wrong_bodies_name_each_error(admin: Api, receiver: Receiver) -> None:
    created = await create(admin, url=receiver.url)
    path = f"{PATH}/{created['id']}"
    wrong = await admin.post(PATH, {"url": 7, "eventTypes": ["a"], "schoolId": "1", "inOrder": "yes"}, "district")
    unknown = await admin.post(f"{path}/replay", {"eventId": 99}, "district")
    both = await admin.post(f"{path}/replay", {"eventId": 1, "since": "2024-12-25T08:00:00Z"}, "district")
    reversed_ = {"since": "2024-12-25T08:00:00Z", "until": "2024-12-25T07:00:00Z"}
    backwards = await admin.post(f"{path}/replay", reversed_, "district")
    long = await admin.post(f"{path}/rotate", {"overlapSeconds": 10**9}, "district")

    assert violations(wrong) == {
        ("/url", "wrong_type"),
        ("/eventTypes/0", "unknown_value"),
        ("/schoolId", "wrong_type"),
        ("/inOrder", "wrong_type"),
    }
    assert violations(unknown) == {("/eventId", "unknown_event")}
    assert {code for _, code in violations(both)} == {"wrong_replay"}
    assert violations(backwards) == {("/until", "times_reversed")}
    assert violations(long) == {("/overlapSeconds", "out_of_range")}


async def test_a_type_that_is_named_twice_is_refused_and_nothing_is_stored(admin: Api, receiver: Receiver) -> None:
    created = await create(admin, url=receiver.url, eventTypes=["roster.imported"])
    twice = ["roster.imported", "register.taken", "roster.imported"]

    new = await admin.post(PATH, {"url": "https:///", "eventTypes": twice}, "district")
    path = f"{PATH}/{created['id']}"
    changed = await admin.change("PATCH", path, "district", None, json={"eventTypes": twice})

    assert violations(new) == {("/url", "wrong_url"), ("/eventTypes/2", "event_type_repeated")}
    assert violations(changed) == {("/eventTypes/2", "event_type_repeated")}
    assert changed.json()["errors"][0]["params"] == {"eventType": "roster.imported"}
    assert [each["eventTypes"] for each in (await admin.get(PATH, "district")).json()["items"]] == [["roster.imported"]]


async def test_events_are_replayed(admin: Api, receiver: Receiver) -> None:
    created = await create(admin, url=receiver.url)
    await happen(admin.adsum, [0, 1])
    await admin.adsum.deliveries.deliver(created["id"])
    path = f"{PATH}/{created['id']}/replay"

    one = await admin.post(path, {"eventId": 2}, "district")
    period = await admin.post(path, {"since": "2024-12-25T00:00:00Z", "until": "2024-12-26T00:00:00+01:00"}, "district")
    await admin.adsum.deliveries.deliver(created["id"])
    await admin.change("PATCH", f"{PATH}/{created['id']}", "district", None, json={"enabled": False})
    later = await admin.post(path, {"eventId": 1}, "district")

    assert (one.status_code, one.json()) == (HTTPStatus.ACCEPTED, {"events": 1, "disabled": None})
    assert period.json() == {"events": 2, "disabled": None}
    assert (later.status_code, later.json()) == (HTTPStatus.ACCEPTED, {"events": 1, "disabled": "by_person"})
    assert receiver.added == [0, 1, 1, 0, 1]
    async with admin.adsum.database.snapshot() as connection:
        query = select(audit_entries.c.after).where(audit_entries.c.action == "webhook_replayed")
        after = [json.loads(each) for each in await connection.scalars(query.order_by(audit_entries.c.id))]
    assert after == [
        {"webhookId": created["id"], "eventId": 2},
        {
            "webhookId": created["id"],
            "begin": "2024-12-25T00:00:00+00:00",
            "end": "2024-12-25T23:00:00+00:00",
            "events": 2,
        },
        {"webhookId": created["id"], "eventId": 1},
    ]


@pytest.mark.parametrize("body", [{}, {"url": None, "eventTypes": None, "inOrder": None, "enabled": None}])
async def test_a_change_without_a_value_is_refused(admin: Api, receiver: Receiver, body: dict[str, None]) -> None:
    created = await create(admin, url=receiver.url)

    answer = await admin.change("PATCH", f"{PATH}/{created['id']}", "district", None, json=body)

    assert violations(answer) == {("", "empty_change")}


async def test_a_change_of_nothing_is_not_recorded_and_each_field_can_change(admin: Api, receiver: Receiver) -> None:
    created = await create(admin, url=receiver.url)
    path = f"{PATH}/{created['id']}"

    again = await admin.change("PATCH", path, "district", None, json={"enabled": True})
    moved = await admin.change("PATCH", path, "district", None, json={"url": receiver.url + "2", "eventTypes": []})
    off = [await admin.change("PATCH", path, "district", None, json={"enabled": False}) for _ in range(2)]
    rotated = await admin.post(f"{path}/rotate", {"overlapSeconds": 0}, "district")

    assert again.json() == {name: value for name, value in created.items() if name != "secret"}
    assert moved.json()["url"] == receiver.url + "2"
    assert off[0].json() == off[1].json()
    assert rotated.status_code == HTTPStatus.OK
    async with admin.adsum.database.snapshot() as connection:
        query = select(audit_entries.c.action).where(audit_entries.c.action == "webhook_changed")
        assert len((await connection.execute(query)).all()) == 2


async def test_an_overlap_is_bounded_for_the_library_too(admin: Api, receiver: Receiver) -> None:
    created = await create(admin, url=receiver.url)

    with pytest.raises(Invalid):
        await admin.adsum.webhooks.rotate(created["id"], timedelta(days=8), system_caller())
