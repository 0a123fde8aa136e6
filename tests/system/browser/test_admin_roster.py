"""Import of a roster in a browser: preview, then import, with and without scripts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.roster.files import Roster, a_school, in_zip
from tests.system.browser.browsing import PHONE, Browsing, assert_accessible, assert_fits

ADMIN, OFFICE = "admin@school.example", "office@school.example"


def choose(field: Locator, content: bytes) -> None:
    file = {"name": "roster.zip", "mimeType": "application/zip", "buffer": content}
    field.set_input_files(file)  # pyright: ignore[reportArgumentType]


def zipped(roster: Roster) -> bytes:
    return in_zip(roster.files()).getvalue()


def with_school(school: str, students: int) -> Roster:
    """Returns a roster of a separate school, so that the demo school does not change."""
    roster = a_school(students=students)
    for rows in roster.tables.values():
        for row in rows:
            row.update({name: value.replace("school-1", school) for name, value in row.items()})
    return roster


@pytest.mark.long
def test_a_roster_is_shown_as_a_difference_and_then_imported(browsing: Browsing) -> None:
    page = browsing.visitor(ADMIN, **PHONE)
    page.goto("/admin/roster")
    roster = with_school("page-school", 30)
    roster.add("enrollments", sourcedId="lost", classSourcedId="class-1", schoolSourcedId="page-school", role="student")
    roster.row("users", "student-1")["orgSourcedIds"] = "page-school,nowhere"
    choose(page.get_by_label("File"), zipped(roster))
    page.get_by_role("button", name="Preview the changes").click()

    outcome = page.locator("#outcome")
    expect(outcome.get_by_role("row").filter(has_text="Students")).to_contain_text("+30")
    expect(outcome.get_by_role("row").filter(has_text="enrollments.csv")).to_contain_text("33")
    expect(outcome.get_by_role("region", name="Warning")).to_contain_text("there is no org nowhere")
    assert_accessible(page)
    assert_fits(page)
    button = outcome.get_by_role("button", name="Import without the invalid rows")
    top = "(element) => element.getBoundingClientRect().top"
    errors = outcome.get_by_role("region", name="Error")
    assert errors.evaluate(top) < button.evaluate(top), "errors are above the button"
    button.click()
    expect(outcome.get_by_role("heading", name="Imported")).to_be_visible()

    choose(page.get_by_label("File"), zipped(roster))
    page.get_by_role("button", name="Preview the changes").click()
    expect(outcome).to_contain_text("the roster already matches the file")

    choose(page.get_by_label("File"), zipped(with_school("page-school", 20)))
    page.get_by_role("button", name="Preview the changes").click()
    expect(outcome).to_contain_text("Students: 10 of 30 would be removed")
    outcome.get_by_label("Yes, remove this many").check()
    outcome.get_by_role("button", name="Import").click()
    expect(outcome.locator(".ends").first).to_have_text("\N{MINUS SIGN}10")


def test_without_scripts_the_same_file_is_sent_twice_and_a_different_one_is_refused(browsing: Browsing) -> None:
    page = browsing.visitor(ADMIN, java_script_enabled=False)
    page.goto("/admin/roster")
    other = zipped(with_school("quiet-school", 3))
    choose(page.get_by_label("File"), zipped(with_school("quiet-school", 2)))
    page.get_by_role("button", name="Preview the changes").click()
    choose(page.get_by_label("The same file again"), other)
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("alert")).to_contain_text("differs from the previewed one")

    choose(page.get_by_label("The same file again"), other)
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("heading", name="Imported")).to_be_visible()


def test_a_wrong_file_and_a_roster_of_another_school_are_refused(browsing: Browsing) -> None:
    page = browsing.visitor(OFFICE)
    page.goto("/admin/roster")
    choose(page.get_by_label("File"), zipped(with_school("other-school", 2)))
    page.get_by_role("button", name="Preview the changes").click()
    expect(page.get_by_role("alert")).to_contain_text("schools that are not yours")
    choose(page.get_by_label("File"), b"no zip")
    page.get_by_role("button", name="Preview the changes").click()
    expect(page.get_by_role("alert")).to_contain_text("neither a folder nor a zip file")


def test_a_user_who_was_signed_out_signs_in_and_returns_to_the_form(browsing: Browsing) -> None:
    page = browsing.visitor(ADMIN)
    page.goto("/admin/roster")
    choose(page.get_by_label("File"), zipped(with_school("late-school", 3)))
    page.context.clear_cookies()
    page.get_by_role("button", name="Preview the changes").click()
    expect(page).to_have_url(re.compile(r"/sign-in\?next=/admin/roster"))
    page.get_by_label("Email").fill(ADMIN)
    page.get_by_label("Password").fill(browsing.system.passwords[ADMIN])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Import a roster")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/admin/roster$"))
