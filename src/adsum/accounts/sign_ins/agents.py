"""Names of browsers and systems, from the User-Agent headers of sign-ins."""

from __future__ import annotations

import re
from dataclasses import dataclass

# In order: most browsers name others, too.
_BROWSERS = {
    "Edge": r"Edg(e|A|iOS)?/",
    "Opera": r"OPR/",
    "Samsung Internet": r"SamsungBrowser/",
    "Firefox": r"(Firefox|FxiOS)/",
    "Chrome": r"(Chrome|CriOS)/",
    "Safari": r"Version/[\d.]+ .*Safari/",
}
_SYSTEMS = {
    "iPhone": r"\(iPhone;",
    "iPad": r"\(iPad;",
    "Android": r"Android",
    "ChromeOS": r"CrOS",
    "Windows": r"Windows",
    "macOS": r"Macintosh",
    "Linux": r"Linux|X11",
}


@dataclass(frozen=True, slots=True)
class Agent:
    """A browser or program, and its system; '' for what it does not name."""

    name: str
    system: str


def agent_of(text: str) -> Agent:
    """The agent of a User-Agent header. Of a program that is no browser, the name is its first word."""
    name = _first(_BROWSERS, text) or re.split(r"[\s/;(]", text.strip(), maxsplit=1)[0]
    return Agent(name, _first(_SYSTEMS, text))


def _first(patterns: dict[str, str], text: str) -> str:
    return next((name for name, pattern in patterns.items() if re.search(pattern, text)), "")
