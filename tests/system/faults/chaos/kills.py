"""Part `kills`: kills workers that process chunks, and at times the API, while classes are marked."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from tests.system.faults.chaos.faults import inject_fault
from tests.system.faults.chaos.report import Result
from tests.system.faults.chaos.testbed import Testbed, open_testbed
from tests.system.faults.load import constant_load

GOAL = (
    "500 SIGKILLs over 2,000 batches, a third with each of three seeds: nothing lost or left; recovery p99 at most 10 s"
)
KILLS = 170
BATCHES = 700
WORKERS = 4
PAUSE_S = 0.5
SLOWEST_S = 10.0
WITHIN_S = 120.0
OPEN = "SELECT count(*) FROM batch_runs WHERE run_id = :run AND (ended_at IS NULL OR ended_at > :at)"


async def kills(seed: int, minutes: float) -> Result:
    """Runs until 170 kills have interrupted a chunk, or the time is over."""
    began = time.monotonic()
    recoveries: dict[str, datetime] = {}
    injections = tries = apis = 0
    async with open_testbed(seed, workers=WORKERS) as testbed:
        async with constant_load(testbed.load, at_once=8):  # so that most steps of workers are those of a chunk
            while injections < KILLS and time.monotonic() - began < minutes * 60:
                tries += 1
                injections += await _kill(testbed, recoveries)
                await asyncio.sleep(PAUSE_S)  # otherwise no worker lives long enough to find stalled chunks
                if tries % 20 == 0:
                    await _kill_api(testbed)
                    apis += 1
            while len(testbed.load.accepted) < BATCHES and time.monotonic() - began < minutes * 60:
                await testbed.load.mark(next(testbed.load.batches))
        await testbed.verify(WITHIN_S)
        seconds = sorted([await _recovery(testbed, run, killed) for run, killed in recoveries.items()])
        batches = len(testbed.load.accepted)
    p99 = seconds[max(0, round(len(seconds) * 0.99) - 1)]
    figures = {
        "kills that met a chunk": injections,
        "of": tries,
        "API kills": apis,
        "batches": batches,
        "recovery p50 s": round(seconds[len(seconds) // 2], 1),
        "p99 s": round(p99, 1),
        "worst s": round(seconds[-1], 1),
    }
    reached = injections >= KILLS and batches >= BATCHES and p99 <= SLOWEST_S
    return Result("kills", GOAL, seed, time.monotonic() - began, reached, figures)


async def _kill(testbed: Testbed, recoveries: dict[str, datetime]) -> bool:
    """Kills a worker. Returns whether it was processing a chunk of an open run."""
    victim = testbed.rng.choice(testbed.workers)
    injected = await inject_fault(testbed, victim, victim.kill)
    if injected is None:
        return False
    killed = datetime.now(UTC)
    await victim.wait_until_ended()
    await testbed.replace_worker(victim)
    injection = [run_id for run_id in injected[1].run_ids if await testbed.number(OPEN, run=run_id, at=killed)]
    recoveries.update(dict.fromkeys(injection, killed))  # a run that is interrupted again counts from then on
    return bool(injection)


async def _kill_api(testbed: Testbed) -> None:
    testbed.api.kill()
    await testbed.api.wait_until_ended()
    await testbed.replace_api()


async def _recovery(testbed: Testbed, run_id: str, killed: datetime) -> float:
    """Returns the seconds from the kill until the interrupted run was closed."""
    ((ended,),) = await testbed.rows("SELECT ended_at FROM batch_runs WHERE run_id = :run", run=run_id)
    return float((ended - killed).total_seconds())
