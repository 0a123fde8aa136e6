"""One system per test process, one browser while tests of this folder run, and separate windows per test."""

from __future__ import annotations

import shutil
from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.system.browser import browsing as browsing_windows
from tests.system.browser.browsing import Browsing
from tests.system.browser.running_system import RunningSystem, running_system

# Without the windows of the whole browser a page takes a quarter less CPU.
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
# For a busy machine.
PATIENCE_MS = 20_000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="session", autouse=True)
def a_few_rows_of_each_kind_under_axe(pytestconfig: pytest.Config) -> Generator[None]:
    """In the daily form axe examines three of thirty rows that differ in texts only. It would take half of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(browsing_windows, "ALIKE_AT_MOST", 3 if pytestconfig.getoption("--daily") else None)
        yield


@pytest.fixture(scope="session")
def system() -> Generator[RunningSystem]:
    with running_system() as opened:
        yield opened


# Scoped to this folder, since no other event loop can run in this process while Playwright runs.
@pytest.fixture(scope="package")
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
    """Fails the test at its end if a console has messages or another host was requested."""
    browsing = Browsing(chromium, system)
    yield browsing
    browsing.close()
    assert browsing.complaints == []
