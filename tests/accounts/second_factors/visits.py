"""Visits over HTTP for the tests of second factors: sign-in, and the factors of a visitor."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx2
from pyotp.totp import TOTP
from sqlalchemy import update

from adsum.accounts.tables import sign_ins
from adsum.platform.clock import system_clock
from tests.accounts.second_factors.authenticator import Authenticator
from tests.accounts.sign_ins.test_sign_ins_over_http import SAME_ORIGIN, bearer
from tests.support.frame import Frame

EMAIL, PASSWORD = "ada@school.example", "violet kettle drum"
OTHER = "bob@school.example"
SITE = "https://adsum.example"
SCRIPT = SAME_ORIGIN | {"Accept": "application/json"}
CODE_FIELD = {"next": "/overview"}


def browser(frame: Frame) -> httpx2.AsyncClient:
    """A browser without cookies."""
    transport = httpx2.ASGITransport(frame.app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url=SITE, headers=SAME_ORIGIN)


async def sign_in(client: httpx2.AsyncClient, email: str = EMAIL, password: str = PASSWORD) -> httpx2.Response:
    return await client.post("/sign-in", data={"email": email, "password": password, "next": "/overview"})


async def add_app(client: httpx2.AsyncClient) -> tuple[TOTP, list[str]]:
    """Sets up an app on the page. Returns it with the recovery codes."""
    page = await client.post("/account/second-factors/app")
    sealed, secret = re.findall(r'name="sealed" value="([^"]+)"|<code>([A-Z2-7 ]+)</code>', page.text)
    app = TOTP((sealed[1] or secret[1]).replace(" ", ""))
    fields = {"sealed": sealed[0] or secret[0], "code": app.now(), "name": "phone"}
    added = await client.post("/account/second-factors/app/confirm", data=fields)
    again = await client.post("/account/second-factors/app/confirm", data=fields)
    assert (again.status_code, "This is already set up." in again.text) == (409, True)
    return app, re.findall(r"<code>([a-z2-9-]{29})</code>", added.text)


async def add_passkey(client: httpx2.AsyncClient) -> Authenticator:
    device = Authenticator()
    options = (await client.post("/account/second-factors/passkey/options", headers=SCRIPT)).json()
    fields = {"passkey": device.create(options), "name": "key"}
    added = await client.post("/account/second-factors/passkey", data=fields)
    assert added.status_code in {200, 303}, added.text
    return device


def later(app: TOTP) -> str:
    """The next code, which is right already. The present one was used to set up the app."""
    return app.at(system_clock() + timedelta(seconds=30))


async def make_old(frame: Frame) -> None:
    """Lets all confirmations be an hour old."""
    old = system_clock() - timedelta(hours=1)
    async with frame.adsum.database.transaction() as connection:
        await connection.execute(update(sign_ins).values(confirmed_at=old))


async def token_with(frame: Frame, **fields: str) -> httpx2.Response:
    return await frame.client.post("/auth/token", data={"username": EMAIL, "password": PASSWORD, **fields})


async def token_after_confirmation(frame: Frame, token: str, code: str) -> str:
    confirmed = await frame.client.post("/auth/confirm", json={"code": code}, headers=bearer(token))
    return confirmed.json()["accessToken"]
