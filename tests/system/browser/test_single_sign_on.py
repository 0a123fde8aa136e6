"""A whole visit in a browser: signing in at a provider, and out there."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.system.browser.browsing import PHONE, Browsing, assert_accessible, assert_fits

BUTTON = "Sign in with Strict School"


def test_a_teacher_signs_in_at_the_provider_and_out_there(browsing: Browsing) -> None:
    page = browsing.visitor()
    page.goto("/take/123/456/2024-11-05")
    page.get_by_role("link", name=BUTTON).click()
    expect(page).to_have_url(re.compile(r"/take/123/456/2024-11-05$"))
    cookies = {each.get("name"): each for each in page.context.cookies()}
    assert cookies.keys() == {"adsum", "adsum-device"}
    assert (cookies["adsum"].get("httpOnly"), cookies["adsum"].get("sameSite")) == (True, "Lax")
    page.locator(".me summary").click()
    page.get_by_role("button", name="Sign out", exact=True).first.click()
    # The provider sends the browser back at once.
    expect(page.get_by_role("status")).to_contain_text("here and at the provider")
    assert_accessible(page)
    page.goto("/today")
    expect(page).to_have_url(re.compile("/sign-in"))


@pytest.mark.parametrize("options", [{"color_scheme": "dark"}, PHONE], ids=["dark", "phone"])
def test_a_refusal_says_what_to_do(browsing: Browsing, options: dict[str, Any]) -> None:
    page = browsing.visitor(**options)
    page.goto("/sign-in/strict/callback?state=none&code=none")
    expect(page.get_by_role("heading", name="You are not signed in")).to_be_visible()
    assert_accessible(page)
    assert_fits(page)
    page.get_by_role("link", name="Other ways to sign in").click()
    expect(page.get_by_role("link", name=BUTTON)).to_be_visible()
    assert_accessible(page)
    assert_fits(page)
