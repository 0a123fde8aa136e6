"""Browsers and systems of sign-ins, by their User-Agent headers."""

from __future__ import annotations

import pytest

from adsum.accounts.sign_ins.agents import Agent, agent_of

_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"

_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("text", "agent"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
            Agent("Firefox", "Windows"),
        ),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_CHROME} Safari/537.36", Agent("Chrome", "ChromeOS")),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36 Edg/140.0.0.0", Agent("Edge", "Windows")),
        (f"Mozilla/5.0 (Linux; Android 10; K) {_CHROME} Mobile Safari/537.36", Agent("Chrome", "Android")),
        (
            f"{_IPHONE} Version/18.5 Mobile/15E148 Safari/604.1",
            Agent("Safari", "iPhone"),
        ),
        ("curl/8.14.1", Agent("curl", "")),
        ("School Platform (nightly)", Agent("School", "")),
        ("<script>alert(1)</script>", Agent("<script>alert", "")),
        (" ", Agent("", "")),
    ],
)
def test_an_agent_is_named_by_browser_and_system(text: str, agent: Agent) -> None:
    assert agent_of(text) == agent
