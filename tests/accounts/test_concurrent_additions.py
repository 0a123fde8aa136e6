"""Two concurrent requests that add a user with the same email."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import insert

from adsum.accounts.access import Role
from adsum.accounts.passwords.hashing import Passwords
from adsum.accounts.rules import EmailTaken
from adsum.accounts.service import Accounts
from adsum.accounts.tables import users
from adsum.platform.database.engine import open_database
from tests.support.waiting import has_transaction_waiting_for_a_lock, until

EMAIL = "head@school.example"


async def test_of_two_concurrent_requests_the_slower_one_fails_with_email_taken(postgres_url: str) -> None:
    database = open_database(postgres_url)
    async with database.transaction() as faster:
        await faster.execute(insert(users).values(email=EMAIL, role=Role.ADMIN))
        slower = asyncio.create_task(Accounts(database, Passwords()).add_user(EMAIL, Role.ADMIN))
        await until(lambda: has_transaction_waiting_for_a_lock(database))
    with pytest.raises(EmailTaken):
        await slower
    await database.close()
