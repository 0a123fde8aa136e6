from __future__ import annotations

import pytest
from sqlalchemy import select, update

from adsum.accounts.access import Permission, Role
from adsum.accounts.api_keys.service import ApiKeys
from adsum.operations.migrations import tables
from adsum.platform.database.engine import Database
from adsum.platform.errors import Invalid, NotFound, Unauthenticated
from tests.support.schools import make_bare_school

READ = Permission.ATTENDANCE_READ


@pytest.mark.both_databases
async def test_a_key_acts_with_its_own_permissions_and_schools(api_keys: ApiKeys, database: Database) -> None:
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection)
    made = await api_keys.create("platform", [READ, Permission.BATCH_READ], [school_id])
    caller = await api_keys.caller_of(made.secret)
    assert caller.role is Role.KEY
    assert (caller.user_id, caller.key_id) == (None, made.key.id)
    assert caller.permissions == {READ, Permission.BATCH_READ}
    assert caller.schools == {school_id}


async def test_a_key_without_schools_has_all_schools(api_keys: ApiKeys) -> None:
    made = await api_keys.create("platform", [READ])
    assert (await api_keys.caller_of(made.secret)).schools is None
    assert (await api_keys.list_keys()) == [made.key]
    assert made.key.schools is None


async def test_the_secret_is_not_in_the_database(api_keys: ApiKeys, database: Database) -> None:
    made = await api_keys.create("platform", [READ])
    async with database.snapshot() as connection:
        row = (await connection.execute(select(tables.api_keys))).one()
    assert made.secret not in str(row)
    assert made.secret.startswith("adsum_")
    assert len(made.secret) > 40


async def test_a_revoked_key_is_refused_at_once_and_stays_in_the_list(api_keys: ApiKeys) -> None:
    made, other = await api_keys.create("platform", [READ]), await api_keys.create("other", [READ])
    await api_keys.revoke(made.key.id)
    first = (await api_keys.list_keys())[0].revoked_at
    await api_keys.revoke(made.key.id)
    with pytest.raises(Unauthenticated):
        await api_keys.caller_of(made.secret)
    assert await api_keys.caller_of(other.secret)
    assert first is not None
    assert [key.revoked_at for key in await api_keys.list_keys()] == [first, None]


@pytest.mark.parametrize("secret", ["adsum_guess", "x" * 10_000, "é", "\ud800"])
async def test_an_unknown_key_is_refused(api_keys: ApiKeys, secret: str) -> None:
    with pytest.raises(Unauthenticated):
        await api_keys.caller_of(secret)


async def test_an_unknown_key_cannot_be_revoked(api_keys: ApiKeys) -> None:
    with pytest.raises(NotFound):
        await api_keys.revoke(7)


async def test_all_violations_of_a_new_key_are_reported(api_keys: ApiKeys) -> None:
    with pytest.raises(Invalid) as caught:
        await api_keys.create(" ", [], [7, 8])
    codes = [violation.code for violation in caught.value.violations]
    assert codes == ["wrong_name", "permissions_missing", "unknown_school", "unknown_school"]
    with pytest.raises(Invalid) as caught:
        await api_keys.create("platform", [READ], [])
    assert [violation.code for violation in caught.value.violations] == ["schools_missing"]
    with pytest.raises(Invalid) as caught:
        await api_keys.create("platform", [READ, READ], [7, 7])
    codes = [violation.code for violation in caught.value.violations]
    assert codes == ["unknown_school", "permission_repeated", "school_repeated"]


async def test_a_permission_of_a_newer_version_is_ignored(api_keys: ApiKeys, database: Database) -> None:
    made = await api_keys.create("platform", [READ])
    async with database.transaction() as connection:
        await connection.execute(update(tables.api_keys).values(permissions=["rocket:launch", READ.value]))
    assert (await api_keys.caller_of(made.secret)).permissions == {READ}
