"""`/keys` over HTTP, and API keys behind proxies."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from adsum.accounts.access import Permission, Role
from adsum.processes.proxies import behind_proxies
from tests.support.api import violations
from tests.support.frame import Frame
from tests.support.schools import make_bare_school

READ = Permission.ROSTER_READ


async def admin_of(frame: Frame) -> dict[str, str]:
    return {"Authorization": f"Bearer {await frame.token(Role.ADMIN)}"}


async def create(frame: Frame, headers: dict[str, str], **body: Any) -> httpx2.Response:
    return await frame.client.post(
        "/keys", headers=headers, json={"name": "sync", "permissions": ["roster:read"], **body}
    )


async def test_a_key_is_created_read_changed_rotated_and_revoked(frame: Frame) -> None:
    headers = await admin_of(frame)
    made = await create(frame, headers, networks=["127.0.0.0/8"], expiresAt="2099-01-01T00:00:00Z")
    assert made.status_code == 201
    key = made.json()
    secret = key.pop("secret")
    assert secret.startswith("adsum_")
    assert (key["owner"], key["state"], key["warnings"]) == ("admin@school.example", "active", [])
    assert (await frame.client.get("/keys", headers=headers)).json() == {"items": [key], "nextCursor": None}
    address = f"/keys/{key['id']}"
    assert (await frame.client.get(address, headers=headers)).json() == key

    changed = await frame.client.patch(address, headers=headers, json={"name": "nightly", "expiresAt": None})
    assert changed.json() == key | {"name": "nightly", "expiresAt": None}

    rotated = (await frame.client.post(f"{address}/rotate", headers=headers, json={"overlapSeconds": 60})).json()
    assert len(rotated["secrets"]) == 2
    for each in (secret, rotated["secret"]):
        assert (await frame.client.get("/classes", headers={"X-API-Key": each})).status_code == 200

    assert (await frame.client.delete(address, headers=headers)).status_code == 204
    for each in (secret, rotated["secret"]):
        assert (await frame.client.get("/classes", headers={"X-API-Key": each})).status_code == 401
    again = await frame.client.post(f"{address}/rotate", headers=headers, json={})
    assert (again.status_code, again.json()["code"]) == (409, "api_key_ended")


async def test_every_fault_of_a_new_key_is_named(frame: Frame) -> None:
    headers = await admin_of(frame)
    answer = await create(
        frame, headers, name=" ", schools=[7], owner="x", expiresAt="2020-01-01T00:00:00Z", networks=["10.0.0.0/8", "x"]
    )
    assert answer.status_code == 422
    assert violations(answer) == {
        ("/name", "wrong_name"),
        ("/schools", "unknown_school"),
        ("/expiresAt", "expiry_past"),
        ("/networks/1", "wrong_network"),
        ("/owner", "unknown_person"),
    }
    for moment in ("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"):
        assert (await create(frame, headers, expiresAt=moment)).status_code == 422


async def test_a_key_makes_no_key_that_can_do_more(frame: Frame) -> None:
    async with frame.adsum.database.transaction() as connection:
        here = await make_bare_school(connection)
        there = await make_bare_school(connection, name="Ahorn")
    made = await frame.adsum.api_keys.create("ci", [READ, Permission.KEY_MANAGE], [here])
    other = await frame.adsum.api_keys.create("other", [READ], [there])
    headers = {"X-API-Key": made.secret}
    assert (await create(frame, headers, schools=[here])).status_code == 201
    assert (await create(frame, headers)).status_code == 403
    assert (await create(frame, headers, schools=[here], permissions=["student:data"])).status_code == 403
    assert (await create(frame, headers, schools=[there])).status_code == 422
    for path in (f"/keys/{other.key.id}", "/keys/999"):
        assert (await frame.client.get(path, headers=headers)).status_code == 404
        assert (await frame.client.delete(path, headers=headers)).status_code == 404
        assert (await frame.client.patch(path, headers=headers, json={"name": "x"})).status_code == 404
        assert (await frame.client.post(f"{path}/rotate", headers=headers, json={})).status_code == 404


@pytest.mark.parametrize(
    ("client", "forwarded", "status"),
    [
        ("10.0.0.7", None, 200),
        ("192.0.2.9", None, 403),
        # The sender is no trusted proxy: what it reports is ignored.
        ("192.0.2.9", "10.0.0.7", 403),
        ("10.0.0.7", "192.0.2.9", 200),
        # A trusted proxy reports the address.
        ("127.0.0.1", "10.0.0.7", 200),
        ("127.0.0.1", "::ffff:10.0.0.7", 200),
        ("127.0.0.1", "192.0.2.9", 403),
        ("127.0.0.1", "10.0.0.7, 192.0.2.9", 403),
    ],
)
async def test_a_thief_elsewhere_learns_nothing_about_the_key(
    frame: Frame, client: str, forwarded: str | None, status: int
) -> None:
    made = await frame.adsum.api_keys.create("sync", [READ], networks=["10.0.0.0/8"])
    headers = {"X-API-Key": made.secret, **({"X-Forwarded-For": forwarded} if forwarded else {})}
    app: Any = behind_proxies(frame.app, "127.0.0.1")
    transport = httpx2.ASGITransport(app, client=(client, 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://adsum.example") as sender:
        answers = [await sender.get(path, headers=headers) for path in ("/classes", "/keys", "/reports/rates")]
    if status == 403:
        assert {answer.json()["code"] for answer in answers} == {"address_not_allowed"}
    else:
        assert answers[0].status_code == status
