"""Attacks on sign-ins at a provider. Nobody is signed in."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import warnings
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from adsum.accounts.single_sign_on.service import BY_ADDRESS
from adsum.platform.redis.attempts import AttemptLimit
from tests.accounts.single_sign_on.conftest import CALLBACK, EMAIL, FOR_BROWSERS, Visit, browser
from tests.support.pages import visible_text
from tests.support.people import disable
from tests.support.providers.strict import CLIENT_SECRET, Claims, key

# Each is an attack of its own.
pytestmark = pytest.mark.every_case
UNTRUSTED = "The answer of Strict School could not be verified."
OVER = "started in another browser"


async def assert_refused(visit: Visit, landed: str, text: str) -> None:
    answer = await visit.open(landed)
    shown = visible_text(answer)
    assert answer.status_code == 403, shown
    assert text in shown
    assert re.search(r"Request ID: [0-9a-f]{32}", shown)
    assert "adsum" not in visit.client.cookies
    assert not await visit.is_signed_in()


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (r"state=\w+", "state=" + "0" * 32),
        (r"state=\w+&", ""),
        (r"code=\w+&", ""),
        (r"state=(\w+)", r"state=\1&state=\1"),
        (r"code=(\w+)", r"code=\1&code=\1"),
    ],
)
async def test_a_changed_answer_is_refused(visit: Visit, pattern: str, replacement: str) -> None:
    await visit.user()
    landed = re.sub(pattern, replacement, await visit.approve(await visit.begin()))
    answer = await visit.open(landed)
    assert answer.headers.get("Location", "").startswith(visit.provider.issuer) or answer.status_code == 403
    assert visit.provider.asked["/token"] == 0
    assert not await visit.is_signed_in()


@pytest.mark.parametrize("issuer", ["https://evil.example", "", None])
async def test_the_answer_of_another_issuer_is_refused(visit: Visit, issuer: str | None) -> None:
    await visit.user()
    landed = await visit.approve(await visit.begin())
    changed = re.sub(r"&iss=[^&]+", "" if issuer is None else f"&iss={issuer}", landed)
    await assert_refused(visit, changed, UNTRUSTED)
    assert visit.provider.asked["/token"] == 0


async def test_an_answer_with_two_issuers_is_refused(visit: Visit) -> None:
    await visit.user()
    landed = await visit.approve(await visit.begin())
    await assert_refused(visit, f"{landed}&iss={visit.provider.issuer}", UNTRUSTED)


async def test_an_answer_is_used_once(visit: Visit) -> None:
    await visit.user()
    address = await visit.begin()
    cookies = dict(visit.client.cookies)
    landed = await visit.approve(address)
    assert (await visit.open(landed)).status_code == 303
    visit.client.cookies.clear()
    visit.client.cookies.update(cookies)
    await assert_refused(visit, landed, OVER)


async def test_a_code_of_another_attempt_is_refused_by_its_challenge(visit: Visit) -> None:
    """An attacker puts the code of their own attempt into the attempt of a victim."""
    await visit.user()
    async with browser(visit.app) as attacker:
        begun = await attacker.get("/sign-in/strict", headers=FOR_BROWSERS)
        stolen = re.search(r"code=(\w+)", await visit.approve(begun.headers["Location"]))
    landed = await visit.approve(await visit.begin())
    assert stolen is not None
    await assert_refused(visit, re.sub(r"code=\w+", f"code={stolen[1]}", landed), UNTRUSTED)


async def test_the_cookie_of_an_attempt_cannot_be_changed(visit: Visit) -> None:
    await visit.user()
    landed = await visit.approve(await visit.begin())
    name = next(name for name in visit.client.cookies if "attempt" in name)
    for value in ("", "x", visit.client.cookies[name][1:], visit.client.cookies[name] + "0", "x." + "0" * 64):
        visit.client.cookies.set(name, value, domain="adsum.test")
        assert (await visit.open(landed)).status_code == 403
        visit.client.cookies.clear()


def without_library(header: dict[str, Any], claims: Claims, secret: bytes | None) -> str:
    """Signs as a careless library would: joserfc refuses to."""
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in (header, claims)]
    content = ".".join(parts)
    mac = b"" if secret is None else hmac.new(secret, content.encode(), hashlib.sha256).digest()
    return f"{content}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def unsigned(claims: Claims) -> str:
    return without_library({"alg": "none"}, claims, None)


def signed_with_public_key(claims: Claims) -> str:
    return without_library({"alg": "HS256", "kid": "first"}, claims, key("first").as_pem(private=False))


def signed_with_client_secret(claims: Claims) -> str:
    return without_library({"alg": "HS256"}, claims, CLIENT_SECRET.encode())


def signed_with_other_key(claims: Claims) -> str:
    return jwt.encode({"alg": "RS256", "kid": "first"}, claims, key("other"))


def signed_with_unknown_key(claims: Claims) -> str:
    return jwt.encode({"alg": "RS256", "kid": "other"}, claims, key("other"))


def no_token(_claims: Claims) -> str:
    return "no token"


def long_token(_claims: Claims) -> str:
    return "x" * 100_001


@pytest.mark.parametrize(
    "sign",
    [
        unsigned,
        signed_with_public_key,
        signed_with_client_secret,
        signed_with_other_key,
        signed_with_unknown_key,
        no_token,
        long_token,
    ],
)
async def test_an_id_token_without_a_right_signature_is_refused(visit: Visit, sign: Callable[[Claims], str]) -> None:
    await visit.user()
    visit.provider.faults.sign = sign
    await assert_refused(visit, await visit.approve(await visit.begin()), UNTRUSTED)


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another-client"},
        {"aud": ["adsum", "another-client"], "azp": "adsum"},
        {"aud": []},
        {"azp": "another-client"},
        {"exp": 1_700_000_000},
        {"exp": "never"},
        {"exp": None},
        {"iat": 4_000_000_000},
        {"iat": None},
        {"nonce": "0" * 64},
        {"nonce": None},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "s" * 256},
    ],
    ids=str,
)
async def test_an_id_token_for_something_else_is_refused(visit: Visit, changed: dict[str, Any]) -> None:
    await visit.user()
    visit.provider.faults.claims = changed
    await assert_refused(visit, await visit.approve(await visit.begin()), UNTRUSTED)


async def test_an_account_outside_the_domains_is_refused(visit: Visit) -> None:
    await visit.user("x@other.example")
    visit.provider.claims = {"email": "x@other.example", "email_verified": True}
    await assert_refused(visit, await visit.approve(await visit.begin()), "not one of your school")


@pytest.mark.parametrize(
    ("claims", "text"),
    [
        ({"email": EMAIL}, "does not confirm that your email address is yours"),
        ({"email": EMAIL, "email_verified": False}, "does not confirm that your email address is yours"),
        ({"email": EMAIL, "email_verified": "false"}, "does not confirm that your email address is yours"),
        # The Kelvin sign becomes k in lower case.
        ({"email": "\u212a@school.example", "email_verified": True}, "does not confirm"),
        ({}, "has not told Adsum your email address"),
        ({"email": "stranger@school.example", "email_verified": True}, "No user of Adsum has the email address"),
    ],
)
async def test_nobody_is_connected_without_a_verified_email_of_a_user(
    visit: Visit, claims: dict[str, Any], text: str
) -> None:
    await visit.user()
    await visit.user("k@school.example")
    visit.provider.claims = claims
    visit.provider.user_info = {"sub": visit.provider.subject}
    await assert_refused(visit, await visit.approve(await visit.begin()), text)


async def test_another_account_with_the_same_email_is_refused(visit: Visit) -> None:
    await visit.user()
    await visit.sign_in()
    visit.client.cookies.clear()
    visit.provider.subject = "subject-2"
    await assert_refused(visit, await visit.approve(await visit.begin()), "with another account at Strict School")


async def test_two_accounts_with_one_email_at_once_connect_one(visit_on_each: Visit) -> None:
    visit = visit_on_each
    await visit.user()
    landed: list[str] = []
    for number in range(2):
        address = await visit.begin()
        visit.provider.subject = f"subject-{number}"
        landed.append(await visit.approve(address))
    # The token names the subject at the exchange, so they differ by the order of the exchanges.
    subjects = iter(("subject-a", "subject-b"))
    visit.provider.faults.sign = lambda claims: visit.provider.signed(claims | {"sub": next(subjects)})
    answers = await asyncio.gather(*(visit.open(each) for each in landed))
    assert sorted(answer.status_code for answer in answers) == [303, 403]
    assert len(await visit.adsum.identities.identities_of(EMAIL)) == 1


@pytest.mark.parametrize("columns", [{"disabled": True}, {"left_roster": True}, {"enabled_in_roster": False}])
async def test_disabled_users_and_leavers_are_refused(visit: Visit, columns: dict[str, Any]) -> None:
    await visit.user(**columns)
    await assert_refused(visit, await visit.approve(await visit.begin()), "Your login is disabled.")


async def test_a_user_who_is_disabled_later_is_refused(visit: Visit) -> None:
    await visit.user()
    await visit.sign_in()
    await disable(visit.adsum.people, EMAIL)
    visit.client.cookies.clear()
    await assert_refused(visit, await visit.approve(await visit.begin()), "Your login is disabled.")


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("error=access_denied&state={state}&iss={iss}", "You have cancelled"),
        ("error=access_denied", "You have cancelled"),
        ("error=server_error&state={state}&iss={iss}", "Strict School reports an error."),
    ],
)
async def test_an_error_of_the_provider_is_a_page(visit: Visit, query: str, text: str) -> None:
    state = re.search(r"state=(\w+)", await visit.begin())
    assert state is not None
    sent = query.format(state=state[1], iss=visit.provider.issuer)
    await assert_refused(visit, f"{CALLBACK}?{sent}", text)


async def test_many_invalid_answers_make_an_address_wait(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    await visit.user()
    two = AttemptLimit(BY_ADDRESS.kind, 2, BY_ADDRESS.seconds)
    monkeypatch.setattr("adsum.accounts.single_sign_on.service.BY_ADDRESS", two)
    visit.provider.faults.claims = {"nonce": "wrong"}
    answers = [await visit.sign_in() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [403, 403, 429]
    assert int(answers[2].headers["Retry-After"]) > 0
    assert visit.provider.asked["/token"] == 2
    assert "Too many sign-ins failed." in visible_text(answers[2])


async def test_the_user_information_of_another_subject_is_refused(visit: Visit) -> None:
    await visit.user()
    visit.provider.faults.claims = {"email": None}
    visit.provider.user_info = {"sub": "another", "email": EMAIL, "email_verified": True}
    assert (await visit.sign_in()).status_code == 403
    assert not await visit.is_signed_in()


async def test_a_login_form_of_another_site_cannot_finish_an_attempt_that_the_browser_has_not_begun(
    visit: Visit,
) -> None:
    """Login CSRF: the attacker's answer would sign the victim in as the attacker."""
    await visit.user()
    async with browser(visit.app) as attacker:
        begun = await attacker.get("/sign-in/strict", headers=FOR_BROWSERS)
    landed = await visit.approve(begun.headers["Location"])
    await assert_refused(visit, landed, OVER)
    assert urlsplit(landed).path == "/sign-in/strict/callback"


async def test_a_signature_by_a_short_key_is_refused(visit: Visit) -> None:
    await visit.user()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        short = RSAKey.generate_key(1024, {"kid": "short", "use": "sig", "alg": "RS256"})
        visit.provider.faults.contents = {"/jwks": json.dumps({"keys": [short.as_dict(private=False)]}).encode()}
        visit.provider.faults.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": "short"}, claims, short)
        await assert_refused(visit, await visit.approve(await visit.begin()), UNTRUSTED)
