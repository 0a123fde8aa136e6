"""Planned absences in a browser: entered for two students on a phone, changed and revoked."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.system.browser.browsing import PHONE, Browsing, assert_accessible, assert_fits

OFFICE = "office@school.example"


def test_the_office_enters_changes_and_revokes_absences(browsing: Browsing) -> None:
    page = browsing.visitor(OFFICE, **PHONE)
    page.goto("/planned-absences")
    page.get_by_role("link", name="Enter an absence").click()
    page.get_by_label("Name or id").fill("garcia")
    page.get_by_label("Name or id").press("Enter")
    page.get_by_label("Ana Sofía García López").check()
    page.get_by_label("Name or id").fill("lindqvist")
    page.get_by_role("button", name="Find").click()
    page.get_by_label("Björn Lindqvist").check()
    page.get_by_label("First day").fill("2031-03-03")
    page.get_by_text("Only some sessions").click()
    page.get_by_role("button", name="Show the sessions of the chosen students").click()
    assert_accessible(page)
    assert_fits(page)
    page.get_by_label("Reason").fill("orchestra")
    page.get_by_role("button", name="Enter the absence").click()
    expect(page.get_by_role("status")).to_contain_text("Entered for 2 students.")
    assert_accessible(page)
    assert_fits(page)

    page.locator(".lines > li").filter(has_text="Björn Lindqvist").get_by_role("link", name="Change").click()
    page.get_by_label("Reason").fill("concert")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    page.get_by_text("Revoke the absence").first.click()
    assert_accessible(page)
    assert_fits(page)
    page.get_by_role("button", name="Revoke the absence").click()
    expect(page.get_by_role("status")).to_contain_text("Revoked.")
