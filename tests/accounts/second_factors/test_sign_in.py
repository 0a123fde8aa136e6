"""Signing in with second factors over HTTP, and attacks on it."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta

import httpx2

from adsum.accounts.access import Permission
from adsum.accounts.sign_ins.abandoned import AbandonedSignIns
from adsum.platform.clock import system_clock
from tests.accounts.audit.conftest import entries_of
from tests.accounts.second_factors.authenticator import Authenticator
from tests.accounts.second_factors.visits import (
    CODE_FIELD,
    EMAIL,
    PASSWORD,
    SCRIPT,
    SITE,
    add_app,
    add_passkey,
    browser,
    later,
    make_old,
    sign_in,
    token_with,
)
from tests.accounts.sign_ins.test_sign_ins_over_http import SAME_ORIGIN, bearer
from tests.support.frame import Frame
from tests.support.people import disable


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


async def assert_opens_nothing(secure: Frame, thief: httpx2.AsyncClient, text: str, code: str) -> None:
    as_session = {"Cookie": f"__Host-adsum={text}"}
    for path in ("/overview", "/account/second-factors", "/account/password", "/account/confirm", "/admin"):
        for headers in ({}, as_session):
            answer = await thief.get(path, headers=headers)
            assert answer.headers["location"].startswith("/sign-in?next="), path
    for path in ("/classes", "/auth/sign-ins", "/attendances/batches/class-1/events", "/students/1/data"):
        for headers in (bearer(text), as_session):
            assert (await secure.client.get(path, headers=headers)).status_code == 401, path
    answer = await secure.client.post("/auth/confirm", json={"code": code}, headers=bearer(text))
    assert answer.status_code == 401


async def assert_changed_texts_are_refused(secure: Frame, text: str, code: str) -> None:
    ends_at, user_id, *rest = text.split(".")
    of_another_user = ".".join([ends_at, str(int(user_id) + 1), *rest])
    signed_wrongly = f"{text[:-1]}{'1' if text.endswith('0') else '0'}"
    for changed in (signed_wrongly, "", "1.2.3", of_another_user):
        cookie = {"Cookie": f"__Host-adsum-second-step={changed}"}
        answer = await secure.client.post(
            f"{SITE}/sign-in/second-factor", data={"code": code}, headers=SAME_ORIGIN | cookie
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/sign-in/second-factor")


async def test_a_half_way_cookie_opens_nothing_and_names_no_other_user(secure: Frame) -> None:
    async with browser(secure) as owner, browser(secure) as thief:
        await sign_in(owner)
        app, codes = await add_app(owner)
        await sign_in(thief)
        (text,) = [each.value for each in thief.cookies.jar if each.name == "__Host-adsum-second-step"]
        assert not [each for each in thief.cookies.jar if each.name in {"__Host-adsum", "__Host-adsum-device"}]
        await assert_opens_nothing(secure, thief, text or "", codes[0])
        # A changed text, one after a new password, and one from another site.
        await assert_changed_texts_are_refused(secure, text or "", codes[0])
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


async def test_a_passkey_is_the_second_factor(secure: Frame) -> None:
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


async def test_a_passkey_signs_in_alone(secure: Frame) -> None:
    async with browser(secure) as owner:
        await sign_in(owner)
        device = await add_passkey(owner)
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
