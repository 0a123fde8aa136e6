"""The contacts of a student in a browser: their card on the page of the student, and as suggestions on the call list.

The marks are of September 2025, which no other file marks.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from tests.system.browser.browsing import PHONE, Browsing, assert_accessible, assert_fits

OFFICE = "office@school.example"
DAY = "2025-09-09"
STUDENT = 21
PATH = f"/year/students/{STUDENT}?school=1"
CONTACTS = [
    ("browser-1", "guardian", "Maria", "Okonkwo-Lindström", "030 1234567", "0170 5554433", "maria@family.example"),
    ("browser-2", "parent", "Otto", "Byron", "+49 (0)30 998877", None, None),
    (
        "browser-3",
        "relative",
        "Ada with a name of several words",
        "Hohenlohe-Schillingsfürst",
        None,
        None,
        "a@b.example",
    ),
]
LOOKS = pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"])


@pytest.fixture(autouse=True)
def named_contacts(browsing: Browsing) -> None:
    """Gives a student contacts, as a roster file would."""
    statement = """
        INSERT INTO student_contacts
            (school_id, student_id, source_id, role, given_name, family_name, phone, sms, email,
            named_by_student, named_by_contact)
        VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0) ON CONFLICT DO NOTHING
    """
    with closing(sqlite3.connect(browsing.system.data / "adsum.db", timeout=30, isolation_level=None)) as database:
        database.executemany(statement, [(STUDENT, *each) for each in CONTACTS])


def card(page: Page) -> list[str]:
    """The texts of the card, one for each contact."""
    items = page.get_by_role("region", name="Contacts").get_by_role("listitem")
    return [" ".join(text.split()) for text in items.all_inner_texts()]


@LOOKS
def test_the_card_lists_whom_to_call_with_links_that_dial_and_write(
    browsing: Browsing, options: dict[str, object]
) -> None:
    page = browsing.visitor(OFFICE, **options)
    page.goto(PATH)
    assert card(page) == [
        "Maria Okonkwo-Lindström Guardian 030 1234567 0170 5554433 maria@family.example",
        "Otto Byron Parent +49 (0)30 998877",
        "Ada with a name of several words Hohenlohe-Schillingsfürst Relative a@b.example",
    ]
    links = page.get_by_role("region", name="Contacts").get_by_role("link")
    addresses = ["tel:0301234567", "tel:01705554433", "mailto:maria@family.example", "tel:+4930998877"]
    for link, address in zip(links.all(), [*addresses, "mailto:a@b.example"], strict=True):
        expect(link).to_have_attribute("href", address)
        box = link.bounding_box()
        assert box is not None
        assert box["height"] >= 24  # as WCAG 2.2 asks of a target
    assert_accessible(page)
    assert_fits(page)


@pytest.mark.long
@pytest.mark.parametrize("email", ["teacher@school.example", "viewer@school.example"])
def test_the_card_is_for_the_office_alone(browsing: Browsing, email: str) -> None:
    page = browsing.visitor(email)
    page.goto(PATH)
    expect(page.get_by_role("heading", name="Classes today")).to_be_visible()
    expect(page.get_by_role("heading", name="Contacts")).to_have_count(0)
    assert "Okonkwo" not in page.content()


@pytest.mark.long
def test_a_call_suggests_the_contacts_and_keeps_the_name_that_was_chosen(browsing: Browsing) -> None:
    marked = browsing.system.commands
    target = ("--class", "123", "--session", "456", "--date", DAY)
    marked.run("batch", "create", *target, "--all", "--absent", str(STUDENT), "--watch")
    page = browsing.visitor(OFFICE)
    page.goto(f"/calls?school=1&date={DAY}")
    page.get_by_text("Enter a call").click()
    person = page.get_by_role("combobox", name="Person called")
    suggested = page.locator(f"datalist#{person.get_attribute('list')} option")
    assert [each.get_attribute("value") for each in suggested.all()][:2] == ["Maria Okonkwo-Lindström", "Otto Byron"]
    assert_accessible(page)
    person.fill("Otto Byron")
    page.get_by_role("button", name="Reached").click()
    expect(page.get_by_role("status")).to_contain_text("Entered. The call is kept as evidence.")
    expect(page.locator(f"#call-{STUDENT} .contacts")).to_contain_text("Reached Otto Byron")
