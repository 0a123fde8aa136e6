"""Takes a register in a browser, on the real system."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from datetime import date
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.system.browser.browsing import PHONE, Browsing, assert_accessible, assert_fits
from tests.system.browser.registers import (
    OFFICE,
    PHONE_HEIGHT,
    STUDENTS,
    TEACHER,
    a_day,
    measured,
    records,
    row,
    states,
    take,
)


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
    expect(page.locator("#done li")).to_have_count(2)
    expect(page.locator("#done")).to_contain_text("Late: 1")
    recorded = records(browsing, day)
    assert (recorded[int(first)], recorded[int(second)]) == ("absent", "late")
    assert sorted(recorded.values()).count("present") == STUDENTS - 2


def test_without_scripts_the_register_is_taken_and_saved(browsing: Browsing) -> None:
    page, day = take(browsing.visitor(TEACHER, java_script_enabled=False), a_day(6)), a_day(6)
    row(page, 2).get_by_role("radio", name="Absent").check()
    page.get_by_label("Mark the rest present").check()
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


def test_a_mark_is_taken_back_and_the_rest_undone_before_saving(browsing: Browsing) -> None:
    page = take(browsing.visitor(TEACHER), a_day(15))
    late = row(page, 2).get_by_role("radio", name="Late")
    late.check()
    late.click()
    expect(row(page, 2).locator(":checked")).to_have_count(0)
    late.focus()
    page.keyboard.press("a")
    row(page, 2).get_by_role("radio", name="Absent").focus()
    page.keyboard.press("Delete")
    expect(row(page, 2)).to_have_attribute("data-state", "open")
    page.keyboard.press("0")
    expect(states(page, "unsaved")).to_have_count(STUDENTS)
    page.get_by_role("button", name="Undo").click()
    expect(states(page, "open")).to_have_count(STUDENTS)
    page.keyboard.press("0")
    page.keyboard.press("Control+z")
    expect(states(page, "open")).to_have_count(STUDENTS)


def test_the_search_is_used_with_the_keyboard_and_hidden_students_are_not_marked(browsing: Browsing) -> None:
    page = take(browsing.visitor(TEACHER), a_day(16))
    name = row(page, 20).locator(".who bdi").inner_text()
    page.keyboard.press("/")
    page.keyboard.press("/")
    search = page.get_by_label("Find a name")
    expect(search).to_have_value("")
    search.press_sequentially(name.split(",")[0])
    page.get_by_role("button", name="Mark 1 shown present").click()
    expect(states(page, "unsaved")).to_have_count(1)
    search.press("Enter")
    expect(row(page, 20).locator(":focus")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(search).to_have_value("")
    expect(page.locator("[data-student]:visible")).to_have_count(STUDENTS)
    search.press("ArrowUp")
    expect(page.locator("[data-student]").last.locator(":focus")).to_have_count(1)


def test_late_students_have_their_time_and_history_opens_beside_the_register(browsing: Browsing) -> None:
    today = date.today().isoformat()  # noqa: DTZ011 - of the demo school, whose time zone is that of this machine
    page = take(browsing.visitor(TEACHER), today)
    row(page, 11).get_by_role("radio", name="Late").check()
    arrived = row(page, 11).get_by_label("Arrived")
    expect(arrived).to_have_value(re.compile("[0-9]{2}:[0-9]{2}"))
    arrived.fill("08:12")
    page.keyboard.press("Enter")
    row(page, 12).get_by_role("radio", name="Late").check()
    row(page, 12).get_by_role("radio", name="Absent").check()
    expect(row(page, 12).get_by_label("Arrived")).to_be_hidden()
    page.keyboard.press("Control+s")
    expect(row(page, 11)).to_have_attribute("data-state", "saved")
    expect(page.locator("#done")).to_contain_text("8:12")

    row(page, 11).get_by_role("link", name="History").click()
    panel = page.get_by_role("dialog")
    expect(panel).to_contain_text("Marked")
    expect(panel).to_contain_text("8:12")
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(row(page, 11).locator(":focus")).to_have_count(1)
    assert page.url.endswith(f"/take/123/456/{today}")


def test_a_slow_history_is_not_shown_for_another_student(browsing: Browsing) -> None:
    page = take(browsing.visitor(TEACHER), a_day(23))
    row(page, 1).get_by_role("radio", name="Late").check()
    row(page, 2).get_by_role("radio", name="Absent").check()
    page.keyboard.press("Control+s")
    expect(row(page, 2)).to_have_attribute("data-state", "saved")
    held: list[Route] = []

    def hold_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route("**/record/*", hold_first)
    panel = page.get_by_role("dialog")
    row(page, 1).get_by_role("link", name="History").click()
    expect(panel).to_be_visible()
    page.keyboard.press("Escape")
    row(page, 2).get_by_role("link", name="History").click()
    expect(panel).to_contain_text("Absent")
    with page.expect_response("**/record/*"):
        held[0].continue_()
    page.evaluate("async () => { for (let i = 0; i < 10; i++) await new Promise(requestAnimationFrame); }")
    expect(panel).to_contain_text("Absent")
    expect(panel).not_to_contain_text("Late")


def test_a_student_who_joins_an_open_register_is_in_the_order_of_the_class(browsing: Browsing) -> None:
    """The first student by name has the last seat."""
    page, day = browsing.visitor(TEACHER), a_day(24)
    take(page, day)
    ids = [int(each.get_attribute("data-student") or "") for each in page.locator("[data-student]").all()]
    first = ids[0]
    with closing(sqlite3.connect(browsing.system.data / "adsum.db", timeout=30, isolation_level=None)) as database:
        seats = [(123, student, place) for place, student in enumerate([*ids[1:], first], start=1)]
        leave = "UPDATE enrolments SET end_date = ? WHERE class_id = 123 AND student_id = ?"
        database.execute("INSERT INTO register_orders (class_id, sort_by) VALUES (123, 'seats')")
        database.executemany("INSERT INTO student_seats (class_id, student_id, place) VALUES (?, ?, ?)", seats)
        (ends,) = database.execute(
            "SELECT end_date FROM enrolments WHERE class_id = 123 AND student_id = ?", (first,)
        ).fetchone()
        database.execute(leave, (day, first))
        try:
            take(page, day)
            expect(page.locator("[data-student]")).to_have_count(STUDENTS - 1)
            database.execute(leave, (ends, first))
            page.keyboard.press("0")
            page.keyboard.press("Control+s")
            expect(row(page, first)).to_have_class(re.compile("joined"))
            expect(page.locator("[data-student]").last).to_have_attribute("data-student", str(first))
        finally:
            database.execute(leave, (ends, first))
            for table in ("register_orders", "student_seats"):
                database.execute(f"DELETE FROM {table} WHERE class_id = 123")


def test_one_thumb_takes_a_register_on_a_phone(browsing: Browsing) -> None:
    page, day = take(browsing.visitor(TEACHER, **PHONE), a_day(17)), a_day(17)
    heights = {measured(each, "height") for each in page.locator("[data-student]").all()}
    assert max(heights) < 56
    began = time.monotonic()
    page.get_by_role("button", name="Mark the rest present").tap()
    for student, status in ((3, "Absent"), (9, "Absent"), (14, "Late")):
        row(page, student).get_by_role("radio", name=status).tap()
    row(page, 14).get_by_role("button", name="Note and times").tap()
    row(page, 14).get_by_label("Arrived").fill("08:12")
    row(page, 14).get_by_role("textbox", name="Note").fill("bus")
    assert_accessible(page)
    row(page, 14).get_by_role("button", name="Done").tap()
    expect(row(page, 14).get_by_role("button", name="Note and times")).to_contain_text("8:12")
    save = page.get_by_role("button", name="Save", exact=False)
    assert measured(save, "y") > PHONE_HEIGHT * 0.9
    save.tap()
    expect(states(page, "saved")).to_have_count(STUDENTS)
    assert time.monotonic() - began < 20
    assert {measured(each, "height") for each in page.locator("[data-student]").all()} == heights
    recorded = records(browsing, day)
    assert (recorded[3], recorded[9], recorded[14]) == ("absent", "absent", "late")


def test_the_order_of_the_students_is_chosen_once_for_the_class(browsing: Browsing) -> None:
    page = take(browsing.visitor(TEACHER), a_day(18))
    names = page.locator("[data-student] .who bdi")
    first, second = names.nth(0).inner_text(), names.nth(1).inner_text()
    try:
        page.get_by_role("link", name="Order of students").click()
        assert_accessible(page)
        page.get_by_role("button", name=f"Down: {first}").press("Enter")
        expect(page.get_by_label("Seating order")).to_be_checked()
        page.get_by_role("button", name="Save").click()
        expect(names.nth(0)).to_have_text(second)
        take(page, a_day(19))
        expect(names.nth(1)).to_have_text(first)
    finally:
        page.goto(f"/take/123/456/{a_day(18)}/order")
        page.get_by_label("Family name").check()
        page.get_by_role("button", name="Save").click()
        expect(names.nth(0)).to_have_text(first)


def test_a_future_register_and_a_closed_day_say_so_at_once(browsing: Browsing) -> None:
    page = browsing.visitor(TEACHER, locale="de-DE")
    take(page, "2099-03-02")
    expect(page.get_by_text("Diese Anwesenheitsliste ist noch nicht geöffnet.")).to_be_visible()
    expect(page.get_by_role("button", name="Speichern")).to_have_count(0)
    assert_accessible(page)


@pytest.mark.long
def test_a_teacher_of_another_class_finds_no_register(browsing: Browsing) -> None:
    page = browsing.visitor("teacher@contoso.example")
    answer = page.goto(f"/take/123/456/{a_day(8)}")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("Page not found")
