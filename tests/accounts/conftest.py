"""Fixtures for tests of accounts: the services on an open database, and a school with a teacher."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from datetime import timedelta

import pytest

from adsum.accounts.access import Role
from adsum.accounts.api_keys.service import ApiKeys
from adsum.accounts.passwords.hashing import Passwords
from adsum.accounts.second_factors.app_secrets import AppSecrets
from adsum.accounts.second_factors.attempts import CodeAttempts
from adsum.accounts.second_factors.challenges import Challenges
from adsum.accounts.second_factors.passkeys import Passkeys
from adsum.accounts.second_factors.service import SecondFactors
from adsum.accounts.second_factors.verifier import FactorVerifier
from adsum.accounts.service import Accounts
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.platform.clock import Clock, system_clock
from adsum.platform.database.engine import Database
from adsum.platform.keys import KeyPurpose, KeyRing
from adsum.platform.redis.attempts import FailedAttempts
from adsum.platform.redis.connection import open_redis
from adsum.platform.redis.shards import Shard
from adsum.platform.secret_box import SecretBox
from adsum.roster.people.service import People

KEY = "k" * 40
PASSWORD = "correct horse"


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(database, Passwords())


@pytest.fixture
def people(database: Database, accounts: Accounts) -> People:
    return People(database, accounts, system_clock)


@pytest.fixture
def tokens(database: Database) -> Tokens:
    return Tokens(database, KeyRing.of(KEY), system_clock, timedelta(hours=12))


def unused_attempts() -> FailedAttempts:
    """Counts nothing: nobody listens at this address."""
    return FailedAttempts(Shard(0, open_redis("redis://127.0.0.1:1/0", connections=1, socket_timeout=1), ""))


def new_factors(
    database: Database,
    attempts: FailedAttempts,
    now: Clock = system_clock,
    *,
    required_for: Collection[Role] = (),
    keys: KeyRing | None = None,
) -> tuple[SecondFactors, FactorVerifier]:
    keys = keys or KeyRing.of(KEY)
    passkeys = Passkeys(Challenges(keys, now))
    secrets = AppSecrets(SecretBox(keys, KeyPurpose.SECOND_FACTORS), now)
    verifier = FactorVerifier(database, passkeys, secrets, CodeAttempts(attempts), now)
    return SecondFactors(database, passkeys, secrets, now, required_for), verifier


@pytest.fixture
async def api_keys(database: Database) -> AsyncGenerator[ApiKeys]:
    opened = ApiKeys(database, system_clock)
    yield opened
    await opened.close()
