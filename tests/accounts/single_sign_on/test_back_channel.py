"""A provider ends sign-ins by a request of its own (OpenID Connect Back-Channel Logout 1.0)."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.accounts.single_sign_on.conftest import EMAIL, Visit
from tests.support.providers.strict import key

# Each is an attack of its own.
pytestmark = pytest.mark.every_case


async def sent(visit: Visit, token: str, provider: str = "strict") -> httpx2.Response:
    path = f"/sign-in/{provider}/back-channel-logout"
    return await visit.client.post(path, data={"logout_token": token})


async def other_sign_in(visit: Visit) -> str:
    """Signs in a second time, as in another browser. Returns the token of the first."""
    await visit.user()
    await visit.sign_in()
    first = visit.client.cookies["adsum"]
    visit.client.cookies.clear()
    await visit.sign_in()
    return first


async def test_a_session_of_the_provider_ends_alone(visit_on_each: Visit) -> None:
    visit = visit_on_each
    await other_sign_in(visit)
    by_password = await visit.adsum.tokens.create(EMAIL)
    answer = await sent(visit, visit.provider.logout_token(sub=None))
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert not await visit.is_signed_in()
    assert len(await visit.adsum.tokens.sign_ins_of_email(EMAIL)) == 2
    assert await visit.adsum.tokens.caller_of(by_password.text)


@pytest.mark.parametrize("sid", [None, "session-2"])
async def test_all_sign_ins_of_a_subject_or_those_of_its_session_end(visit: Visit, sid: str | None) -> None:
    await other_sign_in(visit)
    assert (await sent(visit, visit.provider.logout_token(sid=sid))).status_code == 200
    assert len(await visit.adsum.tokens.sign_ins_of_email(EMAIL)) == (0 if sid is None else 1)


async def test_a_session_that_the_id_token_has_not_named_ends_with_its_subject(visit_on_each: Visit) -> None:
    visit = visit_on_each
    visit.provider.faults.claims = {"sid": None}
    await other_sign_in(visit)
    assert (await sent(visit, visit.provider.logout_token(sid="unknown"))).status_code == 200
    assert await visit.adsum.tokens.sign_ins_of_email(EMAIL) == []


async def test_another_subject_or_session_ends_nothing(visit: Visit) -> None:
    await other_sign_in(visit)
    others: list[dict[str, Any]] = [{"sub": "other"}, {"sub": "other", "sid": None}, {"sub": None, "sid": "other"}]
    for changed in others:
        assert (await sent(visit, visit.provider.logout_token(**changed))).status_code == 200
    assert len(await visit.adsum.tokens.sign_ins_of_email(EMAIL)) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://evil.example"},
        {"aud": "another-client"},
        {"aud": ["adsum", "another-client"]},
        {"exp": 1_700_000_000},
        {"exp": None},
        {"iat": None},
        {"jti": None},
        {"jti": 5},
        {"events": {}},
        {"events": ["http://schemas.openid.net/event/backchannel-logout"]},
        {"events": None},
        {"nonce": "n"},
        {"sub": None, "sid": None},
        {"sub": 5},
        {"sub": ""},
        {"sub": "a\x00b"},
    ],
    ids=str,
)
async def test_a_token_that_is_no_logout_token_is_refused(visit: Visit, changed: dict[str, Any]) -> None:
    await visit.user()
    await visit.sign_in()
    answer = await sent(visit, visit.provider.logout_token(**changed))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert await visit.is_signed_in()


async def test_an_id_token_and_a_token_of_another_type_are_refused(visit: Visit) -> None:
    await visit.user()
    await visit.sign_in()
    good = visit.provider.logout_token()
    other_kind = visit.provider.logout_token(kind="at+jwt")
    for token in ("", "x", good[:-8], other_kind, visit.provider.signed({"iss": visit.provider.issuer})):
        assert (await sent(visit, token)).status_code == 400
    assert await visit.is_signed_in()


async def test_a_logout_token_is_used_once(visit: Visit) -> None:
    await visit.user()
    await visit.sign_in()
    token = visit.provider.logout_token(sid=None)
    assert (await sent(visit, token)).status_code == 200
    await visit.sign_in()
    assert (await sent(visit, token)).status_code == 400
    assert await visit.is_signed_in()


async def test_another_provider_and_a_provider_that_is_away_end_nothing(visit: Visit) -> None:
    assert (await sent(visit, visit.provider.logout_token(), "google")).status_code == 404
    visit.provider.faults.statuses["/jwks"] = 500
    key(visit.provider.key_name)
    assert (await sent(visit, visit.provider.logout_token())).status_code == 503
