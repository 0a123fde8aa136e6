"""A teacher who is away, and the setup of new schools. The covers are of days in August 2025."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.system.browser.browsing import PHONE, Browsing, assert_accessible, assert_fits

ADMIN = "admin@school.example"
MONDAY, TUESDAY = "2025-08-04", "2025-08-05"


@pytest.mark.long
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_the_sessions_of_a_teacher_who_is_away_are_covered(browsing: Browsing, scripts: bool) -> None:
    day, given_name = (MONDAY, "Tilda") if scripts else (TUESDAY, "Tom")
    page = browsing.visitor(ADMIN, java_script_enabled=scripts)
    page.goto("/admin/people?school=1#add")
    page.get_by_label("Given name").fill(given_name)
    page.get_by_label("Family name").fill("Free")
    page.get_by_label("Email (required)").fill(f"{given_name.lower()}@demo.example")
    page.get_by_role("button", name="Add and generate a password").click()
    page.goto("/admin/covers?school=1")
    page.get_by_role("link", name="A teacher is away…").click()
    page.get_by_label("Who is away?").select_option(label="teacher@school.example")
    for label in ("From", "To"):
        page.get_by_label(label, exact=True).fill(day)
    page.get_by_role("button", name="Show sessions").click()
    expect(page.get_by_label("Cover for Class 123 Attendance")).to_have_value("")
    page.get_by_role("link", name="Suggest covers").click()
    chosen = page.get_by_label("Cover for Class 123 Attendance").locator("option:checked")
    expect(chosen).to_contain_text("Free · 0 sessions that day")
    page.get_by_role("button", name="Assign the chosen covers").click()
    expect(page.get_by_role("status")).to_contain_text("1 cover is assigned.")
    expect(page.locator(".needs li")).to_contain_text("Covered")
    expect(page.get_by_text("Every session has a teacher.")).to_be_visible()


@pytest.mark.parametrize(
    "options",
    [{}, {"color_scheme": "dark"}, PHONE, PHONE | {"locale": "de-DE"}],
    ids=["light", "dark", "phone", "german-phone"],
)
def test_the_pages_are_accessible_and_fit_the_window(browsing: Browsing, options: dict[str, object]) -> None:
    page = browsing.visitor(ADMIN, **options)
    page.goto("/admin/covers/away?school=1")
    people = page.locator("select[name=teacher] option")
    teacher = people.filter(has_text="teacher@school.example").get_attribute("value")
    for path in (
        "/admin/covers/away?school=1",
        f"/admin/covers/away?school=1&teacher={teacher}&from=2025-08-11&to=2025-08-13&suggest=true",
        f"/admin/covers/away?school=1&teacher={teacher}&from=2025-08-11&to=2025-08-01",
        "/admin?opened=2",
    ):
        page.goto(path)
        assert_accessible(page)
        assert_fits(page)


@pytest.mark.long
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_steps_of_the_setup_are_taken_confirmed_and_taken_back(browsing: Browsing, scripts: bool) -> None:
    page = browsing.visitor(ADMIN, java_script_enabled=scripts)
    page.goto("/admin")
    setup = page.locator("#setup-2")
    setup.locator("summary").click()
    step = setup.locator("li", has_text="Check the statuses")  # no other test changes statuses of this school
    step.get_by_role("button", name="Done or not needed").click()
    expect(step).to_have_class("confirmed")
    step.get_by_role("button", name="Undo").click()
    expect(step).to_have_class("open")
    setup.get_by_role("link", name="Enter the timetable").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Timetable")


@pytest.mark.long
def test_the_setup_is_hidden_and_shown_again(browsing: Browsing) -> None:
    page = browsing.visitor(ADMIN)
    page.goto("/admin?opened=3")
    page.locator("#setup-3").get_by_role("button", name="Hide this list").click()
    expect(page.locator("#setup-2")).to_be_visible()
    expect(page.locator("#setup-3")).to_have_count(0)
    page.get_by_role("button", name="Show the setup list").click()
    expect(page.locator("#setup-3")).to_be_visible()
