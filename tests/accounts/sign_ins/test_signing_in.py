"""Signing in with a password, and limits on failed attempts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator

import pytest
from redis.asyncio import Redis
from typing_extensions import override

from adsum.accounts.access import Role, system_caller
from adsum.accounts.audit.failures import FailedSignIns
from adsum.accounts.passwords.hashing import CONCURRENT_HASHES, Passwords
from adsum.accounts.service import Accounts
from adsum.accounts.sign_ins.devices import Devices
from adsum.accounts.sign_ins.half_way import HalfWays
from adsum.accounts.sign_ins.rules import SignInClient
from adsum.accounts.sign_ins.service import MAX_WAITING, PasswordLimits, PasswordSignIn
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.platform.clock import system_clock
from adsum.platform.database.engine import Database
from adsum.platform.errors import AdsumError, NotFound, Overloaded, TooManyAttempts, Unauthenticated
from adsum.platform.keys import KeyRing
from adsum.platform.redis.attempts import AttemptLimit, FailedAttempts
from adsum.platform.redis.connection import open_redis
from adsum.platform.redis.shards import Shard
from adsum.roster.people.service import People
from tests.accounts.conftest import KEY, PASSWORD, new_factors
from tests.support.schools import make_bare_school
from tests.support.waiting import until

EMAIL = "ada@school.example"
HERE, ELSEWHERE = "203.0.113.7", "198.51.100.9"
AN_HOUR_S = 3600
DEVICES = Devices(KeyRing.of(KEY), system_clock)


@pytest.fixture
async def redis(redis_url: str) -> AsyncGenerator[Redis]:
    client = open_redis(redis_url, connections=4, socket_timeout=5)
    yield client
    await client.aclose()


@pytest.fixture
async def user(accounts: Accounts, database: Database) -> str:
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection)
    await accounts.add_user(EMAIL, Role.TEACHER, school_id=school_id, password=PASSWORD)
    return EMAIL


def password_sign_in(
    accounts: Accounts,
    tokens: Tokens,
    redis: Redis,
    database: Database,
    *,
    by_pair: int,
    by_address: int,
    by_account: int = 1000,
) -> PasswordSignIn:
    """Sign-in with these limits. Attempts for an account that is slowed down take no time."""
    limits = PasswordLimits(
        by_pair=AttemptLimit("account-address", by_pair, AN_HOUR_S),
        by_address=AttemptLimit("address", by_address, AN_HOUR_S),
        by_account=AttemptLimit("account", by_account, AN_HOUR_S),
        by_device=AttemptLimit("device", 2, AN_HOUR_S),
        by_devices=AttemptLimit("account-devices", 3, AN_HOUR_S),
        delay_s=0,
        max_delayed=2,
    )
    attempts = FailedAttempts(Shard(0, redis, "trial-"))
    _, verifier = new_factors(database, attempts)
    half_ways = HalfWays(database, KeyRing.of(KEY), system_clock)
    return PasswordSignIn(accounts, tokens, DEVICES, attempts, FailedSignIns(database), verifier, half_ways, limits)


async def fail(service: PasswordSignIn, email: str, address: str | None = HERE, device: str | None = None) -> None:
    with pytest.raises(Unauthenticated):
        await service.sign_in(email, "wrong", SignInClient(address, device))


async def test_failures_block_an_account_for_their_address_in_all_processes(
    accounts: Accounts, tokens: Tokens, redis: Redis, database: Database, user: str
) -> None:
    here = password_sign_in(accounts, tokens, redis, database, by_pair=3, by_address=100)
    there = password_sign_in(accounts, tokens, redis, database, by_pair=3, by_address=100)
    for _ in range(3):
        await fail(here, user.upper())

    with pytest.raises(TooManyAttempts) as refused:
        await there.sign_in(user, PASSWORD, SignInClient(HERE))
    assert 0 < refused.value.params["retryAfter"] <= AN_HOUR_S
    for address in (ELSEWHERE, None):
        assert (await there.sign_in(user, PASSWORD, SignInClient(address))).token


async def test_a_known_device_is_not_blocked_by_the_failures_of_others(
    accounts: Accounts, tokens: Tokens, redis: Redis, database: Database, user: str
) -> None:
    service = password_sign_in(accounts, tokens, redis, database, by_pair=2, by_address=3, by_account=2)
    known = (await service.sign_in(user, PASSWORD, SignInClient(HERE))).device_cookie
    for _ in range(2):
        await fail(service, user)
    await fail(service, "nobody@school.example")
    with pytest.raises(TooManyAttempts):
        await service.sign_in(user, PASSWORD, SignInClient(HERE))
    assert (await service.sign_in(user, PASSWORD, SignInClient(HERE, known))).token


async def test_a_known_device_that_guesses_counts_as_unknown(
    accounts: Accounts, tokens: Tokens, redis: Redis, database: Database, user: str
) -> None:
    service = password_sign_in(accounts, tokens, redis, database, by_pair=1, by_address=100)
    known = (await service.sign_in(user, PASSWORD, SignInClient(HERE))).device_cookie
    for _ in range(3):  # two of the device, one of the address
        await fail(service, user, HERE, known)
    with pytest.raises(TooManyAttempts):
        await service.sign_in(user, PASSWORD, SignInClient(HERE, known))
    assert (await service.sign_in(user, PASSWORD, SignInClient(ELSEWHERE))).token


async def test_guesses_on_all_known_devices_of_an_account_are_limited_together(
    accounts: Accounts, tokens: Tokens, redis: Redis, database: Database, user: str
) -> None:
    service = password_sign_in(accounts, tokens, redis, database, by_pair=1, by_address=100)
    first, second, third = [DEVICES.remember(None, user) for _ in range(3)]
    for device in (first, first, second):
        await fail(service, user, HERE, device)
    assert (await service.sign_in(user, PASSWORD, SignInClient(ELSEWHERE, second))).token
    await fail(service, user, HERE, third)  # counts for its address
    with pytest.raises(TooManyAttempts):
        await service.sign_in(user, PASSWORD, SignInClient(HERE, third))


@pytest.mark.parametrize("way", ["unlock", "password"])
async def test_unlocking_and_a_new_password_clear_all_failures_of_an_account(
    accounts: Accounts, people: People, tokens: Tokens, redis: Redis, database: Database, user: str, way: str
) -> None:
    service = password_sign_in(accounts, tokens, redis, database, by_pair=1, by_address=100)
    for address in (HERE, ELSEWHERE):
        await fail(service, user, address)
    if way == "unlock":
        assert (await people.unlock(user.upper(), system_caller())).email == user
    else:
        await accounts.set_password(user, PASSWORD)
    for address in (HERE, ELSEWHERE):
        assert (await service.sign_in(user, PASSWORD, SignInClient(address))).token
    with pytest.raises(NotFound):
        await people.unlock("nobody@school.example", system_caller())


async def test_attempts_for_an_account_with_many_failures_are_checked_one_by_one(
    tokens: Tokens, redis: Redis, database: Database, user: str
) -> None:
    passwords = GatedPasswords()
    passwords.gate.set()
    impatient = Accounts(database, passwords)
    service = password_sign_in(impatient, tokens, redis, database, by_pair=100, by_address=100, by_account=1)
    await fail(service, user, ELSEWHERE)
    passwords.gate.clear()
    passwords.hashed.clear()
    async with asyncio.TaskGroup() as group:
        attempts = [group.create_task(outcome(service, user, "wrong", HERE)) for _ in range(5)]
        await until(lambda: are_done(attempts, 2))  # of the others, one is checked and two wait
        await until(lambda: reached(passwords, 1))
        right = group.create_task(outcome(service, user, PASSWORD, "192.0.2.1"))
        other = group.create_task(outcome(service, "nobody@school.example", "wrong", HERE))
        await until(lambda: reached(passwords, 2))  # the other account is not slowed down
        await until(lambda: are_done(attempts, 3))  # makes room for the right password
        passwords.gate.set()
    assert (right.result(), other.result()) == (None, Unauthenticated)
    assert Counter(task.result() for task in attempts) == {Overloaded: 3, Unauthenticated: 2}
    assert service._delayed == {}  # pyright: ignore[reportPrivateUsage]


async def test_a_successful_sign_in_resets_the_failures_of_its_account_and_address(
    accounts: Accounts, tokens: Tokens, redis: Redis, database: Database, user: str
) -> None:
    service = password_sign_in(accounts, tokens, redis, database, by_pair=2, by_address=3)
    for _ in range(4):
        await service.sign_in(user, PASSWORD, SignInClient(HERE))
    await fail(service, user)
    signed = await service.sign_in(user, PASSWORD, SignInClient(HERE))
    await fail(service, user)

    assert (await tokens.caller_of(signed.token.text)).role is Role.TEACHER
    assert (await service.sign_in(user, PASSWORD, SignInClient(HERE))).token


async def test_failures_lock_an_address_for_all_accounts(
    accounts: Accounts, tokens: Tokens, redis: Redis, database: Database, user: str
) -> None:
    service = password_sign_in(accounts, tokens, redis, database, by_pair=100, by_address=2)
    await fail(service, "nobody@school.example", "2001:db8:1:2::1")
    await fail(service, "none@school.example", "2001:db8:1:2:ffff::9")

    with pytest.raises(TooManyAttempts):
        await service.sign_in(user, PASSWORD, SignInClient("2001:db8:1:2::3"))
    for address in ("2001:db8:1:3::1", "::ffff:203.0.113.7", "a socket", HERE, None):
        assert (await service.sign_in(user, PASSWORD, SignInClient(address))).token


async def test_keys_of_failures_have_the_prefix_expire_and_contain_no_personal_data(
    accounts: Accounts, tokens: Tokens, redis: Redis, database: Database, user: str
) -> None:
    await fail(password_sign_in(accounts, tokens, redis, database, by_pair=3, by_address=3), user)

    found: list[str] = [key async for key in redis.scan_iter()]  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    keys = sorted(found)
    assert [key.partition("/")[0] for key in keys] == [
        "trial-sign-in-failures:account-address",
        "trial-sign-in-failures:account",
        "trial-sign-in-failures:address",
    ]
    assert not any("ada" in key for key in keys)
    assert all([0 < await redis.ttl(key) <= AN_HOUR_S for key in keys])


async def test_without_redis_each_process_counts_failures_separately(
    accounts: Accounts, tokens: Tokens, redis: Redis, database: Database, user: str
) -> None:
    nowhere = open_redis("redis://127.0.0.1:1/0", connections=4, socket_timeout=1)
    service = password_sign_in(accounts, tokens, nowhere, database, by_pair=2, by_address=100)
    assert (await service.sign_in(user, PASSWORD, SignInClient(HERE))).token
    await fail(service, user)
    await fail(service, user)

    with pytest.raises(TooManyAttempts):
        await service.sign_in(user, PASSWORD, SignInClient(HERE))
    await nowhere.aclose()


class GatedPasswords(Passwords):
    """Notes each password that is hashed, and lets it wait until the test opens the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.hashed: list[str] = []
        self.gate = asyncio.Event()

    @override
    async def matches(self, password: str, password_hash: str | None) -> bool:
        self.hashed.append(password)
        await self.gate.wait()
        return password == PASSWORD and password_hash is not None


