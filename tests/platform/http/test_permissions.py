"""Each endpoint without a caller and for each role: 401, 403, or neither, as in `docs/reference/permissions.md`."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Annotated

import httpx2
import pytest
from fastapi import Depends

from adsum.accounts.access import Caller
from adsum.accounts.authentication import Permitted, authenticated
from tests.platform.http.permissions import COMMAND, PEOPLE, RECORD, Endpoint, Position, endpoints, present
from tests.support.api import violations
from tests.support.frame import Frame
from tests.support.schools import make_bare_school

# Also need the rights of all schools.
OF_ALL_SCHOOLS = {("GET", "/retention"), ("PUT", "/retention"), ("POST", "/retention/preview")}


def test_the_table_equals_the_recorded_page() -> None:
    assert RECORD.read_text(encoding="utf-8") == present(), f"record it with `{COMMAND}`"


def test_only_these_endpoints_need_no_authentication() -> None:
    public = {each.path for each in endpoints() if each.is_public}
    assert public == {"/auth/token", "/auth/revoke", "/livez", "/readyz", "/healthz", "/version"}
    own = {each.path for each in endpoints() if not each.is_public and not each.permissions}
    factors = {
        f"/auth/second-factors{path}" for path in ("", "/totp", "/totp/confirm", "/recovery-codes", "/{kind}/{id}")
    }
    assert own == {
        "/auth/confirm",
        "/auth/password",
        "/auth/profile",
        "/auth/sign-ins",
        "/auth/sign-ins/{id}",
        *factors,
    }


@pytest.mark.parametrize("user", [None, *PEOPLE])
async def test_each_endpoint_admits_the_users_in_the_table(frame: Frame, user: Position | None) -> None:
    headers = await authorisation(frame, user)
    answers = {each: await ask(frame, each, headers) for each in endpoints()}

    assert {each: access_of(answer) for each, answer in answers.items()} == {
        each: expected(each, user) for each in answers
    }


async def test_services_refuse_where_an_endpoint_would_not(frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the checks of the dependencies. A malformed request reaches no service."""

    async def unchecked(_self: Permitted, caller: Annotated[Caller, Depends(authenticated)]) -> Caller:
        return caller

    monkeypatch.setattr(Permitted, "__call__", unchecked)
    statuses: defaultdict[int, set[str]] = defaultdict(set)
    for user in PEOPLE:
        headers = await authorisation(frame, user)
        for each in endpoints():
            if each.lacking(user):
                statuses[(await ask(frame, each, headers)).status_code].add(f"{each.method} {each.path}")

    # 415 and 422: the request is malformed. The metrics of a process have no service.
    assert statuses.keys() <= {200, 403, 415, 422}
    assert statuses[200] == {"GET /metrics"}
    assert len(statuses[403]) > 30


async def test_each_endpoint_refuses_unknown_and_repeated_names_in_its_query(frame: Frame) -> None:
    headers = await authorisation(frame, PEOPLE[0])
    for each in endpoints():
        if not each.is_public:
            unknown = await ask(frame, each, headers, "?colour=red")
            assert ("/query/colour", "unknown_field") in violations(unknown), each
            repeated = await ask(frame, each, headers, "?limit=1&limit=2")
            assert ("/query/limit", "field_repeated") in violations(repeated), each


async def authorisation(full_frame: Frame, user: Position | None) -> dict[str, str]:
    if user is None:
        return {}
    async with full_frame.adsum.database.transaction() as connection:
        school_id = await make_bare_school(connection)
    token = await full_frame.token(user.role, school_id if user.is_of_school else None)
    return {"Authorization": f"Bearer {token}"}


async def ask(full_frame: Frame, endpoint: Endpoint, headers: dict[str, str], query: str = "") -> httpx2.Response:
    """Requests a row that does not exist, with an empty body. The permission is checked first."""
    path = re.sub(r"\{\w+\}", "7", endpoint.path) + query
    body: dict[str, str] | None = {} if endpoint.method in {"POST", "PUT", "PATCH"} else None
    return await full_frame.client.request(endpoint.method, path, headers=headers | {"If-Match": '"1"'}, json=body)


def access_of(answer: httpx2.Response) -> str:
    match answer.status_code:
        case 401:
            return "who are you?"
        case 403:
            return f"requires {answer.json()['params'].get('permission', 'all schools')}"
        case _:
            return "permitted"


def expected(endpoint: Endpoint, user: Position | None) -> str:
    if endpoint.is_public:
        return "permitted"
    if user is None:
        return "who are you?"
    lacking = endpoint.lacking(user)
    if not lacking and user.is_of_school and (endpoint.method, endpoint.path) in OF_ALL_SCHOOLS:
        return "requires all schools"
    return f"requires {lacking[0].value}" if lacking else "permitted"
