"""The audit log is listed with filters, exported, verified, and shown on a page, to those who may read it."""

from __future__ import annotations

import csv
import io
import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

import adsum
from adsum.accounts.access import Caller, Permission, Role, system_caller
from adsum.operations.audit.rules import AuditFilters
from adsum.platform.errors import Forbidden, NotFound
from adsum.platform.paging import PageRequest
from adsum.wiring import Adsum
from tests.support.api import Api
from tests.support.schools import make_bare_school

PASSWORD = "correct horse battery"
ADMIN = "admin@school.example"
SOURCE = Path(adsum.__file__).parent
PARTS = SOURCE / "operations/audit/templates/admin/audit_parts.html"
KEY_TERMS = {"schoolId", "ownerId", "expiresAt", "networks"}


async def items(api: Api, **query: Any) -> list[dict[str, Any]]:
    answer = await api.get("/audit", "admin", **query)
    assert answer.is_success, answer.text
    return answer.json()["items"]


async def test_entries_are_listed_the_newest_first_with_all_their_fields(admin: Api) -> None:
    newest = await items(admin)

    assert newest[0] | {"id": 0, "createdAt": ""} == {
        "id": 0,
        "position": None,
        "hash": None,
        "createdAt": "",
        "action": "sign_in_failed",
        "callerRole": None,
        "callerUserId": None,
        "callerKeyId": None,
        "osUser": None,
        "address": None,
        "requestId": None,
        "agent": None,
        "schoolId": None,
        "studentId": None,
        "userId": None,
        "keyId": None,
        "before": None,
        "after": {"attempts": 3, "code": "unauthenticated"},
    }


async def test_each_filter_narrows_the_entries(admin: Api) -> None:
    user = await admin.adsum.accounts.own_user(await admin.adsum.tokens.caller_of(admin.tokens["admin"]))
    school, student = admin.school.school_id, admin.school.student_ids[0]
    changes = await items(admin, action="school_changed")
    assert [each["after"] for each in changes] == [{"days": 9}, {"days": 2}, {"days": 1}, {"days": 0}]
    assert len(await items(admin, action="school_changed", schoolId=school)) == 3
    assert [each["action"] for each in await items(admin, studentId=student)] == ["student_read"]
    assert [each["action"] for each in await items(admin, userId=user.id)] == ["signed_in", "user_added"]
    assert await items(admin, keyId=7) == []
    begin, end = changes[-1]["createdAt"], "9000-01-01T00:00:00Z"
    assert len(await items(admin, action="school_changed", since=begin, until=end)) == 4
    assert await items(admin, until=begin, action="school_changed") == await items(admin, since=end) == []
    pages = await admin.get("/audit", "admin", action="school_changed", limit=3)
    rest = await admin.get("/audit", "admin", action="school_changed", limit=3, cursor=pages.json()["nextCursor"])
    assert [*pages.json()["items"], *rest.json()["items"]] == changes


@pytest.mark.parametrize(
    "query",
    [
        {"since": "2024-12-25"},
        {"since": "9999-12-31T23:59:59-14:00"},
        {"until": "0001-01-01T00:00:00+14:00"},
        {"action": "x"},
        {"userId": "0"},
        {"cursor": "x"},
        {"from": "2024-12-25"},
    ],
)
async def test_wrong_filters_are_refused(admin: Api, query: dict[str, str]) -> None:
    assert (await admin.get("/audit", "admin", **query)).status_code == HTTPStatus.UNPROCESSABLE_ENTITY


async def test_the_log_needs_its_permission_and_shows_only_entries_of_visible_schools(adsum: Adsum, admin: Api) -> None:
    for role in ("office", "teacher", "viewer", "operator"):
        assert (await admin.get("/audit", role)).status_code == HTTPStatus.FORBIDDEN
    with pytest.raises(Forbidden):
        await adsum.audit_log.page(Caller(Role.OFFICE, frozenset()), AuditFilters(), PageRequest())
    with pytest.raises(Forbidden):
        await adsum.audit_log.export(Caller(Role.OFFICE, frozenset()), AuditFilters(), "csv")
    key = await adsum.api_keys.create("log", [Permission.AUDIT_READ], [admin.school.school_id])
    answer = await admin.client.get("/audit", headers={"X-API-Key": key.secret})
    assert {each["schoolId"] for each in answer.json()["items"]} == {admin.school.school_id}


async def test_an_export_has_all_entries_and_is_one_itself(admin: Api) -> None:
    headers = {"Accept": "text/csv", "Authorization": f"Bearer {admin.tokens['admin']}"}
    answer = await admin.client.get("/audit", params={"action": "school_changed"}, headers=headers)

    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [json.loads(row["after"])["days"] for row in rows] == [9, 2, 1, 0]
    (entry,) = await items(admin, action="log_exported")
    assert (entry["callerRole"], entry["after"]) == ("admin", {"form": "csv"})


async def test_an_export_is_in_the_log_of_no_school_that_the_caller_does_not_see(adsum: Adsum, admin: Api) -> None:
    school = admin.school.school_id
    async with adsum.database.transaction() as connection:
        other = await make_bare_school(connection)
    permissions = frozenset({Permission.AUDIT_READ})
    of_one = Caller(Role.KEY, permissions, key_id=1, schools=frozenset({school}))
    of_two = Caller(Role.KEY, permissions, key_id=1, schools=frozenset({school, other + 1}))
    for caller in (of_one, of_two, system_caller()):
        for school_id in (other, school, None):
            await adsum.list_exports.begin(caller, "students", "csv", {"school_id": school_id})
            if school_id == other and caller.schools is not None:
                with pytest.raises(NotFound):
                    await adsum.audit_log.export(caller, AuditFilters(school_id=school_id), "csv")
            else:
                await adsum.audit_log.export(caller, AuditFilters(school_id=school_id), "csv")

    entries = await items(admin, limit=16)
    schools = {
        action: [each["schoolId"] for each in reversed(entries) if each["action"] == action]
        for action in ("list_exported", "log_exported")
    }
    assert schools == {
        "list_exported": [school] * 3 + [None, school, None] + [other, school, None],
        "log_exported": [school] * 2 + [school, None] + [other, school, None],
    }


async def test_the_leading_worker_seals_and_the_log_verifies(adsum: Adsum, admin: Api) -> None:
    for chore in adsum.chores:
        await chore()

    entries = await items(admin)
    assert [each["position"] for each in entries] == list(range(len(entries), 0, -1))
    found = await adsum.verifier.verify()
    assert (found.entries, found.problem) == (len(entries), None)
