"""Confirmations before critical actions, over HTTP and on pages."""

from __future__ import annotations

import html
import re
from datetime import datetime, timedelta

import pytest

from adsum.accounts.access import Permission, Role, system_caller
from adsum.accounts.confirming.pages import PASSWORD as CONFIRM_PASSWORD
from adsum.accounts.confirming.pages import SECRETS
from adsum.platform.clock import system_clock
from adsum.platform.errors import Unauthenticated
from tests.accounts.second_factors.visits import EMAIL, OTHER, PASSWORD, add_app, browser, make_old, sign_in, token_with
from tests.accounts.sign_ins.test_sign_ins_over_http import bearer
from tests.support.frame import Frame
from tests.support.live import ROOT
from tests.support.schools import make_bare_school


async def test_critical_actions_need_a_confirmation_of_the_api(secure: Frame) -> None:
    token = (await token_with(secure)).json()["access_token"]
    assert (await secure.client.get("/students/1/data", headers=bearer(token))).status_code == 404
    await make_old(secure)
    critical = {"GET /students/1/data": None, "DELETE /students/1": None, "GET /attendances": {"Accept": "text/csv"}}
    for call, headers in critical.items():
        method, path = call.split()
        answer = await secure.client.request(method, path, headers=bearer(token) | (headers or {}))
        assert (answer.status_code, answer.json()["code"]) == (403, "confirmation_needed"), call
    query = "from=2026-11-01&to=2026-11-30"
    answer = await secure.client.get(f"/attendances?{query}", headers=bearer(token) | {"Accept": "text/csv"})
    assert answer.status_code == 200  # a month is no bulk
    for body, code in (({}, "confirmation_missing"), ({"password": "no"}, "wrong_password")):
        answer = await secure.client.post("/auth/confirm", json=body, headers=bearer(token))
        assert [(each["pointer"], each["code"]) for each in answer.json()["errors"]] == [("/password", code)]
    confirmed = await secure.client.post("/auth/confirm", json={"password": PASSWORD}, headers=bearer(token))
    until = datetime.fromisoformat(confirmed.json()["confirmedUntil"])
    assert timedelta(minutes=9) < until - system_clock() <= timedelta(minutes=10)
    token = confirmed.json()["accessToken"]
    assert (await secure.client.get("/students/1/data", headers=bearer(token))).status_code == 404
    key = await secure.adsum.api_keys.create("all", [Permission.STUDENT_DATA])
    headers = {"X-API-Key": key.secret}
    assert (await secure.client.get("/students/1/data", headers=headers)).status_code == 404
    assert (await secure.client.post("/auth/confirm", json={"password": PASSWORD}, headers=headers)).status_code == 403


async def test_a_user_with_a_factor_confirms_with_it_over_the_api(secure: Frame) -> None:
    async with browser(secure) as owner:
        await sign_in(owner)
        _, codes = await add_app(owner)
    token = (await token_with(secure, code=codes[0])).json()["access_token"]
    await make_old(secure)
    changed = await secure.client.post(
        "/auth/password", json={"password": PASSWORD, "newPassword": "purple engine moon"}, headers=bearer(token)
    )
    assert changed.json()["code"] == "confirmation_needed"
    for body, code in (({"password": PASSWORD}, "confirmation_missing"), ({"code": "000000"}, "wrong_second_factor")):
        answer = await secure.client.post("/auth/confirm", json=body, headers=bearer(token))
        assert [(each["pointer"], each["code"]) for each in answer.json()["errors"]] == [("/code", code)]
    assert (
        await secure.client.post("/auth/confirm", json={"code": codes[1]}, headers=bearer(token))
    ).status_code == 200


async def test_a_confirmation_replaces_the_token(secure: Frame) -> None:
    """Somebody who has a copy of the token must not be able to use the confirmation."""
    stolen = (await token_with(secure)).json()["access_token"]
    confirmed = await secure.client.post("/auth/confirm", json={"password": PASSWORD}, headers=bearer(stolen))
    token = confirmed.json()["accessToken"]
    assert (confirmed.json()["tokenType"], 0 < confirmed.json()["expiresIn"] <= 12 * 3600) == ("bearer", True)
    assert "set-cookie" not in confirmed.headers
    answers = [await secure.client.get("/auth/sign-ins", headers=bearer(each)) for each in (stolen, token)]
    assert [each.status_code for each in answers] == [401, 200]
    assert [each["isCurrent"] for each in answers[1].json()["items"]] == [True]

    async with browser(secure) as client:
        await sign_in(client)
        before = client.cookies["__Host-adsum"]
        by_form = await client.post("/account/confirm?then=/overview", data={"confirmPassword": PASSWORD})
        assert (by_form.status_code, client.cookies["__Host-adsum"] == before) == (307, False)
        between = client.cookies["__Host-adsum"]
        assert (await client.post("/auth/confirm", json={"password": PASSWORD})).status_code == 200
        after = client.cookies["__Host-adsum"]
        assert (await client.get("/account/sign-ins")).status_code == 200
    for old in (before, between):
        assert (await secure.client.get("/auth/sign-ins", headers=bearer(old))).status_code == 401
    caller = await secure.adsum.tokens.caller_of(after)
    await secure.adsum.tokens.revoke(after)
    with pytest.raises(Unauthenticated):
        await secure.adsum.tokens.confirm(caller)


