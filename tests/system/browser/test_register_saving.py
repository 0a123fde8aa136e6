"""Saves a register in a browser: without a network or a sign-in, beside others, and with failures."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route, expect

from tests.system.browser.browsing import Browsing, add_app, assert_accessible
from tests.system.browser.registers import (
    OFFICE,
    STUDENTS,
    TEACHER,
    a_day,
    a_failing_student,
    a_paused_queue,
    contested_marks,
    records,
    row,
    save_after_the_office_has_excused_one,
    sign_in_again,
    states,
    take,
)


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
    sign_in_again(page, browsing, TEACHER)
    expect(states(page, "saved")).to_have_count(STUDENTS)
    assert len(records(browsing, day)) == STUDENTS


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
    listed = browsing.requests(OFFICE).get(f"/attendances?classId=123&from={day}&to={day}").json()["items"]
    assert {item["markedByRole"] for item in listed} == {"teacher"}

    row(page, 1).get_by_role("radio", name="Late").check()
    page.context.clear_cookies()
    page.keyboard.press("Control+s")
    sign_in_again(page, browsing, OFFICE)
    problem.get_by_role("button", name="Discard the marks").click()
    expect(states(page, "saved")).to_have_count(STUDENTS)
    expect(page.locator("#register [name=visitor]")).not_to_have_value("")
    assert records(browsing, day)[1] == "present"


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
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
    sign_in_again(page, browsing, TEACHER)
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


@pytest.mark.long
def test_a_mark_of_the_office_stays_and_the_row_says_so_at_once(browsing: Browsing) -> None:
    day = a_day(14)
    teacher, _ = save_after_the_office_has_excused_one(browsing, day)
    expect(row(teacher, 6)).to_contain_text("set by the office; your mark is kept as disputed")
    expect(row(teacher, 6).locator(":checked")).to_have_value("excused")
