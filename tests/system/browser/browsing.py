"""Browser windows for the tests: signed in, and checked for console errors and requests to other hosts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe  # pyright: ignore[reportMissingTypeStubs]
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect
from pyotp.totp import TOTP

from tests.system.browser.running_system import RunningSystem

# An error response that the page handles; browsers still log it to the console.
EXPECTED = "Failed to load resource: the server responded with a status of"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@dataclass
class Browsing:
    """Opens pages of one system, and collects console errors and requests to other hosts."""

    browser: Browser
    system: RunningSystem
    complaints: list[str] = field(default_factory=list[str])
    contexts: list[BrowserContext] = field(default_factory=list[BrowserContext])

    def visitor(self, email: str | None = None, **options: object) -> Page:
        """Opens a browser window, signed in as the user with this email. It may show no page yet.

        Each user signs in once: hashing a password takes a second on a slow machine.
        """
        kept = self.system.sessions.get(email or "")
        context = self.browser.new_context(base_url=self.system.url, storage_state=kept, **options)  # pyright: ignore[reportArgumentType]
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", self._collect_message)
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("request", self._check_host)
        if email is not None:
            self._sign_in(page, email)
        return page

    def _sign_in(self, page: Page, email: str) -> None:
        # The start leads to the page of the user, or to this one: at the first visit, or if the sessions have ended.
        answer = page.request.get("/", max_redirects=0)
        if urlsplit(answer.headers["location"]).path == "/sign-in":
            sign_in(page, email, self.system.passwords[email])
            self.system.sessions[email] = page.context.storage_state()

    def close(self) -> None:
        for context in self.contexts:
            context.close()

    def _collect_message(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(EXPECTED):
            self.complaints.append(f"console: {message.text}")

    def _check_host(self, request: Request) -> None:
        parts = urlsplit(request.url)
        # Passkeys need an address with a name.
        address = parts.netloc.replace("localhost", "127.0.0.1")
        own = (self.system.url, self.system.provider.issuer)
        if parts.scheme in {"http", "https"} and f"{parts.scheme}://{address}" not in own:
            self.complaints.append(f"requested from another host: {request.url}")


def sign_in(page: Page, email: str, password: str) -> None:
    page.goto("/sign-in")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)


def add_app(page: Page) -> str:
    """Adds an authenticator app for the visitor of the page. Returns a recovery code."""
    page.goto("/account/second-factors")
    expect(page.get_by_text("Passkeys work only over HTTPS")).to_be_visible()
    page.get_by_role("button", name="Add an app").click()
    page.get_by_text("Enter the secret by hand").click()
    app = TOTP(page.locator(".secret code").inner_text().replace(" ", ""))
    page.get_by_label("Name of the app").fill("my phone")
    page.get_by_label("Code that the app shows").fill(app.now())
    page.get_by_role("button", name="Add the app").click()
    return page.locator(".recovery-codes code").first.inner_text()


def assert_accessible(page: Page) -> None:
    """Requires that axe finds no violation of WCAG 2.2 AA."""
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    # Passed checks are not reported, since collecting them takes longer than the checks. Nor are stylesheets and media
    # fetched again, which takes as long: only a rule for autoplay needs them, and no page has audio or video.
    options = {"runOnly": {"type": "tag", "values": tags}, "resultTypes": ["violations"], "preload": False}
    found: Any = Axe().run(page, options=options)  # pyright: ignore[reportUnknownMemberType]
    assert found.violations_count == 0, found.generate_report()


def assert_fits(page: Page) -> None:
    """Requires that the page is not wider than the window."""
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
