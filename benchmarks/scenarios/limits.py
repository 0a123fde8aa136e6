"""Upper bounds for every design: the queue with empty jobs, and the database without a queue."""

from __future__ import annotations

import asyncio
import time

from benchmarks.checks import key_violations, of_bullmq, row_violations
from benchmarks.peer_systems import OnBullmq
from benchmarks.servers import Data
from benchmarks.sizes import STUDENTS, Size
from benchmarks.systems import DONE_S, Result, Unfinished
from benchmarks.timetable import Timetable

DONE = "empty-jobs-done"
QUEUE = "bull:attendance-queue"
INSERT = """
    INSERT INTO attendances (student_id, session_id, learning_date, class_id, status)
    SELECT student, session, day, session, 'present'
    FROM unnest($1::bigint[], $2::bigint[], $3::date[]) AS given (student, session, day)
    ON CONFLICT DO NOTHING
"""


class EmptyChunks(OnBullmq):
    """One job per class, as in Adsum, with an empty processor."""

    arguments = (OnBullmq.arguments[0], "work-empty")
    enqueues = ("on_bullmq.py", "enqueue-empty")


async def run_empty(system: EmptyChunks, size: Size) -> Result:
    """Measures the attendances per second that the worker settles if recording costs nothing."""
    system.enqueue(size.empty)
    with system.with_worker():
        begin = left = 0
        started = 0.0
        deadline = time.monotonic() + DONE_S
        while (left := await _left(system.data)) or not started:
            if not started and left < size.empty:
                begin, started = left, time.perf_counter()
            if time.monotonic() > deadline:
                raise Unfinished(f"{left} empty jobs are left")
            await asyncio.sleep(0.005)
        value = begin * STUDENTS / (time.perf_counter() - started)
    done = int(await system.data.redis.get(DONE) or 0)
    violations = [] if done == size.empty else [f"{done} of {size.empty} empty jobs were done"]
    return {"worker": value}, violations + await key_violations(
        system.data.redis, system.timetable, [*of_bullmq("attendance-queue"), DONE]
    )


async def _left(data: Data) -> int:
    async with data.redis.pipeline() as pipe:
        return sum(await pipe.llen(f"{QUEUE}:wait").llen(f"{QUEUE}:active").execute())


async def run_rows(data: Data, timetable: Timetable, size: Size, at_once: int) -> Result:
    """Inserts rows on one connection, one transaction per statement."""
    assert data.postgres is not None
    batches = timetable.take(size.rows // STUDENTS)
    rows = [
        (student, batch.session_id, batch.learning_date) for batch in batches for student in timetable.students(batch)
    ]
    statement = await data.postgres.prepare(INSERT)
    begin = time.perf_counter()
    for first in range(0, len(rows), at_once):
        await statement.fetch(*map(list, zip(*rows[first : first + at_once], strict=True)))
    value = len(rows) / (time.perf_counter() - begin)
    return {"worker": value}, await row_violations(data.postgres.fetch, timetable)
