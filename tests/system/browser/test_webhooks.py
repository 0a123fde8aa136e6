"""Webhooks in a browser: created, tested, stopped by a receiver that fails, and delivered again.

The marks are of October 2025, which no other file marks.
"""

from __future__ import annotations

import re
from collections.abc import Generator

import pytest
from playwright.sync_api import Page, expect
from standardwebhooks import Webhook

from tests.support.servers.processes import wait_until
from tests.system.browser.browsing import PHONE, Browsing, assert_accessible, assert_fits
from tests.system.browser.conftest import PATIENCE_MS
from tests.system.browser.receiver import Receiver, receiving
from tests.system.browser.registers import STUDENTS, TEACHER, states, take

ADMIN = "admin@school.example"
LOOKS = pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"])


@pytest.fixture
def receiver() -> Generator[Receiver]:
    with receiving() as opened:
        yield opened


def create(page: Page, url: str, *types: str, order: str = "kept") -> str:
    """Creates a webhook on its page. Returns the secret, which the page shows."""
    page.goto("/admin/webhooks")
    page.get_by_label("URL").fill(url)
    if types:
        page.get_by_label("Only these:").check()
    for each in types:
        page.locator(f"input[name=type][value='{each}']").check()
    page.locator(f"input[name=order][value={order}]").check()
    page.get_by_role("button", name="Create and show the signing secret").click()
    return page.locator("#secret").inner_text()


def open_webhook(page: Page, url: str) -> None:
    page.goto("/admin/webhooks")
    page.get_by_role("link", name=url).click()
    expect(page.get_by_role("heading", name="Deliveries")).to_be_visible()


def delete(page: Page, url: str) -> None:
    open_webhook(page, url)
    page.get_by_role("link", name="Settings").click()
    page.get_by_text("Delete the webhook").click()
    page.get_by_role("button", name="Delete now").click()
    expect(page.get_by_role("status")).to_contain_text("The webhook is deleted.")


def test_a_class_marked_in_the_browser_arrives_at_a_receiver_signed(browsing: Browsing, receiver: Receiver) -> None:
    admin, day = browsing.visitor(ADMIN), "2025-10-06"
    secret = create(admin, receiver.url)
    assert re.fullmatch(r"whsec_[\w+/]{43}=", secret)
    assert_accessible(admin)
    admin.get_by_role("button", name="Send a test").click()
    expect(admin.get_by_role("status")).to_contain_text("The test arrived.")
    assert secret not in admin.content()

    teacher = take(browsing.visitor(TEACHER), day)
    teacher.get_by_role("button", name="Mark the rest present").click()
    teacher.get_by_role("button", name="Save", exact=False).click()
    expect(states(teacher, "saved")).to_have_count(STUDENTS)
    receiver.wait_for_batch("class-123-session-456-date-06102025")

    for headers, body in receiver.requests:
        Webhook(secret).verify(body, headers)
    row = admin.locator("tbody tr", has_text="batch.completed")
    expect(row).to_contain_text("Delivered · 204")  # the page refreshes itself
    row.get_by_role("button", name="Deliver again").click()
    expect(admin.get_by_role("status")).to_contain_text("1 event will be delivered again.")
    first, again = receiver.wait_for_batch("class-123-session-456-date-06102025", 2)
    assert first == again
    delete(admin, receiver.url)


@LOOKS
def test_the_pages_are_accessible_with_failures_in_them(
    browsing: Browsing, receiver: Receiver, options: dict[str, object]
) -> None:
    page = browsing.visitor(ADMIN, **options)
    receiver.status, receiver.answer = 503, b'{"error": "the database of the platform is away"}' + b" " * 40
    create(page, receiver.url, "roster.imported", "absence.entered")
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_role("status")).to_contain_text("The test did not arrive. Failed · 503")
    assert_accessible(page)
    assert_fits(page)
    page.locator("details.answer summary").click()
    page.get_by_text("Deliver the events of a period again").click()
    page.get_by_label("From").fill("2025-10-06T08:00")
    page.get_by_label("To", exact=True).fill("2025-10-06T07:00")
    page.get_by_role("button", name="Deliver again").click()
    expect(page.locator("#wrong-until")).to_have_text("The end must be after the beginning.")
    assert_accessible(page)
    assert_fits(page)
    page.get_by_role("link", name="Failed only").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Settings").click()
    assert_accessible(page)
    assert_fits(page)
    page.goto("/admin/webhooks")
    assert_accessible(page)
    assert_fits(page)
    delete(page, receiver.url)


@pytest.mark.long
def test_a_webhook_that_is_gone_is_noticed_and_enabled_again_without_scripts(
    browsing: Browsing, receiver: Receiver
) -> None:
    page = browsing.visitor(ADMIN, java_script_enabled=False, **PHONE)
    receiver.status = 410
    create(page, receiver.url, "batch.completed", order="any")
    marked = browsing.system.commands
    marked.run("batch", "create", "--class", "123", "--session", "456", "--date", "2025-10-07", "--all", "--watch")
    receiver.wait_for_batch("class-123-session-456-date-07102025")
    notice = page.get_by_text("The webhook to 127.0.0.1 is disabled: the receiver answered that it is gone.")

    def noticed() -> bool:
        page.goto("/overview")
        return notice.count() == 1

    wait_until(noticed, PATIENCE_MS / 1000, "the notice")
    receiver.status = 204
    page.get_by_role("link", name="Show the webhook").click()
    page.get_by_role("button", name="Enable").click()
    expect(page.get_by_role("status")).to_contain_text("Enabled.")
    receiver.wait_for_batch("class-123-session-456-date-07102025", 2)
    page.goto("/overview")
    expect(notice).to_have_count(0)
    delete(page, receiver.url)


@pytest.mark.long
def test_a_secret_is_rotated_with_an_overlap(browsing: Browsing, receiver: Receiver) -> None:
    page = browsing.visitor(ADMIN)
    old = create(page, receiver.url, "roster.imported")
    page.get_by_role("link", name="Settings").click()
    page.get_by_label("The present secret signs for").select_option("7")
    page.get_by_role("button", name="Create a new signing secret").click()
    new = page.locator("#secret").inner_text()
    expect(page.get_by_text("The earlier secret signs, too. It ends: in 7 days")).to_be_visible()
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_role("status")).to_contain_text("The test arrived.")
    for secret in (old, new):
        Webhook(secret).verify(receiver.requests[0][1], receiver.requests[0][0])
    delete(page, receiver.url)
