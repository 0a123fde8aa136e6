"""Sign-ins over HTTP: the API of a user's own sign-ins, RFC 7009, and signing out on the pages."""

from __future__ import annotations

import httpx2
import pytest

from adsum.accounts.access import Permission, Role
from adsum.accounts.sign_ins.rules import SignInKind
from tests.support.frame import Frame

PASSWORD = "correct horse battery"
EMAIL = "admin@school.example"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def status_with(frame: Frame, token: str) -> int:
    return (await frame.client.get("/trial/marks", headers=bearer(token))).status_code


async def post(frame: Frame, path: str, token: str | None = None, **fields: str) -> httpx2.Response:
    """Sends the form of a page, with this token as the session cookie."""
    cookie = {"Cookie": f"adsum={token}"} if token else {}
    return await frame.client.post(path, data=fields, headers=SAME_ORIGIN | cookie)


async def on_page(frame: Frame) -> str:
    """Signs in on the page; returns the token."""
    return (await frame.adsum.tokens.create(EMAIL, kind=SignInKind.PAGE)).text


async def test_a_program_lists_and_ends_its_sign_ins(frame: Frame) -> None:
    await frame.adsum.accounts.add_user(EMAIL, Role.ADMIN, password=PASSWORD)
    answers = [
        await frame.client.post(
            "/auth/token", data={"username": EMAIL, "password": PASSWORD}, headers={"User-Agent": f"sync/{number}"}
        )
        for number in (1, 2)
    ]
    first, second = (answer.json()["access_token"] for answer in answers)
    items = (await frame.client.get("/auth/sign-ins", headers=bearer(second))).json()["items"]
    assert [(each["agent"], each["kind"], each["isCurrent"]) for each in items] == [
        ("sync/2", "api", True),
        ("sync/1", "api", False),
    ]
    path = f"/auth/sign-ins/{items[1]['id']}"
    answers = [await frame.client.delete(path, headers=bearer(second)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [204, 404]
    assert [await status_with(frame, each) for each in (first, second)] == [401, 200]


async def test_nobody_sees_or_ends_the_sign_ins_of_another_user(frame: Frame) -> None:
    victim = await frame.token(Role.ADMIN)
    other = await frame.token(Role.OPERATOR)
    sign_in_id = (await frame.adsum.tokens.caller_of(victim)).sign_in_id
    listed = (await frame.client.get("/auth/sign-ins", headers=bearer(other))).json()["items"]
    assert [each["isCurrent"] for each in listed] == [True]
    answer = await frame.client.delete(f"/auth/sign-ins/{sign_in_id}", headers=bearer(other))
    assert answer.status_code == 404
    assert (await post(frame, "/account/sign-ins", other, signIn=str(sign_in_id))).status_code == 404
    await frame.client.delete("/auth/sign-ins", headers=bearer(other))
    assert await status_with(frame, victim) == 200
    key = await frame.adsum.api_keys.create("all", [Permission.USER_MANAGE])
    answers = [
        await frame.client.request(method, path, headers={"X-API-Key": key.secret})
        for method, path in (("GET", "/auth/sign-ins"), ("DELETE", "/auth/sign-ins"), ("DELETE", "/auth/sign-ins/1"))
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 403]


async def test_a_token_is_revoked_as_rfc_7009_demands(frame: Frame) -> None:
    token, other = await frame.token(Role.ADMIN), await frame.token(Role.OPERATOR)
    for _ in range(2):
        answer = await frame.client.post("/auth/revoke", data={"token": token, "token_type_hint": "access_token"})
        assert (answer.status_code, answer.content) == (200, b"")
    for text in ("not a token", f"{other}x", "\x00"):
        assert (await frame.client.post("/auth/revoke", data={"token": text})).status_code == 200
    assert (await frame.client.post("/auth/revoke", data={})).status_code == 422
    assert await status_with(frame, token) == 401
    assert (await frame.client.get("/auth/sign-ins", headers=bearer(other))).status_code == 200


async def test_signing_out_ends_the_sign_in_and_clears_the_browser(frame: Frame) -> None:
    await frame.token(Role.ADMIN)
    here, there = await on_page(frame), await on_page(frame)
    assert (await frame.client.post("/sign-out", headers={"Cookie": f"adsum={here}"})).status_code == 403
    answer = await post(frame, "/sign-out", here)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/")
    assert answer.headers["clear-site-data"] == '"storage"'
    assert [await status_with(frame, each) for each in (here, there)] == [401, 200]

    page = await frame.client.get("/sign-in")
    assert ("signed-out.js" in page.text, "Forgot your password?" in page.text) == (True, True)
    assert "signed-out.js" not in (await frame.client.get("/sign-in")).text


@pytest.mark.parametrize(("everywhere", "then"), [("false", "/"), ("true", "/account/sign-ins")])
async def test_signing_out_clears_the_browser_also_after_the_sign_in_has_ended(
    frame: Frame, everywhere: str, then: str
) -> None:
    await frame.token(Role.ADMIN)
    here, there = await on_page(frame), await on_page(frame)
    await frame.adsum.tokens.revoke(here)
    answer = await post(frame, "/sign-out", here, everywhere=everywhere)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next={then}")
    assert answer.headers["clear-site-data"] == '"storage"'
    cookies = answer.headers.get_list("set-cookie")
    assert any(each.startswith("adsum-signed-out=yes; ") for each in cookies)
    assert any(each.startswith('adsum=""; ') and "Max-Age=0" in each for each in cookies)
    assert await status_with(frame, there) == 200


async def test_the_page_lists_sign_ins_and_ends_all_others(frame: Frame) -> None:
    await frame.token(Role.ADMIN)
    agent = "Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0 <b>"
    there = (await frame.adsum.tokens.create(EMAIL, kind=SignInKind.PAGE, agent=agent)).text
    here = await on_page(frame)
    page = await frame.client.get("/account/sign-ins", headers=SAME_ORIGIN | {"Cookie": f"adsum={here}"})
    assert page.status_code == 200
    assert "Firefox on Linux" in page.text
    assert '<b>"' not in page.text
    assert page.text.count("This browser") == 1
    assert (await post(frame, "/account/sign-ins", here)).status_code == 422
    assert await status_with(frame, there) == 200
    assert (await post(frame, "/account/sign-ins", here, others="true")).status_code == 303
    assert [await status_with(frame, each) for each in (here, there)] == [200, 401]
