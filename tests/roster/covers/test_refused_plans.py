"""Plans for a teacher who is away that are refused."""

from __future__ import annotations

from typing import Any

import pytest

from adsum.accounts.access import Role
from tests.absences.conftest import Office
from tests.support.api import violations
from tests.support.schools import make_school, make_user

MONDAY = "2024-12-16"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


async def needed(office: Office, role: str = "office", **query: Any) -> Any:
    query = {"teacherId": office.school.teacher_id, "from": MONDAY, "to": MONDAY} | query
    return await office.api.get("/covers/needed", role, **query)


async def test_wrong_days_and_teachers_of_others_are_refused(office: Office) -> None:
    assert violations(await needed(office, to="2024-12-15")) == {("/to", "days_reversed")}
    assert violations(await needed(office, to="2024-12-30")) == {("/to", "too_long")}
    async with office.adsum.database.transaction() as connection:
        elsewhere = await make_school(connection)
        viewer = await make_user(connection, Role.VIEWER, office.school.school_id)
    for other in (elsewhere.teacher_id, viewer):
        assert (await needed(office, teacherId=other)).status_code == 404
    assert (await needed(office, "teacher")).status_code == 403
