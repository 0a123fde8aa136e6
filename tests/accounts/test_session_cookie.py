"""The session cookie as a credential of the API, for requests of this site only."""

from __future__ import annotations

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
