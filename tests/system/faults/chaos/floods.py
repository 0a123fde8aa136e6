"""Parts `flush` and `outage`: many open batches whose keys Valkey has lost."""

from __future__ import annotations

import asyncio
import time
from itertools import islice

from adsum.platform.gc_tuning import freeze_startup_objects
from tests.support.runs import inserts, make_run
from tests.support.schools import SchoolIds
from tests.system.faults.chaos.report import Result
from tests.system.faults.chaos.testbed import Testbed, open_testbed
from tests.system.faults.oracle import RECOVERY_S, wait_until_idle

GOAL_FLUSH = "500 open batches rebuilt at most 15 s after FLUSHALL, 100 times"
GOAL_OUTAGE = "open runs enqueued after a long outage: at least 2,000 a second"
OPEN = 500
TIMES = 100
LATEST_S = 15.0
OUTAGE_RUNS = 10_000
RESCUED_A_SECOND = 2_000


async def flushes(seed: int, minutes: float) -> Result:
    """Repeats: queue 500 batches without a worker, empty Valkey, start a worker, and wait until all are recorded."""
    began, waits = time.monotonic(), list[float]()
    async with open_testbed(seed, workers=0, has_proxies=False) as testbed:
        while len(waits) < TIMES and time.monotonic() - began < minutes * 60:
            await asyncio.gather(*(testbed.load.mark(batch) for batch in islice(testbed.load.batches, OPEN)))
            assert await testbed.number("SELECT count(*) FROM batch_runs WHERE state = 'open'") >= OPEN
            testbed.empty_valkey()
            emptied = time.monotonic()
            worker = await testbed.start_worker()
            await wait_until_idle(testbed.installation, 60)
            waits.append(time.monotonic() - emptied)
            worker.terminate()
            await worker.wait_until_ended(40)
        await testbed.start_worker()  # which delivers the events that receivers have refused
        await testbed.verify(RECOVERY_S)
        batches = len(testbed.load.accepted)
    figures = {
        "times": len(waits),
        "batches": batches,
        "recorded and at rest, p50 s": round(sorted(waits)[len(waits) // 2], 1),
        "worst s": round(max(waits), 1),
    }
    reached = len(waits) >= TIMES and max(waits) <= LATEST_S
    return Result("flush", GOAL_FLUSH, seed, time.monotonic() - began, reached, figures)


async def outage(seed: int, minutes: float) -> Result:
    """Accepts 10,000 runs while Valkey is unavailable, then measures how fast one sweep enqueues them, repeatedly."""
    began, speeds = time.monotonic(), list[float]()
    async with open_testbed(seed, workers=0, has_proxies=False, sweep_grace=0) as testbed:
        await _accept(testbed)
        freeze_startup_objects()  # as in a worker
        while len(speeds) < 5 and time.monotonic() - began < minutes * 60:
            testbed.empty_valkey()
            sweeping = time.monotonic()
            assert await testbed.installation.adsum.sweeper.sweep() == OUTAGE_RUNS
            speeds.append(OUTAGE_RUNS / (time.monotonic() - sweeping))
    median = sorted(speeds)[len(speeds) // 2]
    figures = {
        "runs": OUTAGE_RUNS,
        "sweeps": len(speeds),
        "median a second": round(median),
        "slowest": round(min(speeds)),
    }
    return Result("outage", GOAL_OUTAGE, seed, time.monotonic() - began, median >= RESCUED_A_SECOND, figures)


async def _accept(testbed: Testbed) -> None:
    """Inserts runs as accept does, without an HTTP request for each."""
    school = SchoolIds(1, 0, 0, testbed.classes.students, 0)
    waiting = islice(testbed.classes.batches(), OUTAGE_RUNS)
    while batches := list(islice(waiting, 500)):
        async with testbed.installation.adsum.database.transaction() as connection:
            for batch in batches:
                await make_run(connection, school, inserts(school.student_ids), batch=batch)
