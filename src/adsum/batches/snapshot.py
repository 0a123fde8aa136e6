"""Look: what stands of the batches that are to be decided upon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from adsum.attendance.statuses.repository import find_statuses
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.batches.repository import closing, runs, tallies
from adsum.batches.repository.closing import ClosedRun
from adsum.batches.repository.runs import Run
from adsum.batches.repository.standing import Standing, find_standing
from adsum.platform.database.engine import Connection
from adsum.platform.ids import Batch


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of batches.

    Attributes:
        standing: what there is of each.
        statuses: of those schools where it matters what a status counts as.
        open_runs: those that go on.
        idle: those that are open with nothing left to do: they stand in nobody's way, and are to be closed.
        closed: those of them that were.
    """

    standing: Mapping[Batch, Standing]
    statuses: Mapping[int, SchoolStatuses]
    open_runs: Mapping[Batch, Run] = field(default_factory=dict[Batch, Run])
    idle: Mapping[Batch, Run] = field(default_factory=dict[Batch, Run])
    closed: Mapping[Batch, tuple[Run, ClosedRun]] = field(default_factory=dict[Batch, tuple[Run, ClosedRun]])


async def look(connection: Connection, schools: Mapping[Batch, int]) -> Sight:
    """What stands of these batches, which are of these schools. Locks nothing, and waits for nobody."""
    standing = await find_standing(connection, schools) if schools else {}
    # What a status counts as is asked only where something of the office's stands before what is sent.
    preceded = {schools[batch] for batch, each in standing.items() if each.is_preceding}
    statuses = await find_statuses(connection, preceded) if preceded else {}
    going_on = {batch: each.newest_run for batch, each in standing.items() if each.is_open and each.newest_run}
    if not going_on:
        return Sight(standing, statuses)
    found = await runs.find_runs(connection, list(going_on.values()))
    tally = await tallies.tallies_of(connection, list(going_on.values()))
    idle = {batch: found[run_id] for batch, run_id in going_on.items() if not tally[run_id].remaining}
    open_runs = {batch: found[run_id] for batch, run_id in going_on.items() if batch not in idle}
    return Sight(standing, statuses, open_runs, idle)


async def close_idle(connection: Connection, sight: Sight, now: datetime) -> Sight:
    """Closes the idle runs, within a transaction that has the turns of their sessions.

    The lock of one that is closed for nobody in the end, since its submission is refused, is left to the sweeper.
    """
    if not sight.idle:
        return sight
    closed = await closing.close_runs(connection, [run.run_id for run in sight.idle.values()], now)
    ended = {batch: (run, closed[run.run_id]) for batch, run in sight.idle.items() if run.run_id in closed}
    # What its last jobs have written may be newer than what was seen at first.
    anew = await find_standing(connection, list(sight.idle))
    return replace(sight, standing={**sight.standing, **anew}, closed=ended)
