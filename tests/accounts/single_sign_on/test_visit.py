"""Whole visits: users sign in at a provider, and out there."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from pyotp.totp import TOTP
from sqlalchemy import func, select

from adsum.accounts.access import Role
from adsum.accounts.sign_ins.rules import SignInClient
from adsum.accounts.tables import sign_ins
from adsum.platform.clock import system_clock
from tests.accounts.single_sign_on.conftest import EMAIL, FOR_BROWSERS, SITE, Visit, browser, settings_with, visiting
from tests.support.pages import visible_text
from tests.support.providers.mock import approve, mock_provider
from tests.support.providers.strict import StrictProvider


async def test_a_verified_email_connects_the_account_once_and_then_only_its_subject_counts(
    visit_on_each: Visit,
) -> None:
    visit = visit_on_each
    user_id = await visit.user()
    answer = await visit.sign_in()
    assert (answer.status_code, answer.headers["Location"]) == (303, "/today")
    assert await visit.is_signed_in()
    caller = await visit.adsum.tokens.caller_of(visit.client.cookies["adsum"])
    assert (caller.user_id, caller.role) == (user_id, Role.TEACHER)
    known = await visit.adsum.identities.identities_of(EMAIL)
    assert [(each.provider, each.issuer, each.subject) for each in known] == [
        ("strict", visit.provider.issuer, "subject-1")
    ]

    visit.provider.claims = {"email": "married@school.example", "email_verified": False}
    assert (await visit.sign_in()).status_code == 303
    assert (await visit.adsum.tokens.caller_of(visit.client.cookies["adsum"])).user_id == user_id
    listed = await visit.adsum.tokens.sign_ins_of_email(EMAIL)
    assert [(each.kind, each.agent) for each in listed] == [("page", "Firefox/140")]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_the_provider_of_another_implementation_signs_in_too(sqlite_url: str, redis_url: str) -> None:
    users = {"mock-1": {"email": "Teacher@School.example", "email_verified": True}}
    with mock_provider(users) as issuer:
        described = StrictProvider(issuer=issuer).settings(name="mock", label="Mock")
        async with visiting(settings_with(sqlite_url, redis_url, described), StrictProvider()) as visit:
            await visit.user()
            landed = await approve(await visit.begin("/sign-in/mock?next=/batches"), "mock-1")
            answer = await visit.open(landed)
            assert (answer.status_code, answer.headers["Location"]) == (303, "/batches")
            assert await visit.is_signed_in()
            out = await visit.client.post("/sign-out", headers=FOR_BROWSERS)
            assert out.headers["Refresh"].startswith(f"0; url={issuer}/oauth2/end_session?client_id=adsum&")


async def test_several_tabs_sign_in_at_once_and_the_oldest_attempts_are_forgotten(visit: Visit) -> None:
    await visit.user()
    addresses = [await visit.begin(f"/sign-in/strict?next=/tab/{number}") for number in range(8)]
    answers = [await visit.open(await visit.approve(address)) for address in reversed(addresses)]
    landed = [answer.headers.get("Location") for answer in answers]
    assert landed == [*(f"/tab/{number}" for number in (7, 6, 5, 4, 3, 2)), None, None]
    assert [name for name in visit.client.cookies if "attempt" in name] == []


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example/", "/\\evil.example", "\t//evil.example", "/" + "x" * 600]
)
async def test_the_visit_ends_on_a_page_of_this_site(visit: Visit, path: str) -> None:
    await visit.user()
    begun = await visit.open("/sign-in/strict", params={"next": path})
    answer = await visit.open(await visit.approve(begun.headers["Location"]))
    assert answer.headers["Location"] == "/"


async def test_a_user_with_an_unused_first_password_needs_none(visit: Visit) -> None:
    login = await visit.adsum.accounts.add_user("admin@school.example", Role.ADMIN)
    visit.provider.claims["email"] = "admin@school.example"
    await visit.sign_in()
    assert await visit.is_signed_in()
    assert (await visit.adsum.password_sign_in.sign_in(login.user.email, login.password, SignInClient(None))).token.text


async def test_a_user_with_a_second_factor_is_asked_for_it_after_the_provider(
    sqlite_url: str, redis_url: str, provider: StrictProvider
) -> None:
    settings = settings_with(sqlite_url, redis_url, provider.settings(), second_factor_roles="admin")
    async with visiting(settings, provider) as visit:
        await visit.user(role=Role.ADMIN)
        caller = await visit.adsum.tokens.caller_of((await visit.adsum.tokens.create(EMAIL)).text)
        setup = await visit.adsum.second_factors.new_app(caller)
        await visit.adsum.second_factors.add_app(caller, setup.sealed, TOTP(setup.secret).now(), "phone")
        asked = await visit.sign_in("/sign-in/strict?next=/overview")
        assert asked.headers["Location"] == "/sign-in/second-factor?next=/overview"
        assert not await visit.is_signed_in()
        later = system_clock() + timedelta(seconds=30)
        fields = {"code": TOTP(setup.secret).at(later), "next": "/overview"}
        done = await visit.client.post("/sign-in/second-factor", headers=FOR_BROWSERS, data=fields)
        assert (done.status_code, done.headers["Location"]) == (303, "/overview")
        assert await visit.is_signed_in()
        # The sign-in still belongs to the session at the provider.
        await visit.client.post(
            "/sign-in/strict/back-channel-logout", data={"logout_token": provider.logout_token(sub=None)}
        )
        assert not await visit.is_signed_in()


async def test_the_earlier_sign_in_of_the_browser_ends(visit: Visit) -> None:
    await visit.user()
    await visit.sign_in()
    earlier = visit.client.cookies["adsum"]
    await visit.sign_in()
    listed = await visit.adsum.tokens.sign_ins_of_email(EMAIL)
    assert earlier != visit.client.cookies["adsum"]
    assert len(listed) == 1


async def test_signing_out_leads_to_the_provider_and_back(visit: Visit) -> None:
    await visit.user()
    await visit.sign_in()
    out = await visit.client.post("/sign-out", headers=FOR_BROWSERS)
    assert "You are being signed out at Strict School, too." in visible_text(out)
    address = out.headers["Refresh"].removeprefix("0; url=")
    sent = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert sent.keys() == {"client_id", "post_logout_redirect_uri", "state"}
    assert (sent["client_id"], sent["post_logout_redirect_uri"]) == ("adsum", f"{SITE}/sign-in")
    assert not await visit.is_signed_in()
    forged = await visit.open("/sign-in", params={"state": "f" * 32})
    assert "at the provider" not in visible_text(forged)

    await visit.sign_in()
    out = await visit.client.post("/sign-out", headers=FOR_BROWSERS, data={"everywhere": "true"})
    back = await visit.open(await visit.approve(out.headers["Refresh"].removeprefix("0; url=")))
    assert "You are signed out, here and at the provider." in visible_text(back)


async def test_without_a_page_for_signing_out_at_the_provider_the_visitor_is_warned(visit: Visit) -> None:
    visit.provider.faults.document = {"end_session_endpoint": None}
    await visit.user()
    await visit.sign_in()
    out = await visit.client.post("/sign-out", headers=FOR_BROWSERS)
    assert "Refresh" not in out.headers
    assert "You may still be signed in at Strict School." in visible_text(out)


async def test_who_signed_in_with_a_password_signs_out_here_only(visit: Visit) -> None:
    await visit.user()
    visit.client.cookies.set("adsum", (await visit.adsum.tokens.create(EMAIL)).text)
    out = await visit.client.post("/sign-out", headers=FOR_BROWSERS)
    assert out.headers["Location"] == "/sign-in?next=/"


async def test_a_portal_without_state_begins_a_new_attempt_once(visit: Visit) -> None:
    await visit.user()
    portal = f"{SITE}/sign-in/strict/callback?code=of-the-portal"
    answer = await visit.open(portal)
    assert answer.headers["Location"].startswith(f"{visit.provider.issuer}/authorize?")
    assert visit.provider.asked["/token"] == 0
    assert (await visit.open(portal)).status_code == 403
    assert (await visit.open(await visit.approve(answer.headers["Location"]))).status_code == 303


@pytest.mark.parametrize(
    "path", ["/sign-in/strict?next=/overview&again=true", "/sign-in/strict/callback?code=of-the-portal"]
)
async def test_a_page_of_another_site_cannot_sign_in_a_visitor_whom_the_provider_knows(visit: Visit, path: str) -> None:
    for site in ("cross-site", "same-site"):
        led = await visit.client.get(path, headers=FOR_BROWSERS | {"Sec-Fetch-Site": site})
        assert (led.status_code, "Sign in only if you want to." in visible_text(led)) == (403, True)
        assert [name for name in visit.client.cookies if "attempt" in name] == []
    kept = "?next=%2Foverview" if "next" in path else ""
    assert f'href="/sign-in/strict{kept}"' in led.text
    clicked = FOR_BROWSERS | {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-User": "?1"}
    assert (await visit.client.get(path, headers=clicked)).status_code == 303


async def test_an_invitation_is_kept_when_the_visitor_is_asked_first(visit: Visit) -> None:
    headers = FOR_BROWSERS | {"Sec-Fetch-Site": "cross-site"}
    asked = await visit.client.get("/sign-in/strict?invitation=1.2.3.f%26", headers=headers)
    assert 'href="/sign-in/strict?invitation=1.2.3.f%26"' in asked.text


@pytest.fixture
async def without_passwords(sqlite_url: str, redis_url: str, provider: StrictProvider) -> AsyncGenerator[Visit]:
    settings = settings_with(sqlite_url, redis_url, provider.settings(), password_sign_in=False)
    async with visiting(settings, provider) as opened:
        yield opened


async def test_a_provider_that_knows_the_browser_confirms_nothing_until_it_asks_again(
    without_passwords: Visit,
) -> None:
    """Somebody at an unlocked computer could otherwise erase a student: the provider would let them in."""
    visit = without_passwords
    await visit.user(role=Role.ADMIN)
    an_hour_ago = int((system_clock() - timedelta(hours=1)).timestamp())
    visit.provider.faults.claims = {"auth_time": an_hour_ago}
    await visit.sign_in()
    caller = await visit.adsum.tokens.caller_of(visit.client.cookies["adsum"])
    assert caller.needs_confirmation

    page = await visit.open("/account/confirm", params={"then": "/admin/people?school=1"})
    (again,) = re.findall(r'href="(/sign-in/strict[^"]+)"', page.text)
    assert again == "/sign-in/strict?again=true&amp;next=/admin/people%3Fschool%3D1"
    assert "Your input is kept" not in visible_text(page)
    address = await visit.begin(unescape(again))
    asked = parse_qs(urlsplit(address).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
    visit.provider.faults.claims = {"auth_time": int(system_clock().timestamp())}
    assert (await visit.open(await visit.approve(address))).headers["Location"] == "/admin/people?school=1"
    caller = await visit.adsum.tokens.caller_of(visit.client.cookies["adsum"])
    assert not caller.needs_confirmation

    form = await visit.client.post(
        "/account/confirm?then=/admin/people/1", headers=FOR_BROWSERS, data={"role": "admin"}
    )
    assert 'next=/"' in form.text  # the form itself is lost
    assert "max_age" not in await visit.begin()


@pytest.mark.every_case
@pytest.mark.parametrize("claim", ["soon", [], 1e300, "nan"])
async def test_a_sign_in_of_no_time_is_refused(visit: Visit, claim: object) -> None:
    await visit.user()
    visit.provider.faults.claims = {"auth_time": claim}
    assert (await visit.sign_in()).status_code == 403


async def test_a_provider_that_says_no_time_or_a_later_one_confirms_now(visit: Visit) -> None:
    await visit.user()
    for claim in (None, int(system_clock().timestamp()) + 3600):
        visit.provider.faults.claims = {"auth_time": claim}
        await visit.sign_in()
        assert not (await visit.adsum.tokens.caller_of(visit.client.cookies["adsum"])).needs_confirmation
    later = system_clock() + timedelta(minutes=11)
    async with visit.adsum.database.snapshot() as connection:
        latest = await connection.scalar(select(func.max(sign_ins.c.confirmed_at)))
    assert latest is not None
    assert latest < later


async def test_a_first_password_is_not_replaced_without_a_confirmation(visit: Visit) -> None:
    """A user who signed in at the provider was never asked for it."""
    login = await visit.adsum.accounts.add_user("admin@school.example", Role.ADMIN)
    visit.provider.claims["email"] = login.user.email
    visit.provider.faults.claims = {"auth_time": int((system_clock() - timedelta(hours=1)).timestamp())}
    await visit.sign_in()
    page = await visit.open("/account/password")
    assert page.headers["Location"].startswith("/account/confirm?")
    form = {"newPassword": "violet kettle drum"}
    changed = await visit.client.post("/account/password", headers=FOR_BROWSERS, data=form)
    assert changed.headers["Location"].startswith("/account/confirm?")
    confirmed = await visit.client.post(
        "/account/confirm?then=/account/password",
        headers=FOR_BROWSERS,
        data={"confirmPassword": login.password, "confirmForm": "no"},
    )
    assert confirmed.headers["Location"] == "/account/password"
    assert (await visit.client.post("/account/password", headers=FOR_BROWSERS, data=form)).status_code == 303


async def test_the_sign_in_page_has_a_button_per_provider(
    sqlite_url: str, redis_url: str, provider: StrictProvider
) -> None:
    other = provider.settings(name="second", label="Second", issuer="https://second.example")
    settings = settings_with(sqlite_url, redis_url, provider.settings(), other)
    async with visiting(settings, provider) as visit:
        page = await visit.open("/sign-in", params={"next": "/year?a=1&b=2"})
        assert re.findall(r'href="(/sign-in/[^"]+)"', page.text) == [
            "/sign-in/strict?next=/year%3Fa%3D1%26b%3D2",
            "/sign-in/second?next=/year%3Fa%3D1%26b%3D2",
        ]
        assert 'name="password"' in page.text
        assert (await visit.open("/sign-in/third")).status_code == 404


async def test_plain_http_from_elsewhere_is_refused(sqlite_url: str, redis_url: str, provider: StrictProvider) -> None:
    settings = settings_with(sqlite_url, redis_url, provider.settings())
    async with visiting(settings, provider) as visit, browser(visit.app, "203.0.113.7") as elsewhere:
        assert (await elsewhere.get("/sign-in/strict", headers=FOR_BROWSERS)).status_code == 403


async def test_without_a_public_url_only_loopback_is_believed(
    sqlite_url: str, redis_url: str, provider: StrictProvider
) -> None:
    settings = settings_with(sqlite_url, redis_url, provider.settings(), public_url=None)
    async with visiting(settings, provider) as visit:
        refused = await visit.open("/sign-in/strict")
        assert (refused.status_code, "ADSUM_PUBLIC_URL" in visible_text(refused)) == (503, True)
        address = await visit.begin("http://127.0.0.1:8000/sign-in/strict")
        uri = parse_qs(urlsplit(address).query)["redirect_uri"]
        assert uri == ["http://127.0.0.1:8000/sign-in/strict/callback"]


async def test_another_browser_has_its_own_attempts(visit: Visit) -> None:
    await visit.user()
    landed = await visit.approve(await visit.begin())
    async with browser(visit.app) as other:
        refused = await other.get(landed, headers=FOR_BROWSERS)
    assert refused.status_code == 403
    assert "another browser" in visible_text(refused)
    assert (await visit.open(landed)).status_code == 303
