"""Checks after each case: each row is recorded once, each batch is complete, no key is left. A failed check voids the
figures.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from adsum.batches.queue.ledger import MARKER
from adsum.platform.redis.rates import RATES
from benchmarks.timetable import Timetable

Query = Callable[[str], Awaitable[Sequence[Sequence[Any]]]]
"""Runs one statement on a system's database and returns its rows."""

ROWS = """
    SELECT session_id, learning_date, count(*), count(DISTINCT student_id), min(student_id), max(student_id)
    FROM attendances GROUP BY session_id, learning_date
"""
RUNS = """
    SELECT count(*), coalesce(sum(recorded_jobs), 0), coalesce(sum(total_jobs), 0)
    FROM batch_runs WHERE state = 'closed'
"""
OPEN_RUNS = "SELECT count(*) FROM batch_runs WHERE state = 'open'"
# Keys that BullMQ keeps as long as the queue exists.
FIXED = ("meta", "id", "events", "stalled-check", "marker")


async def row_violations(query: Query, timetable: Timetable) -> list[str]:
    """Compares the records with the submitted batches: each student is recorded once, and no other student."""
    found = {(session, str(day)): tuple(numbers) for session, day, *numbers in await query(ROWS)}
    batches = {(batch.session_id, str(batch.learning_date)): timetable.students(batch) for batch in timetable.batches}
    violations = [
        f"rows of session {session} on {day}, which was not submitted" for session, day in found.keys() - batches
    ]
    for place, students in batches.items():
        expected = (len(students), len(students), students[0], students[-1])
        if found.get(place) != expected:
            violations.append(f"rows of session {place[0]} on {place[1]}: {found.get(place)} instead of {expected}")
    return violations


async def run_violations(query: Query, timetable: Timetable) -> list[str]:
    """Compares Adsum's counts of its runs with the submitted batches."""
    ((still_open,),) = await query(OPEN_RUNS)
    ((closed, recorded, total),) = await query(RUNS)
    reported, expected = (closed, int(recorded), int(total)), (len(timetable.batches), timetable.rows, timetable.rows)
    violations = [f"{still_open} runs are open"] if still_open else []
    return (
        violations
        if reported == expected
        else [*violations, f"closed runs, recorded and total: {reported} instead of {expected}"]
    )


async def key_violations(redis: Any, timetable: Timetable, fixed: Collection[str]) -> list[str]:
    """Returns unexpected keys in Redis, and batches without a completion marker."""
    markers = {f"{MARKER}{batch.id}" for batch in timetable.batches}
    keys = {str(key) async for key in redis.scan_iter(count=1000)}
    # Rate limits count for a minute whoever sends many requests.
    left = [f"{key} is left in Redis" for key in sorted(keys - markers - set(fixed)) if not key.startswith(f"{RATES}:")]
    missing = [f"{key} is not in Redis" for key in sorted(markers - keys)]
    return left + missing


async def have_markers(redis: Any, timetable: Timetable) -> bool:
    """Returns whether each batch has its completion marker."""
    return await redis.exists(*(f"{MARKER}{batch.id}" for batch in timetable.batches)) == len(timetable.batches)


def of_bullmq(queue: str) -> list[str]:
    """Returns BullMQ's permanent keys of a queue."""
    return [f"bull:{queue}:{name}" for name in FIXED]
