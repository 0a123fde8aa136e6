"""Part `kills`: kills workers that process chunks, and at times the API, while classes are marked."""

from __future__ import annotations

import asyncio
import time

from tests.system.faults.aims import HeldChunk, are_released
from tests.system.faults.chaos.report import Result
from tests.system.faults.chaos.testbed import Testbed, open_testbed
from tests.system.faults.installation import Member
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
SAMPLE_S = 0.1


async def kills(seed: int, minutes: float) -> Result:
    """Runs until 170 kills have interrupted a chunk, or the time is over."""
    began = time.monotonic()
    recoveries: dict[HeldChunk, asyncio.Task[float]] = {}
    injections = tries = apis = 0
    async with open_testbed(seed, workers=WORKERS) as testbed:
        async with constant_load(testbed.load, at_once=4, pause=0.1, corrects=True):
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
        seconds = sorted(await asyncio.gather(*recoveries.values()))
        batches, corrections = len(testbed.load.accepted), testbed.load.corrections
    p99 = seconds[max(0, round(len(seconds) * 0.99) - 1)]
    figures = {
        "kills that met a chunk": injections,
        **testbed.figures_of_steps,
        "of": tries,
        "API kills": apis,
        "batches": batches,
        "corrections": corrections,
        "recovery p50 s": round(seconds[len(seconds) // 2], 1),
        "p99 s": round(p99, 1),
        "worst s": round(seconds[-1], 1),
    }
    reached = injections >= KILLS and batches >= BATCHES and p99 <= SLOWEST_S
    return Result("kills", GOAL, seed, time.monotonic() - began, reached, figures)


async def _kill(testbed: Testbed, recoveries: dict[HeldChunk, asyncio.Task[float]]) -> bool:
    """Kills a worker at a step of a chunk. Returns whether one was killed that had a chunk."""
    struck = await testbed.strike(Member.kill)
    if struck is None:
        return False
    for chunk in struck.chunks:
        if chunk in recoveries:
            recoveries[chunk].cancel()  # a chunk that is interrupted again counts from then on
        recoveries[chunk] = asyncio.create_task(_recovery(testbed, chunk))
    await struck.worker.wait_until_ended()
    await testbed.replace_worker(struck.worker)
    return bool(struck.chunks)


async def _kill_api(testbed: Testbed) -> None:
    testbed.api.kill()
    await testbed.api.wait_until_ended()
    await testbed.replace_api()


async def _recovery(testbed: Testbed, chunk: HeldChunk) -> float:
    """Returns the seconds until the message of an interrupted chunk is finished and its run is released."""
    began = time.monotonic()
    while not await are_released(testbed.installation, [chunk]):  # noqa: ASYNC110 - other processes have no event
        await asyncio.sleep(SAMPLE_S)
    return time.monotonic() - began
