"""Second factors in a browser, with Chromium's virtual authenticator."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.system.browser.browsing import PHONE, Browsing, add_app, assert_accessible, assert_fits, sign_in

VIEWER = "viewer@school.example"
INTERNAL = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def visitor(browsing: Browsing, **options: Any) -> Page:
    """A window at an address with a name, which passkeys need."""
    name = browsing.system.url.replace("127.0.0.1", "localhost")
    page = browsing.visitor(**options)
    page.goto(name)
    return page


def add_user(browsing: Browsing, email: str) -> None:
    """Adds a viewer with the password of the demo's, which is their own, and not one to be replaced."""
    with contextlib.closing(sqlite3.connect(browsing.system.data / "adsum.db", timeout=30)) as database, database:
        database.execute("CREATE TEMPORARY TABLE added AS SELECT * FROM users WHERE email = ?", [VIEWER])
        database.execute("UPDATE added SET id = (SELECT max(id) + 1 FROM users), email = ?", [email])
        database.execute("INSERT INTO users SELECT * FROM added")


def add_authenticator(page: Page) -> None:
    session: Any = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": INTERNAL})


def enter_password(page: Page, browsing: Browsing, email: str) -> None:
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(browsing.system.passwords[VIEWER])
    page.get_by_role("button", name="Sign in", exact=True).click()


def make_confirmations_old(browsing: Browsing, email: str) -> None:
    with contextlib.closing(sqlite3.connect(browsing.system.data / "adsum.db", timeout=30)) as database, database:
        of_user = "user_id = (select id from users where email = ?)"
        database.execute(f"update sign_ins set confirmed_at = null where {of_user}", [email])


def sign_out(page: Page) -> None:
    page.locator(".me summary").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page).to_have_url(re.compile("/sign-in"))


def confirm_an_addition(page: Page) -> None:
    """The form that is sent on has an empty hidden field, too: that of the passkey that was not made yet."""
    page.get_by_label("Name of the passkey").fill("my phone")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page).to_have_url(re.compile("/account/confirm"))
    assert page.locator("form[data-passkey] input[type=hidden][value='']").count() == 2
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("Thank you. Now add the passkey.")).to_be_visible()
    expect(page.get_by_label("Name of the passkey")).to_have_value("my phone")


def test_a_passkey_is_registered_proves_and_signs_in_without_a_password(browsing: Browsing) -> None:
    email = "passkey@school.example"
    add_user(browsing, email)
    page = visitor(browsing)
    add_authenticator(page)
    enter_password(page, browsing, email)
    page.locator(".me summary").click()
    page.get_by_role("link", name="Second factors").click()
    page.get_by_label("Name of the passkey").fill("my laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator(".recovery-codes code")).to_have_count(10)
    assert_accessible(page)
    page.get_by_role("link", name="I have saved them").click()
    expect(page.get_by_text("my laptop").first).to_be_visible()
    assert_accessible(page)

    sign_out(page)
    enter_password(page, browsing, email)
    expect(page).to_have_url(re.compile("/sign-in/second-factor"))
    assert_accessible(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).to_have_url(re.compile("/overview"))

    sign_out(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(re.compile("/overview"))

    page.locator(".me summary").click()
    page.get_by_role("link", name="Second factors").click()
    make_confirmations_old(browsing, email)
    confirm_an_addition(page)


@pytest.mark.long
@pytest.mark.parametrize("options", [{"color_scheme": "dark"}, PHONE], ids=["dark", "phone"])
def test_an_app_works_without_scripts(browsing: Browsing, options: dict[str, Any]) -> None:
    email = f"app-{len(options)}@school.example"
    add_user(browsing, email)
    page = browsing.visitor(**options, java_script_enabled=False)
    sign_in(page, email, browsing.system.passwords[VIEWER])
    code = add_app(page)
    page.goto("/sign-in")
    enter_password(page, browsing, email)
    page.get_by_text("Use a recovery code").click()
    page.get_by_label("Recovery code").fill(code)
    page.get_by_role("button", name="Continue").last.click()
    expect(page).to_have_url(re.compile("/overview"))


def test_the_pages_of_an_app_are_accessible_and_fit_a_phone(browsing: Browsing) -> None:
    page = browsing.visitor("operator@school.example", **PHONE)
    page.goto("/account/second-factors")
    assert_accessible(page)
    assert_fits(page)
    page.goto("/account/confirm?then=/overview")
    assert_accessible(page)
    assert_fits(page)
