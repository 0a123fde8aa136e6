"""Users manage their second factors over HTTP; admins reset those of others; roles demand one."""

from __future__ import annotations

import re
from typing import Any

import httpx2
from pyotp.totp import TOTP

from adsum.accounts.access import Role
from adsum.accounts.sign_ins.rules import SignInKind
from tests.accounts.second_factors.visits import (
    EMAIL,
    OTHER,
    PASSWORD,
    SCRIPT,
    add_app,
    browser,
    later,
    make_old,
    sign_in,
    token_after_confirmation,
    token_with,
)
from tests.accounts.sign_ins.test_sign_ins_over_http import SAME_ORIGIN, bearer
from tests.support.frame import Frame
from tests.support.schools import make_bare_school


async def test_second_factors_are_managed_over_http(secure: Frame) -> None:
    token = (await token_with(secure)).json()["access_token"]

    async def send(method: str, path: str = "", body: Any = None) -> httpx2.Response:
        address = f"/auth/second-factors{path}"
        return await secure.client.request(method, address, json=body, headers=bearer(token))

    assert (await send("GET")).json() == {"items": [], "recoveryCodes": 0, "isRequired": False}
    setup = (await send("POST", "/totp")).json()
    app = TOTP(setup["secret"])
    assert setup["address"].startswith("otpauth://totp/")
    body = {"setup": setup["setup"], "code": "000000", "name": " "}
    refused = await send("POST", "/totp/confirm", body)
    assert {each["pointer"] for each in refused.json()["errors"]} == {"/code", "/name"}
    body |= {"code": app.now(), "name": "phone"}
    added = await send("POST", "/totp/confirm", body)
    assert (added.status_code, len(added.json()["recoveryCodes"])) == (201, 10)
    assert (await send("POST", "/totp/confirm", body)).status_code == 409
    assert (await send("POST", "/totp/confirm", body | {"setup": "x"})).status_code == 404
    (factor,) = (await send("GET")).json()["items"]
    path = f"/totp/{factor['id']}"
    assert (factor["kind"], factor["name"]) == ("totp", "phone")
    assert (await send("PATCH", path, {"name": "old phone"})).status_code == 204
    assert (await send("GET")).json()["items"][0]["name"] == "old phone"
    assert (await send("PATCH", "/passkey/1", {"name": "x"})).status_code == 404
    assert (await send("DELETE", "/recovery_code/1")).status_code == 422
    assert len((await send("POST", "/recovery-codes")).json()["recoveryCodes"]) == 10

    await make_old(secure)
    for method, at in (("POST", "/totp"), ("POST", "/recovery-codes"), ("DELETE", path)):
        answer = await send(method, at)
        assert (answer.status_code, answer.json()["code"]) == (403, "confirmation_needed"), at
    assert (await send("POST", "/totp/confirm", body)).json()["code"] == "confirmation_needed"
    token = await token_after_confirmation(secure, token, later(app))
    assert (await send("DELETE", path)).status_code == 204
    assert (await send("GET")).json() == {"items": [], "recoveryCodes": 0, "isRequired": False}


async def test_a_page_removes_no_recovery_code_as_a_factor(secure: Frame) -> None:
    async with browser(secure) as owner:
        await sign_in(owner)
        await add_app(owner)
        answer = await owner.post("/account/second-factors/remove", data={"kind": "recovery_code", "factor": "1"})
        assert answer.status_code == 422


async def test_passkeys_are_refused_where_browsers_refuse_them(frame: Frame) -> None:
    await frame.adsum.accounts.add_user(EMAIL, Role.ADMIN, password=PASSWORD)
    token = (await frame.adsum.tokens.create(EMAIL, kind=SignInKind.PAGE)).text
    headers = SAME_ORIGIN | {"Cookie": f"adsum={token}"}
    page = await frame.client.get("/account/second-factors", headers=headers)
    assert ("passkeys.js" in page.text, "only over HTTPS" in page.text) == (False, True)
    for path in ("/sign-in/passkey/options", "/account/second-factors/passkey/options", "/account/confirm/options"):
        assert (await frame.client.post(path, headers=headers | SCRIPT)).status_code == 404
    assert (await frame.client.post("/account/second-factors/passkey", headers=headers)).status_code == 404
    signed = await frame.client.post("/sign-in/passkey", data={"passkey": "{}"}, headers=SAME_ORIGIN)
    assert signed.headers["location"].endswith("refused=passkey")
    for host, is_allowed in {"localhost:8000": True, "127.0.0.1:8000": False, "[::1]": False}.items():
        answer = await frame.client.post("/sign-in/passkey/options", headers=SCRIPT | {"Host": host})
        assert (answer.status_code == 200) == is_allowed, host


