"""Notes without a mark, undo, and what the page says of marks that are not saved. Its days are of October 2024."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.system.browser.browsing import Browsing, assert_accessible, sign_in
from tests.system.browser.registers import (
    STUDENTS,
    TEACHER,
    records,
    row,
    save_after_the_office_has_excused_one,
    states,
    take,
)


def a_day(number: int) -> str:
    return (date(2024, 10, 1) + timedelta(number)).isoformat()


def note_of(page: Page, student: int) -> Locator:
    return row(page, student).get_by_role("textbox", name="Note")


@pytest.mark.long
def test_a_note_without_a_mark_is_kept_and_said_to_be_unsaved(browsing: Browsing) -> None:
    page, day = take(browsing.visitor(TEACHER), a_day(0)), a_day(0)
    note_of(page, 3).fill("ill since Monday")
    row(page, 5).get_by_role("radio", name="Absent").check()
    expect(row(page, 3)).to_contain_text("not saved: choose a status")
    page.keyboard.press("Control+s")
    expect(row(page, 5)).to_have_attribute("data-state", "saved")
    problem = page.get_by_role("alert").filter(has_text="a note needs a mark")
    expect(problem.get_by_role("link")).to_have_count(1)
    expect(note_of(page, 3)).to_have_value("ill since Monday")
    expect(page.locator("#done")).to_be_hidden()
    assert_accessible(page)
    assert records(browsing, day) == {5: "absent"}

    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(note_of(page, 3)).to_have_value("ill since Monday")
    page.keyboard.press("Control+s")
    problem.get_by_role("link").click()
    expect(row(page, 3).locator(":focus")).to_have_count(1)
    page.keyboard.press("a")
    expect(problem).to_have_count(0)
    page.keyboard.press("Control+s")
    expect(row(page, 3)).to_have_attribute("data-state", "saved")
    expect(note_of(page, 3)).to_have_value("ill since Monday")


def test_control_z_takes_back_one_mark_after_the_other_and_never_reaches_another_note(browsing: Browsing) -> None:
    page = take(browsing.visitor(TEACHER), a_day(1))
    note_of(page, 7).press_sequentially("bus")
    page.keyboard.press("Enter")
    page.keyboard.press("a")
    row(page, 9).get_by_role("radio", name="Late").check()
    row(page, 9).get_by_role("radio", name="Absent").check()
    page.keyboard.press("0")
    for status in ("late", None):
        page.keyboard.press("Control+z")
        if status is None:
            page.keyboard.press("Control+z")
            expect(row(page, 9).locator(":checked")).to_have_count(0)
        else:
            expect(states(page, "open")).to_have_count(STUDENTS - 2)
            expect(row(page, 9).locator(":checked")).to_have_value("absent")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    expect(page.locator("#message")).to_have_text("There is no unsaved mark to take back.")
    expect(states(page, "open")).to_have_count(STUDENTS - 1)
    expect(note_of(page, 7)).to_have_value("bus")

    note_of(page, 8).press_sequentially("x")
    for _ in range(3):
        page.keyboard.press("Control+z")
    expect(note_of(page, 8)).to_have_value("")
    expect(note_of(page, 7)).to_have_value("bus")


def test_a_refused_mark_is_named_where_it_is_until_it_is_mended(browsing: Browsing) -> None:
    page, day = take(browsing.visitor(TEACHER), a_day(2)), a_day(2)
    row(page, 11).get_by_role("radio", name="Late").check()
    row(page, 11).get_by_label("Arrived").fill("08:15")
    left = row(page, 11).locator("[name^=left-]")
    left.evaluate("each => { each.value = '07:00'; each.dispatchEvent(new Event('input', {bubbles: true})); }")
    page.keyboard.press("Control+s")
    problem = page.get_by_role("alert").filter(has_text="This was not saved:")
    wrong = re.compile("Left 7:00.AM is not after arrived 8:15.AM")
    expect(problem).to_contain_text(wrong)
    expect(row(page, 11)).to_contain_text(wrong)
    expect(row(page, 11)).to_have_attribute("data-state", "failed")
    assert_accessible(page)
    problem.get_by_role("link").click()
    expect(row(page, 11).locator(":focus")).to_have_count(1)
    left.fill("09:00")
    expect(problem).to_have_count(0)
    page.keyboard.press("Control+s")
    expect(row(page, 11)).to_have_attribute("data-state", "saved")
    assert records(browsing, day) == {11: "late"}


def test_delete_on_a_saved_mark_says_that_it_stays(browsing: Browsing) -> None:
    page = take(browsing.visitor(TEACHER), a_day(3))
    row(page, 4).get_by_role("radio", name="Absent").check()
    page.keyboard.press("Control+s")
    expect(row(page, 4)).to_have_attribute("data-state", "saved")
    row(page, 4).get_by_role("radio", name="Absent").focus()
    page.keyboard.press("Delete")
    expect(page.locator("#message")).to_contain_text("A saved mark stays.")
    expect(row(page, 4).locator(":checked")).to_have_value("absent")


@pytest.mark.long
def test_a_register_that_is_saved_in_part_says_how_many_are_unmarked_and_folds_their_names(browsing: Browsing) -> None:
    page = take(browsing.visitor(TEACHER), a_day(4))
    row(page, 4).get_by_role("radio", name="Absent").check()
    page.keyboard.press("Control+s")
    done = page.locator("#done")
    expect(done.get_by_role("heading", level=2)).to_have_text(f"Saved. Students without a mark: {STUDENTS - 1}")
    expect(done.locator("details li").first).to_be_hidden()
    done.locator("summary").click()
    expect(done.locator("details li")).to_have_count(STUDENTS - 1)
    assert_accessible(page)


@pytest.mark.long
def test_a_teacher_learns_which_marks_of_the_office_stay(browsing: Browsing) -> None:
    day = a_day(5)
    teacher, office = save_after_the_office_has_excused_one(browsing, day)
    notice = teacher.locator("#done .notice")
    expect(notice).to_contain_text("Marks of the office that stay: 1")
    expect(notice).to_contain_text("Excused (yours: Present)")
    expect(teacher.locator("#message")).to_have_text("Marks of the office that stay: 1")
    assert_accessible(teacher)
    expect(office.locator("#done")).not_to_contain_text("that stay")


def test_on_a_closed_day_recorded_marks_are_changed_and_the_page_says_so(browsing: Browsing) -> None:
    page, day = take(browsing.visitor(TEACHER), a_day(6)), a_day(6)
    row(page, 4).get_by_role("radio", name="Absent").check()
    page.keyboard.press("Control+s")
    expect(row(page, 4)).to_have_attribute("data-state", "saved")
    admin, origin = browsing.requests("admin@school.example"), {"Origin": browsing.system.url}
    closed = admin.put(f"/schools/1/closed-days/{day}", data={"reason": "Storm"}, headers=origin)
    assert closed.ok, closed.text()
    take(page, day)
    expect(page.get_by_text("Marks that are already recorded can be changed.")).to_be_visible()
    expect(row(page, 5).get_by_role("radio", name="Late")).to_be_disabled()
    row(page, 4).get_by_role("radio", name="Late").check()
    page.keyboard.press("Control+s")
    expect(page.locator("#done").get_by_role("heading", level=2)).to_have_text("The changes are saved.")
    assert records(browsing, day) == {4: "late"}


@pytest.mark.long
def test_signing_out_asks_first_while_marks_are_not_saved(browsing: Browsing) -> None:
    page = browsing.visitor()
    sign_in(page, TEACHER, browsing.system.passwords[TEACHER])
    take(page, a_day(7))
    row(page, 4).get_by_role("radio", name="Absent").check()
    other = page.context.new_page()
    for asking in (page, other):  # the marks are in the storage of the first tab
        asking.bring_to_front()
        if asking is other:
            other.goto("/today")
        asking.locator(".me summary").click()
        asking.get_by_role("button", name="Sign out", exact=True).click()
        dialog = asking.get_by_role("dialog")
        expect(dialog).to_contain_text("Marks that are not saved: 1. Sign out and discard them?")
        assert_accessible(asking)
        dialog.get_by_role("button", name="Stay signed in").click()
        expect(dialog).to_be_hidden()
    other.close()
    expect(row(page, 4)).to_have_attribute("data-state", "unsaved")
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Sign out and discard").click()
    expect(page).to_have_url(re.compile("/sign-in"))
    assert page.evaluate("Object.keys(sessionStorage).filter((key) => key.startsWith('adsum:')).length") == 0

    sign_in(page, TEACHER, browsing.system.passwords[TEACHER])
    page.locator(".me summary").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page).to_have_url(re.compile("/sign-in"))
