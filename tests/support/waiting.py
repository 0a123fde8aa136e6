"""Waits for conditions, with a deadline and never for a fixed time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy.pool import QueuePool

from adsum.platform.database.engine import Database

DEADLINE_S = 15.0


async def until(condition: Callable[[], Awaitable[object]], seconds: float = DEADLINE_S) -> None:
    """Polls until the condition holds."""
    async with asyncio.timeout(seconds) as deadline:
        while True:
            if await condition():
                return
            if deadline.expired():  # wait_for of Python 3.11, which redis-py calls, may swallow the cancellation
                raise TimeoutError
            await asyncio.sleep(0.01)


async def connections_returned(database: Database) -> None:
    """Waits for what services write in the background. At its end an event loop would cut it off in a transaction."""

    async def all_returned() -> bool:
        return checked_out(database) == len(database.admission.kept)

    await until(all_returned)


def checked_out(database: Database) -> int:
    """Returns the number of connections that are out of the pool, in use or kept."""
    pool = database.engine.pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout()


async def has_transaction_waiting_for_a_lock(database: Database) -> bool:
    """Returns whether a transaction on Postgres waits for a lock."""
    return await waiting_for_locks(database) > 0


async def waiting_for_locks(database: Database) -> int:
    """Returns the number of transactions on Postgres that wait for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with database.snapshot() as connection:
        return int((await connection.exec_driver_sql(waiting)).scalar_one())
