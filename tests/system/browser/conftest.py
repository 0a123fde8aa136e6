"""One system for all tests of pages of a process, one browser a module; each test has windows of its own."""

from __future__ import annotations

import shutil
from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.system.browser.browsing import Browsing
from tests.system.browser.running_system import RunningSystem, running_system

CHROMIUM = shutil.which("chromium")
# Of a machine that has much else to do.
PATIENCE_MS = 20_000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="session")
def system() -> Generator[RunningSystem]:
    with running_system() as opened:
        yield opened


# Of a module: while Playwright runs, no other test of this process can run a loop of its own.
@pytest.fixture(scope="module")
def chromium() -> Generator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not on this machine")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def browsing(system: RunningSystem, chromium: Browser) -> Generator[Browsing]:
    """At its end nothing may stand in a console, and nothing may have been asked of any other host."""
    browsing = Browsing(chromium, system)
    yield browsing
    browsing.close()
    assert browsing.complaints == []
