"""The runs of batches: finding them again."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.attendance.rules import Mark
from adsum.batches.plan import AttendanceJob
from adsum.batches.rules import RunState
from adsum.batches.tables import batch_runs
from adsum.platform.ids import Batch

_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Run:
    """One accepted submission of a batch, with the jobs of each of its chunks; without any once it is pruned."""

    run_id: str
    school_id: int
    batch: Batch
    state: RunState
    chunk_size: int
    chunks: tuple[tuple[AttendanceJob, ...], ...]
    accepted_at: datetime

    @property
    def jobs(self) -> list[AttendanceJob]:
        return [job for chunk in self.chunks for job in chunk]

    @property
    def is_pruned(self) -> bool:
        """No run is made without a job."""
        return not self.chunks


async def open_run(connection: AsyncConnection, batch: Batch) -> Run | None:
    """The open run of a batch, if there is one."""
    return await _one_run(connection, _runs().where(*of_batch(batch), batch_runs.c.state == RunState.OPEN))


async def newest_run(connection: AsyncConnection, batch: Batch) -> Run | None:
    """The run of a batch with the highest number, whatever its state."""
    return await _one_run(connection, _runs().where(*of_batch(batch)).order_by(batch_runs.c.number.desc()).limit(1))


async def find_run(connection: AsyncConnection, run_id: str) -> Run | None:
    """The run of this id, if it is there."""
    return (await find_runs(connection, [run_id])).get(run_id)


async def find_runs(connection: AsyncConnection, run_ids: Collection[str]) -> dict[str, Run]:
    """Those of these runs that are there, by their ids."""
    rows = await connection.execute(_runs().where(batch_runs.c.run_id.in_(run_ids)))
    return {row.run_id: _run(row) for row in rows}


@dataclass(frozen=True, slots=True)
class RunEnding:
    """Whether a run has ended, and when it completed; a cancelled run never did."""

    state: RunState
    ended_at: datetime | None

    @property
    def has_ended(self) -> bool:
        return self.state is not RunState.OPEN

    @property
    def completed_at(self) -> datetime | None:
        return self.ended_at if self.state is RunState.CLOSED else None


async def open_runs_after(
    connection: AsyncConnection, run_id: str | None, accepted_before: datetime, limit: int, *, most_jobs: int
) -> list[Run]:
    """The next open runs by run id, which is the order of their acceptance, from beyond `run_id`.

    At most `limit`, and no more than have `most_jobs` together, but one at least: their plans are held in memory.
    """
    c = batch_runs.c
    waiting = (c.state == RunState.OPEN, c.accepted_at < accepted_before)
    sizes = select(c.run_id, c.total_jobs).where(*waiting).order_by(c.run_id).limit(limit)
    rows = await connection.execute(sizes if run_id is None else sizes.where(c.run_id > run_id))
    chosen = _within([(row.run_id, row.total_jobs) for row in rows], most_jobs)
    if not chosen:
        return []
    whole = _runs().where(c.run_id.in_(chosen)).order_by(c.run_id)
    return [_run(row) for row in await connection.execute(whole)]


def _within(sizes: Sequence[tuple[str, int]], most: int) -> list[str]:
    """The first of these whose sizes are `most` together; the very first in any case."""
    totals = accumulate(size for _, size in sizes)
    return [run_id for (run_id, size), total in zip(sizes, totals, strict=True) if total <= most or total == size]


async def runs_ended_after(
    connection: AsyncConnection, place: tuple[datetime, str], limit: int
) -> list[tuple[datetime, str, Batch]]:
    """At most `limit` runs in the order in which they ended, from beyond the moment and run id of `place`.

    Without their plans: while a country's classes are marked, thousands end between two looks.
    """
    c = batch_runs.c
    moment, run_id = literal(place[0], c.ended_at.type), literal(place[1], c.run_id.type)
    statement = (
        select(c.ended_at, c.run_id, c.class_id, c.session_id, c.learning_date)
        .where(c.ended_at.is_not(None), c.pruned_at.is_(None), tuple_(c.ended_at, c.run_id) > tuple_(moment, run_id))
        .order_by(c.ended_at, c.run_id)
        .limit(limit)
    )
    rows = await connection.execute(statement)
    return [(ended_at, run_id, Batch(*batch)) for ended_at, run_id, *batch in rows if ended_at is not None]


async def run_endings(connection: AsyncConnection, run_ids: Collection[str]) -> dict[str, RunEnding]:
    """Of those runs that are there, whether and how each ended. What is no run's id, as anybody could write it into a
    lock, is of none.
    """
    c = batch_runs.c
    possible = [run_id for run_id in run_ids if _RUN_ID.fullmatch(run_id)]
    rows = await connection.execute(select(c.run_id, c.state, c.ended_at).where(c.run_id.in_(possible)))
    return {run_id: RunEnding(RunState(state), ended_at) for run_id, state, ended_at in rows}


async def runs_over(connection: AsyncConnection, run_ids: Collection[str]) -> dict[str, datetime | None]:
    """Of those of these runs of which nothing will ever be written again, when each completed; None: it never did.

    Over are also those that the database does not know: they are of before it was restored, and nobody will end them.
    """
    found = await run_endings(connection, run_ids)
    over = [run_id for run_id in run_ids if run_id not in found or found[run_id].has_ended]
    return {run_id: found[run_id].completed_at if run_id in found else None for run_id in over}


def of_batch(batch: Batch) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The condition that a run is of this batch; a session is of one class."""
    return batch_runs.c.session_id == batch.session_id, batch_runs.c.learning_date == batch.learning_date


def _runs() -> Select[*tuple[Any, ...]]:
    c = batch_runs.c
    return select(
        c.run_id, c.school_id, c.class_id, c.session_id, c.learning_date, c.state, c.chunk_size, c.plan, c.accepted_at
    )


async def _one_run(connection: AsyncConnection, statement: Select[*tuple[Any, ...]]) -> Run | None:
    row = (await connection.execute(statement)).one_or_none()
    return _run(row) if row is not None else None


def _run(row: Row[*tuple[Any, ...]]) -> Run:
    chunks = tuple(tuple(_job(entry) for entry in chunk) for chunk in row.plan)
    batch = Batch(row.class_id, row.session_id, row.learning_date)
    return Run(row.run_id, row.school_id, batch, RunState(row.state), row.chunk_size, chunks, row.accepted_at)


def _job(entry: dict[str, Any]) -> AttendanceJob:
    mark = Mark(
        entry["status"],
        entry.get("note"),
        arrived_at=entry.get("arrived"),
        left_at=entry.get("left"),
        absence_id=entry.get("absence"),
    )
    return AttendanceJob(entry["student"], mark, entry.get("version"))