async def test_a_flood_is_refused_before_hashing_and_delays_another_address_by_one_hash(
    tokens: Tokens, redis: Redis, database: Database, user: str
) -> None:
    passwords = GatedPasswords()
    service = password_sign_in(Accounts(database, passwords), tokens, redis, database, by_pair=1000, by_address=1000)
    waiting = CONCURRENT_HASHES + MAX_WAITING
    async with asyncio.TaskGroup() as group:
        flood = [group.create_task(outcome(service, user, "wrong", HERE)) for _ in range(200)]
        await until(lambda: are_done(flood, 200 - waiting))
        assert {task.result() for task in flood if task.done()} == {Overloaded}
        await until(lambda: reached(passwords, CONCURRENT_HASHES))
        assert passwords.hashed == ["wrong"] * CONCURRENT_HASHES

        right = group.create_task(outcome(service, user, PASSWORD, ELSEWHERE))
        await until(lambda: are_done(flood, 200 - waiting + 1))  # the newest of the flood makes room
        passwords.gate.set()
    assert right.result() is None
    assert passwords.hashed.index(PASSWORD) <= 2 * CONCURRENT_HASHES
    assert len(passwords.hashed) == waiting


async def test_known_devices_of_one_account_cannot_fill_the_queue(
    tokens: Tokens, redis: Redis, database: Database, user: str
) -> None:
    passwords = GatedPasswords()
    service = password_sign_in(Accounts(database, passwords), tokens, redis, database, by_pair=1000, by_address=1000)
    devices = [DEVICES.remember(None, user) for _ in range(CONCURRENT_HASHES + MAX_WAITING)]
    async with asyncio.TaskGroup() as group:
        flood = [group.create_task(outcome(service, user, "wrong", HERE, device)) for device in devices]
        await until(lambda: reached(passwords, CONCURRENT_HASHES))
        right = group.create_task(outcome(service, user, PASSWORD, ELSEWHERE))
        await until(lambda: are_done(flood, 1))  # makes room
        passwords.gate.set()
    assert right.result() is None


