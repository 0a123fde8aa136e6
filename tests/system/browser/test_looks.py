"""Looks of pages: what stays in its place, what is printed, and the formats of the visitor's region.

Its registers are those of July 2025, which no other file uses.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.system.browser.browsing import PHONE, Browsing, assert_accessible, assert_fits

TEACHER = "teacher@school.example"
OFFICE = "office@school.example"
REGISTER = "/take/123/456/2025-07-07"
ARABIC = "\u0645\u062d\u0645\u062f \u0639\u0628\u062f \u0627\u0644\u0644\u0647"
A4 = {"width": 718, "height": 1050}


def place(element: Locator) -> tuple[float, float, float, float]:
    box = element.bounding_box()
    assert box is not None
    return box["x"], box["y"], box["width"], box["height"]


@contextmanager
def a_fifth_status(browsing: Browsing) -> Generator[None]:
    """The school has one status more until the block ends."""
    admin = browsing.visitor("admin@school.example")
    admin.goto("/admin/statuses?school=1")
    form = admin.locator("#add")
    for label, value in (("Name", "On a school trip"), ("Code", "trip"), ("Letter", "T")):
        form.get_by_label(label, exact=True).fill(value)
    form.get_by_role("button", name="Add").click()
    added = admin.locator("#status-trip")
    try:
        expect(added).to_be_visible()
        yield
    finally:
        added.get_by_role("button", name="Retire").click()
        expect(added.get_by_role("button", name="Use again")).to_be_visible()


@pytest.mark.long
def test_an_open_note_moves_no_button(browsing: Browsing) -> None:
    page = browsing.visitor(TEACHER)
    page.goto(REGISTER)
    row = page.locator("[data-student='5']")
    row.get_by_role("radio", name="Late").check()
    before = [place(each) for each in page.locator("[data-student] .segments").all()]
    note = row.get_by_role("textbox", name="Note")
    note.click()
    note.fill("the bus broke down between two villages, and nobody knew when the next one comes")
    assert [place(each) for each in page.locator("[data-student] .segments").all()] == before


@pytest.mark.long
def test_a_note_of_a_late_student_can_be_read_while_it_is_typed(browsing: Browsing) -> None:
    page = browsing.visitor(TEACHER)
    page.goto(REGISTER)
    row = page.locator("[data-student='6']")
    row.get_by_role("radio", name="Late").check()
    note = row.get_by_role("textbox", name="Note")
    for width in (1280, 1024):
        page.set_viewport_size({"width": width, "height": 800})
        note.click()
        assert place(note)[2] > 180, f"at {width} px"
        assert_fits(page)
    note.fill("bus")
    # The times and the link to the student's page stay in the order of the keyboard.
    for name in ("arrived-6", "left-6"):
        for _ in range(4):
            page.keyboard.press("Tab")
            if page.locator(f"[name={name}]:focus").count():
                break
        expect(page.locator(f"[name={name}]")).to_be_focused()


def test_the_german_navigation_and_the_list_of_batches_fit_a_small_desk(browsing: Browsing) -> None:
    page = browsing.visitor("admin@school.example", locale="de-DE", viewport={"width": 1024, "height": 768})
    page.goto("/batches")
    tops = {place(item)[1] for item in page.locator("header nav a").all()}
    assert len(tops) == 1, "the navigation takes one line"
    assert_fits(page)
    assert_no_column_is_cut(page)


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_a_phone_shows_every_item_of_the_navigation_of_an_admin(browsing: Browsing, locale: str) -> None:
    page = browsing.visitor("admin@school.example", locale=locale, **PHONE)
    page.goto("/overview")
    items = page.locator("header nav a").all()
    places = [item.bounding_box() for item in items]
    assert len(items) == 7
    assert all(each and each["x"] >= 0 and each["x"] + each["width"] <= 390 for each in places)
    assert len({round(each["y"]) for each in places if each}) == 2, "the navigation takes two lines"
    assert_fits(page)


def test_the_list_of_batches_shows_everything_on_a_phone(browsing: Browsing) -> None:
    page = browsing.visitor("admin@school.example", **PHONE)
    page.goto("/batches")
    assert_no_column_is_cut(page)
    assert_accessible(page)
    assert_fits(page)


def assert_no_column_is_cut(page: Page) -> None:
    hidden = "(frames) => frames.map((frame) => frame.scrollWidth - frame.clientWidth)"
    assert max(page.locator(".scroll:has(.batches)").evaluate_all(hidden), default=0) <= 0


@pytest.mark.long
def test_a_fifth_status_fits_a_register_on_a_desk_and_on_a_phone(browsing: Browsing) -> None:
    with a_fifth_status(browsing):
        for options in ({}, PHONE):
            page = browsing.visitor(TEACHER, **options)
            page.goto(REGISTER)
            first = page.locator("[data-student]").first
            expect(first.get_by_role("radio")).to_have_count(5)
            assert first.evaluate("each => each.scrollWidth <= each.clientWidth")
            assert {place(each)[3] for each in page.locator("[data-student]").all()[:5]} == {place(first)[3]}
            assert_fits(page)
            assert_accessible(page)


def test_a_name_from_right_to_left_keeps_its_column(browsing: Browsing) -> None:
    page = browsing.visitor(TEACHER)
    page.goto(REGISTER)
    names = page.locator("[data-student] .who bdi")
    names.nth(1).evaluate("(each, name) => { each.textContent = name; }", ARABIC)
    edges = names.evaluate_all(
        "all => all.slice(0, 3).map((each) => { const range = document.createRange(); range.selectNodeContents(each);"
        " return Math.round(range.getBoundingClientRect().left); })"
    )
    assert len(set(edges)) == 1


def test_a_register_is_printed_without_controls_and_a_blank_one_with_boxes(browsing: Browsing) -> None:
    page = browsing.visitor(TEACHER, viewport=A4)
    page.goto(REGISTER)
    page.emulate_media(media="print")
    for name in ("Save", "Mark the rest present", "Undo"):
        expect(page.get_by_role("button", name=name)).to_be_hidden()
    expect(page.get_by_role("link", name="Order of students")).to_be_hidden()
    page.emulate_media(media="screen")
    page.get_by_role("link", name="Blank register").click()
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    assert_accessible(page)
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Print")).to_be_hidden()
    expect(page.locator("tbody tr")).to_have_count(30)
    expect(page.locator("tbody .box")).to_have_count(30 * 4)
    assert_fits(page)


@pytest.mark.long
def test_dates_and_times_have_the_form_of_the_visitors_region_in_pages_and_scripts(browsing: Browsing) -> None:
    for locale, day, clock in (("en-GB", "Mon 7 Jul", "15:05"), ("en-US", "Mon, Jul 7", "3:05 PM")):
        page = browsing.visitor(TEACHER, locale=locale)
        page.goto(REGISTER)
        expect(page).to_have_title(f"Class 123, {day} \u00b7 Register \u00b7 Adsum")
        assert clock_of(page, "15:05") == clock


def clock_of(page: Page, time: str) -> str:
    """A time as the scripts of the register show it."""
    module = page.locator("link[rel=modulepreload][href*=register-sheet]").get_attribute("href")
    return page.evaluate("async ([module, time]) => (await import(module)).clock(time)", [module, time])
