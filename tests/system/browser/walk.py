"""Opens every page as every role: `python -m tests.system.browser.walk [--look LOOK] [--pictures FOLDER] [EMAIL…]`.

It follows the links of the pages of a system with the demo schools and some weeks of marks, and of one without a
school. Of pages that differ in ids and days only, it opens one. Reported are errors of the server, messages of the
console, pages that are wider than the window, violations that axe finds, and English texts on German pages.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

from tests.platform.pages.untranslated import untranslated
from tests.system.browser.browsing import PHONE, Browsing, assert_accessible
from tests.system.browser.conftest import CHROMIUM, FLAGS
from tests.system.browser.pictures import mark_some_weeks
from tests.system.browser.running_system import RunningSystem, running_system

PEOPLE: Final = tuple(f"{role}@school.example" for role in ("admin", "office", "teacher", "viewer", "operator"))
SINGLE_PAGES: Final = ("/", "/sign-in", "/account/password", "/account/second-factors", "/account/sign-ins", "/nowhere")
DESK: Final = {"viewport": {"width": 1200, "height": 820}}
LOOKS: Final[Mapping[str, Mapping[str, Any]]] = {
    "light": DESK | {"locale": "en-GB"},
    "dark": DESK | {"locale": "de-DE", "color_scheme": "dark"},
    "phone": PHONE | {"locale": "de-DE"},
    "no-scripts": PHONE | {"locale": "en-US", "java_script_enabled": False},
    # The width of A4 between its margins.
    "print": {"viewport": {"width": 718, "height": 1050}, "locale": "en-GB"},
}
# Addresses that are files, or lead away from the pages.
NO_PAGES: Final = re.compile(r"^/(static|docs|openapi|metrics|sign-out)|[?&]format=|\.csv|/strict(\?|$)")
_ID: Final = re.compile(r"class-\d+-session-\d+-date-\d+|\d{4}-\d{2}-\d{2}|\d+")
# Titles of sessions of the demo schools.
OF_SCHOOLS: Final = frozenset({"Morning"})


@dataclass
class Walk:
    """The findings, and the pages of one visitor that are known."""

    browsing: Browsing
    looks: Sequence[str]
    pictures: Path | None
    findings: list[str] = field(default_factory=list[str])
    opened: int = 0

    def as_visitor(self, email: str | None, names: str) -> None:
        """Opens every page that a visitor reaches, in every look."""
        pages: list[str] = []
        for look in self.looks:
            page = self.browsing.visitor(email, **LOOKS[look])
            if look == "print":
                page.emulate_media(media="print")
            if not pages:
                pages = list(self._crawl(page, email, names, look))
            else:
                for path in pages:
                    self._open(page, path, names, look)
            page.context.close()
            self.browsing.contexts.remove(page.context)

    def _crawl(self, page: Page, email: str | None, names: str, look: str) -> Iterator[str]:
        waiting: list[str] = [*(SINGLE_PAGES if email else SINGLE_PAGES[:2])]
        known = set[str]()
        while waiting:
            path = waiting.pop(0)
            if (kind := _kind(path)) in known or NO_PAGES.search(path):
                continue
            known.add(kind)
            self._open(page, path, names, look)
            yield path
            waiting += _links(page)

    def _open(self, page: Page, path: str, names: str, look: str) -> None:
        answer = page.goto(path)
        self.opened += 1
        found = list(_faults(page, answer.status if answer else 0, look))
        found += [f"console: {each}" for each in self.browsing.complaints]
        self.browsing.complaints.clear()
        for each in found:
            self.findings.append(f"{names} {look} {path}: {each}")
            sys.stdout.write(f"{self.findings[-1]}\n")
            sys.stdout.flush()  # a walk takes long, and may be ended
        if self.pictures is not None:
            name = re.sub(r"\W+", "-", f"{names}-{look}-{_kind(path)}").strip("-")
            page.screenshot(path=self.pictures / f"{name}.png", full_page=True)


def _faults(page: Page, status: int, look: str) -> Iterator[str]:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or not status:
        yield f"status {status}"
    wider: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wider > 0:
        yield f"{wider} pixels wider than the window"
    if page.locator("html").get_attribute("lang") == "de":
        yield from (f"English: {text}" for text in sorted(untranslated(page.content()) - OF_SCHOOLS))
    if look in {"light", "dark", "phone"}:
        try:
            assert_accessible(page)
        except AssertionError as error:
            yield f"axe: {' '.join(str(error).split())[:400]}"


def _kind(path: str) -> str:
    """The address without ids, days and values of filters: `/take/#/#/#`, `/year?by`."""
    parts = urlsplit(path)
    names = sorted({each.partition("=")[0] for each in parts.query.split("&") if each})
    shown = [name for name in names if name not in {"school", "date", "from", "to", "next", "cursor", "outcome"}]
    return _ID.sub("#", parts.path) + ("?" + "&".join(shown) if shown else "")


def _links(page: Page) -> Sequence[str]:
    """The addresses of the page's links within the site, in their order."""
    found: list[str] = page.locator("a[href]").evaluate_all("all => all.map((each) => each.href)")
    here = urlsplit(page.url).netloc
    return [
        f"{each.path}{'?' + each.query if each.query else ''}" for each in map(urlsplit, found) if each.netloc == here
    ]


def _walk(browser: Browser, system: RunningSystem, arguments: argparse.Namespace) -> list[str]:
    browsing = Browsing(browser, system)
    walk = Walk(browsing, arguments.look or list(LOOKS), arguments.pictures)
    for email in (*(arguments.people or PEOPLE), None):
        walk.as_visitor(email, (email or "nobody").partition("@")[0])
    browsing.close()
    sys.stdout.write(f"{walk.opened} pages were opened\n")
    return walk.findings


def main() -> int:
    """Walks; 1: there are findings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--look", action="append", choices=list(LOOKS), help="by default, all of them")
    parser.add_argument("--pictures", type=Path, help="the folder for screenshots")
    parser.add_argument("people", nargs="*", help="emails of the demo; by default, one of each role")
    arguments = parser.parse_args()
    if CHROMIUM is None:
        sys.stderr.write("Chromium is not on this machine\n")
        return 1
    if arguments.pictures is not None:
        arguments.pictures.mkdir(parents=True, exist_ok=True)
    findings: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with running_system() as system:
            mark_some_weeks(system)
            findings += _walk(browser, system, arguments)
        browser.close()
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