async def test_attempts_that_waited_are_refused_without_a_hash_once_the_limit_is_reached(
    tokens: Tokens, redis: Redis, database: Database, user: str
) -> None:
    passwords = GatedPasswords()
    service = password_sign_in(Accounts(database, passwords), tokens, redis, database, by_pair=2, by_address=1000)
    async with asyncio.TaskGroup() as group:
        attempts = [group.create_task(outcome(service, user, "wrong", HERE)) for _ in range(20)]
        await until(lambda: reached(passwords, CONCURRENT_HASHES))
        passwords.gate.set()
    assert len(passwords.hashed) < 2 * CONCURRENT_HASHES
    assert {task.result() for task in attempts} == {Unauthenticated, TooManyAttempts}


async def outcome(
    service: PasswordSignIn, email: str, password: str, address: str, device: str | None = None
) -> type[AdsumError] | None:
    """Returns the class of the error of an attempt; None: it succeeds."""
    try:
        await service.sign_in(email, password, SignInClient(address, device))
    except AdsumError as error:
        return type(error)
    return None


async def are_done(tasks: list[asyncio.Task[type[AdsumError] | None]], count: int) -> bool:
    return sum(task.done() for task in tasks) >= count


async def reached(passwords: GatedPasswords, count: int) -> bool:
    return len(passwords.hashed) >= count
