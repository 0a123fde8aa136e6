"""Parts `valkey` and `postgres`: servers that are killed and started again, while classes are marked."""

from __future__ import annotations

import asyncio
import signal
import time
from datetime import UTC, datetime

from tests.support.waiting import until
from tests.system.faults.chaos.report import Result
from tests.system.faults.chaos.stage import Stage, opened_stage
from tests.system.faults.load import steady
from tests.system.faults.oracle import judge

ASKED_VALKEY = "processing again at most 5 s after Valkey is back, 50 times"
ASKED_POSTGRES = "Postgres restarted every 5 to 20 s, for 20 minutes: nothing lost"
TIMES = 50
LATEST_S = 5.0
WITHIN_S = 120.0


async def valkey_restarts(seed: int, minutes: float) -> Result:
    """Valkey is killed and started again, 50 times."""
    began, waits = time.monotonic(), list[float]()
    async with opened_stage(seed) as stage:
        async with steady(stage.load, pause=0.2):
            while len(waits) < TIMES and time.monotonic() - began < minutes * 60:
                await asyncio.sleep(stage.chance.uniform(0.5, 2))  # some work in between
                await stage.valkey.restart()
                waits.append(await _until_processing(stage))
        await judge(stage.installation, stage.load.promises, within=WITHIN_S)
        batches = len(stage.load.accepted)
    figures = {
        "restarts": len(waits),
        "batches": batches,
        "p50 s": round(sorted(waits)[len(waits) // 2], 2),
        "worst s": round(max(waits), 2),
    }
    reached = len(waits) >= TIMES and max(waits) <= LATEST_S
    return Result("valkey", ASKED_VALKEY, seed, time.monotonic() - began, reached, figures)


async def postgres_restarts(seed: int, minutes: float) -> Result:
    """Postgres crashes, or is stopped, every 5 to 20 s."""
    began, restarts = time.monotonic(), 0
    async with opened_stage(seed) as stage:
        async with steady(stage.load, pause=0.2):
            while time.monotonic() - began < minutes * 60:
                await asyncio.sleep(stage.chance.uniform(5, 20))  # as asked
                await stage.postgres.restart(stage.chance.choice([signal.SIGQUIT, signal.SIGINT]))
                restarts += 1
        await judge(stage.installation, stage.load.promises, within=WITHIN_S)
        figures = {"restarts": restarts, "batches": len(stage.load.accepted), "answered 503": stage.load.refusals}
    seconds = time.monotonic() - began
    return Result("postgres", ASKED_POSTGRES, seed, seconds, seconds >= 20 * 60, figures)


async def _until_processing(stage: Stage) -> float:
    """Seconds until a run is closed that was not before."""
    back, began = datetime.now(UTC), time.monotonic()

    async def processes() -> bool:
        return bool(await stage.number("SELECT count(*) FROM batch_runs WHERE ended_at > :back", back=back))

    await until(processes)
    return time.monotonic() - began
