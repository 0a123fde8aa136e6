"""`/users` over HTTP, and attempts to gain rights through it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Any

import httpx2
import pytest
from sqlalchemy import update

from adsum.accounts.access import Permission, Role, system_caller
from adsum.schools.tables import schools
from adsum.wiring import Adsum
from tests.roster.files import a_school, in_zip
from tests.support.api import Api, opened_api, violations
from tests.support.schools import SchoolIds, make_school, make_user

DISTRICT, SCHOOL, OFFICE, TEACHER = "district", "school", "office", "teacher"
ZIP = {"Content-Type": "application/zip"}
Ids = dict[str, int]


async def add(adsum: Adsum, name: str, role: Role, school_id: int | None) -> tuple[int, str]:
    email = f"{name}@school.example"
    async with adsum.database.transaction() as connection:
        user_id = await make_user(connection, role, school_id, email=email, source_id=f"source-{name}")
    return user_id, (await adsum.tokens.create(email)).text


@pytest.fixture
async def other(adsum: Adsum) -> SchoolIds:
    async with adsum.database.transaction() as connection:
        return await make_school(connection)


@pytest.fixture
async def users(adsum: Adsum, school: SchoolIds, other: SchoolIds) -> AsyncGenerator[tuple[Api, Ids]]:
    """An admin of the district, and an admin, an office and a teacher of the first school; a viewer of the second."""
    async with opened_api(adsum, school, ()) as api:
        ids: Ids = {}
        for name, role, school_id in (
            (DISTRICT, Role.ADMIN, None),
            (SCHOOL, Role.ADMIN, school.school_id),
            (OFFICE, Role.OFFICE, school.school_id),
            (TEACHER, Role.TEACHER, school.school_id),
            ("elsewhere", Role.VIEWER, other.school_id),
        ):
            ids[name], api.tokens[name] = await add(adsum, name, role, school_id)
        yield api, ids


async def patch(api: Api, user_id: int, by: str, /, **fields: Any) -> httpx2.Response:
    return await api.change("PATCH", f"/users/{user_id}", by, None, json=fields)


async def test_an_admin_of_a_school_adds_changes_and_resets_users_of_it(users: tuple[Api, Ids]) -> None:
    api, _ = users
    added = await api.post("/users", {"email": "New@School.example", "role": "viewer"}, SCHOOL)
    assert (added.status_code, added.headers["Cache-Control"]) == (HTTPStatus.CREATED, "no-store")
    new = added.json()["user"]
    assert new | {"id": 0} == {
        "id": 0,
        "email": "new@school.example",
        "role": "viewer",
        "schoolId": api.school.school_id,
        "sourcedId": None,
        "givenName": "",
        "familyName": "",
        "disabled": False,
        "hasFirstPassword": True,
    }
    path = f"/users/{new['id']}"
    changed = await patch(api, new["id"], SCHOOL, role="office", disabled=True)
    assert changed.json() == new | {"role": "office", "disabled": True}
    assert (await api.get(path, SCHOOL)).json() == changed.json()
    reset = await api.post(f"{path}/password", None, SCHOOL)
    assert reset.json()["password"] != added.json()["password"]
    assert reset.headers["Cache-Control"] == "no-store"
    for action in ("unlock", "sign-out"):
        assert (await api.post(f"{path}/{action}", None, SCHOOL)).json() == changed.json()
    listed = (await api.get("/users", SCHOOL, disabled=True)).json()["items"]
    found = (await api.post("/users/search", {"q": "NEW@school", "withLogin": True}, SCHOOL)).json()["items"]
    assert listed == found == [changed.json()]


async def test_nobody_gains_rights_by_changing_users(users: tuple[Api, Ids]) -> None:
    api, ids = users
    forbidden = [
        await patch(api, ids[TEACHER], SCHOOL, role="admin", schoolId=None),
        await patch(api, ids[SCHOOL], SCHOOL, schoolId=None),
        await patch(api, ids[TEACHER], SCHOOL, role="operator"),
        await patch(api, ids[SCHOOL], OFFICE, disabled=True),
        await patch(api, ids[OFFICE], TEACHER, role="admin"),
        await patch(api, ids[TEACHER], TEACHER, role="admin"),
        await api.post("/users", {"email": "x@school.example", "role": "admin"}, SCHOOL),
        await api.post("/users", {"email": "x@school.example", "role": "operator"}, SCHOOL),
        await api.get("/users", OFFICE),
    ]
    assert [each.status_code for each in forbidden] == [HTTPStatus.FORBIDDEN] * len(forbidden)
    own = await patch(api, ids[SCHOOL], SCHOOL, role="office")
    assert (own.status_code, own.json()["code"]) == (HTTPStatus.CONFLICT, "own_login")
    last = await patch(api, ids[DISTRICT], DISTRICT, disabled=True)
    assert last.json()["code"] == "own_login"


async def test_users_of_another_school_do_not_exist_for_an_admin_of_a_school(users: tuple[Api, Ids]) -> None:
    api, ids = users
    for user_id in (ids[DISTRICT], ids["elsewhere"], 4711):
        path = f"/users/{user_id}"
        answers = [
            await api.get(path, SCHOOL),
            await patch(api, user_id, SCHOOL, disabled=True),
            *[await api.post(f"{path}/{action}", None, SCHOOL) for action in ("password", "unlock", "sign-out")],
        ]
        assert {each.status_code for each in answers} == {HTTPStatus.NOT_FOUND}
        assert len({each.json()["detail"] for each in answers}) == 1
    moved = await patch(api, ids[TEACHER], SCHOOL, schoolId=4711)
    other = await api.post("/users", {"email": "x@school.example", "role": "viewer", "schoolId": 4711}, SCHOOL)
    assert violations(moved) == violations(other) == {("/schoolId", "unknown_school")}
    assert len((await api.get("/users", DISTRICT)).json()["items"]) == len(ids) + 2


async def test_unknown_fields_and_wrong_values_are_refused(users: tuple[Api, Ids]) -> None:
    api, ids = users
    wrong = await patch(api, ids[TEACHER], SCHOOL, permissions=["user:manage"], passwordHash="x", id=1, role="root")
    assert violations(wrong) == {
        ("/permissions", "unknown_field"),
        ("/passwordHash", "unknown_field"),
        ("/id", "unknown_field"),
        ("/role", "unknown_value"),
    }
    key = await patch(api, ids[TEACHER], SCHOOL, role="key")
    assert violations(key) == {("/role", "unknown_role")}
    assert violations(await api.post("/users", {"disabled": False}, SCHOOL)) == {
        ("/disabled", "unknown_field"),
        ("/email", "missing_field"),
        ("/role", "missing_field"),
    }


async def test_a_demoted_user_loses_their_rights_with_the_next_request(users: tuple[Api, Ids]) -> None:
    api, ids = users
    assert (await api.get("/users", SCHOOL)).status_code == HTTPStatus.OK
    assert (await patch(api, ids[SCHOOL], DISTRICT, role="office")).status_code == HTTPStatus.OK
    assert (await api.get("/users", SCHOOL)).status_code == HTTPStatus.UNAUTHORIZED


async def test_an_office_cannot_let_itself_manage_logins(users: tuple[Api, Ids]) -> None:
    api, ids = users
    path, setting = f"/schools/{api.school.school_id}", {"officeManagesLogins": True}
    assert (await api.change("PATCH", path, OFFICE, None, json=setting)).status_code == HTTPStatus.FORBIDDEN
    allowed = await api.change("PATCH", path, SCHOOL, None, json=setting)
    assert allowed.json()["officeManagesLogins"] is True
    reset = await api.post(f"/users/{ids[TEACHER]}/password", None, OFFICE)
    assert reset.status_code == HTTPStatus.OK
    for user in (SCHOOL, OFFICE):
        assert (await api.post(f"/users/{ids[user]}/password", None, OFFICE)).status_code == HTTPStatus.FORBIDDEN
    # Not even to keep it: only those who manage the office decide.
    assert (await api.change("PATCH", path, OFFICE, None, json=setting)).status_code == HTTPStatus.FORBIDDEN


async def test_a_roster_makes_nobody_an_admin(users: tuple[Api, Ids], adsum: Adsum) -> None:
    api, ids = users
    roster = a_school()
    roster.add("users", sourcedId="source-office", role="administrator", givenName="O", orgSourcedIds="school-1")
    roster.add("users", sourcedId="source-school", role="teacher", givenName="S", orgSourcedIds="school-1")
    content = in_zip(roster.files()).getvalue()
    async with adsum.database.transaction() as connection:
        of_school = update(schools).where(schools.c.id == api.school.school_id)
        await connection.execute(of_school.values(source_id="school-1", name="Lindenhof"))
    answer = await api.client.post(
        "/rosters/import?allowRemovals=true",
        content=content,
        headers={"Authorization": f"Bearer {api.tokens[OFFICE]}", **ZIP},
    )
    assert answer.status_code == HTTPStatus.OK, answer.text
    rows = {name: (await adsum.people.find(user_id, system_caller())).row for name, user_id in ids.items()}
    assert (rows[OFFICE].role, rows[OFFICE].disabled) == ("office", False)
    assert (rows[SCHOOL].role, rows[SCHOOL].school_id) == ("admin", api.school.school_id)


async def test_a_key_manages_users_within_its_rights(users: tuple[Api, Ids], adsum: Adsum) -> None:
    api, ids = users
    permissions = [Permission.USER_MANAGE, Permission.ATTENDANCE_READ, Permission.BATCH_READ, Permission.ROSTER_READ]
    key = await adsum.api_keys.create("directory", permissions, [api.school.school_id])
    headers = {"X-API-Key": key.secret}
    added = await api.client.post("/users", json={"email": "v@school.example", "role": "viewer"}, headers=headers)
    assert added.status_code == HTTPStatus.CREATED
    for name in (OFFICE, SCHOOL, TEACHER):
        answer = await api.client.post(f"/users/{ids[name]}/password", headers=headers)
        assert answer.status_code == HTTPStatus.FORBIDDEN


async def test_names_of_users_are_sent_and_changed(users: tuple[Api, Ids]) -> None:
    api, ids = users
    body = {"email": "new@school.example", "role": "viewer", "givenName": " Thea ", "familyName": "Todd"}
    added = (await api.post("/users", body, SCHOOL)).json()["user"]
    assert (added["givenName"], added["familyName"]) == ("Thea", "Todd")
    renamed = await patch(api, added["id"], SCHOOL, familyName=" Tudor ")
    assert (renamed.json()["givenName"], renamed.json()["familyName"]) == ("Thea", "Tudor")
    of_roster = await patch(api, ids[TEACHER], SCHOOL, givenName="Eva")
    assert (of_roster.status_code, of_roster.json()["code"]) == (409, "name_of_roster")
    assert violations(await patch(api, added["id"], SCHOOL, givenName="", familyName=" ")) == {
        ("/familyName", "name_missing")
    }
