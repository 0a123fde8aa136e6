"""Changes of accounts, sign-ins and API keys are recorded, and failures in a bounded number of entries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from pyotp.totp import TOTP

from adsum.accounts.access import Caller, Permission, Role, system_caller
from adsum.accounts.audit import impersonations
from adsum.accounts.audit.failures import WINDOW_S, FailedSignIns
from adsum.accounts.audit.impersonations import SLICE, ImpersonationRecords
from adsum.accounts.audit.repository import lock_acting
from adsum.accounts.second_factors.rules import Proof
from adsum.accounts.sign_ins.rules import SignInClient
from adsum.platform.clock import system_clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Unavailable
from adsum.roster.people.rules import PersonChange
from adsum.wiring import Adsum
from tests.accounts.audit.conftest import entries_of
from tests.support.api import Api
from tests.support.people import enable

PASSWORD, NEW = "correct horse battery", "another horse battery"
EMAIL = "ada@school.example"


async def brief(adsum: Adsum, *actions: str) -> list[tuple[Any, ...]]:
    """Action, role of the caller, user and details of each entry."""
    return [
        (each["action"], each["caller_role"], each["user_id"], each["after"] and json.loads(each["after"]))
        for each in await entries_of(adsum.database, *actions)
    ]


async def post(api: Api, path: str, **form: str) -> httpx2.Response:
    return await api.client.post(path, data=form, headers={"Origin": "http://adsum.test"})


async def disable_and_enable(adsum: Adsum) -> None:
    await adsum.people.change(EMAIL, PersonChange(disabled=True), system_caller())
    await enable(adsum.people, EMAIL)
    await enable(adsum.people, EMAIL)  # changes nothing
    await adsum.people.unlock(EMAIL, system_caller())


async def sign_in_and_change_password(api: Api) -> httpx2.Response:
    token = (await post(api, "/auth/token", username=EMAIL, password=PASSWORD)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}", "User-Agent": "Robot/1"}
    body = {"password": PASSWORD, "newPassword": NEW}
    return await api.client.post("/auth/password", json=body, headers=headers)


async def test_the_life_of_an_account_is_recorded(adsum: Adsum, api: Api) -> None:
    await adsum.accounts.add_user("bob@school.example", Role.ADMIN)  # the last admin could not be disabled
    before = len(await entries_of(adsum.database))
    login = await adsum.accounts.add_user(EMAIL, Role.ADMIN)
    user = login.user.id
    await disable_and_enable(adsum)
    await adsum.accounts.set_password(EMAIL, PASSWORD)
    changed = await sign_in_and_change_password(api)
    token = changed.json()["access_token"]
    other = (await post(api, "/auth/token", username=EMAIL, password=NEW)).json()["access_token"]
    await api.client.delete("/auth/sign-ins", headers={"Authorization": f"Bearer {other}"})
    assert (await post(api, "/auth/revoke", token=other)).is_success
    assert (await post(api, "/auth/revoke", token=other)).is_success  # has ended already
    await adsum.tokens.end_of_email(EMAIL)

    assert (await brief(adsum))[before:] == [
        ("user_added", "system", user, {"role": "admin"}),
        ("user_disabled", "system", user, None),
        ("user_enabled", "system", user, None),
        ("user_unlocked", "system", user, None),
        ("password_reset", "system", user, None),
        ("signed_in", "admin", user, {"kind": "api"}),
        ("password_changed", "admin", user, None),
        ("signed_in", "admin", user, {"kind": "api"}),
        ("signed_in", "admin", user, {"kind": "api"}),
        ("sign_ins_ended", "admin", user, {"which": "others"}),
        ("signed_out", "admin", user, None),
        ("sign_ins_ended", "system", user, {"which": "all"}),
    ]
    (entry,) = await entries_of(adsum.database, "password_changed")
    assert (entry["caller_user_id"], entry["agent"], entry["address"]) == (user, "Robot/1", "127.0.0.1")
    assert entry["request_id"] == changed.headers["X-Request-ID"]
    await assert_no_entry_has(adsum, PASSWORD, NEW, EMAIL, token)


async def assert_no_entry_has(adsum: Adsum, *secrets: str) -> None:
    everything = str(await entries_of(adsum.database))
    assert [secret for secret in secrets if secret in everything] == []


async def test_a_first_password_is_recorded_when_it_is_used_and_when_it_is_tried_again(adsum: Adsum, api: Api) -> None:
    login = await adsum.accounts.add_user(EMAIL, Role.OFFICE, school_id=api.school.school_id)

    for _ in range(2):
        await post(api, "/auth/token", username=EMAIL, password=login.password)

    entries = await brief(adsum, "first_password_used", "signed_in", "sign_in_failed")
    assert [each for each in entries if each[2] == login.user.id] == [
        ("first_password_used", "office", login.user.id, None),
        ("signed_in", "office", login.user.id, {"kind": "api"}),
        ("sign_in_failed", None, login.user.id, {"attempts": 1, "code": "first_password_used"}),
    ]


async def test_sign_ins_on_the_page_and_their_ends_are_recorded(adsum: Adsum, api: Api) -> None:
    user = (await adsum.accounts.add_user(EMAIL, Role.ADMIN, password=PASSWORD)).user.id
    other = await adsum.tokens.create(EMAIL)
    listed = (await api.client.get("/auth/sign-ins", headers={"Authorization": f"Bearer {other.text}"})).json()

    assert (await post(api, "/sign-in", email=EMAIL, password=PASSWORD)).is_redirect
    assert (await post(api, "/account/sign-ins", signIn=str(listed["items"][0]["id"]))).is_redirect
    assert (await post(api, "/sign-out", everywhere="true")).is_redirect

    assert [each for each in await brief(adsum) if each[2] == user][1:] == [
        ("signed_in", "system", user, {"kind": "command"}),
        ("signed_in", "admin", user, {"kind": "page"}),
        ("sign_ins_ended", "admin", user, {"signInId": listed["items"][0]["id"]}),
        ("sign_ins_ended", "admin", user, {"which": "all"}),
    ]


async def test_api_keys_are_recorded_without_their_names(adsum: Adsum) -> None:
    new = await adsum.api_keys.create("the secret platform", [Permission.ROSTER_READ])
    await adsum.api_keys.revoke(new.key.id)

    created, revoked = await entries_of(adsum.database)
    assert (created["action"], created["key_id"], json.loads(created["after"])) == (
        "key_created",
        new.key.id,
        {"permissions": ["roster:read"], "schools": None, "ownerId": None, "expiresAt": None, "networks": None},
    )
    assert (revoked["action"], revoked["key_id"]) == ("key_revoked", new.key.id)
    assert "platform" not in str(created)


async def test_a_failed_sign_in_names_the_account_only_if_it_exists(adsum: Adsum, api: Api) -> None:
    user = (await adsum.accounts.add_user(EMAIL, Role.ADMIN, password=PASSWORD)).user.id

    for email in (EMAIL, "nobody@school.example", PASSWORD, "\x00"):
        await post(api, "/auth/token", username=email, password="wrong")

    failed = await entries_of(adsum.database, "sign_in_failed")
    assert [(each["user_id"], json.loads(each["after"])["attempts"]) for each in failed] == [
        (user, 1),
        (None, 1),
        (None, 1),
        (None, 1),
    ]
    assert {each["caller_role"] for each in failed} == {None}
    assert [text for text in ("nobody", PASSWORD, "wrong") if text in str(failed)] == []


async def test_a_wrong_present_password_is_recorded(adsum: Adsum, api: Api) -> None:
    user = (await adsum.accounts.add_user(EMAIL, Role.ADMIN, password=PASSWORD)).user.id
    token = (await adsum.tokens.create(EMAIL)).text

    await api.client.post(
        "/auth/password",
        json={"password": "wrong", "newPassword": NEW},
        headers={"Authorization": f"Bearer {token}"},
    )

    assert [each[2] for each in await brief(adsum, "sign_in_failed")] == [user]


def numbers(entries: Sequence[dict[str, Any]]) -> list[int]:
    return [json.loads(each["after"])["attempts"] for each in entries]


async def test_a_flood_of_failures_makes_two_entries_for_each_account_and_address(database: Database) -> None:
    failures = FailedSignIns(database)

    for number in range(50):
        await failures.note(f"user{number % 2}@school.example", "192.0.2.7", "unauthenticated")
    await failures.close()

    assert numbers(await entries_of(database)) == [1, 1, 24, 24]


async def test_every_entry_about_a_user_is_in_the_log_of_their_school(adsum: Adsum, api: Api) -> None:
    school = api.school.school_id
    user = (await adsum.accounts.add_user(EMAIL, Role.OFFICE, school_id=school, password=PASSWORD)).user
    caller = await adsum.tokens.caller_of((await adsum.tokens.create(EMAIL)).text)
    other = await adsum.tokens.caller_of((await adsum.tokens.create(EMAIL)).text)
    await adsum.tokens.confirm(caller)
    assert other.sign_in_id is not None
    await adsum.tokens.end(caller, other.sign_in_id)
    await adsum.tokens.end_others(caller)
    setup = await adsum.second_factors.new_app(caller)
    codes = await adsum.second_factors.add_app(caller, setup.sealed, TOTP(setup.secret).now(), "phone")
    await adsum.confirmations.confirm(caller, "", Proof(codes[0]), SignInClient(None))
    await adsum.second_factors.renew_recovery_codes(caller)
    await adsum.accounts.end_tokens(caller)
    await adsum.tokens.end_of_email(EMAIL)

    entries = [each for each in await entries_of(adsum.database) if each["user_id"] == user.id]
    assert {each["action"] for each in entries} == {
        *("user_added", "signed_in", "sign_in_confirmed", "sign_ins_ended"),
        *("second_factor_added", "recovery_code_used", "recovery_codes_renewed"),
    }
    assert {each["school_id"] for each in entries} == {school}


async def test_failures_of_many_addresses_are_counted_together(database: Database) -> None:
    failures = FailedSignIns(database, max_counted=3)

    for number in range(100):
        await failures.note("user@school.example", f"192.0.2.{number}", "unauthenticated")
    await failures.close()

    assert numbers(await entries_of(database)) == [1, 1, 1, 1, 96]


async def test_counted_failures_are_recorded_after_a_minute_and_then_the_next_one_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures, is_over, sleep = FailedSignIns(database), asyncio.Event(), asyncio.sleep

    async def minute(seconds: float) -> None:
        await (is_over.wait() if seconds == WINDOW_S else sleep(seconds))

    monkeypatch.setattr(asyncio, "sleep", minute)
    for _ in range(3):
        await failures.note("user@school.example", "192.0.2.7", "unauthenticated")
    is_over.set()
    while len(await entries_of(database)) < 2:  # noqa: ASYNC110 - the entry of a task
        await asyncio.sleep(0.01)
    await failures.note("user@school.example", "192.0.2.7", "unauthenticated")
    await failures.close()

    assert numbers(await entries_of(database)) == [1, 2, 1]


async def test_an_outage_loses_the_entry_and_not_the_answer(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_database: Database) -> None:
        raise Unavailable("the database does not answer")

    monkeypatch.setattr(Database, "transaction", fail)
    await FailedSignIns(database).note("user@school.example", None, "unauthenticated")
    monkeypatch.undo()

    assert await entries_of(database) == []


async def test_acting_for_a_person_is_recorded_once_a_day_for_each_key_and_person(adsum: Adsum, api: Api) -> None:
    key = await adsum.api_keys.create("platform", [Permission.ATTENDANCE_READ, Permission.ATTENDANCE_ACT_AS])
    people = [f"{role}@school{api.school.school_id}.example" for role in ("office", "viewer")]

    async def ask(person: str) -> None:
        headers = {"X-API-Key": key.secret, "X-On-Behalf-Of": person}
        assert (await api.client.get("/attendances", headers=headers)).is_success

    await asyncio.gather(*(ask(person) for person in people * 5))
    while len(entries := await entries_of(adsum.database, "key_acted_for_user")) < 2:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.01)

    assert {(each["caller_key_id"], each["caller_role"], each["caller_user_id"]) for each in entries} == {
        (key.key.id, role, entry["user_id"])
        for role in ("office", "viewer")
        for entry in entries
        if entry["caller_role"] == role
    }
    for person in people:  # another process remembers nothing
        caller = await adsum.callers.of_key(key.secret)
        assert await adsum.callers.on_behalf_of(caller, person) is not None
    await adsum.callers.on_behalf_of.__self__.close()
    assert len(await entries_of(adsum.database, "key_acted_for_user")) == 2


async def test_many_people_at_once_are_recorded_by_one_task_in_few_transactions(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the next write nor a look-up waits for them."""
    records, transaction = ImpersonationRecords(database, system_clock), Database.transaction
    caller = Caller(role=Role.KEY, permissions=frozenset(), key_id=1)
    open_now, most, count = 0, 0, 0

    @asynccontextmanager
    async def counted(of: Database) -> AsyncGenerator[Connection]:
        nonlocal open_now, most, count
        open_now, count = open_now + 1, count + 1
        most = max(most, open_now)
        async with transaction(of) as connection:
            yield connection
        open_now -= 1

    before = len(asyncio.all_tasks())
    monkeypatch.setattr(Database, "transaction", counted)
    for person in range(1000):
        records.note(replace(caller, user_id=person), 7)
        records.note(replace(caller, user_id=person), 7)
    assert len(asyncio.all_tasks()) == before + 1
    await records.close()

    assert (most, count) == (1, 1000 // SLICE)
    entries = await entries_of(database, "key_acted_for_user")
    assert sorted((each["user_id"], each["school_id"]) for each in entries) == [(person, 7) for person in range(1000)]


async def test_acting_is_recorded_at_a_later_request_if_too_much_waits_or_the_database_does_not_answer(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = Caller(role=Role.KEY, permissions=frozenset(), key_id=1)
    records, today = ImpersonationRecords(database, lambda: now), system_clock()
    now = today

    async def note(*people: int) -> list[int]:
        for person in people:
            records.note(replace(caller, user_id=person), None)
        await records.close()
        return [each["user_id"] for each in await entries_of(database, "key_acted_for_user")]

    def fail(_database: Database) -> None:
        raise Unavailable("the database does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(Database, "transaction", fail)
        records.note(replace(caller, user_id=1), None)
        await records.close()
    monkeypatch.setattr(impersonations, "MAX_WAITING", 2)
    monkeypatch.setattr(impersonations, "MAX_REMEMBERED", 3)
    assert await note(1, 2, 3) == [1, 2]
    assert await note(1, 3) == [1, 2, 3]
    assert await note(1) == [1, 2, 3]  # remembers nothing, but the log does
    now = today + timedelta(days=1)  # by the clock of this process: the database has recorded it today
    assert await note(1) == [1, 2, 3, 1]


async def test_a_marking_request_writes_no_entry(adsum: Adsum, api: Api) -> None:
    """Nor does one of a key on behalf of a person wait for the entry of the day."""
    made = await adsum.api_keys.create("platform", [Permission.ATTENDANCE_CREATE, Permission.ATTENDANCE_ACT_AS])
    headers = {"X-API-Key": made.secret, "X-On-Behalf-Of": f"teacher@class{api.school.class_id}.example"}
    marks = {"classId": api.school.class_id, "sessionId": api.school.session_id, "learningDate": "2024-12-25"}
    before = len(await entries_of(adsum.database))

    async def mark_on_behalf() -> None:
        made = await api.client.post("/attendances/create-batch", headers=headers, json=marks | {"isSelectedAll": True})
        assert made.is_success, made.text

    assert (await api.create("teacher")).is_success
    assert len(await entries_of(adsum.database)) == before
    async with adsum.database.transaction() as connection:
        if adsum.database.is_postgres:  # another process records
            await lock_acting(connection)
            await mark_on_behalf()
    for _ in range(3):
        await mark_on_behalf()
    await adsum.callers.on_behalf_of.__self__.close()

    assert [each["action"] for each in (await entries_of(adsum.database))[before:]] == ["key_acted_for_user"]
