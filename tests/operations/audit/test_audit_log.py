"""The audit log is listed with filters, exported, verified, and shown on a page, to those who may read it."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import fields
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic.alias_generators import to_camel

import adsum
from adsum.accounts.access import Caller, Permission, Role, system_caller
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.operations.audit.rules import AuditFilters
from adsum.platform.errors import Forbidden
from adsum.platform.paging import PageRequest
from adsum.privacy.retention.rules import Periods
from adsum.wiring import Adsum
from tests.support.api import Api

PASSWORD = "correct horse battery"
ADMIN = "admin@school.example"
SOURCE = Path(adsum.__file__).parent
PARTS = SOURCE / "operations/audit/templates/admin/audit_parts.html"
KEY_TERMS = {"schoolId", "ownerId", "expiresAt", "networks"}


@pytest.fixture
async def admin(adsum: Adsum, api: Api) -> Api:
    """The API with an admin, and entries of two schools and a student."""
    await adsum.accounts.add_user(ADMIN, Role.ADMIN, password=PASSWORD)
    api.tokens["admin"] = (await adsum.tokens.create(ADMIN)).text
    school, student = api.school.school_id, api.school.student_ids[0]
    async with adsum.database.transaction() as connection:
        for number in range(3):
            after = {"days": number}
            await record(connection, system_caller(), Action.SCHOOL_CHANGED, school_id=school, before={}, after=after)
        await record(connection, system_caller(), Action.SCHOOL_CHANGED, school_id=school + 1, after={"days": 9})
        await record(connection, system_caller(), Action.STUDENT_READ, school_id=school, student_id=student)
        await record(connection, None, Action.SIGN_IN_FAILED, after={"attempts": 3, "code": "unauthenticated"})
    return api


async def items(api: Api, **query: Any) -> list[dict[str, Any]]:
    answer = await api.get("/audit", "admin", **query)
    assert answer.is_success, answer.text
    return answer.json()["items"]


async def test_entries_are_listed_the_newest_first_and_narrowed_by_each_filter(admin: Api) -> None:
    user = await admin.adsum.accounts.own_user(await admin.adsum.tokens.caller_of(admin.tokens["admin"]))
    school, student = admin.school.school_id, admin.school.student_ids[0]
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
    permissions = frozenset({Permission.AUDIT_READ})
    of_one = Caller(Role.KEY, permissions, key_id=1, schools=frozenset({school}))
    of_two = Caller(Role.KEY, permissions, key_id=1, schools=frozenset({school, school + 2}))
    for caller in (of_one, of_two, system_caller()):
        for school_id in (school + 1, school, None):
            await adsum.audit_log.export(caller, AuditFilters(school_id=school_id), "csv")
            await adsum.list_exports.begin(caller, "students", "csv", {"school_id": school_id})

    entries = await items(admin, limit=18)
    expected = [school] * 3 + [None, school, None] + [school + 1, school, None]
    for action in ("log_exported", "list_exported"):
        assert [each["schoolId"] for each in reversed(entries) if each["action"] == action] == expected


async def page(api: Api, query: str = "", **headers: str) -> httpx2.Response:
    cookies = {"adsum": api.tokens["admin"]}
    return await api.client.get(
        f"/admin/audit{query}", headers={"Accept": "text/html", "Cookie": f"adsum={cookies['adsum']}"} | headers
    )


async def test_the_page_says_in_words_who_did_what_and_filters(admin: Api) -> None:
    answer = await page(admin)
    assert answer.is_success, answer.text
    for words in ("A sign-in failed", "Settings of a school were changed", "Command line", "Nobody signed in", ADMIN):
        assert words in answer.text
    assert "sign_in_failed</" not in answer.text
    assert "cause <bdi>wrong email or password</bdi>" in answer.text
    german = await page(admin, **{"Accept-Language": "de"})
    assert "Eine Anmeldung schlug fehl" in german.text
    filtered = await page(admin, f"?student={admin.school.student_ids[0]}")
    assert "whole record was read" in filtered.text
    assert "A sign-in failed</th>" not in filtered.text
    assert "No entry matches" in (await page(admin, "?from=2020-01-01&to=2020-01-02")).text
    wrong = await page(admin, "?user=abc&from=yesterday")
    assert wrong.text.count('aria-invalid="true"') == 2
    assert (await page(admin, "?cursor=x")).is_success


async def test_every_action_and_detail_has_words_in_the_page(admin: Api) -> None:
    async with admin.adsum.database.transaction() as connection:
        for action in Action:
            await record(connection, system_caller(), action)
    answer = await page(admin)
    assert [action for action in Action if f'<th scope="row">{action.value}<' in answer.text] == []
    labels = PARTS.read_text(encoding="utf-8")
    assert {"holdId", "firstMonth", "earlierSecretsEndAt", "issuer"} <= detail_names()
    assert [name for name in detail_names() if f'"{name}": _(' not in labels] == []


def detail_names() -> set[str]:
    """The keys that the code writes in literals of `before` and `after`, and those of settings that it writes whole."""
    texts = [path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py")]
    literals = [
        literal
        for text in texts
        if "audit.repository import" in text
        for literal in re.findall(r"\b(?:before|after|ended) ?= ?(\{[^}]*\}(?: \| \(?\{[^}]*\})?)", text)
    ]
    written = {name for literal in literals for name in re.findall(r'"([a-zA-Z0-9]+)":', literal)}
    return written | {to_camel(each.name) for each in fields(Periods)} | KEY_TERMS


async def test_the_leading_worker_seals_and_the_log_verifies(adsum: Adsum, admin: Api) -> None:
    for chore in adsum.chores:
        await chore()

    entries = await items(admin)
    assert [each["position"] for each in entries] == list(range(len(entries), 0, -1))
    found = await adsum.verifier.verify()
    assert (found.entries, found.problem) == (len(entries), None)
