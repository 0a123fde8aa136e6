"""`python -m benchmarks.pages`: how heavy the pages are, how quick under the hand, and how many may watch a batch.

On the whole system as `adsum up` starts it, with Chromium and the load on the same machine: what is measured is at most
as good as where they have machines of their own.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.machine import machine
from benchmarks.pages.large_class import LARGE, LargeClass, import_large_class
from benchmarks.pages.watchers import watched_by
from tests.system.browser.browsing import PHONE, sign_in
from tests.system.browser.conftest import CHROMIUM, FLAGS
from tests.system.browser.running_system import RunningSystem, running_system

TEACHER, ADMIN = "teacher@school.example", "admin@school.example"
CLASS, SESSION, STUDENTS = 123, 456, 30
TIMES = 100
WATCHERS = 500
KEYS = 60
PATIENCE_MS = 60_000
# Lighthouse's slow phone: slow 4G, and a quarter of this machine's speed.
SLOW = {"offline": False, "latency": 150, "downloadThroughput": 1_600_000 / 8, "uploadThroughput": 750_000 / 8}
SLOWER = 4
READY = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
PAINTED = "(performance.getEntriesByName('first-contentful-paint')[0] || {startTime: NaN}).startTime"
BYTES = "performance.getEntries().reduce((sum, each) => sum + (each.transferSize || 0), 0)"
# From a key to the frame that shows what it did, of which a browser tells all over 16 ms.
SLOW_KEYS = """() => {
    window.slowKeys = [];
    new PerformanceObserver(list => list.getEntries()
        .filter(each => each.name === 'keydown').forEach(each => window.slowKeys.push(each.duration)))
        .observe({type: 'event', durationThreshold: 16});
}"""
_days = iter(date(2025, 3, 1) + timedelta(number) for number in range(200))


def main() -> int:
    """Prints a line for everything that is measured."""
    if CHROMIUM is None:
        sys.stderr.write("Chromium is not on this machine\n")
        return 1
    with running_system() as system:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            first_page(browser, system)
            by_keyboard(browser, system)
            again_and_again(browser, system)
            under_the_fingers(browser, system, import_large_class(system))
            browser.close()
        watch_together(system)  # by itself, since Playwright has a loop of its own
    print(f"\n{machine()}")
    return 0


def first_page(browser: Browser, system: RunningSystem) -> None:
    """A register, asked for by a phone that has nothing of it yet."""
    kept = signed_in(browser, system, TEACHER).context.storage_state()
    weights, painted, ready = list[float](), list[float](), list[float]()
    for _ in range(5):
        context = browser.new_context(base_url=system.url, storage_state=kept, **PHONE)  # pyright: ignore[reportArgumentType]
        page = context.new_page()
        told: Any = context.new_cdp_session(page)
        told.send("Network.enable")
        told.send("Network.emulateNetworkConditions", SLOW)
        told.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        page.goto(register(next(_days)))
        weights.append(page.evaluate(BYTES))
        painted.append(page.evaluate(PAINTED))
        ready.append(page.evaluate(READY))
        context.close()
    line("a register of 30, nothing cached", f"{median(weights) / 1000:.0f} kB")
    line("  on a slow phone: painted, usable", f"{median(painted):.0f}, {median(ready):.0f} ms")


def by_keyboard(browser: Browser, system: RunningSystem) -> None:
    """Two are absent, one is late, everybody else is present, saved: to the moment when all are recorded."""
    page, took = signed_in(browser, system, TEACHER), list[float]()
    for _ in range(5):
        page.goto(register(next(_days)))
        began = time.monotonic()
        for key in ("a", "ArrowDown", "ArrowDown", "a", "l", "0", "Control+s"):
            page.keyboard.press(key)
        expect(page.locator("[data-state=saved]")).to_have_count(STUDENTS, timeout=PATIENCE_MS)
        took.append(time.monotonic() - began)
    line("30 students by keyboard, to all saved", f"{median(took):.2f} s")


def again_and_again(browser: Browser, system: RunningSystem) -> None:
    """The register's page from request to answer, one after the other."""
    cookies = signed_in(browser, system, TEACHER).context.cookies()
    headers = {"Cookie": "; ".join(f"{each.get('name')}={each.get('value')}" for each in cookies)}
    path, took = register(next(_days)), list[float]()
    # Not by the browser's driver, which takes some milliseconds of its own.
    with closing(HTTPConnection(urlsplit(system.url).netloc)) as connection:
        for _ in range(TIMES):
            began = time.monotonic()
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            took.append((time.monotonic() - began) * 1000)
            assert answer.status == HTTPStatus.OK, answer.status
    line("a register of 30, p50 and p95", f"{median(took):.1f}, {quantiles(took, n=20)[-1]:.1f} ms")


def under_the_fingers(browser: Browser, system: RunningSystem, large: LargeClass) -> None:
    """1,200 students on one page: how long after a key it shows what it did, and how long saving takes."""
    page = signed_in(browser, system, ADMIN)
    page.goto(f"/take/{large.class_id}/{large.session_id}/{next(_days)}")
    page.evaluate(SLOW_KEYS)
    for number in range(KEYS):
        page.keyboard.press(("a", "ArrowDown", "l", "p")[number % 4])
    page.wait_for_timeout(500)  # an observer is told a little later
    slow: list[float] = page.evaluate("window.slowKeys")
    quick = [16.0] * max(0, KEYS - len(slow))
    line(f"{LARGE:,} students: a key, p95", f"at most {quantiles([*slow, *quick], n=20)[-1]:.0f} ms")
    page.keyboard.press("0")
    began = time.monotonic()
    page.keyboard.press("Control+s")
    expect(page.locator("[data-state=saved]")).to_have_count(LARGE, timeout=PATIENCE_MS)
    line(f"{LARGE:,} students: saved", f"{time.monotonic() - began:.2f} s")


def watch_together(system: RunningSystem) -> None:
    """Very many listen to one batch: from when the queue goes on until the last of them knows that it is complete."""
    adsum, day = system.commands, datetime.now(UTC).date() - timedelta(1)
    token = adsum.output("token", "create", ADMIN).strip()
    adsum.run("queue", "pause")
    place = ("--class", str(CLASS), "--session", str(SESSION), "--date", str(day))
    batch = json.loads(adsum.run("batch", "create", *place, "--all", "--json").stdout)["batchId"]
    seconds = asyncio.run(watched_by(WATCHERS, system.url, batch, token, lambda: resume(system)))
    line(f"{WATCHERS} watchers, p50 and last told", f"{median(seconds):.2f}, {max(seconds):.2f} s")


def resume(system: RunningSystem) -> None:
    system.commands.run("queue", "resume")


def register(day: date) -> str:
    return f"/take/{CLASS}/{SESSION}/{day}"


def signed_in(browser: Browser, system: RunningSystem, email: str) -> Page:
    page = browser.new_context(base_url=system.url).new_page()
    sign_in(page, email, system.passwords[email])
    return page


def line(name: str, told: str) -> None:
    print(f"{name:<44}{told}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
