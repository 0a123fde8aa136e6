"""The life of an API key: expiry, networks, rotation, last use, owner, and who may manage it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from adsum.accounts.access import PERMISSIONS, Caller, Permission, Role
from adsum.accounts.api_keys.rules import AddressNotAllowed, KeyEnded, KeyExpired, KeyState, KeyWarning, TooManySecrets
from adsum.accounts.api_keys.service import ApiKeys
from adsum.accounts.audit.tables import audit_entries
from adsum.accounts.tables import api_keys as keys_table
from adsum.accounts.tables import users
from adsum.platform.database.engine import Database, StorageOutage
from adsum.platform.errors import Forbidden, Invalid, NotFound, Unauthenticated
from tests.support.schools import make_bare_school, make_user

READ, MANAGE, ACT_AS = Permission.ROSTER_READ, Permission.KEY_MANAGE, Permission.ATTENDANCE_ACT_AS
A_DAY, A_WEEK = timedelta(days=1), timedelta(days=7)
EMAIL = "it@school.example"


class Time:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 29, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def keys(database: Database, time: Time) -> AsyncGenerator[ApiKeys]:
    opened = ApiKeys(database, time)
    yield opened
    await opened.close()


async def add_user(database: Database, role: Role = Role.ADMIN, school_id: int | None = None) -> int:
    async with database.transaction() as connection:
        return await make_user(connection, role, school_id, email=EMAIL, password_hash="-")


async def add_schools(database: Database, count: int = 2) -> list[int]:
    async with database.transaction() as connection:
        return [await make_bare_school(connection, name=f"School {number}") for number in range(count)]


def manager(*permissions: Permission, schools: frozenset[int] | None = None, user_id: int | None = None) -> Caller:
    return Caller(Role.OFFICE, frozenset({MANAGE, *permissions}), user_id=user_id, schools=schools)


def codes(error: pytest.ExceptionInfo[Invalid]) -> list[str]:
    return [violation.code for violation in error.value.violations]


async def test_a_key_ends_at_its_expiry(keys: ApiKeys, time: Time) -> None:
    made = await keys.create("sync", [READ], expires_at=time.now + A_DAY)
    assert await keys.caller_of(made.secret)
    time.now += A_DAY
    with pytest.raises(KeyExpired):
        await keys.caller_of(made.secret)
    assert keys.status_of((await keys.list_keys())[0]).state is KeyState.EXPIRED
    with pytest.raises(KeyEnded):
        await keys.rotate(made.key.id, A_DAY)
    await keys.change(made.key.id, {"expires_at": None})
    assert await keys.caller_of(made.secret)


async def test_the_setting_bounds_the_lifetime_of_new_keys(database: Database, time: Time) -> None:
    keys = ApiKeys(database, time, timedelta(days=90))
    assert (await keys.create("sync", [READ])).key.expires_at == time.now + timedelta(days=90)
    with pytest.raises(Invalid) as caught:
        await keys.create("sync", [READ], expires_at=time.now + timedelta(days=91))
    assert codes(caught) == ["expiry_too_late"]
    await keys.close()


async def test_a_key_works_from_its_networks_only(keys: ApiKeys) -> None:
    made = await keys.create("sync", [READ], networks=["10.0.0.0/8", "2001:db8::/32"])
    assert made.key.networks == ("10.0.0.0/8", "2001:db8::/32")
    for address in ("10.0.0.7", "::ffff:10.0.0.7", "2001:db8::1"):
        assert await keys.caller_of(made.secret, address)
    for address in ("192.0.2.7", "::ffff:192.0.2.7", None, "proxy"):
        with pytest.raises(AddressNotAllowed) as caught:
            await keys.caller_of(made.secret, address)
        assert READ.value not in caught.value.detail
        assert "10.0.0.0" not in caught.value.detail
    await keys.change(made.key.id, {"networks": None})
    assert await keys.caller_of(made.secret, "192.0.2.7")


async def test_both_secrets_work_until_the_overlap_ends(keys: ApiKeys, time: Time) -> None:
    first = await keys.create("sync", [READ])
    second = await keys.rotate(first.key.id, A_WEEK)
    assert (await keys.caller_of(first.secret)).key_id == (await keys.caller_of(second.secret)).key_id
    assert [secret.ends_at for secret in second.key.secrets] == [None, time.now + A_WEEK]
    time.now += A_WEEK
    with pytest.raises(Unauthenticated):
        await keys.caller_of(first.secret)
    assert await keys.caller_of(second.secret)
    assert [secret.ends_at for secret in (await keys.get(first.key.id)).secrets] == [None]


async def test_a_second_rotation_ends_no_secret_later_or_earlier_than_was_said(keys: ApiKeys, time: Time) -> None:
    first = await keys.create("sync", [READ])
    second = await keys.rotate(first.key.id, A_WEEK)
    third = await keys.rotate(first.key.id, 2 * A_WEEK)
    assert [secret.ends_at for secret in third.key.secrets] == [None, time.now + 2 * A_WEEK, time.now + A_WEEK]
    assert await keys.caller_of(first.secret)
    last = await keys.rotate(first.key.id, timedelta(0))
    for ended in (first, second, third):
        with pytest.raises(Unauthenticated):
            await keys.caller_of(ended.secret)
    assert await keys.caller_of(last.secret)


async def test_at_most_five_secrets_work_at_once(keys: ApiKeys) -> None:
    made = await keys.create("sync", [READ])
    for _ in range(4):
        await keys.rotate(made.key.id, A_WEEK)
    with pytest.raises(TooManySecrets):
        await keys.rotate(made.key.id, A_WEEK)
    assert len((await keys.rotate(made.key.id, timedelta(0))).key.secrets) == 1


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta(days=91)])
async def test_an_overlap_is_not_endless(keys: ApiKeys, overlap: timedelta) -> None:
    made = await keys.create("sync", [READ])
    with pytest.raises(Invalid) as caught:
        await keys.rotate(made.key.id, overlap)
    assert codes(caught) == ["out_of_range"]


async def test_revoking_ends_all_secrets(keys: ApiKeys) -> None:
    first = await keys.create("sync", [READ])
    second = await keys.rotate(first.key.id, A_WEEK)
    await keys.revoke(first.key.id)
    for secret in (first.secret, second.secret):
        with pytest.raises(Unauthenticated):
            await keys.caller_of(secret)
    with pytest.raises(KeyEnded):
        await keys.rotate(first.key.id, A_WEEK)
    with pytest.raises(KeyEnded):
        await keys.change(first.key.id, {"name": "other"})


async def test_the_last_use_is_noted_every_five_minutes(keys: ApiKeys, database: Database, time: Time) -> None:
    begin = time.now
    first = await keys.create("sync", [READ])
    await keys.caller_of(first.secret, "192.0.2.1")
    await keys.close()
    time.now += timedelta(minutes=4)
    again = ApiKeys(database, time)
    await again.caller_of(first.secret, "192.0.2.2")
    await again.close()
    key = await keys.get(first.key.id)
    assert (key.last_used_at, key.last_address) == (begin, "192.0.2.1")

    time.now += timedelta(minutes=1)
    second = await keys.rotate(first.key.id, A_WEEK)
    last = ApiKeys(database, time)
    await last.caller_of(first.secret, "::ffff:192.0.2.3")
    await last.caller_of(first.secret, "::ffff:192.0.2.3")
    await last.close()
    key = await keys.get(first.key.id)
    assert (key.last_used_at, key.last_address) == (time.now, "192.0.2.3")
    assert [secret.last_used_at for secret in key.secrets] == [None, time.now]
    time.now += timedelta(minutes=1)
    very_last = ApiKeys(database, time)
    await very_last.caller_of(second.secret, "a proxy's idea")
    await very_last.close()
    key = await keys.get(first.key.id)
    assert (key.last_used_at, key.last_address) == (time.now, None)


async def test_an_outage_of_the_database_only_delays_the_note(
    keys: ApiKeys, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await keys.create("sync", [READ])

    def fail() -> None:
        raise StorageOutage("away")

    with monkeypatch.context() as patch:
        patch.setattr(database, "transaction", fail)
        assert await keys.caller_of(made.secret)
        await keys.close()
    assert (await keys.get(made.key.id)).last_used_at is None


async def test_the_owner_of_a_key_may_leave(keys: ApiKeys, database: Database) -> None:
    user_id = await add_user(database)
    made = await keys.create("sync", [READ], owner=f" {EMAIL.upper()}")
    assert made.key.owner is not None
    assert (made.key.owner.id, made.key.owner.email) == (user_id, EMAIL)
    assert await keys.warned_keys() == []
    async with database.transaction() as connection:
        await connection.execute(update(users).values(disabled=True))
    assert await keys.caller_of(made.secret), "a program does not stop because a person leaves"
    ((_, status),) = await keys.warned_keys()
    assert status.warnings == (KeyWarning.OWNER_DISABLED,)
    with pytest.raises(Invalid) as caught:
        await keys.change(made.key.id, {"owner": EMAIL})
    assert codes(caught) == ["unknown_person"]
    assert (await keys.change(made.key.id, {"name": " nightly "})).name == "nightly"


async def test_the_calling_user_owns_a_new_key(keys: ApiKeys, database: Database) -> None:
    user_id = await add_user(database)
    caller = Caller(Role.ADMIN, PERMISSIONS[Role.ADMIN], user_id=user_id)
    made = await keys.create("sync", [READ, MANAGE], caller=caller)
    assert made.key.owner is not None
    assert made.key.owner.id == user_id
    by_key = await keys.create("other", [READ], caller=await keys.caller_of(made.secret))
    assert by_key.key.owner == made.key.owner
    nobodys = await keys.create("third", [READ, MANAGE])
    assert (await keys.create("fourth", [READ], caller=await keys.caller_of(nobodys.secret))).key.owner is None


@pytest.mark.parametrize("email", ["nobody@school.example", "\0", "x" * 300, ""])
async def test_an_owner_is_a_user(keys: ApiKeys, email: str) -> None:
    with pytest.raises(Invalid) as caught:
        await keys.create("sync", [READ], owner=email)
    assert codes(caught) == ["unknown_person"]
    assert f"no enabled user has the email {email[:80]!r}" in str(caught.value)


async def test_an_owner_is_of_the_schools_of_the_caller(keys: ApiKeys, database: Database) -> None:
    here, there = await add_schools(database)
    user_id = await add_user(database, Role.OFFICE, there)
    caller = manager(READ, schools=frozenset({here}))
    with pytest.raises(Invalid) as caught:
        await keys.create("sync", [READ], [here], owner=EMAIL, caller=caller)
    assert codes(caught) == ["unknown_person"]
    own = manager(READ, schools=frozenset({here}), user_id=user_id)
    assert (await keys.create("sync", [READ], [here], owner=EMAIL, caller=own)).key.owner


async def test_nobody_creates_a_key_that_can_do_more_than_they_can(keys: ApiKeys, database: Database) -> None:
    here, there = await add_schools(database)
    caller = manager(READ, schools=frozenset({here}))
    assert (await keys.create("sync", [READ], [here], caller=caller)).key.schools == (here,)
    with pytest.raises(Forbidden) as caught:
        await keys.create("sync", [READ, Permission.STUDENT_DATA], [here], caller=caller)
    assert caught.value.params == {"permissions": ["student:data"]}
    with pytest.raises(Forbidden):
        await keys.create("sync", [READ], caller=caller)
    with pytest.raises(Invalid) as unknown:
        await keys.create("sync", [READ], [here, there], caller=caller)
    assert codes(unknown) == ["unknown_school"], "as a school that does not exist"
    admin = Caller(Role.ADMIN, PERMISSIONS[Role.ADMIN], user_id=None)
    with pytest.raises(Forbidden):
        await keys.create("portal", [ACT_AS], caller=admin)
    assert await keys.create("portal", [ACT_AS])


async def test_a_key_of_another_school_does_not_exist(keys: ApiKeys, database: Database) -> None:
    here, there = await add_schools(database)
    own, other = await keys.create("a", [READ], [here]), await keys.create("b", [READ], [there])
    both, all_schools = await keys.create("c", [READ], [here, there]), await keys.create("d", [READ])
    caller = manager(READ, schools=frozenset({here}))
    assert [key.id for key in await keys.list_keys(caller)] == [own.key.id]
    assert [*await keys.schools_of(caller)] == [here]
    assert [key.id for key in await keys.list_keys(school_id=here)] == [own.key.id, both.key.id]
    for school_id in (there, there + 999):
        with pytest.raises(NotFound):
            await keys.list_keys(caller, school_id)
    for key_id in (other.key.id, both.key.id, all_schools.key.id, 999):
        for attempt in (
            keys.get(key_id, caller),
            keys.change(key_id, {"name": "mine"}, caller),
            keys.rotate(key_id, A_DAY, caller),
            keys.revoke(key_id, caller),
        ):
            with pytest.raises(NotFound):
                await attempt


async def test_a_stronger_key_can_be_revoked_and_nothing_else(keys: ApiKeys) -> None:
    strong = await keys.create("strong", [Permission.STUDENT_DATA])
    caller = manager(READ)
    with pytest.raises(Forbidden):
        await keys.rotate(strong.key.id, A_DAY, caller)
    with pytest.raises(Forbidden):
        await keys.change(strong.key.id, {"expires_at": None}, caller)
    await keys.revoke(strong.key.id, caller)
    await keys.revoke(strong.key.id, caller)
    with pytest.raises(Unauthenticated):
        await keys.caller_of(strong.secret)


async def test_a_key_makes_none_that_outlives_it_or_works_from_elsewhere(keys: ApiKeys, time: Time) -> None:
    made = await keys.create("ci", [READ, MANAGE], expires_at=time.now + A_WEEK, networks=["10.0.0.0/8"])
    caller = await keys.caller_of(made.secret, "10.0.0.7")
    child = await keys.create("child", [READ], caller=caller)
    assert (child.key.expires_at, child.key.networks) == (time.now + A_WEEK, ("10.0.0.0/8",))
    with pytest.raises(Invalid) as caught:
        await keys.create("x", [READ], expires_at=time.now + 2 * A_WEEK, networks=["0.0.0.0/0"], caller=caller)
    assert codes(caught) == ["expiry_too_late", "network_not_allowed"]
    with pytest.raises(Invalid):
        await keys.change(made.key.id, {"expires_at": time.now + 2 * A_WEEK}, caller)
    rotated = await keys.rotate(made.key.id, A_DAY, caller)
    assert rotated.key.expires_at == time.now + A_WEEK
    for lasting, networks, expected in (
        (None, None, ["expiry_too_late", "network_not_allowed"]),
        (2 * A_WEEK, ["10.1.0.0/16"], ["expiry_too_late"]),
        (A_DAY, ["10.1.0.0/16", "192.0.2.0/24"], ["network_not_allowed"]),
    ):
        expires_at = None if lasting is None else time.now + lasting
        wide = await keys.create("wide", [READ], expires_at=expires_at, networks=networks)
        with pytest.raises(Invalid) as caught:
            await keys.rotate(wide.key.id, A_DAY, caller)
        assert codes(caught) == expected
        await keys.caller_of(wide.secret, "10.1.0.7")
    assert (await keys.rotate(child.key.id, A_DAY, caller)).secret
    endless = await keys.create("endless", [READ, MANAGE], networks=["10.0.0.0/8"])
    narrow = await keys.create("narrow", [READ], expires_at=time.now + A_WEEK, networks=["10.2.0.0/16"])
    by_endless = await keys.caller_of(endless.secret, "10.0.0.7")
    assert (await keys.rotate(narrow.key.id, A_DAY, by_endless)).key.networks == ("10.2.0.0/16",)


async def test_a_key_that_lasts_longer_than_a_later_setting_still_rotates(database: Database, time: Time) -> None:
    made = await ApiKeys(database, time).create("ci", [READ, MANAGE])
    bounded = ApiKeys(database, time, A_WEEK)
    caller = await bounded.caller_of(made.secret)
    assert (await bounded.rotate(made.key.id, A_DAY, caller)).key.expires_at is None
    await bounded.close()


async def test_only_who_manages_keys_manages_keys(keys: ApiKeys) -> None:
    made = await keys.create("sync", [READ])
    caller = Caller(Role.OFFICE, PERMISSIONS[Role.OFFICE], user_id=None)
    for attempt in (
        keys.create("x", [READ], caller=caller),
        keys.list_keys(caller),
        keys.get(made.key.id, caller),
        keys.change(made.key.id, {}, caller),
        keys.rotate(made.key.id, A_DAY, caller),
        keys.revoke(made.key.id, caller),
        keys.schools_of(caller),
    ):
        with pytest.raises(Forbidden):
            await attempt


async def test_every_change_is_in_the_audit_log_without_secrets(keys: ApiKeys, database: Database, time: Time) -> None:
    (school_id,) = await add_schools(database, 1)
    made = await keys.create("sync", [READ], [school_id])
    await keys.change(made.key.id, {"networks": ["10.0.0.0/8"], "expires_at": time.now + A_WEEK})
    rotated = await keys.rotate(made.key.id, A_DAY)
    await keys.revoke(made.key.id)
    async with database.snapshot() as connection:
        rows = (await connection.execute(select(audit_entries).order_by(audit_entries.c.id))).all()
        hashes = [row.secret_hash for row in await connection.execute(select(keys_table))]
    assert [row.action for row in rows] == ["key_created", "key_changed", "key_rotated", "key_revoked"]
    assert {(row.key_id, row.school_id, row.caller_role) for row in rows} == {(made.key.id, school_id, "system")}
    for text in (made.secret, rotated.secret, *hashes):
        assert text not in str(rows)
