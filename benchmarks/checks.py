"""After each run: every row there, once; every batch complete; no key left. A figure whose check fails is void."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from adsum.batches.queue.ledger import MARKER
from benchmarks.timetable import Timetable

Ask = Callable[[str], Awaitable[Sequence[Sequence[Any]]]]
"""Puts one statement to a system's database, and answers with its rows."""

ROWS = """
    SELECT session_id, learning_date, count(*), count(DISTINCT student_id), min(student_id), max(student_id)
    FROM attendances GROUP BY session_id, learning_date
"""
RUNS = """
    SELECT count(*), coalesce(sum(recorded_jobs), 0), coalesce(sum(total_jobs), 0)
    FROM batch_runs WHERE state = 'closed'
"""
OPEN_RUNS = "SELECT count(*) FROM batch_runs WHERE state = 'open'"
# Of BullMQ's, which are there as long as the queue is.
FIXED = ("meta", "id", "events", "stalled-check", "marker")


async def row_violations(ask: Ask, timetable: Timetable) -> list[str]:
    """Compares what is recorded with what was given: each student of each batch once, and nobody else."""
    found = {(session, str(day)): tuple(numbers) for session, day, *numbers in await ask(ROWS)}
    wanted = {(batch.session_id, str(batch.learning_date)): timetable.students(batch) for batch in timetable.given}
    violations = [f"rows of session {session} on {day}, which nobody marked" for session, day in found.keys() - wanted]
    for place, students in wanted.items():
        right = (len(students), len(students), students[0], students[-1])
        if found.get(place) != right:
            violations.append(f"rows of session {place[0]} on {place[1]}: {found.get(place)} instead of {right}")
    return violations


async def run_violations(ask: Ask, timetable: Timetable) -> list[str]:
    """Compares what Adsum says of its runs with what was given."""
    ((still_open,),) = await ask(OPEN_RUNS)
    ((closed, recorded, total),) = await ask(RUNS)
    said, right = (closed, int(recorded), int(total)), (len(timetable.given), timetable.rows, timetable.rows)
    violations = [f"{still_open} runs are open"] if still_open else []
    return violations if said == right else [*violations, f"closed runs, recorded and total: {said} instead of {right}"]


async def key_violations(redis: Any, timetable: Timetable, fixed: Collection[str]) -> list[str]:
    """What Redis holds but for completion markers and what is always there; and the markers that it lacks."""
    markers = {f"{MARKER}{batch.id}" for batch in timetable.given}
    keys = {str(key) async for key in redis.scan_iter(count=1000)}
    left = [f"{key} is left in Redis" for key in sorted(keys - markers - set(fixed))]
    missing = [f"{key} is not in Redis" for key in sorted(markers - keys)]
    return left + missing


async def are_marked(redis: Any, timetable: Timetable) -> bool:
    """Whether every batch has its completion marker."""
    return await redis.exists(*(f"{MARKER}{batch.id}" for batch in timetable.given)) == len(timetable.given)


def of_bullmq(queue: str) -> list[str]:
    return [f"bull:{queue}:{name}" for name in FIXED]
