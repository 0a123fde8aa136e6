"""Local passwords are off: users sign in at a provider, and emergency accounts with a password."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from adsum.accounts.access import Role
from adsum.accounts.service import Accounts
from adsum.platform.errors import ConfigurationError
from adsum.roster.people.service import People
from tests.accounts.single_sign_on.conftest import FOR_BROWSERS, Visit, settings_with, visiting
from tests.support.pages import visible_text
from tests.support.people import disable
from tests.support.providers.strict import StrictProvider

PASSWORD = "correct horse battery"
USER, EMERGENCY = "user@school.example", "emergency@school.example"


@pytest.fixture
async def off(sqlite_url: str, redis_url: str, provider: StrictProvider) -> AsyncGenerator[Visit]:
    given = {"password_sign_in": False, "emergency_accounts": f"other@school.example, {EMERGENCY.upper()}"}
    async with visiting(settings_with(sqlite_url, redis_url, provider.settings(), **given), provider) as visit:
        for email in (USER, EMERGENCY):
            await visit.adsum.accounts.add_user(email, Role.ADMIN, password=PASSWORD)
        yield visit


async def test_only_emergency_accounts_sign_in_with_a_password(off: Visit) -> None:
    answers = {
        (email, password): await off.client.post("/auth/token", data={"username": email, "password": password})
        for email in (USER, EMERGENCY)
        for password in (PASSWORD, "wrong")
    }
    assert {each: (answer.status_code, answer.json().get("code")) for each, answer in answers.items()} == {
        (USER, PASSWORD): (403, "password_sign_in_off"),
        # A stranger does not learn who is an emergency account.
        (USER, "wrong"): (401, "unauthenticated"),
        (EMERGENCY, PASSWORD): (200, None),
        (EMERGENCY, "wrong"): (401, "unauthenticated"),
    }


async def test_the_page_offers_the_provider_and_hides_the_form(off: Visit) -> None:
    page = await off.open("/sign-in")
    assert "Sign in with Strict School" in page.text
    assert ("<details" in page.text, "Forgot your password?" in page.text) == (True, False)
    fields = {"email": USER, "password": PASSWORD}
    refused = await off.client.post("/sign-in", headers=FOR_BROWSERS, data=fields)
    assert (refused.status_code, "Passwords are switched off here." in visible_text(refused)) == (403, True)
    signed = await off.client.post("/sign-in", headers=FOR_BROWSERS, data=fields | {"email": EMERGENCY})
    assert signed.status_code == 303


async def test_a_user_without_a_password_sign_in_changes_none(off: Visit) -> None:
    token = (await off.adsum.tokens.create(USER)).text
    body = {"password": PASSWORD, "newPassword": "violet kettle drum stone"}
    answer = await off.client.post("/auth/password", json=body, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "password_sign_in_off")
    off.client.cookies.set("adsum", token)
    form = {"password": PASSWORD, "newPassword": "violet kettle drum stone"}
    page = await off.client.post("/account/password", headers=FOR_BROWSERS, data=form)
    assert (page.status_code, "Passwords are switched off here." in visible_text(page)) == (403, True)
    assert "secure the account with which you sign in" in visible_text(await off.open("/account/sign-ins"))


async def test_the_start_is_refused_if_no_emergency_account_can_sign_in(accounts: Accounts, people: People) -> None:
    await accounts.require_one_enabled({EMERGENCY})  # a new installation has no users yet
    await accounts.add_user(USER, Role.ADMIN, password=PASSWORD)
    with pytest.raises(ConfigurationError):
        await accounts.require_one_enabled({EMERGENCY})
    await accounts.add_user(EMERGENCY, Role.ADMIN, password=PASSWORD)
    await accounts.require_one_enabled({EMERGENCY})
    await disable(people, EMERGENCY)
    with pytest.raises(ConfigurationError):
        await accounts.require_one_enabled({EMERGENCY})
