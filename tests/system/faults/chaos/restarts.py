"""Parts `valkey` and `postgres`: kills and restarts servers while classes are marked."""

from __future__ import annotations

import asyncio
import signal
import time
from datetime import UTC, datetime

from tests.support.waiting import until
from tests.system.faults.chaos.report import Result
from tests.system.faults.chaos.testbed import Testbed, open_testbed
from tests.system.faults.load import constant_load

GOAL_VALKEY = "processing again at most 5 s after Valkey is back, 50 times"
GOAL_POSTGRES = "Postgres restarted every 5 to 20 s, for 20 minutes: nothing lost"
TIMES = 50
LATEST_S = 5.0
WITHIN_S = 120.0


async def valkey_restarts(seed: int, minutes: float) -> Result:
    """Kills and restarts Valkey 50 times."""
    began, waits = time.monotonic(), list[float]()
    async with open_testbed(seed) as testbed:
        async with constant_load(testbed.load, pause=0.2):
            while len(waits) < TIMES and time.monotonic() - began < minutes * 60:
                await asyncio.sleep(testbed.rng.uniform(0.5, 2))  # processing between restarts
                await testbed.valkey.restart()
                waits.append(await _until_processing(testbed))
        await testbed.verify(WITHIN_S)
        batches = len(testbed.load.accepted)
    figures = {
        "restarts": len(waits),
        "batches": batches,
        "p50 s": round(sorted(waits)[len(waits) // 2], 2),
        "worst s": round(max(waits), 2),
    }
    reached = len(waits) >= TIMES and max(waits) <= LATEST_S
    return Result("valkey", GOAL_VALKEY, seed, time.monotonic() - began, reached, figures)


async def postgres_restarts(seed: int, minutes: float) -> Result:
    """Crashes or stops Postgres every 5 to 20 s, and restarts it."""
    began, restarts = time.monotonic(), 0
    async with open_testbed(seed) as testbed:
        async with constant_load(testbed.load, pause=0.2):
            while time.monotonic() - began < minutes * 60:
                await asyncio.sleep(testbed.rng.uniform(5, 20))  # the interval of the goal
                await testbed.postgres.restart(testbed.rng.choice([signal.SIGQUIT, signal.SIGINT]))
                restarts += 1
        await testbed.verify(WITHIN_S)
        figures = {"restarts": restarts, "batches": len(testbed.load.accepted), "answered 503": testbed.load.refusals}
    seconds = time.monotonic() - began
    return Result("postgres", GOAL_POSTGRES, seed, seconds, seconds >= 20 * 60, figures)


async def _until_processing(testbed: Testbed) -> float:
    """Returns the seconds until another run is closed."""
    back, began = datetime.now(UTC), time.monotonic()

    async def processes() -> bool:
        return bool(await testbed.number("SELECT count(*) FROM batch_runs WHERE ended_at > :back", back=back))

    await until(processes)
    return time.monotonic() - began
