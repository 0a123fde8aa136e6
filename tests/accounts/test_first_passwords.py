"""First passwords: each works once, only to choose another one. Changing and resetting passwords."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

from adsum.accounts.access import Permission, Role, system_caller
from adsum.accounts.rules import FirstPasswordUsed
from adsum.accounts.service import Accounts
from adsum.accounts.sign_ins.rules import SignInKind
from adsum.accounts.sign_ins.tokens import Outstanding, Tokens
from adsum.platform.database.engine import Database
from adsum.platform.errors import ConfigurationError, Invalid, PasswordChangeRequired, Unauthenticated
from adsum.platform.settings import Settings
from adsum.roster.people.service import People
from adsum.wiring import require_possible_sign_in
from tests.accounts.sign_ins.test_sign_ins_over_http import SAME_ORIGIN, bearer
from tests.support.frame import NOBODY_LISTENS, SECRET, Frame, running
from tests.support.live import ROOT
from tests.support.people import disable
from tests.support.schools import make_bare_school

EMAIL = "ada@school.example"
OWN, OTHER = "violet kettle drum", "purple engine moon"


async def sign_in(frame: Frame, password: str) -> httpx2.Response:
    return await frame.client.post("/auth/token", data={"username": EMAIL, "password": password})


async def change(frame: Frame, token: str, password: str | None, new: str) -> httpx2.Response:
    body = {"newPassword": new} | ({} if password is None else {"password": password})
    return await frame.client.post("/auth/password", json=body, headers=bearer(token))


async def status_with(frame: Frame, token: str) -> int:
    return (await frame.client.get("/trial/marks", headers=bearer(token))).status_code


async def test_of_many_sign_ins_with_a_first_password_one_succeeds(
    accounts: Accounts, tokens: Tokens, database: Database
) -> None:
    login = await accounts.add_user(EMAIL, Role.ADMIN)
    checked = await accounts.authenticate(EMAIL, login.password)
    attempts = [tokens.create(EMAIL, kind=SignInKind.API, checked=checked) for _ in range(5)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(outcome, FirstPasswordUsed) for outcome in outcomes) == 4
    (token,) = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    with pytest.raises(PasswordChangeRequired):
        await tokens.caller_of(token.text)
    assert (await tokens.caller_of(token.text, despite=[Outstanding.PASSWORD])).user_id == login.user.id
    # The command line asks for no password.
    assert (await tokens.caller_of((await tokens.create(EMAIL)).text)).user_id == login.user.id


async def test_a_password_that_was_replaced_while_it_was_checked_signs_nobody_in(
    accounts: Accounts, people: People, tokens: Tokens
) -> None:
    await accounts.add_user(EMAIL, Role.ADMIN, password=OWN)
    checked = await accounts.authenticate(EMAIL, OWN)
    await accounts.set_password(EMAIL, OTHER)
    with pytest.raises(Unauthenticated):
        await tokens.create(EMAIL, kind=SignInKind.API, checked=checked)
    with pytest.raises(Unauthenticated):
        await accounts.choose_password(checked, OWN, system_caller())
    checked = await accounts.authenticate(EMAIL, OTHER)
    await tokens.end_of_email(EMAIL)
    with pytest.raises(Unauthenticated):
        await tokens.create(EMAIL, kind=SignInKind.API, checked=checked)
    checked = await accounts.authenticate(EMAIL, OTHER)
    await disable(people, EMAIL)
    with pytest.raises(Unauthenticated):
        await tokens.create(EMAIL, kind=SignInKind.API, checked=checked)


async def test_a_first_password_opens_nothing_but_the_choice_of_another_one(frame: Frame) -> None:
    login = await frame.adsum.accounts.add_user(EMAIL, Role.ADMIN)
    token = (await sign_in(frame, login.password)).json()["access_token"]
    again = await sign_in(frame, login.password)
    assert (again.status_code, again.json()["code"]) == (401, "first_password_used")
    for path in ("/trial/marks", "/auth/sign-ins", "/classes", "/admin/people", "/account/sign-ins"):
        headers = bearer(token) if not path.startswith(("/admin", "/account")) else {"Cookie": f"adsum={token}"}
        answer = await frame.client.get(path, headers=headers)
        if path.startswith(("/admin", "/account")):
            assert (answer.status_code, answer.headers["location"]) == (303, "/account/password")
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "password_change_required")

    refused = await change(frame, token, None, login.password)
    assert [each["code"] for each in refused.json()["errors"]] == ["password_unchanged"]
    changed = await change(frame, token, None, OWN)
    assert changed.status_code == 200
    assert [await status_with(frame, each) for each in (token, changed.json()["access_token"])] == [401, 200]
    assert (await sign_in(frame, login.password)).status_code == 401
    for _ in range(2):
        assert (await sign_in(frame, OWN)).status_code == 200


async def test_a_user_changes_their_password_with_the_present_one(frame: Frame) -> None:
    await frame.adsum.accounts.add_user(EMAIL, Role.ADMIN, password=OWN)
    here, there = [(await sign_in(frame, OWN)).json()["access_token"] for _ in range(2)]
    for password in (None, OTHER):
        answer = await change(frame, here, password, OTHER)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "wrong_password")
    for new, code in (("short", "wrong_password_length"), ("Password1234!", "password_guessable")):
        answer = await change(frame, here, OWN, new)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)
    assert await status_with(frame, there) == 200
    new = (await change(frame, here, OWN, OTHER)).json()["access_token"]
    assert [await status_with(frame, each) for each in (here, there, new)] == [401, 401, 200]

    key = await frame.adsum.api_keys.create("all", [Permission.USER_MANAGE])
    answer = await frame.client.post("/auth/password", json={"newPassword": OWN}, headers={"X-API-Key": key.secret})
    assert answer.status_code == 403


async def test_the_present_password_cannot_be_guessed_with_a_stolen_token(frame: Frame) -> None:
    await frame.adsum.accounts.add_user(EMAIL, Role.ADMIN, password=OWN)
    token = (await sign_in(frame, OWN)).json()["access_token"]
    answers = [(await change(frame, token, f"{OTHER} {number}", OTHER)).status_code for number in range(11)]
    assert answers == [422] * 10 + [429]


async def test_a_reset_ends_all_sign_ins_also_that_of_a_first_password(frame: Frame) -> None:
    first = await frame.adsum.accounts.add_user(EMAIL, Role.ADMIN)
    token = (await sign_in(frame, first.password)).json()["access_token"]
    await frame.adsum.accounts.set_password(EMAIL)
    assert (await change(frame, token, None, OWN)).status_code == 401


async def test_the_page_changes_a_password_and_shows_its_strength(frame: Frame) -> None:
    login = await frame.adsum.accounts.add_user(EMAIL, Role.ADMIN)
    form = {"email": EMAIL, "password": login.password, "next": "/overview"}
    signed = await frame.client.post("/sign-in", data=form, headers=SAME_ORIGIN)
    assert signed.status_code == 303
    page = await frame.client.get("/overview", headers=SAME_ORIGIN, follow_redirects=True)
    assert page.url.path == "/account/password"
    assert "Current password" not in page.text
    for typed, text in (("ada school 2026", "Easy to guess"), ("violet", "6 characters are missing"), (OWN, "Good")):
        answer = await frame.client.post("/account/password/strength", data={"newPassword": typed}, headers=SAME_ORIGIN)
        assert text in answer.text
    refused = await frame.client.post("/account/password", data={"newPassword": "short"}, headers=SAME_ORIGIN)
    assert (refused.status_code, "A password has 12 to 256 characters." in refused.text) == (422, True)
    changed = await frame.client.post("/account/password", data={"newPassword": OWN}, headers=SAME_ORIGIN)
    assert (changed.status_code, changed.headers["location"]) == (303, "/")
    assert (await frame.client.get("/account/sign-ins", headers=SAME_ORIGIN)).status_code == 200
    assert "Current password" in (await frame.client.get("/account/password", headers=SAME_ORIGIN)).text
    wrong = {"password": OTHER, "newPassword": OTHER}
    refused = await frame.client.post("/account/password", data=wrong, headers=SAME_ORIGIN)
    assert "This is not your current password." in refused.text
    cross_site = {"Sec-Fetch-Site": "cross-site"}
    assert (await frame.client.post("/account/password", data=wrong, headers=cross_site)).status_code == 403
    again = await frame.client.post("/sign-in", data=form, headers=SAME_ORIGIN)
    assert again.status_code == 401
    # The earlier sign-in of a browser ends with a new one.
    signed = await frame.client.post("/sign-in", data=form | {"password": OWN}, headers=SAME_ORIGIN)
    assert (signed.status_code, len(await frame.adsum.tokens.sign_ins_of_email(EMAIL))) == (303, 1)


@pytest.fixture
async def knowing(sqlite_url: str, tmp_path: Path) -> AsyncGenerator[Frame]:
    """With a list of breached passwords, which has `OTHER`, and generated passwords of 24 characters."""
    path = tmp_path / "pwned.txt"
    path.write_text(f"{hashlib.sha1(OTHER.encode(), usedforsecurity=False).hexdigest().upper()}:7\n")
    settings = Settings(
        database_url=sqlite_url,
        redis_url=NOBODY_LISTENS,
        secret_key=SecretStr(SECRET),
        breached_passwords=path,
        password_min_length=20,
    )
    async with running(settings) as frame:
        yield frame


async def test_a_breached_password_is_refused_wherever_one_is_set(knowing: Frame, tmp_path: Path) -> None:
    accounts = knowing.adsum.accounts
    people = knowing.app.state.services[People]
    first = await accounts.add_user(EMAIL, Role.ADMIN)
    assert len(first.password) == 24
    token = (await sign_in(knowing, first.password)).json()["access_token"]
    breached = f"{OTHER}: two"
    (tmp_path / "pwned.txt").write_text(hashlib.sha1(breached.encode(), usedforsecurity=False).hexdigest())
    for setting in (
        accounts.add_user("new@school.example", Role.ADMIN, password=breached),
        accounts.set_password(EMAIL, breached),
        people.new_password(EMAIL, system_caller(), breached),
        people.add_login("new@school.example", Role.ADMIN, system_caller(), password=breached),
    ):
        with pytest.raises(Invalid) as refused:
            await setting
        assert [each.code for each in refused.value.violations] == ["password_breached"]
    answer = await change(knowing, token, None, breached)
    assert [(each["pointer"], each["code"]) for each in answer.json()["errors"]] == [("/password", "password_breached")]
    strength = await knowing.client.post(
        "/account/password/strength",
        data={"newPassword": breached},
        headers=SAME_ORIGIN | {"Cookie": f"adsum={token}"},
    )
    assert "Easy to guess" in strength.text


async def test_no_password_is_set_while_the_list_of_breached_ones_is_away(knowing: Frame, tmp_path: Path) -> None:
    first, long = await knowing.adsum.accounts.add_user(EMAIL, Role.ADMIN), f"{OWN} and more"
    token = (await sign_in(knowing, first.password)).json()["access_token"]
    (tmp_path / "pwned.txt").rename(tmp_path / "away.txt")
    unavailable = await change(knowing, token, None, long)
    assert (unavailable.status_code, unavailable.json()["code"]) == (503, "breached_passwords_unavailable")
    (tmp_path / "away.txt").rename(tmp_path / "pwned.txt")
    assert (await change(knowing, token, None, long)).status_code == 200
    with pytest.raises(ConfigurationError, match="ADSUM_BREACHED_PASSWORDS: cannot read"):
        await require_possible_sign_in(Settings(breached_passwords=tmp_path / "away.txt"))


async def make_school_named(frame: Frame, name: str) -> int:
    async with frame.adsum.database.transaction() as connection:
        return await make_bare_school(connection, name=name)


async def test_a_password_does_not_consist_of_the_name_of_the_school(frame: Frame) -> None:
    school_id = await make_school_named(frame, "Wolkenstein Bergschule")
    accounts, password = frame.adsum.accounts, "Bergschule Wolkenstein 1904"
    for setting in (
        accounts.add_user(EMAIL, Role.OFFICE, school_id=school_id, password=password),
        accounts.set_password((await accounts.add_user(EMAIL, Role.OFFICE, school_id=school_id)).user.email, password),
        accounts.add_user("it@district.example", Role.ADMIN, password=password),
        accounts.set_password((await accounts.add_user("it@district.example", Role.ADMIN)).user.email, password),
    ):
        with pytest.raises(Invalid) as refused:
            await setting
        assert [each.code for each in refused.value.violations] == ["password_guessable"]
    other = await make_school_named(frame, "Lindenhof")
    assert await accounts.add_user("o@school.example", Role.OFFICE, school_id=other, password=password)


def test_passwords_are_masked_and_can_be_pasted_and_filled_in() -> None:
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "src" / "adsum").rglob("templates/**/*.html")]
    fields = [tag for page in pages for tag in re.findall(r"<input[^>]*>", page) if "assword" in tag]
    assert len(fields) >= 5
    for tag in fields:
        assert 'type="password"' in tag, tag
        assert re.search(r'autocomplete="(current|new)-password"', tag), tag
    scripts = [path.read_text(encoding="utf-8") for path in (ROOT / "src" / "adsum").rglob("static/*.js")]
    assert [script for script in scripts if "onpaste" in script or '"paste"' in script] == []
