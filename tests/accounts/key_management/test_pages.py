"""The page `/admin/keys`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import httpx2
import pytest

from adsum.accounts.access import Permission, Role
from adsum.platform.http.cookies import PLAIN_HTTP_NAME
from tests.support.frame import Frame
from tests.support.live import ROOT

SECRET = re.compile(r"adsum_[\w-]{40,}")


@pytest.fixture
async def admin(frame: Frame) -> Frame:
    frame.client.cookies.set(PLAIN_HTTP_NAME, await frame.token(Role.ADMIN))
    frame.client.headers["Sec-Fetch-Site"] = "same-origin"
    return frame


async def post(frame: Frame, path: str, **fields: str | Sequence[str]) -> httpx2.Response:
    data: Mapping[str, str | Sequence[str]] = fields
    return await frame.client.post(path, data=data)


async def test_a_secret_is_shown_once(admin: Frame) -> None:
    made = await post(
        admin,
        "/admin/keys",
        name="Learning platform",
        permission=["roster:read", "attendance:read"],
        lastDay="2099-01-31",
    )
    assert made.status_code == 200
    (secret,) = SECRET.findall(made.text)
    assert (await admin.client.get("/classes", headers={"X-API-Key": secret})).status_code == 200
    (key,) = await admin.adsum.api_keys.list_keys()
    assert key.expires_at is not None
    assert key.expires_at.isoformat() == "2099-02-01T00:00:00+00:00"
    shown = await admin.client.get(f"/admin/keys/{key.id}")
    assert secret not in shown.text
    assert 'value="2099-01-31"' in shown.text
    assert "Learning platform" in (await admin.client.get("/admin/keys")).text


async def test_wrong_input_stays_in_the_form(admin: Frame) -> None:
    refused = await post(admin, "/admin/keys", name="Sync", scope="some", networks="10.0.0.0/8 school", lastDay="x")
    assert refused.status_code == 422
    refused = await post(admin, "/admin/keys", name="Sync", scope="some", networks="10.0.0.0/8 school", owner="?")
    assert refused.status_code == 422
    for text in ("Choose at least one right", "Choose at least one school", "neither an address", "No user who can"):
        assert text in refused.text
    assert 'value="Sync"' in refused.text
    assert await admin.adsum.api_keys.list_keys() == []


async def test_a_key_is_changed_rotated_and_revoked(admin: Frame) -> None:
    made = await admin.adsum.api_keys.create("sync", [Permission.ROSTER_READ], owner="admin@school.example")
    path = f"/admin/keys/{made.key.id}"
    changed = await post(admin, path, name="nightly", owner="admin@school.example", networks="127.0.0.1")
    assert (changed.status_code, changed.headers["Location"]) == (303, path)
    key = await admin.adsum.api_keys.get(made.key.id)
    assert (key.name, key.networks, key.expires_at) == ("nightly", ("127.0.0.1/32",), None)
    assert (await post(admin, path, name="nightly", owner="nobody")).status_code == 422

    rotated = await post(admin, f"{path}/rotate", overlap="7")
    assert len(SECRET.findall(rotated.text)) == 1
    assert len((await admin.adsum.api_keys.get(made.key.id)).secrets) == 2
    assert (await post(admin, f"{path}/revoke")).status_code == 303
    assert (await post(admin, f"{path}/rotate", overlap="0")).status_code == 409


async def test_a_key_that_can_do_more_is_only_revoked(admin: Frame) -> None:
    made = await admin.adsum.api_keys.create("portal", [Permission.ATTENDANCE_ACT_AS])
    path = f"/admin/keys/{made.key.id}"
    assert "you can only revoke it" in (await admin.client.get(path)).text
    assert (await post(admin, f"{path}/rotate", overlap="7")).status_code == 403
    assert (await post(admin, path, name="mine")).status_code == 403
    assert (await post(admin, f"{path}/revoke")).status_code == 303


async def test_the_page_is_for_those_who_manage_keys(frame: Frame) -> None:
    frame.client.cookies.set(PLAIN_HTTP_NAME, await frame.token(Role.OFFICE))
    assert (await frame.client.get("/admin/keys")).status_code == 403


def test_every_right_has_words() -> None:
    parts = (ROOT / "src/adsum/accounts/templates/admin/key_parts.html").read_text(encoding="utf-8")
    assert [each for each in Permission if f'"{each}": _(' not in parts] == []
