"""Browser windows for the tests: signed in, and checked for console errors and requests to other hosts."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT, AxeResults  # pyright: ignore[reportMissingTypeStubs]
from playwright.sync_api import (
    APIRequestContext,
    APIResponse,
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    expect,
)
from pyotp.totp import TOTP

from tests.system.browser.running_system import RunningSystem

# An error response that the page handles; browsers still log it to the console.
EXPECTED = "Failed to load resource: the server responded with a status of"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}

# Axe examines at most so many elements of each kind among the children of an element: all, unless a fixture sets it.
ALIKE_AT_MOST: int | None = None
# Of one kind are elements with the same tags, attributes, classes and states within them, such as rows of a register
# that differ in names. The last child is always examined.
RUN_AXE = """([options, most]) => {
  const values = ["type", "style", "role", "data-state", "aria-current", "aria-invalid", "aria-disabled"];
  const kind = (each) => [each.localName, each.className, each.checked, each.open, each.textContent === "",
    each.getAttributeNames(), values.map((name) => each.getAttribute(name))] + `(${[...each.children].map(kind)})`;
  const exclude = [];
  if (most !== null) {
    for (const parent of document.body.querySelectorAll("tbody, ol, ul, #register, tr, form, fieldset, div")) {
      const seen = {};
      if (parent.childElementCount <= most + 1) continue;
      for (const child of [...parent.children].slice(0, -1)) {
        const name = kind(child);
        seen[name] = (seen[name] ?? 0) + 1;
        if (seen[name] > most) exclude.push(child);
      }
    }
  }
  return axe.run(exclude.length ? { include: document, exclude } : document, options);
}"""


@dataclass
class Browsing:
    """Opens pages of one system, and collects console errors and requests to other hosts."""

    browser: Browser
    system: RunningSystem
    complaints: list[str] = field(default_factory=list[str])
    contexts: list[BrowserContext] = field(default_factory=list[BrowserContext])

    def visitor(self, email: str | None = None, **options: object) -> Page:
        """Opens a browser window, signed in as the user with this email. It shows no page yet."""
        page = self._context(email, **options).new_page()
        page.on("console", self._collect_message)
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("request", self._check_host)
        return page

    def requests(self, email: str) -> APIRequestContext:
        """Sends requests as the user with this email, without a window, whose process takes a third of a second."""
        return self._context(email).request

    def _context(self, email: str | None, **options: object) -> BrowserContext:
        kept = self.system.sessions.get(email or "")
        context = self.browser.new_context(base_url=self.system.url, storage_state=kept, **options)  # pyright: ignore[reportArgumentType]
        self.contexts.append(context)
        if email is not None:
            self._sign_in(context, email)
        return context

    def _sign_in(self, context: BrowserContext, email: str) -> None:
        """Signs in as the form does. Each user signs in once: hashing a password takes a second on a slow machine."""
        # The start leads to the page of the user, or to this one: at the first visit, or if the sessions have ended.
        if _leads_to(context.request.get("/", max_redirects=0)) == "/sign-in":
            form: dict[str, str | float | bool] = {"email": email, "password": self.system.passwords[email]}
            origin = {"Origin": self.system.url}
            signed_in = context.request.post("/sign-in", form=form, headers=origin, max_redirects=0)
            assert not _leads_to(signed_in).startswith("/sign-in"), email
            self.system.sessions[email] = context.storage_state()

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


def _leads_to(answer: APIResponse) -> str:
    return urlsplit(answer.headers["location"]).path


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
    # After a click a page may be there in part.
    page.wait_for_load_state()
    # A page that does not load anew keeps the script, whose half megabyte takes 0.1 s.
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = AxeResults(page.evaluate(RUN_AXE, [options, ALIKE_AT_MOST]))
    assert found.violations_count == 0, found.generate_report()


def assert_fits(page: Page) -> None:
    """Requires that the page is not wider than the window."""
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
