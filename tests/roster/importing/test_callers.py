"""Permissions of imports."""

from __future__ import annotations

import pytest

from adsum.accounts.access import Caller, Permission, Role
from adsum.operations.migrations import tables
from adsum.platform.errors import Forbidden
from tests.roster.conftest import Importing, places_and_codes
from tests.roster.files import Roster, a_school
from tests.support.schools import caller, make_bare_school


@pytest.fixture
async def school_id(importing: Importing) -> int:
    await importing.run(a_school(students=12))
    (school,) = await importing.rows(tables.schools)
    return school["id"]


@pytest.mark.parametrize("role", [Role.TEACHER, Role.VIEWER, Role.OPERATOR])
async def test_a_caller_without_the_permission_imports_nothing(
    importing: Importing, school_id: int, role: Role
) -> None:
    with pytest.raises(Forbidden):
        await importing.run(a_school(), caller(role, school_id))


async def test_an_office_imports_its_own_school(importing: Importing, school_id: int) -> None:
    assert (await importing.run(a_school(students=12), caller(Role.OFFICE, school_id))).changes_nothing


@pytest.mark.parametrize("change", [{}, {"status": "tobedeleted"}, {"sourcedId": "not-yet-there"}])
async def test_an_office_imports_no_other_school(importing: Importing, school_id: int, change: dict[str, str]) -> None:
    async with importing.database.transaction() as connection:
        other = await make_bare_school(connection)
    roster = a_school()
    roster.tables["orgs"][0].update(change)
    before = await importing.everything()

    with pytest.raises(Forbidden) as refused:
        await importing.run(roster, caller(Role.OFFICE, other))

    assert places_and_codes(refused.value.violations) == [("orgs.csv:2", "not_your_school")]
    assert await importing.everything() == before


async def test_an_office_learns_nothing_of_another_school_that_its_files_name(
    importing: Importing, school_id: int
) -> None:
    async with importing.database.transaction() as connection:
        other = await make_bare_school(connection)
    roster = Roster({"users": a_school().tables["users"]}, modes={"users": "delta"})

    report = await importing.run(roster, caller(Role.OFFICE, other))

    assert {code for _, code in places_and_codes(report.violations)} == {"unknown_school"}
    assert report.changes_nothing


async def test_a_key_without_schools_imports_any(importing: Importing) -> None:
    key = Caller(Role.KEY, frozenset({Permission.ROSTER_IMPORT}), key_id=1)

    assert (await importing.run(a_school(), key)).violations == ()
