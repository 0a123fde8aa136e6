"""Takes a register in a browser, on the real system."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.system.browser.browsing import PHONE, Browsing, add_app, assert_accessible, assert_fits

TEACHER = "teacher@school.example"
OFFICE = "office@school.example"
STUDENTS = 30
PHONE_HEIGHT = 844


def a_day(number: int) -> str:
    """Returns a day that no other test marks: the files share a system, and the others begin in February."""
    return (date(2025, 1, 1) + timedelta(number)).isoformat()


def take(page: Page, day: str) -> Page:
    page.goto(f"/take/123/456/{day}")
    return page


def row(page: Page, student: int) -> Locator:
    return page.locator(f"[data-student='{student}']")


def measured(element: Locator, side: str) -> float:
    box: dict[str, float] = element.evaluate("each => each.getBoundingClientRect().toJSON()")
    return box[side]


def states(page: Page, state: str) -> Locator:
    return page.locator(f"[data-state={state}]")


@contextmanager
def a_failing_student(browsing: Browsing, student: int) -> Generator[None]:
    """The database refuses every record of this student until the block ends."""
    trigger = "CREATE TRIGGER refuse BEFORE INSERT ON attendances WHEN NEW.student_id = {} BEGIN {} END"
    with closing(sqlite3.connect(browsing.system.data / "adsum.db", timeout=30, isolation_level=None)) as database:
        database.execute(trigger.format(student, "SELECT RAISE(ABORT, 'refused');"))
        try:
            yield
        finally:
            database.execute("DROP TRIGGER refuse")


@contextmanager
def a_paused_queue(browsing: Browsing) -> Generator[None]:
    """Submitted marks stay received until the block ends."""
    browsing.system.commands.output("queue", "pause")
    try:
        yield
    finally:
        browsing.system.commands.output("queue", "resume")


def contested_marks(page: Page) -> Locator:
    """The notice that lets the user choose between two marks."""
    return page.get_by_role("alert").filter(has_text="These marks were changed")


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
    expect(page.locator("#done li")).to_have_count(2)
    expect(page.locator("#done")).to_contain_text("Late: 1")
    recorded = records(browsing, day)
    assert (recorded[int(first)], recorded[int(second)]) == ("absent", "late")
    assert sorted(recorded.values()).count("present") == STUDENTS - 2


def test_only_changed_marks_of_a_saved_register_are_corrected(browsing: Browsing) -> None:
    page, day = take(browsing.visitor(TEACHER), a_day(1)), a_day(1)
    page.get_by_role("button", name="Mark the rest present").click()
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


def sign_in_again(page: Page, browsing: Browsing, email: str) -> None:
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Email").fill(email)
    dialog.get_by_label("Password").fill(browsing.system.passwords[email])
    dialog.get_by_role("button", name="Sign in").click()


def test_marks_are_not_saved_as_those_of_another_user_who_signs_in(browsing: Browsing) -> None:
    page, day = take(browsing.visitor(TEACHER), a_day(22)), a_day(22)
    page.keyboard.press("0")
    page.context.clear_cookies()
    page.keyboard.press("Control+s")
    sign_in_again(page, browsing, OFFICE)
    problem = page.get_by_role("alert").filter(has_text="Not saved: another user is signed in now.")
    expect(problem.locator("p")).to_contain_text([re.compile("another user"), re.compile("entered by")])
    expect(states(page, "unsaved")).to_have_count(STUDENTS)
    assert_accessible(page)
    assert records(browsing, day) == {}

    problem.get_by_role("button", name=re.compile("Sign in as")).click()
    sign_in_again(page, browsing, TEACHER)
    expect(states(page, "saved")).to_have_count(STUDENTS)
    listed = browsing.system.commands.output(
        "attendance", "list", "--class", "123", "--from", day, "--to", day, "--limit", "200", "--json"
    )
    assert {item["markedByRole"] for item in json.loads(listed)} == {"teacher"}

    row(page, 1).get_by_role("radio", name="Late").check()
    page.context.clear_cookies()
    page.keyboard.press("Control+s")
    sign_in_again(page, browsing, OFFICE)
    problem.get_by_role("button", name="Discard the marks").click()
    expect(states(page, "saved")).to_have_count(STUDENTS)
    expect(page.locator("[name=userId]")).not_to_have_value("")
    assert records(browsing, day)[1] == "present"


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
                expect(dialog.get_by_role("alert")).to_have_text("This is wrong or was already used.")
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
    expect(row(office, 7)).to_contain_text("changed by another user")
    choice = contested_marks(office)
    office.keyboard.press("Control+s")  # a mark that waits for a decision is not saved
    expect(choice).to_be_visible()
    assert records(browsing, day)[7] == "present"
    choice.get_by_role("button", name="Use mine: Absent").click()
    office.keyboard.press("Control+s")
    expect(row(office, 7)).to_have_attribute("data-state", "saved")
    assert records(browsing, day)[7] == "absent"


def test_a_mark_that_another_user_is_saving_is_not_overwritten_unseen(browsing: Browsing) -> None:
    day = a_day(20)
    teacher, office = take(browsing.visitor(TEACHER), day), take(browsing.visitor(OFFICE), day)
    with a_paused_queue(browsing):
        row(teacher, 7).get_by_role("radio", name="Absent").check()
        teacher.keyboard.press("0")
        teacher.keyboard.press("Control+s")
        expect(states(teacher, "received")).to_have_count(STUDENTS)
        row(office, 7).get_by_role("radio", name="Present").check()
        office.keyboard.press("Control+s")
        expect(office.locator("#message")).to_contain_text("Another user is saving this register.")
    choice = contested_marks(office)
    expect(choice).to_contain_text("Keep Absent")
    assert records(browsing, day)[7] == "absent"
    choice.get_by_role("button", name="Use mine: Present").click()
    office.keyboard.press("Control+s")
    expect(row(office, 7)).to_have_attribute("data-state", "saved")
    assert records(browsing, day)[7] == "present"


def test_an_unsaved_mark_of_a_reloaded_register_does_not_hide_a_newer_one(browsing: Browsing) -> None:
    day = a_day(21)
    teacher, office = take(browsing.visitor(TEACHER), day), take(browsing.visitor(OFFICE), day)
    row(office, 9).get_by_role("radio", name="Excused").check()
    teacher.keyboard.press("0")
    teacher.keyboard.press("Control+s")
    expect(states(teacher, "saved")).to_have_count(STUDENTS)
    office.on("dialog", lambda dialog: dialog.accept())
    office.reload()
    expect(row(office, 9)).to_contain_text("changed by another user")
    expect(contested_marks(office)).to_contain_text("Keep Present")


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


def test_escape_in_the_dialog_of_an_expired_sign_in_keeps_the_marks_and_saving_works_again(browsing: Browsing) -> None:
    page, day = take(browsing.visitor(TEACHER), a_day(10)), a_day(10)
    page.keyboard.press("0")
    page.context.clear_cookies()
    page.keyboard.press("Control+s")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(states(page, "unsaved")).to_have_count(STUDENTS)
    expect(page.locator("#message")).to_have_text("Not saved. Your marks are kept on this device.")
    page.keyboard.press("Control+s")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Email").fill(TEACHER)
    dialog.get_by_label("Password").fill(browsing.system.passwords[TEACHER])
    dialog.get_by_role("button", name="Sign in").click()
    expect(states(page, "saved")).to_have_count(STUDENTS)
    assert len(records(browsing, day)) == STUDENTS


def test_a_mark_that_is_changed_while_the_network_is_away_is_not_a_conflict(browsing: Browsing) -> None:
    page, day = take(browsing.visitor(TEACHER), a_day(11)), a_day(11)
    lost: list[str] = []

    def lose_first(route: Route) -> None:
        if route.request.method == "POST" and not lost:
            lost.append(route.request.url)
            route.fetch()  # the request arrives, and its response is lost
            route.abort()
        else:
            route.continue_()

    page.route(f"**/take/123/456/{day}", lose_first)
    page.keyboard.press("0")
    page.keyboard.press("Control+s")
    expect(page.locator("#message")).to_contain_text("Retrying")
    row(page, 3).get_by_role("radio", name="Absent").check()
    expect(states(page, "saved")).to_have_count(STUDENTS - 1)
    expect(row(page, 3)).to_have_attribute("data-state", "unsaved")
    expect(page.get_by_role("alert")).to_have_count(0)
    page.keyboard.press("Control+s")
    expect(states(page, "saved")).to_have_count(STUDENTS)
    assert records(browsing, day)[3] == "absent"
    browsing.complaints[:] = [each for each in browsing.complaints if "ERR_FAILED" not in each]


def test_a_register_is_shown_as_received_while_the_queue_is_paused(browsing: Browsing) -> None:
    page, day = take(browsing.visitor(TEACHER), a_day(12)), a_day(12)
    with a_paused_queue(browsing):
        row(page, 5).get_by_role("radio", name="Late").check()
        page.keyboard.press("0")
        page.keyboard.press("Control+s")
        expect(page.locator("#message")).to_contain_text("You can close this page.")
        expect(states(page, "received")).to_have_count(STUDENTS)
        page.reload()
        expect(states(page, "received")).to_have_count(STUDENTS)
        expect(row(page, 5).locator(":checked")).to_have_value("late")
        expect(row(page, 5)).to_contain_text(re.compile("received at [0-9]"))
        # A mark that is changed meanwhile is saved once the first ones are.
        row(page, 5).get_by_role("radio", name="Absent").check()
        expect(page.locator("#message")).to_have_text("1 not saved yet")
        page.keyboard.press("Control+s")
        expect(page.locator("#message")).to_contain_text("Keep this page open.")
    expect(states(page, "saved")).to_have_count(STUDENTS)
    expect(row(page, 5).locator(":checked")).to_have_value("absent")
    assert records(browsing, day)[5] == "absent"


def test_failed_marks_are_named_at_the_top_and_retried_there(browsing: Browsing) -> None:
    page, day = take(browsing.visitor(TEACHER), a_day(13)), a_day(13)
    with a_failing_student(browsing, 8):
        page.keyboard.press("0")
        page.keyboard.press("Control+s")
        problem = page.get_by_role("alert").filter(has_text="Not saved: 1")
        expect(problem).to_contain_text(row(page, 8).locator(".who bdi").inner_text())
        expect(problem).to_be_in_viewport()
        expect(page.locator("#message")).to_have_text("Not saved: 1")
        expect(states(page, "failed")).to_have_count(1)
        assert_accessible(page)
        page.reload()
        expect(page.locator("[data-failed]")).to_contain_text("Not saved: 1")
        expect(row(page, 8).locator(":checked")).to_have_value("present")
    page.get_by_role("button", name="Retry").click()
    expect(states(page, "saved")).to_have_count(STUDENTS)
    expect(page.locator("[data-failed]")).to_have_count(0)
    assert len(records(browsing, day)) == STUDENTS


def test_a_mark_of_the_office_stays_and_the_row_says_so_at_once(browsing: Browsing) -> None:
    day = a_day(14)
    teacher, office = take(browsing.visitor(TEACHER), day), take(browsing.visitor(OFFICE), day)
    row(office, 6).get_by_role("radio", name="Excused").check()
    office.keyboard.press("Control+s")
    expect(row(office, 6)).to_have_attribute("data-state", "saved")
    teacher.keyboard.press("0")
    teacher.keyboard.press("Control+s")
    expect(states(teacher, "saved")).to_have_count(STUDENTS)
    expect(row(teacher, 6)).to_contain_text("set by the office; your mark is kept as disputed")
    expect(row(teacher, 6).locator(":checked")).to_have_value("excused")


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


def test_a_teacher_of_another_class_finds_no_register(browsing: Browsing) -> None:
    page = browsing.visitor("teacher@contoso.example")
    answer = page.goto(f"/take/123/456/{a_day(8)}")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("Page not found")
