"""Audit entries that are added, sealed, tampered with and verified."""

from __future__ import annotations

from sqlalchemy import text

from adsum.accounts.access import system_caller
from adsum.accounts.audit.chain import ChainKeys, Link
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.audit.sealing import Sealing
from adsum.accounts.audit.verification import Verification, Verifier
from adsum.platform.clock import system_clock
from adsum.platform.database.engine import Database
from adsum.platform.keys import KeyRing

KEY, OTHER = "k" * 40, "o" * 40
KEYS = ChainKeys(KeyRing.of(KEY))


async def add(database: Database, count: int = 1) -> None:
    async with database.transaction() as connection:
        for number in range(count):
            await record(connection, system_caller(), Action.SCHOOL_CHANGED, school_id=number, after={"ä": [number]})


async def sealed(database: Database, count: int = 5, *, page: int = 2) -> None:
    await add(database, count)
    assert await Sealing(database, KEYS, page).seal() == count


async def verified(database: Database, *heads: Link, keys: ChainKeys = KEYS, page: int = 2) -> Verification:
    return await Verifier(database, keys, system_clock, page).verify(heads)


async def tamper(database: Database, *statements: str) -> None:
    """As somebody who has the rights of the owner of the database."""
    async with database.transaction() as connection:
        if database.is_postgres:
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            names = await connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
            for name in list(names):
                await connection.execute(text(f"DROP TRIGGER {name}"))
        for statement in statements:
            await connection.execute(text(statement))
