"""The second step after single sign-on, users without a password, and the limits on codes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest
from pydantic import SecretStr
from pyotp.totp import TOTP
from redis.asyncio import Redis
from sqlalchemy import update

from adsum import wiring
from adsum.accounts.access import Caller, Role
from adsum.accounts.rules import User
from adsum.accounts.second_factors.attempts import CodeAttempt, CodeAttempts, CodeLimits
from adsum.accounts.second_factors.rules import FactorKind, Proof
from adsum.accounts.sign_ins.half_way import HalfWays
from adsum.accounts.sign_ins.repository import ProviderSession
from adsum.accounts.sign_ins.rules import SignInClient, SignInKind
from adsum.accounts.sign_ins.service import HalfWaySignIn, NewSignIn
from adsum.accounts.tables import users
from adsum.platform.clock import system_clock
from adsum.platform.errors import (
    ConfigurationError,
    ConfirmationNeeded,
    Forbidden,
    SecondFactorSetupRequired,
    TooManyAttempts,
    Unauthenticated,
)
from adsum.platform.keys import KeyRing
from adsum.platform.redis.attempts import AttemptLimit, FailedAttempts
from adsum.platform.redis.connection import open_redis
from adsum.platform.redis.shards import Shard
from adsum.platform.settings import Settings
from adsum.wiring import Adsum
from tests.accounts.conftest import KEY
from tests.support.frame import NOBODY_LISTENS, SECRET
from tests.support.people import disable

EMAIL, PASSWORD = "ada@school.example", "violet kettle drum"
BROWSER = SignInClient("203.0.113.7", None, "test", SignInKind.PAGE)
PROVIDER = ProviderSession("https://id.school.example", None)


async def opened(url: str, **settings: object) -> AsyncGenerator[Adsum]:
    fixed = {"database_url": url, "redis_url": NOBODY_LISTENS, "secret_key": SecretStr(SECRET)}
    async with wiring.open_adsum(Settings(**fixed | settings)) as adsum:  # pyright: ignore[reportArgumentType]
        yield adsum


@pytest.fixture
async def demanding(sqlite_url: str) -> AsyncGenerator[Adsum]:
    """Admins need a second factor; that of a provider does not count."""
    async for adsum in opened(sqlite_url, second_factor_roles="admin, office"):
        yield adsum


@pytest.fixture
async def trusting(sqlite_url: str) -> AsyncGenerator[Adsum]:
    """Admins need a second factor; that of a provider counts."""
    async for adsum in opened(sqlite_url, second_factor_roles="admin", second_factor_of_provider=True):
        yield adsum


async def admin(adsum: Adsum) -> User:
    return (await adsum.accounts.add_user(EMAIL, Role.ADMIN, password=PASSWORD)).user


async def caller(adsum: Adsum) -> Caller:
    return await adsum.tokens.caller_of((await adsum.tokens.create(EMAIL)).text)


async def add_app(adsum: Adsum) -> TOTP:
    ada = await caller(adsum)
    setup = await adsum.second_factors.new_app(ada)
    await adsum.second_factors.add_app(ada, setup.sealed, TOTP(setup.secret).now(), "phone")
    return TOTP(setup.secret)


async def by_provider(adsum: Adsum, user: User, *, proved: bool) -> NewSignIn | HalfWaySignIn:
    return await adsum.second_step.sign_in_by_provider(user, BROWSER, PROVIDER, has_providers_factor=proved)


async def test_a_providers_factor_counts_only_if_it_is_trusted(demanding: Adsum) -> None:
    user = await admin(demanding)
    signed = await by_provider(demanding, user, proved=True)
    assert isinstance(signed, NewSignIn)
    with pytest.raises(SecondFactorSetupRequired):
        await demanding.tokens.caller_of(signed.token.text)
    app = await add_app(demanding)
    user = await demanding.accounts.own_user(await caller(demanding))
    begun = await by_provider(demanding, user, proved=True)
    assert isinstance(begun, HalfWaySignIn)
    half_way = await demanding.second_step.begun(begun.text)
    code = app.at(system_clock() + timedelta(seconds=30))
    finished = await demanding.second_step.finish(half_way, Proof(code), BROWSER)
    assert (await demanding.tokens.caller_of(finished.token.text)).user_id == user.id


async def test_a_trusted_factor_of_the_provider_replaces_that_of_adsum(trusting: Adsum) -> None:
    user = await admin(trusting)
    signed = await by_provider(trusting, user, proved=True)
    assert isinstance(signed, NewSignIn)
    assert (await trusting.tokens.caller_of(signed.token.text)).user_id == user.id
    await add_app(trusting)
    user = await trusting.accounts.own_user(await caller(trusting))
    assert isinstance(await by_provider(trusting, user, proved=True), NewSignIn)
    assert isinstance(await by_provider(trusting, user, proved=False), HalfWaySignIn)


async def test_who_has_factors_proves_one_before_they_change_after_single_sign_on(sqlite_url: str) -> None:
    async for adsum in opened(sqlite_url):
        await admin(adsum)
        app = await add_app(adsum)
        signed = await by_provider(adsum, await adsum.accounts.own_user(await caller(adsum)), proved=False)
        assert isinstance(signed, NewSignIn)
        ada = await adsum.tokens.caller_of(signed.token.text)
        assert (ada.needs_confirmation, ada.lacks_second_factor) == (False, True)
        with pytest.raises(ConfirmationNeeded):
            await adsum.second_factors.new_app(ada)
        with pytest.raises(ConfirmationNeeded):
            await adsum.password_sign_in.change_password(ada, PASSWORD, "purple engine moon", BROWSER)
        code = app.at(system_clock() + timedelta(seconds=30))
        confirmed = await adsum.confirmations.confirm(ada, "", Proof(code), BROWSER)
        ada = await adsum.tokens.caller_of(confirmed.token.text)
        assert not ada.lacks_second_factor
        await adsum.second_factors.remove(ada, FactorKind.TOTP, 1)
        assert (await adsum.second_factors.own(ada)).count == 0


async def test_a_user_without_password_and_factor_confirms_by_signing_in_again(trusting: Adsum) -> None:
    await admin(trusting)
    async with trusting.database.transaction() as connection:
        await connection.execute(update(users).values(password_hash=None))
    ada = await caller(trusting)
    assert await trusting.confirmations.ways(ada) == ()
    with pytest.raises(Forbidden):
        await trusting.confirmations.confirm(ada, PASSWORD, Proof(), BROWSER)


async def test_a_half_way_sign_in_ends_with_its_time_its_user_and_its_password(demanding: Adsum) -> None:
    user = await admin(demanding)
    await add_app(demanding)
    begun = await demanding.password_sign_in.begin(EMAIL, PASSWORD, BROWSER)
    assert isinstance(begun, HalfWaySignIn)
    assert (await demanding.second_step.begun(begun.text)).user_id == user.id
    early = HalfWays(demanding.database, KeyRing.of(SECRET), lambda: system_clock() - timedelta(minutes=10))
    with pytest.raises(Unauthenticated):
        HalfWays(demanding.database, KeyRing.of(SECRET), system_clock).read(await early.begin(user))
    with pytest.raises(Unauthenticated):
        HalfWays(demanding.database, KeyRing.of(KEY), system_clock).read(begun.text)
    with pytest.raises(ConfigurationError):
        HalfWays(demanding.database, KeyRing.of(None), system_clock).read(begun.text)
    await disable(demanding.people, EMAIL)
    with pytest.raises(Unauthenticated):
        await demanding.second_step.begun(begun.text)
    assert await demanding.accounts.user_of_id(4711) is None


async def test_attempts_are_counted_in_all_processes_and_a_known_device_alone(redis_url: str) -> None:
    redis = open_redis(redis_url, connections=4, socket_timeout=5)
    here, there = code_attempts(redis), code_attempts(redis)
    unknown = CodeAttempt("one", "account", "source", None)
    for service in (here, there):
        await service.take(unknown, is_totp=True)
    with pytest.raises(TooManyAttempts) as refused:
        await there.take(CodeAttempt("two", "account", "source", None), is_totp=True)
    assert refused.value.params["retryAfter"] > 0
    # From elsewhere one-time codes of the account are limited together, recovery codes are not.
    with pytest.raises(TooManyAttempts):
        await here.take(CodeAttempt("three", "account", "elsewhere", None), is_totp=True)
    await here.take(CodeAttempt("four", "account", "a third place", None), is_totp=False)
    known = CodeAttempt("five", "account", "source", "device")
    await here.take(known, is_totp=True)
    await here.succeeded(known)  # clears the address, too
    for _ in range(2):
        await here.take(CodeAttempt("six", "account", "source", "device"), is_totp=False)
    with pytest.raises(TooManyAttempts):  # of its sign-in
        await here.take(CodeAttempt("six", "account", "source", "device"), is_totp=False)
    # One-time codes are limited on all known devices together, so that nobody gains by many of them.
    await here.take(CodeAttempt("seven", "account", "a fourth place", "device 2"), is_totp=True)
    with pytest.raises(TooManyAttempts):
        await here.take(CodeAttempt("eight", "account", "a fourth place", "device 3"), is_totp=True)
    await redis.aclose()


def code_attempts(redis: Redis) -> CodeAttempts:
    limits = CodeLimits(
        by_sign_in=AttemptLimit("factor-sign-in", 2, 900),
        by_pair=AttemptLimit("factor-account-address", 2, 900),
        by_device=AttemptLimit("factor-device", 1, 900),
        by_devices=AttemptLimit("factor-account-devices", 2, 900),
        by_account=AttemptLimit("factor-account", 2, 900),
    )
    return CodeAttempts(FailedAttempts(Shard(0, redis, "trial-")), limits)


async def test_the_kind_of_a_sign_in_decides_whether_it_is_asked(demanding: Adsum) -> None:
    await admin(demanding)
    for kind, is_asked in ((SignInKind.COMMAND, False), (SignInKind.API, True), (SignInKind.PAGE, True)):
        token = (await demanding.tokens.create(EMAIL, kind=kind)).text
        if is_asked:
            with pytest.raises(SecondFactorSetupRequired):
                await demanding.tokens.caller_of(token)
        else:
            assert not (await demanding.tokens.caller_of(token)).needs_confirmation
