"""Parts `flush` and `outage`: very many open batches of which Valkey knows nothing any more."""

from __future__ import annotations

import asyncio
import time
from itertools import islice

from tests.support.runs import inserts, make_run
from tests.support.schools import SchoolIds
from tests.system.faults.chaos.report import Result
from tests.system.faults.chaos.stage import Stage, opened_stage
from tests.system.faults.oracle import at_rest, judge

ASKED_FLUSH = "500 open batches rebuilt at most 15 s after FLUSHALL, 100 times"
ASKED_OUTAGE = "open runs driven on after a long outage: at least 2,000 a second"
OPEN = 500
TIMES = 100
LATEST_S = 15.0
OUTAGE_RUNS = 10_000
DRIVEN_A_SECOND = 2_000


async def flushes(seed: int, minutes: float) -> Result:
    """The workers are gone, 500 batches wait, Valkey is emptied, a worker comes; until all of them are recorded."""
    began, waits = time.monotonic(), list[float]()
    async with opened_stage(seed, workers=0, has_proxies=False) as stage:
        while len(waits) < TIMES and time.monotonic() - began < minutes * 60:
            await asyncio.gather(*(stage.load.mark(batch) for batch in islice(stage.load.batches, OPEN)))
            assert await stage.number("SELECT count(*) FROM batch_runs WHERE state = 'open'") >= OPEN
            stage.empty_valkey()
            emptied = time.monotonic()
            worker = await stage.hire()
            await at_rest(stage.installation, 60)
            waits.append(time.monotonic() - emptied)
            worker.end()
            await worker.gone(40)
        await judge(stage.installation, stage.load.promises)
        batches = len(stage.load.accepted)
    figures = {
        "times": len(waits),
        "batches": batches,
        "recorded and at rest, p50 s": round(sorted(waits)[len(waits) // 2], 1),
        "worst s": round(max(waits), 1),
    }
    reached = len(waits) >= TIMES and max(waits) <= LATEST_S
    return Result("flush", ASKED_FLUSH, seed, time.monotonic() - began, reached, figures)


async def outage(seed: int, minutes: float) -> Result:
    """10,000 runs were accepted while Valkey was away; one sweep claims and enqueues all of them, again and again."""
    began, speeds = time.monotonic(), list[float]()
    async with opened_stage(seed, workers=0, has_proxies=False, sweep_grace=0) as stage:
        await _accept(stage)
        while len(speeds) < 5 and time.monotonic() - began < minutes * 60:
            stage.empty_valkey()
            sweeping = time.monotonic()
            assert await stage.installation.adsum.sweeper.sweep() == OUTAGE_RUNS
            speeds.append(OUTAGE_RUNS / (time.monotonic() - sweeping))
    median = sorted(speeds)[len(speeds) // 2]
    figures = {
        "runs": OUTAGE_RUNS,
        "sweeps": len(speeds),
        "median a second": round(median),
        "slowest": round(min(speeds)),
    }
    return Result("outage", ASKED_OUTAGE, seed, time.monotonic() - began, median >= DRIVEN_A_SECOND, figures)


async def _accept(stage: Stage) -> None:
    """As accept does it, without a request for each."""
    school = SchoolIds(1, 0, 0, stage.classes.students, 0)
    waiting = islice(stage.classes.batches(), OUTAGE_RUNS)
    while batches := list(islice(waiting, 500)):
        async with stage.installation.adsum.database.transaction() as connection:
            for batch in batches:
                await make_run(connection, school, inserts(school.student_ids), batch=batch)
