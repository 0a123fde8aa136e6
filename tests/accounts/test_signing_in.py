"""Signing in with a password, and limits on failed attempts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from redis.asyncio import Redis
from typing_extensions import override

from adsum.accounts.access import Role
from adsum.accounts.passwords import CONCURRENT_HASHES, Passwords
from adsum.accounts.service import Accounts
from adsum.accounts.sign_in import MAX_WAITING, SigningIn
from adsum.accounts.tokens import Tokens
from adsum.platform.database.engine import Database
from adsum.platform.errors import AdsumError, Overloaded, TooManyAttempts, Unauthenticated
from adsum.platform.redis.attempts import Allowance, FailedAttempts
from adsum.platform.redis.connection import open_redis
from tests.accounts.conftest import PASSWORD
from tests.support.schools import make_bare_school
from tests.support.waiting import until

EMAIL = "ada@school.example"
HERE, ELSEWHERE = "203.0.113.7", "198.51.100.9"
AN_HOUR_S = 3600


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


def signing_in(accounts: Accounts, tokens: Tokens, redis: Redis, *, by_account: int, by_address: int) -> SigningIn:
    return SigningIn(
        accounts,
        tokens,
        FailedAttempts(redis, key_prefix="trial-"),
        by_account=Allowance("account", by_account, AN_HOUR_S),
        by_address=Allowance("address", by_address, AN_HOUR_S),
    )


async def fail(service: SigningIn, email: str, address: str | None = HERE) -> None:
    with pytest.raises(Unauthenticated):
        await service.sign_in(email, "wrong", address)


async def test_failures_lock_an_account_for_all_addresses_and_processes(
    accounts: Accounts, tokens: Tokens, redis: Redis, user: str
) -> None:
    here = signing_in(accounts, tokens, redis, by_account=3, by_address=100)
    there = signing_in(accounts, tokens, redis, by_account=3, by_address=100)
    for address in (HERE, ELSEWHERE, None):
        await fail(here, user.upper(), address)

    with pytest.raises(TooManyAttempts) as refused:
        await there.sign_in(user, PASSWORD, HERE)
    assert 0 < refused.value.params["retryAfter"] <= AN_HOUR_S


async def test_a_successful_sign_in_resets_the_failures_of_its_account(
    accounts: Accounts, tokens: Tokens, redis: Redis, user: str
) -> None:
    service = signing_in(accounts, tokens, redis, by_account=2, by_address=3)
    for _ in range(4):
        await service.sign_in(user, PASSWORD, HERE)
    await fail(service, user)
    token = await service.sign_in(user, PASSWORD, HERE)
    await fail(service, user)

    assert (await tokens.caller_of(token.text)).role is Role.TEACHER
    assert (await service.sign_in(user, PASSWORD, HERE)).text


async def test_failures_lock_an_address_for_all_accounts(
    accounts: Accounts, tokens: Tokens, redis: Redis, user: str
) -> None:
    service = signing_in(accounts, tokens, redis, by_account=100, by_address=2)
    await fail(service, "nobody@school.example", "2001:db8:1:2::1")
    await fail(service, "none@school.example", "2001:db8:1:2:ffff::9")

    with pytest.raises(TooManyAttempts):
        await service.sign_in(user, PASSWORD, "2001:db8:1:2::3")
    for address in ("2001:db8:1:3::1", "::ffff:203.0.113.7", "a socket", HERE, None):
        assert (await service.sign_in(user, PASSWORD, address)).text


async def test_keys_of_failures_have_the_prefix_expire_and_contain_no_personal_data(
    accounts: Accounts, tokens: Tokens, redis: Redis, user: str
) -> None:
    await fail(signing_in(accounts, tokens, redis, by_account=3, by_address=3), user)

    found: list[str] = [key async for key in redis.scan_iter()]  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    keys = sorted(found)
    assert [key.partition("/")[0] for key in keys] == [
        "trial-sign-in-failures:account",
        "trial-sign-in-failures:address",
    ]
    assert "ada" not in keys[0]
    assert all([0 < await redis.ttl(key) <= AN_HOUR_S for key in keys])


async def test_without_redis_each_process_counts_failures_separately(
    accounts: Accounts, tokens: Tokens, redis: Redis, user: str
) -> None:
    nowhere = open_redis("redis://127.0.0.1:1/0", connections=4, socket_timeout=1)
    service = signing_in(accounts, tokens, nowhere, by_account=2, by_address=100)
    assert (await service.sign_in(user, PASSWORD, HERE)).text
    await fail(service, user)
    await fail(service, user)

    with pytest.raises(TooManyAttempts):
        await service.sign_in(user, PASSWORD, HERE)
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
    tokens: Tokens, redis: Redis, user: str, database: Database
) -> None:
    passwords = GatedPasswords()
    service = signing_in(Accounts(database, passwords), tokens, redis, by_account=1000, by_address=1000)
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


async def test_attempts_that_waited_are_refused_without_a_hash_once_the_limit_is_reached(
    tokens: Tokens, redis: Redis, user: str, database: Database
) -> None:
    passwords = GatedPasswords()
    service = signing_in(Accounts(database, passwords), tokens, redis, by_account=2, by_address=1000)
    async with asyncio.TaskGroup() as group:
        attempts = [group.create_task(outcome(service, user, "wrong", HERE)) for _ in range(20)]
        await until(lambda: reached(passwords, CONCURRENT_HASHES))
        passwords.gate.set()
    assert len(passwords.hashed) < 2 * CONCURRENT_HASHES
    assert {task.result() for task in attempts} == {Unauthenticated, TooManyAttempts}


async def outcome(service: SigningIn, email: str, password: str, address: str) -> type[AdsumError] | None:
    """Returns the class of the error of an attempt; None: it succeeds."""
    try:
        await service.sign_in(email, password, address)
    except AdsumError as error:
        return type(error)
    return None


async def are_done(tasks: list[asyncio.Task[type[AdsumError] | None]], count: int) -> bool:
    return sum(task.done() for task in tasks) >= count


async def reached(passwords: GatedPasswords, count: int) -> bool:
    return len(passwords.hashed) >= count
