"""The statuses of a school over HTTP: adding, renaming, retiring, and marking with them."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import httpx2

from adsum.accounts.access import Role
from adsum.wiring import Adsum
from tests.support.api import Api, violations
from tests.support.installation import RunWorker, ended
from tests.support.schools import make_bare_school

TRIP: dict[str, Any] = {"code": "trip", "label": "Class trip", "letter": "T", "countsAs": "attended"}


def path_of(api: Api) -> str:
    return f"/schools/{api.school.school_id}/statuses"


async def add(api: Api, role: str = "office", **fields: Any) -> httpx2.Response:
    return await api.post(path_of(api), TRIP | fields, role)


async def change(api: Api, of_code: str, role: str = "office", **fields: Any) -> httpx2.Response:
    return await api.change("PATCH", f"{path_of(api)}/{of_code}", role, None, json=fields)


async def codes(api: Api, **query: Any) -> list[str]:
    return [item["code"] for item in (await api.get(path_of(api), "viewer", **query)).json()["items"]]


def mark(api: Api, status: str) -> dict[str, Any]:
    return {"isSelectedAll": False, "marks": [{"studentId": api.school.student_ids[0], "status": status}]}


async def test_a_school_adds_a_status_and_marks_with_it(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    assert await codes(api) == ["present", "absent", "late", "excused"]

    added = await add(api, flags=["off_site"], position=0)

    assert (added.status_code, added.json()) == (
        HTTPStatus.CREATED,
        TRIP | {"flags": ["off_site"], "position": 0, "retiredAt": None},
    )
    assert await codes(api) == ["trip", "present", "absent", "late", "excused"]
    batch = await api.create("teacher", **mark(api, "trip"))
    async with worker():
        await ended(adsum, batch.json()["batchId"])
    assert list((await api.statuses()).values()) == ["trip"]
    assert len((await api.get("/attendances", status="trip")).json()["items"]) == 1
    assert (await api.get("/attendances", status="late")).json()["items"] == []


async def test_a_retired_status_cannot_be_given_and_its_records_stay(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    await add(api)
    batch = await api.create("teacher", **mark(api, "trip"))
    async with worker():
        await ended(adsum, batch.json()["batchId"])
    record = (await api.get("/attendances")).json()["items"][0]

    retired = await change(api, "trip", retired=True)

    assert retired.json()["retiredAt"] is not None
    assert await codes(api) == ["present", "absent", "late", "excused"]
    assert "trip" in await codes(api, retired="true")
    assert violations(await api.create("teacher", learningDate="2024-12-24", **mark(api, "trip"))) == {
        ("/marks/0/status", "retired_status")
    }
    noted = await api.change("PATCH", f"/attendances/{record['id']}", "teacher", '"1"', json={"note": "to the zoo"})
    assert (noted.json()["status"], noted.json()["note"]) == ("trip", "to the zoo")
    assert len((await api.get("/attendances", status="trip")).json()["items"]) == 1
    assert (await change(api, "trip", retired=False)).json()["retiredAt"] is None


async def test_a_default_is_renamed_reordered_and_retired_like_any_other(api: Api) -> None:
    renamed = await change(api, "late", label="Tardy", letter="t", position=9)

    assert (renamed.json()["label"], renamed.json()["letter"], renamed.json()["countsAs"]) == ("Tardy", "t", "attended")
    assert await codes(api) == ["present", "absent", "excused", "late"]
    assert (await change(api, "late", label="Tardy")).json() == renamed.json()
    assert (await change(api, "late", retired=True)).is_success
    assert violations(await api.create("teacher", **mark(api, "late"))) == {("/marks/0/status", "retired_status")}


async def test_present_and_absent_cannot_be_retired(api: Api) -> None:
    for code in ("present", "absent"):
        answer = await change(api, code, retired=True)
        assert (answer.status_code, answer.json()["code"]) == (HTTPStatus.CONFLICT, "status_needed")


async def test_a_code_and_a_letter_are_unique_in_a_school(api: Api) -> None:
    await add(api)

    same_code = await add(api, letter="X")
    same_letter = await add(api, code="tour", letter="t")
    letter_of_another = await change(api, "late", letter="T")

    assert [each.json()["code"] for each in (same_code, same_letter, letter_of_another)] == [
        "status_exists",
        "letter_taken",
        "letter_taken",
    ]
    await change(api, "trip", retired=True)
    assert (await add(api, code="tour")).is_success
    assert (await change(api, "trip", retired=False)).json()["code"] == "letter_taken"


async def test_one_of_two_simultaneous_additions_of_a_status_is_refused(api: Api) -> None:
    answers = await asyncio.gather(add(api), add(api, label="Tour"))

    assert sorted(answer.status_code for answer in answers) == [HTTPStatus.CREATED, HTTPStatus.CONFLICT]


async def test_all_violations_are_reported_and_no_status_is_added(api: Api) -> None:
    refused = await add(api, code="Trip!", label=" ", letter="TT")

    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert violations(refused) == {("/code", "wrong_code"), ("/label", "wrong_label"), ("/letter", "wrong_letter")}
    assert violations(await add(api, countsAs="maybe", flags=["loud"])) == {
        ("/countsAs", "unknown_value"),
        ("/flags/0", "unknown_value"),
    }
    assert violations(await change(api, "late", code="tardy")) == {("/code", "unknown_field")}
    assert await codes(api) == ["present", "absent", "late", "excused"]


async def test_each_role_reads_or_changes_statuses_as_it_may(api: Api) -> None:
    assert (await add(api, "teacher")).status_code == HTTPStatus.FORBIDDEN
    assert (await change(api, "late", "viewer", label="x")).status_code == HTTPStatus.FORBIDDEN
    assert (await api.get(path_of(api), "teacher")).status_code == HTTPStatus.OK
    assert (await api.get(path_of(api), "operator")).status_code == HTTPStatus.FORBIDDEN
    assert (await change(api, "nothing", label="x")).status_code == HTTPStatus.NOT_FOUND


async def test_the_statuses_of_another_school_are_not_found(adsum: Adsum, api: Api) -> None:
    async with adsum.database.transaction() as connection:
        other = await make_bare_school(connection, name="Elsewhere")

    for school_id in (other, other + 1):
        path = f"/schools/{school_id}/statuses"
        assert (await api.get(path)).status_code == HTTPStatus.NOT_FOUND
        assert (await api.post(path, TRIP, "office")).status_code == HTTPStatus.NOT_FOUND
    schools = (await api.get("/schools")).json()["items"]
    assert [(each["id"], each["name"], each["timeZone"]) for each in schools] == [
        (api.school.school_id, "Lindenhof", "UTC")
    ]
    refused = await api.get("/attendances", status="asleep")
    assert violations(refused) == {("/query/status", "unknown_status")}


async def test_schools_are_listed_page_by_page(adsum: Adsum, api: Api) -> None:
    async with adsum.database.transaction() as connection:
        for name in ("B", "C"):
            await make_bare_school(connection, name=name)
    await api.sign_in(Role.ADMIN, None)

    first = (await api.get("/schools", "admin", limit=2)).json()
    second = (await api.get("/schools", "admin", limit=2, cursor=first["nextCursor"])).json()

    assert [each["name"] for each in first["items"] + second["items"]] == ["Lindenhof", "B", "C"]
