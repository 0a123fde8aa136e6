"""Sign-in in a browser."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.system.browser.browsing import PHONE, Browsing, assert_accessible, assert_fits, sign_in

TEACHER = "teacher@school.example"


@pytest.mark.long
def test_a_wrong_password_is_refused_and_the_right_one_signs_in(browsing: Browsing) -> None:
    page = browsing.visitor()
    page.goto("/today")
    expect(page).to_have_url(re.compile("/sign-in"))

    page.get_by_label("Email").fill(TEACHER)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()

    page.get_by_label("Password").fill(browsing.system.passwords[TEACHER])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile("/today"))
    cookie = next(each for each in page.context.cookies() if each.get("name") == "adsum")
    assert (cookie.get("httpOnly"), cookie.get("sameSite")) == (True, "Lax")


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"])
def test_the_form_is_accessible_and_fits_the_window(browsing: Browsing, options: dict[str, Any]) -> None:
    page = browsing.visitor(**options)
    page.goto("/sign-in")
    assert_accessible(page)
    assert_fits(page)


@pytest.mark.long
def test_signing_out_everywhere_ends_the_other_browser_too(browsing: Browsing) -> None:
    here, there = browsing.visitor("viewer@school.example"), browsing.visitor("viewer@school.example")
    here.goto("/overview")
    here.locator(".me summary").click()
    here.get_by_role("button", name="Sign out everywhere").click()
    expect(here).to_have_url(re.compile("/sign-in"))
    there.goto("/overview")
    expect(there).to_have_url(re.compile("/sign-in"))


def test_signing_out_removes_unsaved_marks_and_leaves_the_registers_of_other_tabs(browsing: Browsing) -> None:
    first = browsing.visitor(TEACHER)
    second = first.context.new_page()
    for page in (first, second):
        page.goto("/take/123/456/2024-11-05")
        page.locator("[data-student] [type=radio]").nth(1).check(force=True)
        expect(page.locator("[data-student][data-state=unsaved]")).to_have_count(1)
        assert page.evaluate("sessionStorage.length") == 1
    third = first.context.new_page()
    third.goto("/account/sign-ins")
    assert_accessible(third)
    assert_fits(third)
    third.locator(".me summary").click()
    third.get_by_role("button", name="Sign out", exact=True).first.click()
    expect(third.get_by_role("dialog")).to_contain_text("not saved: 2")
    third.get_by_role("button", name="Sign out and discard").click()
    for page in (first, second, third):
        expect(page).to_have_url(re.compile("/sign-in"))
        assert page.evaluate("sessionStorage.length") == 0


@pytest.mark.long
def test_a_first_password_is_replaced_at_the_first_sign_in(browsing: Browsing) -> None:
    command = ("user", "add", "new@school.example", "--role", "viewer", "--school", "1", "--json")
    added = json.loads(browsing.system.commands.output(*command))
    page = browsing.visitor(viewport={"width": 390, "height": 844})
    sign_in(page, "new@school.example", added["password"])
    expect(page).to_have_url(re.compile("/account/password"))
    assert_accessible(page)
    assert_fits(page)
    password = page.get_by_label("New password")
    for typed, text in (("new school 2026", "Easy to guess"), ("violet kettle drum", "Good")):
        password.fill(typed)
        expect(page.locator("#strength")).to_contain_text(text)
    page.get_by_role("button", name="Save").click()
    expect(page).to_have_url(re.compile("/overview"))


def test_a_chosen_language_is_kept(browsing: Browsing) -> None:
    page = browsing.visitor()
    page.goto("/sign-in")
    page.get_by_role("button", name="Deutsch").click()
    expect(page.locator("html")).to_have_attribute("lang", "de")


def test_what_one_user_has_opened_does_nothing_for_another_one_who_signs_in(browsing: Browsing) -> None:
    office = "office@school.example"
    page = browsing.visitor(office)
    page.goto("/planned-absences/new")
    live = page.context.new_page()
    live.goto("/overview")
    name = live.locator(".me summary bdi").inner_text()
    page.context.clear_cookies()
    sign_in(page.context.new_page(), "viewer@school.example", browsing.system.passwords["viewer@school.example"])
    # The overview updates itself: it becomes that of the other user.
    expect(live.locator(".me summary bdi")).not_to_have_text(name)
    page.locator("footer").get_by_role("button", name="Deutsch").click()
    expect(page.get_by_text("Another user has signed in since this page was opened.")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert_accessible(page)
