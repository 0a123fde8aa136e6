"""Screenshots of all pages: `python -m tests.system.browser.pictures` rewrites `docs/images`.

Light, dark and on a phone, and some laid out from right to left; on the real system with its demo school and several
weeks of generated marks.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from tests.support.live import ROOT
from tests.system.browser.browsing import PHONE, sign_in
from tests.system.browser.conftest import CHROMIUM, FLAGS
from tests.system.browser.receiver import Receiver, receiving
from tests.system.browser.running_system import RunningSystem, running_system

IMAGES = ROOT / "docs" / "images"
DESK = {"viewport": {"width": 1200, "height": 820}}
LOOKS: Mapping[str, Mapping[str, Any]] = {
    "light": DESK,
    "dark": DESK | {"color_scheme": "dark"},
    "phone": PHONE | {"device_scale_factor": 1.5},
}
# English pages laid out from right to left, since no translation into such a language exists.
RIGHT_TO_LEFT = "right-to-left"
TURNED = ("today", "register", "overview", "batches", "student", "calendar")
TODAY = datetime.now(UTC).date()
PAGES = {
    "sign-in": (None, "/sign-in"),
    "today": ("teacher@school.example", "/today"),
    "register": ("teacher@school.example", f"/take/123/456/{TODAY - timedelta(1)}"),
    "overview": ("office@school.example", "/overview"),
    "on-site": ("office@school.example", "/house"),
    "record": ("office@school.example", "/record/1"),
    "batches": ("operator@school.example", "/batches"),
    "batch": (
        "admin@school.example",
        f"/batches/class-123-session-456-date-{(TODAY - timedelta(1)):%d%m%Y}",
    ),
    "reports": ("office@school.example", f"/year?from={TODAY - timedelta(120)}&to={TODAY}"),
    "class": ("office@school.example", f"/year/classes/123?from={TODAY - timedelta(120)}&to={TODAY}"),
    "student": ("office@school.example", f"/year/students/4?from={TODAY - timedelta(120)}&to={TODAY}"),
    "admin": ("admin@school.example", "/admin"),
    "people": ("admin@school.example", "/admin/people?school=1"),
    "covers": ("office@school.example", "/admin/covers?class=123"),
    "statuses": ("admin@school.example", "/admin/statuses?school=1"),
    "calendar": ("admin@school.example", "/admin/calendar?school=1"),
    "roster": ("admin@school.example", "/admin/roster"),
    "webhook": ("admin@school.example", "/admin/webhooks/1#log"),
}


def main() -> int:
    """Takes all screenshots, or those of the named pages."""
    if CHROMIUM is None:
        sys.stderr.write("Chromium is not on this machine\n")
        return 1
    wanted = sys.argv[1:] or list(PAGES)
    IMAGES.mkdir(exist_ok=True)
    with running_system() as system, receiving() as receiver, sync_playwright() as playwright:
        mark_some_weeks(system)
        deliver_some_events(system, receiver)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name in wanted:
            for look, options in LOOKS.items():
                take(browser, system, name, look, options)
            if name in TURNED:
                take(browser, system, name, RIGHT_TO_LEFT, DESK)
        browser.close()
    return 0


def take(browser: Browser, system: RunningSystem, name: str, look: str, options: Mapping[str, Any]) -> None:
    """Takes one screenshot of the visible part of the page."""
    email, path = PAGES[name]
    context = browser.new_context(base_url=system.url, **options)
    page = context.new_page()
    if email is not None:
        sign_in(page, email, system.passwords[email])
    page.goto(path)
    page.wait_for_load_state("load")
    if look == RIGHT_TO_LEFT:
        page.evaluate("document.documentElement.dir = 'rtl'")
    page.screenshot(path=IMAGES / f"{name}-{look}.png")
    context.close()


def mark_some_weeks(system: RunningSystem) -> None:
    """Marks the schooldays of the last weeks except today, with a few students absent, late or excused."""
    days = [TODAY - timedelta(back) for back in range(60, 0, -1)]
    lines = ["classId,sessionId,studentId,date,status,note"]
    for number, day in enumerate(each for each in days if each.weekday() < 5 or each == TODAY - timedelta(1)):
        lines += [f"123,456,{student},{day},{status_of(student, number, day)}," for student in range(1, 31)]
    file = system.data / "marks.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    system.commands.run("attendance", "import", str(file), "--school", "1")
    system.commands.run("batch", "watch", f"class-123-session-456-date-{TODAY - timedelta(1):%d%m%Y}")


def deliver_some_events(system: RunningSystem, receiver: Receiver) -> None:
    """A webhook whose receiver takes the events of one batch, and then is away."""
    types = ("--type", "batch.accepted", "--type", "batch.completed")
    system.commands.run("webhook", "create", receiver.url, *types, ADSUM_WEBHOOK_ALLOWED_NETWORKS="127.0.0.0/8")
    batches = [f"class-123-session-456-date-{day}122024" for day in ("25", "26")]
    create = ("batch", "create", "--class", "123", "--session", "456", "--all", "--watch", "--date")
    system.commands.run(*create, "2024-12-25")
    receiver.wait_for_batch(batches[0])
    receiver.status, receiver.answer = 503, b'{"error": "maintenance"}'
    system.commands.run(*create, "2024-12-26")
    receiver.wait_until(lambda: receiver.types.count("batch.accepted") == 3)


def status_of(student: int, number: int, day: date) -> str:
    """Returns mostly present; student 4 is often absent."""
    turn = (student * 7 + number * 11 + day.day) % 40
    if student == 4 and number % 4 == 0:
        return "absent"
    return {0: "absent", 1: "late", 2: "excused"}.get(turn, "present")


if __name__ == "__main__":
    sys.exit(main())
