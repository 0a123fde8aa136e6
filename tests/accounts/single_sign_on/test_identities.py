"""Invitations, listing and disconnecting the accounts of users at providers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import PERMISSIONS, Caller, Permission, Role, system_caller
from adsum.accounts.single_sign_on import repository
from adsum.accounts.single_sign_on.identities import IdentityExists
from adsum.accounts.single_sign_on.rules import Identity, Refusal, SignInRefused
from adsum.platform.errors import ConfirmationNeeded, Forbidden, NotFound
from tests.accounts.single_sign_on.conftest import EMAIL, FOR_BROWSERS, Visit, browser, settings_with
from tests.support.commands import Commands
from tests.support.pages import visible_text
from tests.support.providers.strict import StrictProvider


async def path_of(visit: Visit, email: str = EMAIL) -> str:
    return (await visit.adsum.identities.invite(email, "strict")).path


async def test_an_invitation_connects_an_account_whose_email_is_not_verified(visit: Visit) -> None:
    user_id = await visit.user()
    visit.provider.claims = {"email": "other@school.example"}
    assert (await visit.sign_in(await path_of(visit))).status_code == 303
    caller = await visit.adsum.tokens.caller_of(visit.client.cookies["adsum"])
    assert caller.user_id == user_id
    assert (await visit.sign_in()).status_code == 303


async def test_an_invitation_works_once_and_ends_with_the_connection(visit_on_each: Visit) -> None:
    visit = visit_on_each
    await visit.user()
    path = await path_of(visit)
    await visit.sign_in(path)
    with pytest.raises(IdentityExists):
        await path_of(visit)
    await visit.adsum.identities.disconnect(EMAIL, "strict")
    refused = await visit.sign_in(path)
    assert "This link is no longer valid." in visible_text(refused)
    assert not await visit.is_signed_in()


async def test_a_forged_invitation_does_not_reach_the_provider(visit: Visit) -> None:
    await visit.user()
    path = await path_of(visit)
    refused = await visit.open(path[:-1] + ("0" if path[-1] != "0" else "1"))
    assert refused.status_code == 403
    assert "This link is no longer valid." in visible_text(refused)


async def test_an_account_of_another_user_is_not_connected(visit: Visit) -> None:
    await visit.user()
    await visit.sign_in()
    await visit.user("second@school.example")
    refused = await visit.sign_in(await path_of(visit, "second@school.example"))
    assert "belongs to another user of Adsum" in visible_text(refused)


async def test_nobody_is_invited_who_could_not_sign_in(visit: Visit) -> None:
    await visit.user(disabled=True)
    for email, provider in ((EMAIL, "strict"), ("nobody@school.example", "strict"), (EMAIL, "google")):
        with pytest.raises(NotFound):
            await visit.adsum.identities.invite(email, provider)


async def test_disconnecting_ends_the_sign_ins_of_the_user(visit: Visit) -> None:
    await visit.user()
    await visit.sign_in()
    await visit.adsum.identities.disconnect(EMAIL, "strict")
    assert not await visit.is_signed_in()
    assert await visit.adsum.identities.identities_of(EMAIL) == []
    with pytest.raises(NotFound):
        await visit.adsum.identities.disconnect(EMAIL, visit.provider.issuer)


async def test_a_user_without_a_login_is_not_signed_in(visit: Visit) -> None:
    user_id = await visit.user()
    await visit.sign_in()
    await visit.user("second@school.example")
    identity = Identity(visit.provider.issuer, "subject-9", "second@school.example", is_verified=True, session=None)
    assert (await visit.adsum.identities.user_of(identity, None)).id != user_id
    stranger = Identity(visit.provider.issuer, "subject-10", "third@school.example", is_verified=True, session=None)
    with pytest.raises(SignInRefused) as refused:
        await visit.adsum.identities.user_of(stranger, None)
    assert refused.value.reason is Refusal.NO_ACCOUNT


async def test_a_connection_that_the_database_rejects_is_tried_again(
    visit_on_each: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit, insert = visit_on_each, repository.insert_identity
    user_id = await visit.user()

    async def insert_twice(connection: AsyncConnection, *values: Any) -> None:
        """As if a concurrent request had inserted it before, and were rolled back."""
        monkeypatch.setattr(repository, "insert_identity", insert)
        await insert(connection, *values)
        await insert(connection, *values)

    monkeypatch.setattr(repository, "insert_identity", insert_twice)
    identity = Identity(visit.provider.issuer, "subject-9", EMAIL, is_verified=True, session=None)
    assert (await visit.adsum.identities.user_of(identity, None)).id == user_id
    assert len(await visit.adsum.identities.identities_of(EMAIL)) == 1


async def test_the_user_changes_while_they_sign_in(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    await visit.user()
    connect = visit.adsum.identities.user_of

    async def user_of(*arguments: object) -> object:
        user = await connect(*arguments)  # pyright: ignore[reportArgumentType]
        await visit.adsum.tokens.end_of_email(EMAIL)
        return user

    monkeypatch.setattr(visit.adsum.identities, "user_of", user_of)
    assert (await visit.sign_in()).status_code == 403
    assert not await visit.is_signed_in()


def test_the_commands_connect_list_and_disconnect(sqlite_url: str, redis_url: str, provider: StrictProvider) -> None:
    given = settings_with(sqlite_url, redis_url)
    commands = Commands(
        {
            "database_url": sqlite_url,
            "redis_url": redis_url,
            "secret_key": "s" * 40,
            "public_url": given.public_url or "",
            "oidc_providers": json.dumps([provider.settings()]),
        }
    )
    commands.output("user", "add", EMAIL, "--role", Role.ADMIN, "--json")
    made = json.loads(commands.output("user", "connect", EMAIL, "strict", "--json"))
    assert made["url"].startswith("http://adsum.test/sign-in/strict?invitation=")
    assert json.loads(commands.output("user", "identities", EMAIL, "--json")) == []
    refused = commands.run("user", "disconnect", EMAIL, "strict")
    assert (refused.returncode, "not connected with strict" in refused.stderr) == (1, True)


async def test_a_user_sees_and_disconnects_their_own_account_at_a_provider(visit_on_each: Visit) -> None:
    visit = visit_on_each
    user_id = await visit.user()
    await visit.sign_in()
    visit.provider.claims = {"email": "new@school.example"}  # the account is known by its subject
    await visit.sign_in()
    page = await visit.open("/account/sign-ins")
    assert "new@school.example" in page.text
    assert "last used" in visible_text(page)
    (identity,) = await visit.adsum.identities.identities_of(EMAIL)
    assert (identity.email, identity.last_used_at is not None) == ("new@school.example", True)

    caller = await visit.adsum.tokens.caller_of(visit.client.cookies["adsum"])
    with pytest.raises(NotFound):
        await visit.adsum.identities.disconnect_visible(caller, identity.id + 1)
    with pytest.raises(ConfirmationNeeded):
        await visit.adsum.identities.disconnect_visible(replace(caller, needs_confirmation=True), identity.id)
    for other in (user_id, user_id + 1):
        key = Caller(Role.KEY, frozenset(), key_id=1)
        with pytest.raises(Forbidden):
            await visit.adsum.identities.visible(key, other)
    with pytest.raises(NotFound):
        await visit.adsum.identities.visible(Caller(Role.KEY, frozenset(), user_id=None))
    done = await visit.client.post(
        "/account/identities/disconnect", data={"identity": str(identity.id)}, headers=FOR_BROWSERS
    )
    assert (done.status_code, done.headers["location"]) == (303, "/sign-in")
    assert not await visit.is_signed_in()
    assert await visit.adsum.identities.identities_of(EMAIL) == []


async def test_an_admin_disconnects_the_account_of_a_user_whom_they_manage(visit: Visit) -> None:
    user_id = await visit.user()
    await visit.sign_in()
    identities = visit.adsum.identities
    (identity,) = await identities.visible(system_caller(), user_id)
    school_id = (await visit.adsum.accounts.own_user(caller_with(user_id))).school_id
    assert school_id is not None
    elsewhere = Caller(Role.ADMIN, PERMISSIONS[Role.ADMIN], user_id=99, schools=frozenset({school_id + 1}))
    with pytest.raises(NotFound):
        await identities.disconnect_visible(elsewhere, identity.id, user_id)
    district = await visit.user("district@school.example", Role.ADMIN)
    below = Caller(Role.ADMIN, PERMISSIONS[Role.ADMIN] - {Permission.METRICS_READ}, user_id=99)
    with pytest.raises(Forbidden):
        await identities.visible(below, district)

    token = (await visit.adsum.tokens.create("district@school.example")).text
    async with browser(visit.app) as admin:
        admin.cookies.set("adsum", token)
        page = await admin.get(f"/admin/people/{user_id}", headers=FOR_BROWSERS)
        assert "Accounts at providers" in page.text
        fields = {"identity": str(identity.id)}
        done = await admin.post(f"/admin/people/{user_id}/disconnect", data=fields, headers=FOR_BROWSERS)
    assert done.status_code == 303
    assert await identities.visible(system_caller(), user_id) == []
    assert not await visit.is_signed_in()


async def test_of_two_disconnections_at_once_one_is_recorded(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    user_id = await visit.user()
    await visit.sign_in()
    (identity,) = await visit.adsum.identities.visible(system_caller(), user_id)

    async def delete_nothing(*_values: object) -> bool:
        return False

    monkeypatch.setattr(repository, "delete_identity", delete_nothing)
    with pytest.raises(NotFound):
        await visit.adsum.identities.disconnect_visible(system_caller(), identity.id, user_id)


def caller_with(user_id: int) -> Caller:
    return Caller(Role.TEACHER, frozenset(), user_id=user_id)
