"""Statements about runs: find, insert, close, cancel."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from itertools import accumulate
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Row, Select, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.batches.repository.tallies import FINAL_COUNTS
from adsum.batches.rules import OnExisting, RunState, Tally, is_run_id
from adsum.batches.run import AttendanceJob, Run
from adsum.batches.tables import batch_runs
from adsum.platform.database.columns import Instant, RunId
from adsum.platform.database.sql_files import input_rows, sql_file
from adsum.platform.ids import Batch

Share: TypeAlias = tuple[int, int]
"""The runs of the sessions whose id has this remainder, when it is divided by this number."""

WHOLE: Share = (0, 1)

_INSERT_RUNS = sql_file(
    "adsum.batches", "insert_runs", parameters={"accepted_at": Instant()}, returns={"run_id": RunId}
)
_INSERT_ACCEPTED_EVENTS = sql_file("adsum.batches", "insert_accepted_events")
_INSERT_END_EVENTS = sql_file("adsum.batches", "insert_end_events")
_LOCK_RUNS = sql_file("adsum.batches", "lock_runs")
_CLOSE_RUNS = sql_file(
    "adsum.batches", "close_runs", parameters={"now": Instant()}, returns={"run_id": RunId, **FINAL_COUNTS}
)
_CANCEL_JOBS = sql_file("adsum.batches", "cancel_jobs", parameters={"now": Instant()})


async def insert_runs(connection: AsyncConnection, runs: Sequence[Run], fences: Mapping[int, int]) -> set[str]:
    """Inserts open runs, all accepted at the same moment, where nothing has changed since they were decided.

    `fences`: by session, the value of its fence before any state was read on which the runs depend.

    Writes the events of these runs.

    Returns:
        The ids of the runs that were inserted. For the others, the session's fence is held or was advanced, or another
        run of the batch was inserted.
    """
    if not runs:
        return set()
    (accepted_at,) = {run.accepted_at for run in runs}
    rows = input_rows(_row(run, fences[run.batch.session_id]) for run in runs)
    inserted = await _INSERT_RUNS.fetch_all(connection, {**rows, "accepted_at": accepted_at})
    run_ids = {run_id for (run_id,) in inserted}
    if connection.dialect.name == "sqlite":
        await _INSERT_ACCEPTED_EVENTS.fetch_all(connection, {"run_ids": json.dumps(sorted(run_ids))})
    return run_ids


def _row(run: Run, fence: int) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "school_id": run.school_id,
        "class_id": run.batch.class_id,
        "session_id": run.batch.session_id,
        "learning_date": run.batch.learning_date.isoformat(),
        "number": run.number,
        "fence": fence,
        "on_existing": run.on_existing,
        "plan": [[job.to_json() for job in chunk] for chunk in run.chunks],
        "kept": list(run.kept),
        "chunk_size": run.chunk_size,
        "carried_recorded": run.carried.recorded,
        "carried_skipped": run.carried.skipped,
        "carried_cancelled": run.carried.cancelled,
        "total_jobs": run.total,
        "accepted_role": run.accepted_role,
        "user_id": run.user_id,
        "key_id": run.key_id,
        "forced_reason": run.forced_reason,
        "trace": run.trace,
    }


async def close_runs(
    connection: AsyncConnection, run_ids: Sequence[str], now: datetime, by: str | None = None
) -> dict[str, Tally]:
    """Closes the runs that are open and whose every job has an outcome. Of several callers, one closes a run.

    `by`: the process that closes them; None: a request that finds them finished.

    Returns:
        The final counts of the runs that this call closed.
    """
    await _lock(connection, run_ids)
    return await _end(connection, run_ids, RunState.CLOSED, now, by)


async def cancel_run(connection: AsyncConnection, run: Run, now: datetime) -> Run | None:
    """Cancels the jobs of a run that have no outcome, and ends it: closed if there were none, else cancelled.

    Returns:
        The run as it ended; None: it had ended before.
    """
    await _lock(connection, [run.run_id])
    cancelled = await _CANCEL_JOBS.fetch_all(connection, {"run_ids": json.dumps([run.run_id]), "now": now})
    state = RunState.CANCELLED if cancelled else RunState.CLOSED
    tally = (await _end(connection, [run.run_id], state, now, None)).get(run.run_id)
    return None if tally is None else run.ended(state, tally, now)


async def _lock(connection: AsyncConnection, run_ids: Sequence[str]) -> None:
    if connection.dialect.name != "sqlite":
        await _LOCK_RUNS.fetch_all(connection, {"run_ids": json.dumps(run_ids)})


async def _end(
    connection: AsyncConnection, run_ids: Sequence[str], state: RunState, now: datetime, by: str | None
) -> dict[str, Tally]:
    ending = {"state": state, "now": now, "ended_by": by}
    rows = await _CLOSE_RUNS.fetch_all(connection, {"run_ids": json.dumps(run_ids), **ending})
    ended = {run_id: Tally(*counts) for run_id, *counts in rows}
    await insert_end_events(connection, ended)
    return ended


async def insert_end_events(connection: AsyncConnection, run_ids: Collection[str]) -> None:
    """Writes the events of runs that this transaction has ended."""
    if run_ids:
        await _INSERT_END_EVENTS.fetch_all(connection, {"run_ids": json.dumps(list(run_ids))})


async def open_run(connection: AsyncConnection, batch: Batch) -> Run | None:
    """The open run of a batch, if there is one."""
    return await _one_run(connection, _runs().where(*of_batch(batch), batch_runs.c.state == RunState.OPEN))


async def newest_run(connection: AsyncConnection, batch: Batch) -> Run | None:
    """The run of a batch with the highest number, whatever its state."""
    return await _one_run(connection, _runs().where(*of_batch(batch)).order_by(batch_runs.c.number.desc()).limit(1))


async def find_runs(connection: AsyncConnection, run_ids: Collection[str]) -> dict[str, Run]:
    """The runs with these ids, as far as they exist."""
    rows = await connection.execute(_runs().where(batch_runs.c.run_id.in_(run_ids)))
    return {row.run_id: _run(row) for row in rows}


async def find_open_runs(connection: AsyncConnection, session_ids: Collection[int], day: date) -> dict[int, Run]:
    """The open run of each of these sessions on a day, as far as it has one."""
    c = batch_runs.c
    of_day = (c.session_id.in_(session_ids), c.learning_date == day, c.state == RunState.OPEN)
    return {row.session_id: _run(row) for row in await connection.execute(_runs().where(*of_day))}


async def open_runs_after(
    connection: AsyncConnection,
    run_id: str | None,
    accepted_before: datetime,
    limit: int,
    *,
    max_jobs: int,
    share: Share = WHOLE,
) -> list[Run]:
    """The next open runs of a share after `run_id`, in the order of their ids, which is that of their acceptance.

    At most `limit`, and at least one, but no more than have `max_jobs` together: their plans are held in memory.
    """
    c = batch_runs.c
    waiting = (c.state == RunState.OPEN, c.accepted_at < accepted_before, *_of_share(share))
    sizes = select(c.run_id, c.total_jobs).where(*waiting).order_by(c.run_id).limit(limit)
    rows = await connection.execute(sizes if run_id is None else sizes.where(c.run_id > run_id))
    chosen = _within([(row.run_id, row.total_jobs) for row in rows], max_jobs)
    if not chosen:
        return []
    whole = _runs().where(c.run_id.in_(chosen)).order_by(c.run_id)
    return [_run(row) for row in await connection.execute(whole)]


def _of_share(share: Share) -> tuple[ColumnElement[bool], ...]:
    """The condition of a share; none for a share that is the whole, which keeps the statements short."""
    number, total = share
    return () if total == 1 else (batch_runs.c.session_id % total == number,)


def _within(sizes: Sequence[tuple[str, int]], max_total: int) -> list[str]:
    """The first ids whose sizes add up to at most `max_total`; the very first in any case."""
    totals = accumulate(size for _, size in sizes)
    return [run_id for (run_id, size), total in zip(sizes, totals, strict=True) if total <= max_total or total == size]


async def runs_ended_after(
    connection: AsyncConnection, position: tuple[datetime, str], limit: int, share: Share = WHOLE
) -> list[tuple[datetime, str, Batch]]:
    """At most `limit` runs of a share after `position` (a time and a run id), in the order in which they ended.

    Without their plans: thousands may have ended since the last pass.
    """
    c = batch_runs.c
    ended_at, run_id = literal(position[0], c.ended_at.type), literal(position[1], c.run_id.type)
    statement = (
        select(c.ended_at, c.run_id, c.class_id, c.session_id, c.learning_date)
        .where(c.ended_at.is_not(None), c.pruned_at.is_(None), tuple_(c.ended_at, c.run_id) > tuple_(ended_at, run_id))
        .where(*_of_share(share))
        .order_by(c.ended_at, c.run_id)
        .limit(limit)
    )
    rows = await connection.execute(statement)
    return [(ended_at, run_id, Batch(*batch)) for ended_at, run_id, *batch in rows if ended_at is not None]


async def find_endings(
    connection: AsyncConnection, run_ids: Collection[str]
) -> dict[str, tuple[RunState, datetime | None]]:
    """The state of runs and the time at which they ended. Strings that are no run id, as a lock may hold, have none."""
    c = batch_runs.c
    valid = [run_id for run_id in run_ids if is_run_id(run_id)]
    rows = await connection.execute(select(c.run_id, c.state, c.ended_at).where(c.run_id.in_(valid)))
    return {run_id: (RunState(state), ended_at) for run_id, state, ended_at in rows}


async def batches_of_runs(connection: AsyncConnection, run_ids: Collection[str]) -> dict[str, Batch]:
    """The batches of runs, by run."""
    c = batch_runs.c
    rows = await connection.execute(
        select(c.run_id, c.class_id, c.session_id, c.learning_date).where(c.run_id.in_(run_ids))
    )
    return {run_id: Batch(*batch) for run_id, *batch in rows}


async def find_final_counts(connection: AsyncConnection, run_ids: Collection[str]) -> dict[str, Tally]:
    """The final counts of runs that have ended, by id."""
    c = batch_runs.c
    counts = (c.recorded_jobs, c.skipped_jobs, c.failed_jobs, c.cancelled_jobs)
    rows = await connection.execute(select(c.run_id, *counts).where(c.run_id.in_(run_ids), c.state != RunState.OPEN))
    return {run_id: Tally(*counts) for run_id, *counts in rows}


async def find_ended(connection: AsyncConnection, run_ids: Collection[str]) -> dict[str, datetime | None]:
    """The runs of which nothing will ever be written again, and when each completed; None: it was cancelled.

    Includes runs that the database does not have: they are older than the backup from which it was restored.
    """
    ended: dict[str, datetime | None] = {}
    endings = await find_endings(connection, run_ids)
    for run_id in run_ids:
        state, ended_at = endings.get(run_id, (None, None))
        if state is not RunState.OPEN:
            ended[run_id] = ended_at if state is RunState.CLOSED else None
    return ended


def of_batch(batch: Batch) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The condition that a run is of this batch; a session is of one class."""
    return batch_runs.c.session_id == batch.session_id, batch_runs.c.learning_date == batch.learning_date


