"""The sign-in page of an installation without a user."""

from __future__ import annotations

from adsum.accounts.access import Role
from tests.support.frame import Frame, frame, full_frame

__all__ = ["frame", "full_frame"]

COMMAND = "adsum user add EMAIL --role admin"


async def test_the_sign_in_page_says_how_the_first_user_is_added(full_frame: Frame) -> None:
    async def page(language: str) -> str:
        return (await full_frame.client.get("/sign-in", headers={"Accept-Language": language})).text

    english, german = await page("en"), await page("de")
    assert "Nobody has a login yet." in english
    assert "Noch hat niemand einen Zugang." in german
    assert COMMAND in english
    await full_frame.adsum.accounts.add_user("ada@school.example", Role.ADMIN)
    assert COMMAND not in await page("en")
