"""Part `freezes`: workers freeze with a chunk in hand, others do their work, and then they wake up."""

from __future__ import annotations

import time
from contextlib import suppress

from tests.support.servers.processes import eventually
from tests.support.waiting import until
from tests.system.faults.chaos.blows import strike
from tests.system.faults.chaos.report import Result
from tests.system.faults.chaos.stage import Stage, opened_stage
from tests.system.faults.load import steady
from tests.system.faults.oracle import judge

ASKED = "200 frozen workers waking up late, not one stale write"
TIMES = 200
# Postgres ends a transaction that nothing happens in after ten seconds; then the chunk is delivered again. Only who
# froze between preparing a statement and executing it is not idle to Postgres, and keeps its rows: that does not count.
WITHIN_S = 20.0
# Locks that expire sooner than as installed: so that two hundred of them expire in this time.
SHORT = {
    "ADSUM_MESSAGE_LOCK": "1",
    "ADSUM_STALL_INTERVAL": "0.5",
    "ADSUM_SWEEP_INTERVAL": "0.5",
    "ADSUM_SWEEP_GRACE": "0.5",
}
OF_RUN = "SELECT * FROM attendances WHERE run_id = ANY(:runs) ORDER BY id"
ENDED = "SELECT count(*) FROM batch_runs WHERE run_id = ANY(:runs) AND state <> 'open'"


async def freezes(seed: int, minutes: float) -> Result:
    """Until 200 frozen workers have seen their run go on without them, or the time is over."""
    began, hits, tries, stale = time.monotonic(), 0, 0, 0
    async with opened_stage(seed, pace=SHORT) as stage:
        async with steady(stage.load, pause=0.2):
            while hits < TIMES and time.monotonic() - began < minutes * 60:
                tries += 1
                went_on, changed = await _freeze(stage)
                hits += went_on
                stale += changed
        await judge(stage.installation, stage.load.promises, within=60)
        batches = len(stage.load.accepted)
    figures = {"woken late": hits, "of": tries, "stale writes": stale, "batches": batches}
    return Result("freezes", ASKED, seed, time.monotonic() - began, hits >= TIMES and stale == 0, figures)


async def _freeze(stage: Stage) -> tuple[bool, bool]:
    """Whether a worker was frozen and its runs ended without it; whether what it did then changed any of them."""
    victim = stage.chance.choice(stage.workers)
    fell = await strike(stage, victim, victim.freeze, breaks=False)
    if fell is None:
        return False, False
    blow, struck = fell
    runs = struck.run_ids

    async def are_ended() -> bool:
        return await stage.number(ENDED, runs=runs) == len(runs)

    with suppress(TimeoutError):
        await until(are_ended, WITHIN_S)
    went_on = bool(runs) and await are_ended()
    before = await stage.rows(OF_RUN, runs=runs)
    blow.over.set()
    victim.thaw()
    victim.end()  # it finishes what it has
    await eventually(lambda: not victim.is_alive, 40)
    await stage.replace(victim)
    return went_on, went_on and await stage.rows(OF_RUN, runs=runs) != before