def _runs() -> Select[*tuple[Any, ...]]:
    c = batch_runs.c
    return select(
        *(c.run_id, c.school_id, c.class_id, c.session_id, c.learning_date, c.number, c.state, c.on_existing),
        *(c.chunk_size, c.plan, c.kept, c.carried_recorded, c.carried_skipped, c.carried_cancelled, c.accepted_at),
        *(c.accepted_role, c.user_id, c.key_id, c.forced_reason, c.trace, c.ended_at),
    )


async def _one_run(connection: AsyncConnection, statement: Select[*tuple[Any, ...]]) -> Run | None:
    row = (await connection.execute(statement)).one_or_none()
    return _run(row) if row is not None else None


def _run(row: Row[*tuple[Any, ...]]) -> Run:
    return Run(
        run_id=row.run_id,
        school_id=row.school_id,
        batch=Batch(row.class_id, row.session_id, row.learning_date),
        number=row.number,
        state=RunState(row.state),
        on_existing=OnExisting(row.on_existing),
        chunk_size=row.chunk_size,
        chunks=tuple(tuple(map(AttendanceJob.from_json, chunk)) for chunk in row.plan),
        kept=tuple(row.kept),
        carried=Tally(row.carried_recorded, row.carried_skipped, cancelled=row.carried_cancelled),
        accepted_at=row.accepted_at,
        accepted_role=row.accepted_role,
        user_id=row.user_id,
        key_id=row.key_id,
        forced_reason=row.forced_reason,
        trace=row.trace,
        ended_at=row.ended_at,
    )
