"""The names of query parameters, with which unknown names are compared."""

from __future__ import annotations

from typing import Any

import pytest

from adsum.accounts.access import Role
from adsum.platform.http import query_names
from tests.support.api import violations
from tests.support.frame import Frame


async def test_the_names_of_a_route_are_found_at_its_first_request(
    frame: Frame, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, found = query_names._names_of, list[Any]()  # pyright: ignore[reportPrivateUsage] - counts its calls

    def names_of(dependant: Any) -> Any:
        found.append(dependant)
        return find(dependant)

    monkeypatch.setattr(query_names, "_names_of", names_of)
    frame.app.state.query_names = {}  # not with monkeypatch, which deletes the attribute
    await frame.adsum.accounts.add_user("ada@school.example", Role.ADMIN, password="violet kettle drum")
    token = (await frame.adsum.tokens.create("ada@school.example")).text
    headers = {"Authorization": f"Bearer {token}"}
    for _ in range(3):
        answer = await frame.client.get("/auth/sign-ins?limit=3", headers=headers)
        assert violations(answer) == {("/query/limit", "unknown_field")}
    assert len(found) == 1
    assert (await frame.client.get("/keys?limit=3", headers=headers)).status_code == 422
    assert len(found) == 2
