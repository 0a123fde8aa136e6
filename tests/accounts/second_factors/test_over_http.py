"""Second factors over HTTP: signing in, confirming, the demand of a role, and attacks on each."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from pyotp.totp import TOTP
from sqlalchemy import update

from adsum.accounts.access import Permission, Role, system_caller
from adsum.accounts.confirming.pages import PASSWORD as CONFIRM_PASSWORD
from adsum.accounts.confirming.pages import SECRETS
from adsum.accounts.sign_ins.abandoned import AbandonedSignIns
from adsum.accounts.sign_ins.rules import SignInKind
from adsum.accounts.tables import sign_ins
from adsum.platform.clock import system_clock
from adsum.platform.errors import Unauthenticated
from adsum.platform.settings import Settings
from tests.accounts.audit.conftest import entries_of
from tests.accounts.second_factors.authenticator import Authenticator
from tests.accounts.sign_ins.test_sign_ins_over_http import SAME_ORIGIN, bearer
from tests.support.frame import NOBODY_LISTENS, SECRET, Frame, running
from tests.support.live import ROOT
from tests.support.people import disable
from tests.support.schools import make_bare_school

EMAIL, PASSWORD = "ada@school.example", "violet kettle drum"
OTHER = "bob@school.example"
SITE = "https://adsum.example"
SCRIPT = SAME_ORIGIN | {"Accept": "application/json"}
CODE_FIELD = {"next": "/overview"}


@pytest.fixture
async def secure(sqlite_url: str) -> AsyncGenerator[Frame]:
    """The application behind HTTPS at an address with a name."""
    settings = Settings(
        database_url=sqlite_url,
        redis_url=NOBODY_LISTENS,
        secret_key=SecretStr(SECRET),
        public_url=SITE,
        second_factor_roles="office",
    )
    async with running(settings) as opened:
        await opened.adsum.accounts.add_user(EMAIL, Role.ADMIN, password=PASSWORD)
        yield opened


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


async def test_a_user_sets_up_an_app_and_signs_in_with_each_code_once(secure: Frame) -> None:
    async with browser(secure) as first, browser(secure) as second, browser(secure) as third:
        assert (await sign_in(first)).headers["location"] == "/overview"
        page = await first.post("/account/second-factors/app")
        assert ("<svg" in page.text, "style=" in page.text) == (True, False)
        app, codes = await add_app(first)
        assert len(codes) == 10
        assert "phone" in (await first.get("/account/second-factors")).text

        answer = await sign_in(second)
        assert answer.headers["location"] == "/sign-in/second-factor?next=%2Foverview"
        assert "one-time-code" in (await second.get("/sign-in/second-factor")).text
        code = later(app)
        refused = await second.post("/sign-in/second-factor", data={"code": "000000"} | CODE_FIELD)
        assert (refused.status_code, "was already used" in refused.text) == (401, True)
        signed = await second.post("/sign-in/second-factor", data={"code": code} | CODE_FIELD)
        assert (signed.status_code, signed.headers["location"]) == (303, "/overview")
        assert (await second.get("/account/sign-ins")).status_code == 200

        await sign_in(third)
        assert (await third.post("/sign-in/second-factor", data={"code": code})).status_code == 401
        typed = codes[0].upper().replace("-", " ")
        assert (await third.post("/sign-in/second-factor", data={"code": typed})).status_code == 303
        assert (await third.post("/sign-in/second-factor", data={"code": codes[1]})).status_code == 303  # to sign in


async def test_a_half_way_cookie_opens_nothing_and_names_no_other_user(secure: Frame) -> None:
    async with browser(secure) as owner, browser(secure) as thief:
        await sign_in(owner)
        app, codes = await add_app(owner)
        await sign_in(thief)
        (text,) = [each.value for each in thief.cookies.jar if each.name == "__Host-adsum-second-step"]
        assert not [each for each in thief.cookies.jar if each.name in {"__Host-adsum", "__Host-adsum-device"}]
        as_session = {"Cookie": f"__Host-adsum={text}"}
        for path in ("/overview", "/account/second-factors", "/account/password", "/account/confirm", "/admin"):
            for headers in ({}, as_session):
                answer = await thief.get(path, headers=headers)
                assert answer.headers["location"].startswith("/sign-in?next="), path
        for path in ("/classes", "/auth/sign-ins", "/attendances/batches/class-1/events", "/students/1/data"):
            for headers in (bearer(text or ""), as_session):
                assert (await secure.client.get(path, headers=headers)).status_code == 401, path
        answer = await secure.client.post("/auth/confirm", json={"code": codes[0]}, headers=bearer(text or ""))
        assert answer.status_code == 401
        # A changed text, one after a new password, and one from another site.
        ends_at, user_id, *rest = (text or "").split(".")
        of_another_user = ".".join([ends_at, str(int(user_id) + 1), *rest])
        signed_wrongly = f"{(text or '')[:-1]}{'1' if (text or '').endswith('0') else '0'}"
        for changed in (signed_wrongly, "", "1.2.3", of_another_user):
            cookie = {"Cookie": f"__Host-adsum-second-step={changed}"}
            answer = await secure.client.post(
                f"{SITE}/sign-in/second-factor", data={"code": codes[0]}, headers=SAME_ORIGIN | cookie
            )
            assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/sign-in/second-factor")
        again = await thief.post(
            "/sign-in", data={"email": EMAIL, "password": PASSWORD, "next": "/sign-in/second-factor"}
        )
        assert again.headers["location"] == "/sign-in/second-factor?next=%2F"
        cross_site = await thief.post(
            "/sign-in/second-factor", data={"code": codes[0]}, headers={"Sec-Fetch-Site": "cross-site"}
        )
        assert cross_site.status_code == 403
        await secure.adsum.accounts.set_password(EMAIL, "purple engine moon")
        ended = await thief.post("/sign-in/second-factor", data={"code": codes[0]})
        assert ended.headers["location"].startswith("/sign-in?")
        assert app.digits == 6


async def test_wrong_codes_are_limited_and_lock_nobody_out(secure: Frame) -> None:
    async with browser(secure) as owner, browser(secure) as thief:
        await sign_in(owner)
        app, codes = await add_app(owner)
        await owner.post("/sign-out")
        answers: list[httpx2.Response] = []
        for _ in range(3):  # with the right password each time
            await sign_in(thief)
            codes_to_try = [f"{number:06}" for number in range(6)]
            answers += [await thief.post("/sign-in/second-factor", data={"code": code}) for code in codes_to_try]
        assert [answer.status_code for answer in answers] == [401] * 5 + [429] + [401] * 5 + [429] * 7
        assert "Retry-After" in answers[-1].headers
        for _ in range(2):  # the API has the same limits
            refused = await token_with(secure, code="000000")
            assert refused.status_code in {401, 429}
        # The owner's browser is known, and counts alone.
        await sign_in(owner)
        assert (await owner.post("/sign-in/second-factor", data={"code": later(app)})).status_code == 303
        elsewhere = httpx2.ASGITransport(secure.app, client=("198.51.100.9", 1))
        async with httpx2.AsyncClient(transport=elsewhere, base_url=SITE, headers=SAME_ORIGIN) as new:
            await sign_in(new)
            assert (await new.post("/sign-in/second-factor", data={"code": codes[3]})).status_code == 303


async def test_many_guesses_at_once_are_counted_before_they_are_checked(secure: Frame) -> None:
    async with browser(secure) as owner, browser(secure) as thief:
        await sign_in(owner)
        await add_app(owner)
        await sign_in(thief)
        guesses = [thief.post("/sign-in/second-factor", data={"code": f"{number:06}"}) for number in range(30)]
        statuses = [answer.status_code for answer in await asyncio.gather(*guesses)]
        assert (statuses.count(401), statuses.count(429)) == (5, 25)


async def test_a_program_sends_the_code_with_the_password(secure: Frame) -> None:
    assert (await token_with(secure)).status_code == 200
    async with browser(secure) as owner:
        await sign_in(owner)
        app, codes = await add_app(owner)
    needed = await token_with(secure)
    assert (needed.status_code, needed.json()["code"]) == (401, "second_factor_needed")
    assert needed.json()["params"] == {"kinds": ["totp", "recovery_code"]}
    wrong = await token_with(secure, code="000000")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_second_factor")
    wrong_password = await secure.client.post(
        "/auth/token", data={"username": EMAIL, "password": "no", "code": codes[0]}
    )
    assert (wrong_password.status_code, wrong_password.json()["code"]) == (401, "unauthenticated")
    answers = [await token_with(secure, code=code) for code in (later(app), codes[0], codes[0])]
    assert [answer.status_code for answer in answers] == [200, 200, 401]
    script = await secure.client.post(f"{SITE}/sign-in", data={"email": EMAIL, "password": PASSWORD}, headers=SCRIPT)
    assert (script.status_code, script.json()["code"]) == (401, "second_factor_needed")
    key = await secure.adsum.api_keys.create("all", [Permission.ATTENDANCE_CREATE])
    assert (await secure.client.get("/trial/marks", headers={"X-API-Key": key.secret})).status_code == 200
    token = (await secure.adsum.tokens.create(EMAIL)).text  # of the command line
    assert (await secure.client.get("/trial/marks", headers=bearer(token))).status_code == 200


async def test_a_passkey_is_the_second_factor_or_signs_in_alone(secure: Frame) -> None:
    async with browser(secure) as owner, browser(secure) as other, browser(secure) as third:
        await sign_in(owner)
        device = await add_passkey(owner)
        await sign_in(other)
        options = (await other.post("/sign-in/second-factor/options", headers=SCRIPT)).json()
        answer = device.get(options)
        # A challenge belongs to one sign-in, and is used once.
        await sign_in(third)
        assert (await third.post("/sign-in/second-factor", data={"passkey": answer})).status_code == 401
        assert (await other.post("/sign-in/second-factor", data={"passkey": answer})).status_code == 303
        await sign_in(other)
        assert (await other.post("/sign-in/second-factor", data={"passkey": answer})).status_code == 401
        await make_old(secure)
        sent_on = await owner.post("/account/second-factors/recovery-codes")
        assert sent_on.status_code == 307
        options = (await owner.post("/account/confirm/options", headers=SCRIPT)).json()
        fields = {"confirmPasskey": device.get(options)}
        assert [(await owner.post(sent_on.headers["location"], data=fields)).status_code for _ in range(2)] == [
            307,
            422,
        ]
    async with browser(secure) as here, browser(secure) as there:
        options = (await here.post("/sign-in/passkey/options", headers=SCRIPT)).json()
        assert (options["userVerification"], options.get("allowCredentials", [])) == ("required", [])
        answer = device.get(options)
        for client, path in ((there, "/sign-in?next=%2Foverview&refused=passkey"), (here, "/overview"), (here, None)):
            signed = await client.post("/sign-in/passkey", data={"passkey": answer, "next": "/overview"})
            assert signed.headers["location"] == (path or "/sign-in?next=%2Foverview&refused=passkey")
        assert "does not sign in here" in (await there.get("/sign-in?refused=passkey")).text
        assert (await here.get("/account/second-factors")).status_code == 200
        await disable(secure.adsum.people, EMAIL)
        options = (await there.post("/sign-in/passkey/options", headers=SCRIPT)).json()
        signed = await there.post("/sign-in/passkey", data={"passkey": device.get(options), "next": "//evil.example"})
        assert signed.headers["location"] == "/sign-in?next=%2F&refused=passkey"


async def test_a_passkey_uses_up_no_first_password_that_nobody_has_entered(secure: Frame) -> None:
    async with browser(secure) as client:
        await sign_in(client)
        device = await add_passkey(client)
        first = (await secure.adsum.accounts.set_password(EMAIL)).password
        for _ in range(2):
            options = (await client.post("/sign-in/passkey/options", headers=SCRIPT)).json()
            signed = await client.post("/sign-in/passkey", data={"passkey": device.get(options), "next": "/overview"})
            assert signed.headers["location"] == "/overview"
        assert (await sign_in(client, password=first)).headers["location"].startswith("/sign-in/second-factor")
        options = (await client.post("/sign-in/second-factor/options", headers=SCRIPT)).json()
        signed = await client.post("/sign-in/second-factor", data={"passkey": device.get(options)} | CODE_FIELD)
        assert signed.headers["location"] == "/overview"


async def test_failures_after_a_right_password_and_refused_passkeys_are_recorded(secure: Frame) -> None:
    async with browser(secure) as owner, browser(secure) as thief:
        await sign_in(owner)
        device = await add_passkey(owner)
        await sign_in(thief)
        await token_with(secure)
        await thief.post("/sign-in/second-factor", data={"code": "000000"})
        options = (await thief.post("/sign-in/passkey/options", headers=SCRIPT)).json()
        await thief.post("/sign-in/passkey", data={"passkey": Authenticator().get(options)})
        user_id = (await disable(secure.adsum.people, EMAIL)).id
        await thief.post("/sign-in/passkey", data={"passkey": device.get(options)})
    assert await failed_sign_ins(secure) == [
        (user_id, "second_factor_needed"),  # of the program
        (user_id, "wrong_second_factor"),
        (None, "wrong_passkey"),
        (user_id, "wrong_passkey"),
    ]


async def failed_sign_ins(frame: Frame) -> list[tuple[int | None, str]]:
    failed = await entries_of(frame.adsum.database, "sign_in_failed")
    return [(each["user_id"], json.loads(each["after"])["code"]) for each in failed]


async def test_a_sign_in_with_two_steps_is_one_entry(secure: Frame) -> None:
    async with browser(secure) as owner, browser(secure) as other:
        await sign_in(owner)
        app, _ = await add_app(owner)
        before = await entries_of(secure.adsum.database, "signed_in")
        await sign_in(other)
        assert (await other.post("/sign-in/second-factor", data={"code": later(app)})).status_code == 303
    assert await AbandonedSignIns(secure.adsum.database, an_hour_later).record() == 0
    assert await failed_sign_ins(secure) == []
    (entry,) = (await entries_of(secure.adsum.database, "signed_in"))[len(before) :]
    assert json.loads(entry["after"]) == {"kind": "page", "hasSecondFactor": True}


def an_hour_later() -> datetime:
    return system_clock() + timedelta(hours=1)


async def test_right_passwords_that_no_second_factor_follows_are_recorded_when_their_time_is_over(
    secure: Frame,
) -> None:
    async with browser(secure) as owner, browser(secure) as thief, browser(secure) as clumsy:
        await sign_in(owner)
        await add_app(owner)
        for _ in range(2):
            await sign_in(thief)
        await sign_in(clumsy)
        await clumsy.post("/sign-in/second-factor", data={"code": "000000"})
    now = AbandonedSignIns(secure.adsum.database, system_clock)
    later_on = AbandonedSignIns(secure.adsum.database, an_hour_later)
    assert await now.record() == 0
    assert [await later_on.record(), await later_on.record()] == [2, 0]
    wrong, abandoned = await entries_of(secure.adsum.database, "sign_in_failed")
    assert json.loads(wrong["after"])["code"] == "wrong_second_factor"
    details = json.loads(abandoned["after"])
    assert (details["attempts"], details["code"]) == (2, "second_factor_needed")
    assert datetime.fromisoformat(details["since"]) <= system_clock()
    assert (abandoned["caller_role"], abandoned["address"]) == (None, wrong["address"])
    assert abandoned["agent"] == wrong["agent"]


async def token_after_confirmation(frame: Frame, token: str, code: str) -> str:
    confirmed = await frame.client.post("/auth/confirm", json={"code": code}, headers=bearer(token))
    return confirmed.json()["accessToken"]


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
    for method, path in (
        *(("GET", "/classes"), ("GET", "/students/1/data"), ("DELETE", "/students/1"), ("GET", "/auth/sign-ins")),
        *(("GET", "/attendances/batches/class-1/events"), ("POST", "/auth/password"), ("GET", "/trial/marks")),
    ):
        body: dict[str, Any] = {"json": {"newPassword": "purple engine moon"}} if method == "POST" else {}
        answer = await secure.client.request(method, path, headers=bearer(token), **body)
        assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_setup_required"), path
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
        fields = {"email": "new@school.example", "role": "admin", "teacher": '"><b>'}
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
            sent_on.headers["location"], data=fields | {"confirmUser": "999", "confirmPassword": "no"}
        )
        assert (other.status_code, "Another user has signed in" in other.text) == (409, True)
        assert ("new@school" in other.text, 'action="/account/confirm?then=/"' in other.text) == (False, True)
        own = re.findall(r'name="confirmUser" value="([0-9]+)"', asked.text)
        fields = fields | {"teacher": "", "confirmUser": own[0]}
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
        office = {"email": "o@school.example", "role": "viewer"}
        assert (await client.post(path, data=office)).status_code == 200
        other = (await secure.adsum.accounts.add_user(OTHER, Role.ADMIN)).user.id
        for action in ("password", "reset-factors", "disable"):
            answer = await client.post(f"/admin/people/{other}/{action}?school={school_id}")
            assert answer.status_code == 307, action
        viewer = (await secure.adsum.people.find("o@school.example", system_caller())).row.id
        assert (await client.post(f"/admin/people/{viewer}/password?school={school_id}")).status_code == 200
        cross_site = {"Sec-Fetch-Site": "cross-site"}
        assert (await client.post("/account/confirm", data=form, headers=cross_site)).status_code == 403


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
