"""Part `mixed`: random faults at random times, while classes are marked."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from typing import TypeAlias

from tests.support.servers.counting import Fault, Moment
from tests.system.faults.chaos.report import Result
from tests.system.faults.chaos.testbed import Testbed, open_testbed
from tests.system.faults.installation import NUMBERING, STORING, Member
from tests.system.faults.load import constant_load

GOAL = "any fault at any time: nothing lost, doubled, stuck or left over"
WITHIN_S = 120.0
FROZEN_S = (0.2, 8.0)
AT_STATEMENT_S = 10.0
LOCK_S = 30.0

Chaos: TypeAlias = Callable[[Testbed], Awaitable[object]]
"""Injects a fault. Returns False if it interrupted nothing."""


async def mixed(seed: int, minutes: float) -> Result:
    """Injects one random fault after another until the time is over."""
    async with open_testbed(seed) as testbed:
        return await _mixed("mixed", testbed, [*FAULTS, *POSTGRES_FAULTS], seed, minutes)


async def mixed_on_sqlite(seed: int, minutes: float) -> Result:
    """The same on SQLite."""
    async with open_testbed(seed, workers=2, is_on_sqlite=True) as testbed:
        return await _mixed("sqlite", testbed, [*FAULTS, *SQLITE_FAULTS], seed, minutes)


async def _mixed(part: str, testbed: Testbed, faults: Sequence[Chaos], seed: int, minutes: float) -> Result:
    began, done = time.monotonic(), Counter[str]()
    async with constant_load(testbed.load, pause=0.2, corrects=True):
        while time.monotonic() - began < minutes * 60:
            fault = testbed.rng.choice(faults)
            if await fault(testbed) is not False:
                done[fault.__name__.removeprefix("_").replace("_", " ")] += 1
            await asyncio.sleep(testbed.rng.uniform(0, 2))  # a random interval between faults
    await testbed.verify(WITHIN_S)
    figures = {"faults": done.total(), "batches": len(testbed.load.accepted), **testbed.listeners.figures}
    figures |= dict(done.most_common()) | testbed.figures_of_steps
    return Result(part, GOAL, seed, time.monotonic() - began, reached=True, figures=figures)


async def _worker_killed(testbed: Testbed) -> bool:
    struck = await testbed.strike(Member.kill)
    if struck is None:
        return False
    await struck.worker.wait_until_ended()
    await testbed.replace_worker(struck.worker)
    return bool(struck.chunks)


async def _worker_restarted(testbed: Testbed) -> bool:
    struck = await testbed.strike(Member.terminate, breaks=False)
    if struck is None:
        return False
    struck.resume()
    await struck.worker.wait_until_ended(60)
    await testbed.replace_worker(struck.worker)
    return bool(struck.chunks)


async def _worker_frozen(testbed: Testbed) -> bool:
    struck = await testbed.strike(Member.freeze, breaks=False)
    if struck is None:
        return False
    await asyncio.sleep(testbed.rng.uniform(*FROZEN_S))  # the fault itself
    struck.resume()
    return bool(struck.chunks)


async def _api_killed(testbed: Testbed) -> None:
    testbed.api.kill()
    await testbed.api.wait_until_ended()
    await testbed.replace_api()


async def _valkey_restarted(testbed: Testbed) -> None:
    await testbed.valkey.restart(testbed.rng.choice([signal.SIGKILL, signal.SIGTERM]))


async def _valkey_frozen(testbed: Testbed) -> None:
    testbed.valkey.send(signal.SIGSTOP)
    await asyncio.sleep(testbed.rng.uniform(*FROZEN_S))  # the fault itself
    testbed.valkey.send(signal.SIGCONT)


async def _valkey_emptied(testbed: Testbed) -> None:
    testbed.empty_valkey()


async def _connections_to_valkey_cut(testbed: Testbed) -> None:
    for member in (testbed.api, *testbed.workers):
        await member.valkey.cut()


async def _workers_killed_during_a_delivery(testbed: Testbed) -> bool:
    """Kills all workers when a receiver has an event and its sender does not know yet. Returns whether it happened."""
    victims = list(testbed.workers)

    def kill() -> None:
        for victim in victims:
            victim.kill()

    try:
        await testbed.listeners.receiver.interrupt(kill)
    except TimeoutError:
        return False
    for victim in victims:
        await victim.wait_until_ended()
        await testbed.replace_worker(victim)
    return True


async def _postgres_restarted(testbed: Testbed) -> None:
    await testbed.postgres.restart(testbed.rng.choice([signal.SIGQUIT, signal.SIGINT]))


async def _postgres_frozen(testbed: Testbed) -> None:
    with testbed.postgres.frozen():
        await asyncio.sleep(testbed.rng.uniform(*FROZEN_S))  # the fault itself


async def _connections_to_postgres_cut(testbed: Testbed) -> None:
    for member in (testbed.api, *testbed.workers):
        await member.postgres.cut()


async def _numbering_worker_killed(testbed: Testbed) -> bool:
    return await _kill_at(testbed, NUMBERING)


async def _recording_of_deliveries_killed(testbed: Testbed) -> bool:
    return await _kill_at(testbed, STORING)


async def _kill_at(testbed: Testbed, statement: str) -> bool:
    """Kills the first worker that executes a statement, before or after Postgres does. Returns whether one did."""
    moment = testbed.rng.choice([Moment.BEFORE, Moment.AFTER])
    faults = [Fault(1, moment, worker.kill, named=statement) for worker in testbed.workers]
    for worker, fault in zip(testbed.workers, faults, strict=True):
        worker.postgres.arm(fault)
    waits = [asyncio.ensure_future(fault.injected.wait()) for fault in faults]
    await asyncio.wait(waits, timeout=AT_STATEMENT_S, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    killed = [worker for worker, fault in zip(testbed.workers, faults, strict=True) if fault.cancel()]
    for worker in killed:
        await worker.wait_until_ended()
        await testbed.replace_worker(worker)
    return bool(killed)


async def _sqlite_locked(testbed: Testbed) -> None:
    file = testbed.installation.adsum.database.file
    assert file is not None
    connection = sqlite3.connect(file, isolation_level=None, timeout=LOCK_S, check_same_thread=False)
    with closing(connection):
        await asyncio.to_thread(connection.execute, "BEGIN IMMEDIATE")
        await asyncio.sleep(testbed.rng.uniform(*FROZEN_S))  # the fault itself
        connection.execute("ROLLBACK")


FAULTS: list[Chaos] = [
    _worker_killed,
    _worker_restarted,
    _worker_frozen,
    _api_killed,
    _valkey_restarted,
    _valkey_frozen,
    _valkey_emptied,
    _connections_to_valkey_cut,
    _workers_killed_during_a_delivery,
]
POSTGRES_FAULTS: list[Chaos] = [
    _postgres_restarted,
    _postgres_frozen,
    _connections_to_postgres_cut,
    _numbering_worker_killed,
    _recording_of_deliveries_killed,
]
SQLITE_FAULTS: list[Chaos] = [_sqlite_locked]
