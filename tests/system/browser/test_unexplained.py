"""Explaining several absences in a browser: in the list, on the page of a student, on a phone and without scripts.

Days of April 2025, which only this file uses.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.system.browser.browsing import PHONE, Browsing, assert_accessible, assert_fits
from tests.system.browser.test_overview import marked

OFFICE = "office@school.example"
SEVERAL, OF_ONE, PLAIN = "2025-04-01", ("2025-04-08", "2025-04-09"), "2025-04-15"


def rows(page: Page) -> list[str]:
    return page.locator(".absent-days > li.explained").all_inner_texts()


def test_several_absences_are_explained_with_one_reason_and_undone(browsing: Browsing) -> None:
    marked(browsing, SEVERAL, isSelectedAll=True, unselectedStudentIds=[4, 5, 6])
    page = browsing.visitor(OFFICE)
    page.goto(f"/year/unexplained?from={SEVERAL}&to={SEVERAL}&extent=all-day")
    form = page.locator("#explain-several")
    expect(form).to_be_hidden()
    page.get_by_role("checkbox", name="Choose all").check()
    page.locator(".absent-days input[type=checkbox]").first.uncheck()
    expect(form.get_by_role("button")).to_have_text("Explain chosen (2)")
    assert_accessible(page)
    form.get_by_label("Reason").fill("a trip")
    form.get_by_role("button").click()
    expect(page.get_by_role("status")).to_contain_text("2 absences are explained.")
    expect(page.get_by_role("button", name="Undo all")).to_be_focused()
    assert len(rows(page)) == 2
    assert_accessible(page)
    page.get_by_role("button", name="Undo all").click()
    expect(page.locator(".absent-days > li.explained")).to_have_count(0)
    expect(page.locator(".absent-days > li")).to_have_count(3)


def test_all_absences_of_a_student_are_explained_on_their_page_on_a_phone(browsing: Browsing) -> None:
    for day in OF_ONE:
        marked(browsing, day, isSelectedAll=True, unselectedStudentIds=[11])
    page = browsing.visitor(OFFICE, **PHONE)
    page.goto(f"/year/students/11?from={OF_ONE[0]}&to={OF_ONE[1]}")
    expect(page.get_by_role("heading", name="Classes today")).to_be_visible()
    form = page.locator("#explain-several")
    expect(form.get_by_role("button")).to_have_text("Explain chosen (2)")
    assert_accessible(page)
    assert_fits(page)
    form.get_by_label("Reason").fill("chickenpox")
    form.get_by_role("button").click()
    expect(page.get_by_role("status")).to_contain_text("2 absences are explained.")
    assert_fits(page)


@pytest.mark.long
def test_absences_are_explained_and_undone_without_scripts(browsing: Browsing) -> None:
    marked(browsing, PLAIN, isSelectedAll=True, unselectedStudentIds=[7, 8])
    page = browsing.visitor(OFFICE, java_script_enabled=False)
    page.goto(f"/year/unexplained?from={PLAIN}&to={PLAIN}")
    absent = page.locator(".absent-days > li").first
    absent.get_by_text("Explain", exact=False).first.click()
    absent.get_by_label("Reason").fill("the dentist")
    absent.get_by_role("button", name="Explain").click()
    expect(absent).to_contain_text("the dentist")
    absent.get_by_role("button", name="Undo").click()
    expect(page.locator(".absent-days > li.explained")).to_have_count(0)
    for box in page.locator(".absent-days input[type=checkbox]").all():
        box.check()
    form = page.locator("#explain-several")
    form.get_by_label("Reason").fill("a strike")
    form.get_by_role("button").click()
    assert len(rows(page)) == 2
