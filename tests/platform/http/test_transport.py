"""Passwords are accepted over HTTPS or within one machine, also behind a trusted proxy."""

from __future__ import annotations

from collections.abc import Generator

import httpx2
import pytest

from adsum.accounts.access import Role
from adsum.accounts.passwords.hashing import Passwords
from adsum.accounts.service import Accounts
from adsum.platform.database.engine import open_database
from adsum.platform.errors import ConfigurationError
from adsum.platform.settings import load_settings
from tests.support.live import Live, serving
from tests.support.schools import make_bare_school
from tests.support.servers.processes import run_apart

EMAIL, PASSWORD = "ada@school.example", "correct horse"
OUTSIDE = {"X-Forwarded-For": "203.0.113.7"}
OVER_TLS = OUTSIDE | {"X-Forwarded-Proto": "https"}
PUBLIC = "https://adsum.school.example"


async def _add_user(url: str) -> None:
    database = open_database(url)
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection)
    await Accounts(database, Passwords()).add_user(EMAIL, Role.TEACHER, school_id=school_id, password=PASSWORD)
    await database.close()


@pytest.fixture
def database_with_ada(sqlite_url: str) -> str:
    run_apart(_add_user(sqlite_url))
    return sqlite_url


@pytest.fixture
def behind_a_proxy(database_with_ada: str, redis_url: str) -> Generator[Live]:
    with serving(database_with_ada, redis_url, public_url=f"{PUBLIC}/") as live:
        yield live


def sign_in(live: Live, password: str = PASSWORD, **headers: str) -> httpx2.Response:
    """Signs in as the form of a browser does."""
    url = f"http://127.0.0.1:{live.port}/sign-in"
    own = {"Origin": f"http://127.0.0.1:{live.port}", **headers}
    return httpx2.post(url, data={"email": EMAIL, "password": password}, headers=own, timeout=30)


def test_the_headers_of_a_trusted_proxy_are_used(behind_a_proxy: Live) -> None:
    here = sign_in(behind_a_proxy)
    assert here.status_code == 303
    assert here.headers["Set-Cookie"].startswith("adsum=")
    assert "Secure" not in here.headers["Set-Cookie"]

    plain = sign_in(behind_a_proxy, **OUTSIDE)
    assert plain.status_code == 403
    assert "Set-Cookie" not in plain.headers
    for word in (
        "ADSUM_PUBLIC_URL",
        "ADSUM_TRUSTED_PROXIES",
        "ADSUM_ALLOW_PLAIN_HTTP",
        f'"{PUBLIC}/sign-in"',
        "203.0.113.7",
    ):
        assert word in plain.text
    form = httpx2.get(f"http://127.0.0.1:{behind_a_proxy.port}/sign-in", headers=OUTSIDE)
    assert form.status_code == 403
    assert 'type="password"' not in form.text

    secure = sign_in(behind_a_proxy, **OVER_TLS | {"Origin": PUBLIC})
    assert secure.status_code == 303
    assert secure.headers["Set-Cookie"].startswith("__Host-adsum=")
    assert "Secure" in secure.headers["Set-Cookie"]
    device = next(each for each in secure.headers.get_list("Set-Cookie") if each.startswith("__Host-adsum-device="))
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(device.split("; "))
    assert secure.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert "Strict-Transport-Security" not in here.headers
    for origin in ("https://evil.example", f"http://127.0.0.1:{behind_a_proxy.port}"):
        assert sign_in(behind_a_proxy, **OVER_TLS | {"Origin": origin}).status_code == 403


def test_with_all_proxies_trusted_the_nearest_address_is_the_client_s(database_with_ada: str, redis_url: str) -> None:
    """A client would otherwise name loopback, from which a password may come over plain HTTP."""
    with serving(database_with_ada, redis_url, trusted_proxies="*") as live:
        answer = sign_in(live, **{"X-Forwarded-For": "127.0.0.1, 203.0.113.7"})
    assert answer.status_code == 403
    assert "203.0.113.7" in answer.text


def test_the_headers_of_an_untrusted_proxy_are_ignored(database_with_ada: str, redis_url: str) -> None:
    with serving(database_with_ada, redis_url, trusted_proxies="192.0.2.1, 10.0.0.0/8") as live:
        answer = sign_in(live, **OVER_TLS)
    assert answer.status_code == 303
    assert answer.headers["Set-Cookie"].startswith("adsum=")


def test_plain_http_can_be_allowed_and_guessing_ends_with_429(database_with_ada: str, redis_url: str) -> None:
    with serving(database_with_ada, redis_url, allow_plain_http="true") as live:
        known = sign_in(live, **OUTSIDE)
        assert known.status_code == 303
        refused = [sign_in(live, "wrong", **OUTSIDE).status_code for _ in range(10)]
        page = sign_in(live, **OUTSIDE)
        again = sign_in(live, Cookie=f"adsum-device={known.cookies['adsum-device']}", **OUTSIDE)
        form = {"username": EMAIL, "password": PASSWORD}
        api = httpx2.post(f"http://127.0.0.1:{live.port}/auth/token", data=form, headers=OUTSIDE)
        elsewhere = httpx2.post(f"http://127.0.0.1:{live.port}/auth/token", data=form)
    assert refused == [401] * 10
    assert (page.status_code, api.status_code, elsewhere.status_code) == (429, 429, 200)
    assert again.status_code == 303  # the account has signed in with this browser before
    assert "Try again in 15 minutes" in page.text
    assert 800 < int(page.headers["Retry-After"]) <= 900
    assert api.json()["code"] == "too_many_attempts"
    assert api.json()["params"]["retryAfter"] == int(api.headers["Retry-After"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("public_url", "adsum.school.example"),
        ("public_url", "https://a.example/x"),
        ("trusted_proxies", "proxy.example"),
    ],
)
def test_a_wrong_address_of_a_proxy_prevents_the_start(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"ADSUM_{name.upper()}"):
        load_settings(**{name: value})
