"""What operators watch: how many batches were open and how many students were recorded, and why students failed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Integer,
    String,
    Subquery,
    case,
    func,
    literal,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_class, in_visible_school
from adsum.batches.activity.rules import MINUTE, MINUTES, RunsOfMinutes
from adsum.batches.repository.outcomes import OUTCOME_OF_JOB
from adsum.batches.repository.tallies import counting
from adsum.batches.rules import FailureCount
from adsum.batches.tables import batch_runs
from adsum.platform.database.columns import BigInt, Instant, RunId

# As the partial index has it: SQLite would not know that the index serves a value that is bound.
_IS_OPEN = batch_runs.c.state == literal_column("'open'")
_FAILURES = counting(
    f"""
outcome AS (
    SELECT job.run_id, f.code, f.failed_at, {OUTCOME_OF_JOB} AS outcome FROM job {{rows_of_job}}
)
SELECT run_id, code, count(*) AS students, max(failed_at) AS last_at FROM outcome WHERE outcome = 'failed'
GROUP BY run_id, code ORDER BY run_id, students DESC, code""",
    told={"run_id": RunId, "code": String, "students": BigInt, "last_at": Instant},
)


async def runs_by_minute(connection: AsyncConnection, caller: Caller, begin: datetime) -> list[RunsOfMinutes]:
    """The runs that the caller sees and that are open, or ended at `begin` or after it: added up for each two minutes.

    Read from the indexes of open and of ended runs, and one row for all that share their minutes.
    """
    c = batch_runs.c
    recorded = (c.recorded_jobs - c.carried_recorded).label("recorded")
    accepted, ended = _minute_of_acceptance(begin).label("accepted"), _minute(c.ended_at, begin).label("ended")
    runs: Subquery = union_all(
        select(accepted, ended, recorded, c.failed_jobs.label("failed")).where(
            c.ended_at >= begin, c.pruned_at.is_(None), *_seen(caller)
        ),
        select(accepted, null(), literal(0, Integer), literal(0, Integer)).where(_IS_OPEN, *_seen(caller)),
    ).subquery()
    found = select(
        *(runs.c.accepted, runs.c.ended), func.count(), func.sum(runs.c.recorded), func.sum(runs.c.failed)
    ).group_by(runs.c.accepted, runs.c.ended)
    return [RunsOfMinutes(*row) for row in await connection.execute(found)]


async def oldest_open_run(connection: AsyncConnection, caller: Caller) -> datetime | None:
    """When the oldest of the open runs that the caller sees was accepted."""
    return await connection.scalar(select(func.min(batch_runs.c.accepted_at)).where(_IS_OPEN, *_seen(caller)))


async def count_failures(connection: AsyncConnection, run_ids: Sequence[str]) -> dict[str, list[FailureCount]]:
    """By run, why students failed, the most frequent reason first. Whoever asks sees the runs."""
    found: dict[str, list[FailureCount]] = {}
    if run_ids:
        for run_id, *failure in await _FAILURES.fetch_all(connection, {"run_ids": json.dumps(run_ids)}):
            found.setdefault(run_id, []).append(FailureCount(*failure))
    return found


def _seen(caller: Caller) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    c = batch_runs.c
    return in_visible_school(caller, c.school_id), in_visible_class(caller, c.class_id, c.learning_date)


def _minute_of_acceptance(begin: datetime) -> ColumnElement[int]:
    return case((batch_runs.c.accepted_at < begin, -1), else_=_minute(batch_runs.c.accepted_at, begin))


def _minute(moment: ColumnElement[datetime], begin: datetime) -> ColumnElement[int]:
    """The number of the minute that the moment is in; what is later than all of them is in the last one."""
    bounds = [(moment < begin + (number + 1) * MINUTE, number) for number in range(MINUTES - 1)]
    return case(*bounds, else_=MINUTES - 1)