async def test_the_present_password_cannot_be_guessed_by_confirming(secure: Frame) -> None:
    token = (await token_with(secure)).json()["access_token"]
    answers = [
        await secure.client.post("/auth/confirm", json={"password": f"no {number}"}, headers=bearer(token))
        for number in range(11)
    ]
    assert [answer.status_code for answer in answers] == [422] * 10 + [429]


async def test_a_page_asks_for_a_confirmation_and_keeps_the_form(secure: Frame) -> None:
    async with secure.adsum.database.transaction() as connection:
        school_id = await make_bare_school(connection)
    async with browser(secure) as client:
        await sign_in(client)
        await make_old(secure)
        path = f"/admin/people?school={school_id}"
        fields = {"email": "new@school.example", "role": "admin", "familyName": "New", "teacher": '"><b>'}
        sent_on = await client.post(path, data=fields)
        assert (sent_on.status_code, sent_on.headers["location"].split("?")[0]) == (307, "/account/confirm")
        asked = await client.post(sent_on.headers["location"], data=fields)
        for name, value in fields.items():
            assert f'name="{name}" value="{html.escape(value, quote=True).replace("&quot;", "&#34;")}"' in asked.text
        wrong = await client.post(sent_on.headers["location"], data=fields | {"confirmPassword": "no"})
        assert (wrong.status_code, "not your current password" in wrong.text, "new@school" in wrong.text) == (
            *(422, True, True),
        )
        other = await client.post(
            sent_on.headers["location"], data=fields | {"visitor": "999", "confirmPassword": "no"}
        )
        assert (other.status_code, "Another user has signed in" in other.text) == (409, True)
        assert "new@school" not in other.text
        own = re.findall(r'name="visitor" value="([0-9]+)"', asked.text)
        fields = fields | {"teacher": "", "visitor": own[0]}
        confirmed = await client.post(sent_on.headers["location"], data=fields | {"confirmPassword": PASSWORD})
        assert (confirmed.status_code, confirmed.headers["location"]) == (307, path)
        added = await client.post(path, data=fields | {"confirmPassword": PASSWORD})
        assert (added.status_code, "The password of new@school.example" in added.text) == (200, True)


async def test_a_confirmation_keeps_no_password(secure: Frame) -> None:
    async with browser(secure) as client:
        await sign_in(client)
        _, codes = await add_app(client)
        await make_old(secure)
        asked = await client.get("/account/password")
        assert asked.headers["location"] == "/account/confirm?then=%2Faccount%2Fpassword"
        fields = {"email": EMAIL, "password": PASSWORD, "newPassword": "purple engine moon"}
        sent_on = await client.post("/account/password", data=fields)
        page = await client.post(sent_on.headers["location"], data=fields)
        assert [text for text in (PASSWORD, fields["newPassword"]) if text in page.text] == []
        assert ("enter the passwords again" in page.text, 'name="confirmForm" value="no"' in page.text) == (True, True)
        form = {"confirmForm": "no", "confirmCode": codes[0]}
        confirmed = await client.post(sent_on.headers["location"], data=form)
        assert (confirmed.status_code, confirmed.headers["location"]) == (303, "/account/password")
        assert (await client.get("/account/password")).status_code == 200


def test_every_secret_field_of_a_page_is_known() -> None:
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "src/adsum").rglob("templates/**/*.html")]
    inputs = [tag for page in pages for tag in re.findall(r"<input[^>]*>", page) if 'type="password"' in tag]
    names = {name for tag in inputs for name in re.findall(r'\bname="(\w+)"', tag)}
    assert names == SECRETS | {CONFIRM_PASSWORD}


async def test_a_confirmation_leads_to_pages_of_this_site_and_only_critical_actions_need_one(secure: Frame) -> None:
    async with secure.adsum.database.transaction() as connection:
        school_id = await make_bare_school(connection)
    path = f"/admin/people?school={school_id}"
    async with browser(secure) as client:
        await sign_in(client)
        # A page is led back to, other sites are not, and an office login needs no confirmation.
        assert 'name="confirmForm" value="no"' in (await client.get("/account/confirm?then=/overview")).text
        for then, leads_to in (("/overview", "/overview"), ("https://evil.example", "/"), ("/account/confirm?x", "/")):
            form = {"confirmForm": "no", "confirmPassword": PASSWORD}
            answer = await client.post("/account/confirm", params={"then": then}, data=form)
            assert (answer.status_code, answer.headers["location"]) == (303, leads_to)
        await make_old(secure)
        office = {"email": "o@school.example", "role": "viewer", "familyName": "Oak"}
        assert (await client.post(path, data=office)).status_code == 200
        other = (await secure.adsum.accounts.add_user(OTHER, Role.ADMIN)).user.id
        for action in ("password", "reset-factors", "disable"):
            answer = await client.post(f"/admin/people/{other}/{action}?school={school_id}")
            assert answer.status_code == 307, action
        viewer = (await secure.adsum.people.find("o@school.example", system_caller())).row.id
        assert (await client.post(f"/admin/people/{viewer}/password?school={school_id}")).status_code == 200
        cross_site = {"Sec-Fetch-Site": "cross-site"}
        assert (await client.post("/account/confirm", data=form, headers=cross_site)).status_code == 403
