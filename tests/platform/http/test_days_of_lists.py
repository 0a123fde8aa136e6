"""Lists of a period refuse one whose last day is before its first, instead of finding nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adsum.accounts.access import Role
from tests.support.api import violations
from tests.support.frame import Frame
from tests.support.live import ROOT

OPERATIONS: dict[str, Any] = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))["paths"]
REVERSED = {"from": "2024-12-25", "to": "2024-12-24"}


def lists_of_periods() -> list[str]:
    """The paths of the lists that may be limited to a period."""
    return [
        path
        for path, operations in OPERATIONS.items()
        for each in operations.get("get", {}).get("parameters", ())
        if each["name"] == "to" and not each["required"]
    ]


def test_the_lists_of_periods_are_found() -> None:
    assert len(lists_of_periods()) >= 9


@pytest.mark.every_case
@pytest.mark.parametrize("path", lists_of_periods())
async def test_a_list_refuses_a_last_day_before_the_first(frame: Frame, path: str) -> None:
    headers = {"Authorization": f"Bearer {await frame.token(Role.ADMIN)}"}
    answer = await frame.client.get(path.format(schoolId=1), params=REVERSED, headers=headers)
    assert (answer.status_code, violations(answer)) == (422, {("/query/to", "days_reversed")})


async def test_a_search_in_the_body_refuses_it_too(frame: Frame) -> None:
    headers = {"Authorization": f"Bearer {await frame.token(Role.ADMIN)}"}
    answer = await frame.client.post("/absences/search", json=REVERSED, headers=headers)
    assert (answer.status_code, violations(answer)) == (422, {("/to", "days_reversed")})