async def assert_needs_a_factor(secure: Frame, token: str) -> None:
    for method, path in (
        *(("GET", "/classes"), ("GET", "/students/1/data"), ("DELETE", "/students/1"), ("GET", "/auth/sign-ins")),
        *(("GET", "/attendances/batches/class-1/events"), ("POST", "/auth/password"), ("GET", "/trial/marks")),
    ):
        body: dict[str, Any] = {"json": {"newPassword": "purple engine moon"}} if method == "POST" else {}
        answer = await secure.client.request(method, path, headers=bearer(token), **body)
        assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_setup_required"), path


async def test_a_role_that_needs_a_factor_can_only_set_one_up(secure: Frame) -> None:
    async with secure.adsum.database.transaction() as connection:
        school_id = await make_bare_school(connection)
    first = await secure.adsum.accounts.add_user(OTHER, Role.OFFICE, school_id=school_id)
    form = {"username": OTHER, "password": first.password}
    token = (await secure.client.post("/auth/token", data=form)).json()["access_token"]
    # The password comes first.
    answer = await secure.client.get("/classes", headers=bearer(token))
    assert answer.json()["code"] == "password_change_required"
    changed = await secure.client.post("/auth/password", json={"newPassword": PASSWORD}, headers=bearer(token))
    token = changed.json()["access_token"]
    await assert_needs_a_factor(secure, token)
    async with browser(secure) as client:
        await sign_in(client, OTHER)
        for path in ("/overview", "/account/password", "/account/sign-ins", "/today", "/admin/people", "/"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/account/second-factors"), path
        page = await client.get("/account/second-factors")
        assert ("Your role needs a second factor" in page.text, "<nav" in page.text) == (True, False)
        await make_old(secure)
        asked = await client.post("/account/second-factors/app", follow_redirects=True)
        assert "confirmPassword" in asked.text
        confirmed = await client.post("/account/confirm?then=/overview", data={"confirmPassword": PASSWORD})
        assert confirmed.status_code == 307
        await add_app(client)
        assert (await client.get("/overview")).status_code == 200
        removed = await client.post("/account/second-factors/remove", data={"kind": "totp", "factor": "1"})
        assert (removed.status_code, "add another one before" in removed.text) == (409, True)
    # Tokens that were made before are ended, and new ones need the code.
    assert (await secure.client.get("/classes", headers=bearer(token))).status_code == 401
    assert (await secure.client.post("/auth/token", data=form | {"password": PASSWORD})).status_code == 401


async def test_an_admin_resets_the_factors_of_a_user_who_lost_them(secure: Frame) -> None:
    other = (await secure.adsum.accounts.add_user(OTHER, Role.ADMIN, password=PASSWORD)).user.id
    async with secure.adsum.database.transaction() as connection:
        school_id = await make_bare_school(connection)
    page = f"/admin/people/{other}?school={school_id}"
    async with browser(secure) as lost, browser(secure) as admin:
        await sign_in(lost, OTHER)
        await add_app(lost)
        await sign_in(admin)
        assert "Reset the second factor" in (await admin.get(page)).text
        await admin.post(f"/admin/people/{other}/reset-factors?school={school_id}")
        assert (await lost.get("/overview")).headers["location"].startswith("/sign-in")
        assert (await sign_in(lost, OTHER)).headers["location"] == "/overview"
        assert "Reset the second factor" not in (await admin.get(page)).text


async def test_recovery_codes_are_replaced_and_factors_renamed_on_the_page(secure: Frame) -> None:
    async with browser(secure) as client:
        await sign_in(client)
        app, codes = await add_app(client)
        wrong = await client.post("/account/second-factors/rename", data={"kind": "totp", "factor": "1", "name": ""})
        assert "1 to 64 visible characters" in wrong.text
        await client.post("/account/second-factors/rename", data={"kind": "totp", "factor": "1", "name": "tablet"})
        assert "tablet" in (await client.get("/account/second-factors")).text
        new = re.findall(
            r"<code>([a-z2-9-]{29})</code>", (await client.post("/account/second-factors/recovery-codes")).text
        )
        assert (len(new), set(new) & set(codes)) == (10, set())
        await client.post("/account/second-factors/remove", data={"kind": "totp", "factor": "1"})
        assert "Recovery codes" not in (await client.get("/account/second-factors")).text
        assert app.secret
