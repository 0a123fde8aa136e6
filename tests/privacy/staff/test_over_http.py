"""Erasing staff over HTTP and on the pages, and how the erased are shown."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from sqlalchemy import insert, update

from adsum.accounts.access import Permission, Role
from adsum.accounts.tables import class_covers, users
from adsum.platform.clock import system_clock
from tests.attendance.corrections.conftest import Register
from tests.privacy.staff.conftest import SYSTEM
from tests.support.api import Api, violations
from tests.support.installation import ended
from tests.support.pages import Pages, visible_text
from tests.support.schools import make_user

TEACHER = "Xylanthe Quorvane"


@pytest.fixture
async def named(register: Register) -> Register:
    """The teacher of the register has a name; an admin of the school is signed in."""
    school = register.api.school
    async with register.adsum.database.transaction() as connection:
        names = {"given_name": "Xylanthe", "family_name": "Quorvane", "source_id": "t-1"}
        await connection.execute(update(users).where(users.c.id == school.teacher_id).values(**names))
    await register.api.sign_in(Role.ADMIN, school.school_id)
    return register


def path_of(register: Register) -> str:
    return f"/users/{register.api.school.teacher_id}"


async def delete(api: Api, path: str, role: str = "admin", **query: object) -> HTTPStatus:
    answer = await api.change("DELETE", path, role, None, params=query)
    return HTTPStatus(answer.status_code)


async def test_a_user_is_previewed_and_erased_once(named: Register) -> None:
    api, path = named.api, path_of(named)
    preview = (await api.get(f"{path}/erasure", "admin")).json()
    assert (preview["user"]["familyName"], preview["signIns"], preview["leavesTombstone"]) == ("Quorvane", 1, True)
    assert "marks" in preview["stays"]
    refused = [await delete(api, path, role) for role in ("office", "teacher", "viewer")]
    assert refused == [HTTPStatus.FORBIDDEN] * 3

    erased = await api.change("DELETE", path, "admin", None)

    assert erased.json() == {"userId": api.school.teacher_id, "revokedKeyIds": [], "handedOverKeyIds": []}
    assert await delete(api, path) == HTTPStatus.NOT_FOUND
    assert (await api.get(f"{path}/erasure", "admin")).status_code == HTTPStatus.NOT_FOUND
    assert (await api.get(path, "admin")).status_code == HTTPStatus.NOT_FOUND
    # Their token ends at once.
    assert (await api.get("/attendances", "teacher")).status_code == HTTPStatus.UNAUTHORIZED


async def test_the_query_says_what_becomes_of_api_keys(named: Register) -> None:
    api, path = named.api, path_of(named)
    school = [api.school.school_id]
    owner = f"teacher@class{api.school.class_id}.example"
    made = await named.adsum.api_keys.create("registers", [Permission.ATTENDANCE_READ], school, owner=owner)
    preview = (await api.get(f"{path}/erasure", "admin")).json()
    assert preview["apiKeys"] == [{"id": made.key.id, "name": "registers", "expiresAt": None}]
    unclear = await api.change("DELETE", path, "admin", None)
    assert (unclear.status_code, unclear.json()["code"]) == (HTTPStatus.CONFLICT, "owns_api_keys")
    wrong = await api.change("DELETE", path, "admin", None, params={"newOwnerId": 4711})
    assert violations(wrong) == {("/newOwner", "unknown_person")}
    both = await api.change("DELETE", path, "admin", None, params={"newOwnerId": 1, "revokeKeys": True})
    assert both.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert await delete(api, path, revoke=True) == HTTPStatus.UNPROCESSABLE_ENTITY, "unknown names are refused"
    erased = await api.change("DELETE", path, "admin", None, params={"revokeKeys": True})
    assert erased.json()["revokedKeyIds"] == [made.key.id]
    keys = (await api.get("/keys", "admin")).json()["items"]
    assert [(key["ownerId"], key["owner"]) for key in keys] == [(api.school.teacher_id, None)]


async def test_an_erased_user_is_readmitted(named: Register) -> None:
    api, body = named.api, {"schoolId": named.api.school.school_id, "sourcedId": "t-1"}
    await delete(api, path_of(named))
    by_office = await api.post("/users/readmissions", body, "office")
    assert by_office.status_code == HTTPStatus.FORBIDDEN
    answers = [await api.post("/users/readmissions", body, "admin") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND]


async def test_a_batch_of_theirs_is_recorded_and_everything_stays_with_an_anonymous_author(named: Register) -> None:
    """The batch waits in the queue while its author is erased."""
    api = named.api
    answer = await named.correct(status="absent", note="late bus")
    assert answer.is_success, answer.text
    queued = await api.create("teacher", learningDate="2024-12-24")
    assert queued.status_code == HTTPStatus.ACCEPTED

    assert await delete(api, path_of(named)) == HTTPStatus.OK

    async with named.worker():
        await ended(named.adsum, queued.json()["batchId"])
    records = (await api.get("/attendances")).json()["items"]
    assert len(records) == 6
    history = await named.history("office")
    authors = {version["changedByUserId"] for version in history["items"]}
    assert authors == {api.school.teacher_id}


@pytest.mark.parametrize(
    ("language", "shown", "in_table"),
    [("en", "an erased user", "Erased user"), ("de", "gelöschte Person", "Gelöschte Person")],
)
async def test_pages_show_an_erased_user_where_the_name_stood(
    named: Register, language: str, shown: str, in_table: str
) -> None:
    api, pages, school = named.api, Pages(named.api), named.api.school
    await named.correct(status="absent")
    now = system_clock()
    async with named.adsum.database.transaction() as connection:
        cover = {"school_id": school.school_id, "class_id": school.class_id, "user_id": school.teacher_id}
        cover |= {"begin_date": now.date(), "end_date": now.date(), "created_at": now, "created_role": "office"}
        await connection.execute(insert(class_covers).values(cover))
    record = f"/record/{named.records[0]}"
    assert TEACHER in visible_text(await pages.open(record, "office", language))
    listed = f"/admin/people?school={school.school_id}"
    assert TEACHER in visible_text(await pages.open(listed, "admin", language))

    assert await delete(api, path_of(named)) == HTTPStatus.OK

    history = visible_text(await pages.open(record, "office", language))
    audit = visible_text(await pages.open("/admin/audit", "admin", language))
    people = visible_text(await pages.open(listed, "admin", language))
    assert shown in history
    assert f"{in_table} {school.teacher_id}" in audit
    assert not [page for page in (history, audit, people) if "Quorvane" in page]


async def test_registers_name_no_erased_teacher(named: Register) -> None:
    """The teacher taught the class on a day whose register is missing."""
    await delete(named.api, path_of(named))
    listed = await named.api.get("/registers", "office", date="2024-12-23", schoolId=named.api.school.school_id)
    (item,) = listed.json()["items"]
    assert item["teachers"] == [
        {"userId": named.api.school.teacher_id, "name": "", "isErased": True, "hasLogin": False}
    ]


async def test_the_page_shows_what_goes_and_asks_before_it_erases(named: Register) -> None:
    pages, school = Pages(named.api), named.api.school
    page = f"/admin/people/{school.teacher_id}?school={school.school_id}"
    erase = f"/admin/people/{school.teacher_id}/erase?school={school.school_id}"
    made = await named.adsum.api_keys.create(
        "registers",
        [Permission.ATTENDANCE_READ],
        [school.school_id],
        owner=f"teacher@class{school.class_id}.example",
    )
    person = await pages.open(page, "admin")
    assert erase.replace("&", "&amp;") in person.text
    shown = visible_text(await pages.open(erase, "admin"))
    assert [text for text in ("What is deleted", "What is kept", "registers", TEACHER) if text not in shown] == []

    unclear = await pages.send(erase, {}, "admin")
    assert (unclear.status_code, "owns API keys" in visible_text(unclear)) == (HTTPStatus.CONFLICT, True)
    wrong = await pages.send(erase, {"keys": "hand-over", "new_owner": "nobody@x.example"}, "admin")
    assert (wrong.status_code, 'value="nobody@x.example"' in wrong.text) == (HTTPStatus.UNPROCESSABLE_ENTITY, True)
    done = await pages.send(erase, {"keys": "revoke"}, "admin")

    assert (done.status_code, done.headers["location"]) == (
        HTTPStatus.SEE_OTHER,
        f"/admin/people?school={school.school_id}&erased=true",
    )
    assert "The person is erased." in visible_text(await pages.open(done.headers["location"], "admin"))
    assert (await pages.open(page, "admin")).status_code == HTTPStatus.NOT_FOUND
    key = visible_text(await pages.open(f"/admin/keys/{made.key.id}", "admin"))
    assert f"Erased user {school.teacher_id}" in key


async def test_only_admins_are_offered_to_erase(named: Register) -> None:
    pages, school = Pages(named.api), named.api.school
    async with named.adsum.database.transaction() as connection:
        bare = await make_user(connection, Role.TEACHER, school.school_id, given_name="Grace", source_id="t-2")
    erase = f"/admin/people/{bare}/erase?school={school.school_id}"
    assert erase in (await pages.open(f"/admin/people/{bare}?school={school.school_id}", "admin")).text
    assert f"/admin/people/{bare}?" in (await pages.open(f"/admin/people?school={school.school_id}", "admin")).text
    await named.adsum.schools.change(school.school_id, {"office_manages_logins": True}, SYSTEM)
    as_office = await pages.open(f"/admin/people/{bare}?school={school.school_id}", "office")
    assert (as_office.status_code, erase in as_office.text) == (HTTPStatus.OK, False)
    assert (await pages.open(erase, "office")).status_code == HTTPStatus.FORBIDDEN


async def test_staff_are_readmitted_on_the_page_of_retention_by_admins(named: Register) -> None:
    pages, school_id = Pages(named.api), named.api.school.school_id
    await delete(named.api, path_of(named))
    path, fields = f"/admin/retention/readmit?school={school_id}", {"sourced_id": "t-1", "kind": "user"}
    page = f"/admin/retention?school={school_id}"
    offered = ['value="user"' in (await pages.open(page, role)).text for role in ("admin", "office")]
    assert offered == [True, False]
    office = await pages.send(path, fields, "office")
    statuses = [(await pages.send(path, fields, "admin")).status_code for _ in range(2)]
    assert (office.status_code, *statuses) == (HTTPStatus.FORBIDDEN, HTTPStatus.SEE_OTHER, HTTPStatus.NOT_FOUND)
