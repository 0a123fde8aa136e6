"""Takes a register in a browser, on the real system."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.system.browser.browsing import PHONE, Browsing, add_app, assert_accessible, assert_fits

TEACHER = "teacher@school.example"
OFFICE = "office@school.example"
STUDENTS = 30


def a_day(number: int) -> str:
    """Returns a day that no other test marks."""
    return (date(2025, 1, 1) + timedelta(number)).isoformat()


def take(page: Page, day: str) -> Page:
    page.goto(f"/take/123/456/{day}")
    return page


def row(page: Page, student: int) -> Locator:
    return page.locator(f"[data-student='{student}']")


def states(page: Page, state: str) -> Locator:
    return page.locator(f"[data-state={state}]")


def records(browsing: Browsing, day: str) -> dict[int, str]:
    """Reads records from the database with the command line."""
    listed = browsing.system.commands.output(
        "attendance", "list", "--class", "123", "--from", day, "--to", day, "--limit", "200", "--json"
    )
    return {item["studentId"]: item["status"] for item in json.loads(listed)}


def test_a_class_is_marked_with_the_keyboard_alone(browsing: Browsing) -> None:
    page, day = take(browsing.visitor(TEACHER), a_day(0)), a_day(0)
    expect(page.locator(":focus")).to_have_attribute("name", re.compile("status-"))
    first = page.locator("[data-student]").nth(0).get_attribute("data-student")
    second = page.locator("[data-student]").nth(1).get_attribute("data-student")
    assert first is not None
    assert second is not None

    page.keyboard.press("a")
    page.keyboard.press("3")
    page.keyboard.press("0")
    expect(states(page, "unsaved")).to_have_count(STUDENTS)
    page.keyboard.press("Control+s")

    expect(states(page, "saved")).to_have_count(STUDENTS)
    expect(page.locator("#done")).to_contain_text("The register is saved.")
    expect(page.locator("#done li")).to_have_count(1)
    recorded = records(browsing, day)
    assert (recorded[int(first)], recorded[int(second)]) == ("absent", "late")
    assert sorted(recorded.values()).count("present") == STUDENTS - 2


def test_only_changed_marks_of_a_saved_register_are_corrected(browsing: Browsing) -> None:
    page, day = take(browsing.visitor(TEACHER), a_day(1)), a_day(1)
    page.get_by_role("button", name="All others present").click()
    page.get_by_role("button", name="Save", exact=False).click()
    expect(states(page, "saved")).to_have_count(STUDENTS)

    row(page, 4).get_by_role("radio", name="Late").check()
    expect(states(page, "unsaved")).to_have_count(1)
    page.keyboard.press("Control+s")
    expect(states(page, "saved")).to_have_count(STUDENTS)
    recorded = records(browsing, day)
    assert recorded.pop(4) == "late"
    assert set(recorded.values()) == {"present"}


def test_marks_made_without_a_network_are_kept_and_sent_once(browsing: Browsing) -> None:
    page, day = take(browsing.visitor(TEACHER), a_day(2)), a_day(2)
    keys: list[str | None] = []

    def lost(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        keys.append(route.request.header_value("idempotency-key"))
        if len(keys) == 1:
            route.fetch()  # the request arrives, and its response is lost
            route.abort()
        else:
            route.continue_()

    page.route(f"**/take/123/456/{day}", lost)
    page.keyboard.press("0")
    page.keyboard.press("Control+s")
    expect(states(page, "saved")).to_have_count(STUDENTS)
    assert len(keys) == 2
    assert keys[0] == keys[1]
    assert len(records(browsing, day)) == STUDENTS
    browsing.complaints[:] = [each for each in browsing.complaints if "ERR_FAILED" not in each]


def test_an_expired_sign_in_is_renewed_in_place(browsing: Browsing) -> None:
    page, day = take(browsing.visitor(TEACHER), a_day(3)), a_day(3)
    page.keyboard.press("0")
    page.context.clear_cookies()
    page.keyboard.press("Control+s")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Email").fill(TEACHER)
    dialog.get_by_label("Password").fill(browsing.system.passwords[TEACHER])
    dialog.get_by_role("button", name="Sign in").click()
    expect(states(page, "saved")).to_have_count(STUDENTS)
    assert len(records(browsing, day)) == STUDENTS


def test_an_expired_sign_in_with_a_second_factor_is_renewed_in_place(browsing: Browsing) -> None:
    page = browsing.visitor(TEACHER)
    code = add_app(page)
    try:
        day = a_day(9)
        take(page, day)
        page.keyboard.press("0")
        page.context.clear_cookies()
        page.keyboard.press("Control+s")
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Email").fill(TEACHER)
        dialog.get_by_label("Password").fill(browsing.system.passwords[TEACHER])
        dialog.get_by_role("button", name="Sign in").click()
        expect(dialog.get_by_role("alert")).to_have_text("Your second factor is needed, too.")
        expect(dialog.get_by_label("Code of your app")).to_be_focused()
        for typed in ("000000", code):
            dialog.get_by_label("Code of your app").fill(typed)
            dialog.get_by_role("button", name="Sign in").click()
            if typed != code:
                expect(dialog.get_by_role("alert")).to_have_text("This is wrong, or was used before.")
        expect(states(page, "saved")).to_have_count(STUDENTS)
        assert len(records(browsing, day)) == STUDENTS
    finally:
        browsing.system.commands.output("user", "reset-factors", TEACHER)
        browsing.system.sessions.pop(TEACHER)


def test_two_browsers_on_one_class_overwrite_no_marks_that_they_have_not_shown(browsing: Browsing) -> None:
    day = a_day(4)
    teacher, office = take(browsing.visitor(TEACHER), day), take(browsing.visitor(OFFICE), day)
    teacher.keyboard.press("0")
    teacher.keyboard.press("Control+s")
    expect(states(teacher, "saved")).to_have_count(STUDENTS)

    row(office, 7).get_by_role("radio", name="Absent").check()
    office.keyboard.press("Control+s")
    expect(row(office, 7)).to_contain_text("saved by another user in the meantime")
    assert records(browsing, day)[7] == "present"
    row(office, 7).get_by_role("button", name="Keep mine").click()
    office.keyboard.press("Control+s")
    expect(row(office, 7)).to_have_attribute("data-state", "saved")
    assert records(browsing, day)[7] == "absent"


def test_a_reloaded_register_keeps_unsaved_marks(browsing: Browsing) -> None:
    page = take(browsing.visitor(TEACHER), a_day(5))
    row(page, 9).get_by_role("radio", name="Excused").check()
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(row(page, 9).locator(":checked")).to_have_value("excused")
    expect(row(page, 9)).to_have_attribute("data-state", "unsaved")


def test_without_scripts_the_register_is_taken_and_saved(browsing: Browsing) -> None:
    page, day = take(browsing.visitor(TEACHER, java_script_enabled=False), a_day(6)), a_day(6)
    row(page, 2).get_by_role("radio", name="Absent").check()
    page.get_by_label("All without a mark are present").check()
    with page.expect_navigation():  # leaving the page before the response would abort the request
        page.get_by_role("button", name="Save", exact=False).click()
    page.reload()
    expect(row(page, 2).locator(":checked")).to_have_value("absent")
    assert len(records(browsing, day)) == STUDENTS


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"])
def test_the_register_pages_are_accessible_and_fit_the_window(browsing: Browsing, options: dict[str, Any]) -> None:
    page = browsing.visitor(TEACHER, **options)
    for path in ("/today", f"/take/123/456/{a_day(7)}"):
        page.goto(path)
        assert_accessible(page)
        assert_fits(page)


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desk", "phone"])
def test_pages_written_from_right_to_left_fit_the_window(browsing: Browsing, options: dict[str, Any]) -> None:
    page = browsing.visitor(OFFICE, **options)
    for path in ("/today", f"/take/123/456/{a_day(7)}", "/overview", "/batches", "/year", "/admin/calendar"):
        page.goto(path)
        page.evaluate("document.documentElement.dir = 'rtl'")
        assert_fits(page)


def test_a_teacher_of_another_class_finds_no_register(browsing: Browsing) -> None:
    page = browsing.visitor("teacher@contoso.example")
    answer = page.goto(f"/take/123/456/{a_day(8)}")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("Page not found")
