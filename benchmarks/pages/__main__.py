"""`python -m benchmarks.pages`: measures page weight, response times and the number of watchers of a batch.

Runs the whole system as `adsum up` starts it, with Chromium and the load on the same machine. A deployment on several
machines is faster.
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
from uuid import uuid4

from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.machine import machine
from benchmarks.pages.large_class import LARGE, LargeClass, import_large_class
from benchmarks.pages.watchers import completion_delays
from tests.system.browser.browsing import PHONE, sign_in
from tests.system.browser.conftest import CHROMIUM, FLAGS
from tests.system.browser.running_system import RunningSystem, running_system

TEACHER, ADMIN = "teacher@school.example", "admin@school.example"
CLASS, SESSION, STUDENTS = 123, 456, 30
TIMES = 100
WATCHERS = 500
# A user may watch 100 batches at a time.
WATCHING_USERS = 10
KEYS = 60
TIMEOUT_MS = 60_000
# Lighthouse's mobile profile: slow 4G, and a quarter of this machine's CPU speed.
SLOW_NETWORK = {"offline": False, "latency": 150, "downloadThroughput": 1_600_000 / 8, "uploadThroughput": 750_000 / 8}
CPU_SLOWDOWN = 4
READY = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
PAINTED = "(performance.getEntriesByName('first-contentful-paint')[0] || {startTime: NaN}).startTime"
BYTES = "performance.getEntries().reduce((sum, each) => sum + (each.transferSize || 0), 0)"
# Time from a key to the next frame. The browser reports events of more than 16 ms.
SLOW_KEYS = """() => {
    window.slowKeys = [];
    new PerformanceObserver(list => list.getEntries()
        .filter(each => each.name === 'keydown').forEach(each => window.slowKeys.push(each.duration)))
        .observe({type: 'event', durationThreshold: 16});
}"""
_days = iter(date(2025, 3, 1) + timedelta(number) for number in range(200))


def main() -> int:
    """Prints one line per measurement."""
    if CHROMIUM is None:
        sys.stderr.write("Chromium is not installed\n")
        return 1
    with running_system() as system:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            measure_first_load(browser, system)
            measure_keyboard_entry(browser, system)
            measure_page_requests(browser, system)
            measure_large_class(browser, system, import_large_class(system))
            browser.close()
        measure_watchers(system)  # after Playwright, which has its own event loop
    print(f"\n{machine()}")
    return 0


def measure_first_load(browser: Browser, system: RunningSystem) -> None:
    """Loads a register on a phone with an empty cache."""
    storage_state = sign_in_page(browser, system, TEACHER).context.storage_state()
    weights, painted, ready = list[float](), list[float](), list[float]()
    for _ in range(5):
        context = browser.new_context(base_url=system.url, storage_state=storage_state, **PHONE)  # pyright: ignore[reportArgumentType]
        page = context.new_page()
        session: Any = context.new_cdp_session(page)
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", SLOW_NETWORK)
        session.send("Emulation.setCPUThrottlingRate", {"rate": CPU_SLOWDOWN})
        page.goto(register(next(_days)))
        weights.append(page.evaluate(BYTES))
        painted.append(page.evaluate(PAINTED))
        ready.append(page.evaluate(READY))
        context.close()
    print_line("a register of 30, empty cache", f"{median(weights) / 1000:.0f} kB")
    print_line("  on a slow phone: painted, usable", f"{median(painted):.0f}, {median(ready):.0f} ms")


def measure_keyboard_entry(browser: Browser, system: RunningSystem) -> None:
    """Marks two students absent and one late, fills in the rest, saves, and waits until all are recorded."""
    page, seconds_taken = sign_in_page(browser, system, TEACHER), list[float]()
    for _ in range(5):
        page.goto(register(next(_days)))
        began = time.monotonic()
        for key in ("a", "ArrowDown", "ArrowDown", "a", "l", "0", "Control+s"):
            page.keyboard.press(key)
        expect(page.locator("[data-state=saved]")).to_have_count(STUDENTS, timeout=TIMEOUT_MS)
        seconds_taken.append(time.monotonic() - began)
    print_line("30 students by keyboard, to all saved", f"{median(seconds_taken):.2f} s")


def measure_page_requests(browser: Browser, system: RunningSystem) -> None:
    """Requests the page of a register repeatedly, one request at a time."""
    cookies = sign_in_page(browser, system, TEACHER).context.cookies()
    headers = {"Cookie": "; ".join(f"{each.get('name')}={each.get('value')}" for each in cookies)}
    headers |= {"Accept-Encoding": "gzip", "Sec-Fetch-Site": "none"}  # as browsers send them
    path, seconds_taken = register(next(_days)), list[float]()
    # Without the browser's driver, which adds some milliseconds.
    with closing(HTTPConnection(urlsplit(system.url).netloc)) as connection:
        for _ in range(TIMES):
            began = time.monotonic()
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            response.read()
            seconds_taken.append((time.monotonic() - began) * 1000)
            assert response.status == HTTPStatus.OK, response.status
    print_line(
        "a register of 30, p50 and p95", f"{median(seconds_taken):.1f}, {quantiles(seconds_taken, n=20)[-1]:.1f} ms"
    )


def measure_large_class(browser: Browser, system: RunningSystem, large: LargeClass) -> None:
    """Measures the delay from a key to the changed page, and the time to save, with 1,200 students."""
    page = sign_in_page(browser, system, ADMIN)
    page.goto(f"/take/{large.class_id}/{large.session_id}/{next(_days)}")
    page.evaluate(SLOW_KEYS)
    for number in range(KEYS):
        page.keyboard.press(("a", "ArrowDown", "l", "p")[number % 4])
    page.wait_for_timeout(500)  # the observer is called with a delay
    slow: list[float] = page.evaluate("window.slowKeys")
    quick = [16.0] * max(0, KEYS - len(slow))
    print_line(f"{LARGE:,} students: a key, p95", f"at most {quantiles([*slow, *quick], n=20)[-1]:.0f} ms")
    page.keyboard.press("0")
    began = time.monotonic()
    page.keyboard.press("Control+s")
    expect(page.locator("[data-state=saved]")).to_have_count(LARGE, timeout=TIMEOUT_MS)
    print_line(f"{LARGE:,} students: saved", f"{time.monotonic() - began:.2f} s")


def measure_watchers(system: RunningSystem) -> None:
    """Measures the time from resuming the queue until each of many watchers receives the completion."""
    adsum, day = system.commands, datetime.now(UTC).date() - timedelta(1)
    tokens = [token_of_new_user(system, f"watcher{number}@school.example") for number in range(WATCHING_USERS)]
    adsum.run("queue", "pause")
    target = ("--class", str(CLASS), "--session", str(SESSION), "--date", str(day))
    batch = json.loads(adsum.run("batch", "create", *target, "--all", "--json").stdout)["batchId"]
    seconds = asyncio.run(completion_delays(WATCHERS, system.url, batch, tokens, lambda: resume(system)))
    print_line(f"{WATCHERS} watchers notified, p50 and last", f"{median(seconds):.2f}, {max(seconds):.2f} s")


def token_of_new_user(system: RunningSystem, email: str) -> str:
    adsum = system.commands
    adsum.output("user", "add", email, "--role", "admin", "--password-stdin", stdin=f"{uuid4()}\n")
    return adsum.output("token", "create", email).strip()


def resume(system: RunningSystem) -> None:
    system.commands.run("queue", "resume")


def register(day: date) -> str:
    return f"/take/{CLASS}/{SESSION}/{day}"


def sign_in_page(browser: Browser, system: RunningSystem, email: str) -> Page:
    page = browser.new_context(base_url=system.url).new_page()
    sign_in(page, email, system.passwords[email])
    return page


def print_line(name: str, value: str) -> None:
    print(f"{name:<44}{value}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
