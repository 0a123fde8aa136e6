"""The office's day: teachers are reminded of a missing register, and absences without a reason are called about.

The calls are about a day of May 2025; the reminder is about a school day of the last two weeks, as its notice needs.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.system.browser.browsing import PHONE, Browsing, assert_accessible, assert_fits
from tests.system.browser.test_overview import OFFICE, TEACHER, marked

CALLED = "2025-05-06"
ASKED = "The office asks you to take"


def a_week_ago() -> date:
    """A school day: on weekends no register is due."""
    day = datetime.now(UTC).date() - timedelta(7)
    return day - timedelta(max(0, day.weekday() - 4))


@pytest.mark.long
def test_a_teacher_is_reminded_until_the_register_is_taken(browsing: Browsing) -> None:
    day = a_week_ago()
    office, teacher = browsing.visitor(OFFICE), browsing.visitor(TEACHER)
    without_scripts = browsing.visitor(TEACHER, java_script_enabled=False, **PHONE)
    office.goto(f"/overview?date={day}")
    row = office.locator("#register-456")
    row.get_by_role("button", name="Remind").click()
    expect(office.get_by_role("status")).to_contain_text("Reminded.")
    expect(row).to_contain_text("Reminded at")
    expect(row.get_by_role("button")).to_have_count(0)
    assert_accessible(office)

    teacher.goto("/batches")
    expect(teacher.get_by_text(ASKED)).to_be_visible()
    assert_accessible(teacher)
    without_scripts.goto("/today")
    expect(without_scripts.get_by_text(ASKED)).to_be_visible()
    assert_fits(without_scripts)
    teacher.locator("[data-reminders]").get_by_role("link", name="Class 123 · Attendance").click()
    expect(teacher).to_have_url(f"{browsing.system.url}/take/123/456/{day}")
    expect(teacher.get_by_text(ASKED)).to_have_count(0)

    marked(browsing, day.isoformat(), isSelectedAll=True)
    teacher.goto("/today")
    expect(teacher.get_by_role("heading", level=1)).to_be_visible()
    expect(teacher.get_by_text(ASKED)).to_have_count(0)


def enter_call(page: Page, student: str, result: str, **fields: str) -> None:
    row = page.locator("li[id^=call-]").filter(has_text=student)
    row.locator("summary").click()
    for label, text in fields.items():
        row.get_by_label(label.replace("_", " ")).fill(text)
    row.get_by_role("button", name=result).click()


@pytest.mark.long
@pytest.mark.parametrize("options", [{"color_scheme": "dark"}, PHONE], ids=["dark", "phone"])
def test_calls_are_entered_and_an_absence_is_explained_by_one(browsing: Browsing, options: dict[str, object]) -> None:
    day = (date.fromisoformat(CALLED) + timedelta(len(options))).isoformat()
    marked(browsing, day, isSelectedAll=True, unselectedStudentIds=[4, 5])
    page = browsing.visitor(OFFICE, **options)
    page.goto(f"/overview?date={day}")
    page.get_by_role("link", name="Call list of the day").click()
    enter_call(page, "Dmitri", "No answer", Person_called="his mother")
    expect(page.get_by_role("status")).to_contain_text("kept as evidence")
    tried = page.get_by_role("region", name="Called, still unexplained")
    expect(tried).to_contain_text("his mother")
    enter_call(page, "Dmitri", "Other result")
    expect(page.get_by_role("alert")).to_contain_text("A note is required")
    assert_accessible(page)
    assert_fits(page)
    row = tried.locator("li[id^=call-]").filter(has_text="Dmitri")
    row.get_by_label("Note (only the office reads it)").fill("flu")
    row.get_by_label("Explain the absence as").select_option("excused")
    row.get_by_role("button", name="Reached").click()
    settled = page.get_by_role("region", name="Called, and settled")
    expect(settled).to_contain_text("flu")
    expect(settled.get_by_role("listitem").filter(has_text="No answer")).not_to_have_count(0)
    assert_accessible(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV file").click()
    assert download.value.suggested_filename == "call-list.csv"


def test_a_call_is_entered_without_scripts(browsing: Browsing) -> None:
    marked(browsing, CALLED, isSelectedAll=True, unselectedStudentIds=[6])
    page = browsing.visitor(OFFICE, java_script_enabled=False)
    page.goto(f"/calls?date={CALLED}")
    enter_call(page, "Fatima", "Message left")
    expect(page.get_by_role("status")).to_contain_text("Entered.")
    expect(page.get_by_role("region", name="Called, still unexplained")).to_contain_text("Message left")


@pytest.mark.parametrize("options", [{"color_scheme": "dark"}, PHONE], ids=["dark", "phone"])
def test_a_student_is_found_in_three_keystrokes_and_enters_late(browsing: Browsing, options: dict[str, object]) -> None:
    day = "2025-05-13" if "is_mobile" in options else "2025-05-14"
    page = browsing.visitor(OFFICE, **options)
    page.goto(f"/desk?date={day}")
    assert_accessible(page)
    page.keyboard.type("bjo")
    expect(page.locator(".found a").first).to_contain_text("Björn Lindqvist")
    assert_accessible(page)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Björn Lindqvist")).to_be_visible()
    page.get_by_label("Time").fill("10:10")
    page.get_by_label("Reason").fill("bus")
    assert_accessible(page)
    assert_fits(page)
    page.get_by_role("button", name="Arrives late").click()
    expect(page.get_by_role("status")).to_contain_text("Entered. The registers show it. Björn Lindqvist, arrived 10:10")
    expect(page.get_by_role("searchbox", name="Student who arrives")).to_be_focused()
    entry = page.locator("li[id^=entry-]")
    expect(entry).to_contain_text("bus")
    assert_accessible(page)
    entry.get_by_role("link", name="Björn Lindqvist", exact=True).click()
    expect(page.locator(".sessions")).to_contain_text("arrived")

    page.goto(f"/desk?date={day}")
    page.get_by_role("link", name="Slip").click()
    expect(page.get_by_text("Arrived at")).to_be_visible()
    page.get_by_role("link", name="Desk").last.click()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status")).to_contain_text("Undone.")
    expect(entry.get_by_role("button", name="Undo")).to_have_count(0)


@pytest.mark.long
def test_the_desk_works_without_scripts_and_in_german(browsing: Browsing) -> None:
    page = browsing.visitor(OFFICE, java_script_enabled=False, locale="de-DE")
    page.goto("/desk?date=2025-05-15")
    page.get_by_role("searchbox").fill("lindq")
    page.get_by_role("button", name="Suchen").click()
    page.get_by_role("link", name="Björn Lindqvist").click()
    page.get_by_label("Zeit", exact=True).fill("10:10")
    page.get_by_label("Grund").fill("Fieber")
    page.get_by_role("button", name="Geht früher").click()
    expect(page.get_by_role("status")).to_contain_text("Eingetragen.")
    expect(page.locator("li[id^=entry-]")).to_contain_text("Fieber")
