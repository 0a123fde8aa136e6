"""Part `freezes`: freezes workers that process a chunk, lets others take over, and resumes the frozen workers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from tests.support.waiting import until
from tests.system.faults.aims import HeldChunk, are_released
from tests.system.faults.chaos.report import Result
from tests.system.faults.chaos.testbed import Testbed, open_testbed
from tests.system.faults.installation import Member
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
RECORDS = "SELECT * FROM attendances WHERE run_id = ANY(:runs)"
CHANGES = "SELECT * FROM attendance_changes WHERE run_id = ANY(:runs)"

Written: TypeAlias = tuple[dict[int, Any], set[Any]]


async def freezes(seed: int, minutes: float) -> Result:
    """Runs until 200 frozen workers were resumed after their run had ended, or the time is over."""
    began, injections, tries, stale = time.monotonic(), 0, 0, 0
    async with open_testbed(seed, pace=SHORT) as testbed:
        async with constant_load(testbed.load, pause=0.2, corrects=True):
            while injections < TIMES and time.monotonic() - began < minutes * 60:
                tries += 1
                went_on, changed = await _freeze(testbed)
                injections += went_on
                stale += changed
        await testbed.verify(60)
        batches, corrections = len(testbed.load.accepted), testbed.load.corrections
    figures = {
        "woken late": injections,
        **testbed.figures_of_steps,
        "of": tries,
        "stale writes": stale,
        "batches": batches,
        "corrections": corrections,
    }
    return Result("freezes", GOAL, seed, time.monotonic() - began, injections >= TIMES and stale == 0, figures)


async def _freeze(testbed: Testbed) -> tuple[bool, bool]:
    """Returns whether others finished the chunks of a frozen worker, and whether the resumed worker changed records."""
    struck = await testbed.strike(Member.freeze, breaks=False)
    if struck is None:
        return False, False
    victim, chunks = struck.worker, struck.chunks
    with suppress(TimeoutError):
        await until(lambda: are_released(testbed.installation, chunks), WITHIN_S)
    went_on = bool(chunks) and await are_released(testbed.installation, chunks)
    before = await _written(testbed, chunks)
    struck.resume()
    victim.terminate()  # it finishes its chunk
    await victim.wait_until_ended(40)
    await testbed.replace_worker(victim)
    return went_on, went_on and _is_stale(before, await _written(testbed, chunks))


async def _written(testbed: Testbed, chunks: Sequence[HeldChunk]) -> Written:
    """Returns the records that the runs of chunks inserted, by id, and the changes that they made."""
    runs = [chunk.run_id for chunk in chunks]
    records = await testbed.rows(RECORDS, runs=runs)
    return {row.id: row for row in records}, set(await testbed.rows(CHANGES, runs=runs))


def _is_stale(before: Written, after: Written) -> bool:
    """Returns whether anything was written, except corrections by later runs: they raise the version of a record."""
    (records, changes), (later, later_changes) = before, after
    rewritten = [row for record, row in later.items() if record in records and row.version <= records[record].version]
    return (
        later_changes != changes or later.keys() != records.keys() or any(row != records[row.id] for row in rewritten)
    )
