from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2
import jwt
import pytest

from adsum.accounts.access import Permission, Role
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.platform.clock import system_clock
from adsum.platform.keys import KeyRing
from tests.platform.http.test_problems import problem_of
from tests.support.frame import SECRET, Frame
from tests.support.people import disable
from tests.support.schools import make_bare_school


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def sign_in(full_frame: Frame, username: str, password: str) -> httpx2.Response:
    return await full_frame.client.post("/auth/token", data={"username": username, "password": password})


async def test_signing_in_returns_a_valid_token(full_frame: Frame) -> None:
    await full_frame.adsum.accounts.add_user("admin@school.example", Role.ADMIN, password="correct horse")
    answer = await sign_in(full_frame, "Admin@school.example", "correct horse")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json().keys() == {"access_token", "token_type", "expires_in"}
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("bearer", 12 * 3600)
    marks = await full_frame.client.get("/trial/marks", headers=bearer(answer.json()["access_token"]))
    assert marks.json() == {"role": "admin", "schools": None}


async def test_all_wrong_credentials_get_the_same_401(full_frame: Frame) -> None:
    await full_frame.adsum.accounts.add_user("admin@school.example", Role.ADMIN, password="correct horse")
    await full_frame.adsum.accounts.add_user("off@school.example", Role.ADMIN, password="correct horse")
    await disable(full_frame.adsum.people, "off@school.example")
    answers = [
        await sign_in(full_frame, "admin@school.example", "wrong horse"),
        await sign_in(full_frame, "nobody@school.example", "correct horse"),
        await sign_in(full_frame, "off@school.example", "correct horse"),
        await sign_in(full_frame, "\x00", "correct horse"),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert problem_of(answers[0])["code"] == "unauthenticated"


async def test_a_sign_in_without_its_fields_is_refused(full_frame: Frame) -> None:
    answer = await full_frame.client.post("/auth/token", data={"username": "a@school.example"})
    assert answer.status_code == 422
    assert [entry["pointer"] for entry in problem_of(answer)["errors"]] == ["/password"]


async def test_missing_and_invalid_credentials_get_401(full_frame: Frame) -> None:
    token = await full_frame.token(Role.ADMIN)
    now = system_clock()
    claims: dict[str, Any] = {"sub": "1", "sid": "0" * 32, "iat": now, "exp": now + timedelta(hours=1)}
    yesterday = Tokens(
        full_frame.adsum.database, KeyRing.of(SECRET), lambda: now - timedelta(days=1), timedelta(hours=1)
    )
    attempts = {
        "nothing": {},
        "an empty token": {"Authorization": "Bearer "},
        "another scheme": {"Authorization": "Basic YTpi"},
        "forged": bearer(jwt.encode(claims, "x" * 40, "HS256")),  # pyright: ignore[reportUnknownMemberType]
        "unsigned": bearer(jwt.encode(claims, None, "none")),  # pyright: ignore[reportUnknownMemberType, reportArgumentType]
        "no such sign-in": bearer(jwt.encode(claims, SECRET, "HS256")),  # pyright: ignore[reportUnknownMemberType]
        "of an earlier version": bearer(jwt.encode(claims | {"gen": 0, "sid": None}, SECRET, "HS256")),  # pyright: ignore[reportUnknownMemberType]
        "expired": bearer((await yesterday.create("admin@school.example")).text),
        "an unknown key": {"X-API-Key": "adsum_guess"},
        "a token as a key": {"X-API-Key": token},
        "a bad token beside nothing": bearer(f"{token}x"),
    }
    for what, headers in attempts.items():
        answer = await full_frame.client.get("/trial/marks", headers=headers)
        assert answer.status_code == 401, what
        assert answer.headers["www-authenticate"] == 'Bearer realm="adsum"'
        assert problem_of(answer)["code"] == "unauthenticated"
    assert (await full_frame.client.get("/trial/marks", headers=bearer(token))).status_code == 200


async def test_tokens_of_a_disabled_user_are_refused_at_once(full_frame: Frame) -> None:
    token = await full_frame.token(Role.ADMIN)
    await disable(full_frame.adsum.people, "admin@school.example")
    assert (await full_frame.client.get("/trial/marks", headers=bearer(token))).status_code == 401


@pytest.mark.every_case
@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.ADMIN, 200), (Role.OFFICE, 200), (Role.TEACHER, 200), (Role.VIEWER, 403), (Role.OPERATOR, 403)],
)
async def test_marking_needs_the_permission(full_frame: Frame, role: Role, status: int) -> None:
    async with full_frame.adsum.database.transaction() as connection:
        school_id = await make_bare_school(connection)
    token = await full_frame.token(role, None if role is Role.ADMIN else school_id)
    answer = await full_frame.client.get("/trial/marks", headers=bearer(token))
    assert answer.status_code == status
    if status == 403:
        assert problem_of(answer)["params"] == {"permission": "attendance:create"}
    else:
        assert answer.json()["schools"] == (None if role is Role.ADMIN else [school_id])


async def test_an_api_key_acts_with_its_own_permissions_until_it_is_revoked(full_frame: Frame) -> None:
    marking = await full_frame.adsum.api_keys.create("marks", [Permission.ATTENDANCE_CREATE])
    reading = await full_frame.adsum.api_keys.create("reads", [Permission.ATTENDANCE_READ])
    assert (await full_frame.client.get("/trial/marks", headers={"X-API-Key": reading.secret})).status_code == 403
    assert (await full_frame.client.get("/trial/marks", headers={"X-API-Key": marking.secret})).json()["role"] == "key"
    await full_frame.adsum.api_keys.revoke(marking.key.id)
    assert (await full_frame.client.get("/trial/marks", headers={"X-API-Key": marking.secret})).status_code == 401


async def test_every_endpoint_but_the_public_ones_needs_a_caller(frame: Frame) -> None:
    public = {"/auth/token", "/auth/revoke", "/livez", "/readyz", "/healthz", "/version"}
    description = frame.app.openapi()
    refused = 0
    for path, item in description["paths"].items():
        for method, operation in item.items():
            if path in public or path.startswith("/trial"):
                continue
            assert operation["security"] == [{"bearerToken": []}, {"apiKey": []}], path
            url = path.replace("{", "").replace("}", "")
            answer = await frame.client.request(method, url)
            # A malformed body is refused before authentication.
            assert answer.status_code == 401, f"{method} {path}: {answer.status_code}"
            refused += 1
    assert refused
