"""Fixtures for tests of accounts: the services on an open database, and a school with a teacher."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adsum.accounts.api_keys.service import ApiKeys
from adsum.accounts.passwords.hashing import Passwords
from adsum.accounts.service import Accounts
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.platform.clock import system_clock
from adsum.platform.database.engine import Database
from adsum.platform.keys import KeyRing

KEY = "k" * 40
PASSWORD = "correct horse"


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(database, Passwords())


@pytest.fixture
def tokens(database: Database) -> Tokens:
    return Tokens(database, KeyRing.of(KEY), system_clock, timedelta(hours=12))


@pytest.fixture
def api_keys(database: Database) -> ApiKeys:
    return ApiKeys(database, system_clock)
