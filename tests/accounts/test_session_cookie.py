"""The session cookie as a credential of the API, for requests of this site only."""

from __future__ import annotations

import re

import pytest

from adsum.accounts.access import Role
from tests.support.frame import Frame


async def ask(full_frame: Frame, method: str, **headers: str) -> int:
    token = await full_frame.token(Role.ADMIN)
    path = "/trial/marks" if method == "GET" else "/attendances/create-batch"
    answer = await full_frame.client.request(method, path, headers={"Cookie": f"adsum={token}", **headers}, json={})
    return answer.status_code


async def test_a_cookie_is_enough_to_read(frame: Frame) -> None:
    assert await ask(frame, "GET") == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 422),
        ({"Origin": "http://adsum.example"}, 422),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://adsum.example"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
async def test_a_change_has_to_come_from_a_page_of_adsum(frame: Frame, headers: dict[str, str], status: int) -> None:
    assert await ask(frame, "POST", **headers) == status


async def test_over_https_only_the_host_bound_cookie_is_accepted(frame: Frame) -> None:
    token = await frame.token(Role.ADMIN)
    for name, status in (("adsum", 401), ("__Host-adsum", 200)):
        answer = await frame.client.get("https://adsum.example/trial/marks", headers={"Cookie": f"{name}={token}"})
        assert answer.status_code == status


async def test_over_https_every_cookie_is_bound_to_the_host_and_hidden_from_scripts(frame: Frame) -> None:
    await frame.adsum.accounts.add_user("ada@school.example", Role.ADMIN, password="violet kettle drum")
    site = "https://adsum.example"
    form = {"email": "ada@school.example", "password": "violet kettle drum", "next": "/", "language": "de"}
    sent: dict[str, set[str]] = {}
    for path in ("/sign-in", "/language", "/sign-in/passkey/options", "/sign-out", "/language"):
        answer = await frame.client.post(site + path, data=form, headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status_code < 400
        for cookie in answer.headers.get_list("set-cookie"):
            name, *attributes = re.split("=|; ", cookie, maxsplit=1)
            sent[name] = set(attributes[0].split("; "))
    assert sent.keys() == {
        f"__Host-adsum{name}" for name in ("", "-device", "-second-step", "-language", "-passkey", "-signed-out")
    }
    for attributes in sent.values():
        assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= attributes
        assert not [each for each in attributes if each.startswith("Domain")]
    german = await frame.client.get(f"{site}/sign-in", headers={"Cookie": "__Host-adsum-language=de"})
    assert "Anmelden" in german.text
