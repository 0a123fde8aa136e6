"""Part `freezes`: freezes workers that process a chunk, lets others take over, and resumes the frozen workers."""

from __future__ import annotations

import time
from contextlib import suppress

from tests.support.servers.processes import eventually
from tests.support.waiting import until
from tests.system.faults.chaos.faults import inject_fault
from tests.system.faults.chaos.report import Result
from tests.system.faults.chaos.testbed import Testbed, open_testbed
from tests.system.faults.load import constant_load

GOAL = "200 frozen workers resumed late, no stale write"
TIMES = 200
# Postgres ends an idle transaction after ten seconds; then the chunk is delivered again. A worker that freezes between
# preparing and executing a statement is not idle to Postgres and keeps its row locks: such a freeze is not counted.
WITHIN_S = 20.0
# Shorter locks than by default, so that 200 of them expire in this time.
SHORT = {
    "ADSUM_MESSAGE_LOCK": "1",
    "ADSUM_STALL_INTERVAL": "0.5",
    "ADSUM_SWEEP_INTERVAL": "0.5",
    "ADSUM_SWEEP_GRACE": "0.5",
}
OF_RUN = "SELECT * FROM attendances WHERE run_id = ANY(:runs) ORDER BY id"
ENDED = "SELECT count(*) FROM batch_runs WHERE run_id = ANY(:runs) AND state <> 'open'"


async def freezes(seed: int, minutes: float) -> Result:
    """Runs until 200 frozen workers were resumed after their run had ended, or the time is over."""
    began, injections, tries, stale = time.monotonic(), 0, 0, 0
    async with open_testbed(seed, pace=SHORT) as testbed:
        async with constant_load(testbed.load, pause=0.2):
            while injections < TIMES and time.monotonic() - began < minutes * 60:
                tries += 1
                went_on, changed = await _freeze(testbed)
                injections += went_on
                stale += changed
        await testbed.verify(60)
        batches = len(testbed.load.accepted)
    figures = {"woken late": injections, "of": tries, "stale writes": stale, "batches": batches}
    return Result("freezes", GOAL, seed, time.monotonic() - began, injections >= TIMES and stale == 0, figures)


async def _freeze(testbed: Testbed) -> tuple[bool, bool]:
    """Returns whether the runs of a frozen worker ended without it, and whether the resumed worker changed them."""
    victim = testbed.rng.choice(testbed.workers)
    injected = await inject_fault(testbed, victim, victim.freeze, breaks=False)
    if injected is None:
        return False, False
    fault, stopped_worker = injected
    runs = stopped_worker.run_ids

    async def are_ended() -> bool:
        return await testbed.number(ENDED, runs=runs) == len(runs)

    with suppress(TimeoutError):
        await until(are_ended, WITHIN_S)
    went_on = bool(runs) and await are_ended()
    before = await testbed.rows(OF_RUN, runs=runs)
    fault.resumed.set()
    victim.resume()
    victim.terminate()  # it finishes its chunk
    await eventually(lambda: not victim.is_alive, 40)
    await testbed.replace_worker(victim)
    return went_on, went_on and await testbed.rows(OF_RUN, runs=runs) != before
