"""Batches that stand still: what of them nobody will be handed, and what waits for a worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from adsum.batches.complete import queued
from adsum.batches.queue.chunks import Chunk
from adsum.batches.queue.control import QueueControl, QueueState, WorkerSeen
from adsum.batches.queue.service import QueueService
from adsum.batches.repository import runs
from adsum.batches.repository.runs import Run
from adsum.batches.sweep import PAGE_JOBS, pending_students
from adsum.operations import repository as readiness
from adsum.operations.doctor.findings import FIX, Finding, counted, error, ok, warning
from adsum.platform.database.engine import Database

# The sweeper needs a few seconds; a run that has nothing to wait for after so long has no sweeper.
STUCK_AFTER = timedelta(seconds=60)
# A queue that is longer than its workers can do in this time wants more of them.
LONG = timedelta(minutes=5)
# The oldest open runs, which are looked at; and so many of their messages.
LOOKED_AT = 200
MESSAGES = 1000


@dataclass(frozen=True, slots=True)
class OpenBatches:
    """How the open runs stand.

    Attributes:
        number: how many there are.
        oldest: the age of the oldest one.
        stuck: the batch ids of those that nobody will be handed.
        astray: messages of theirs that BullMQ has and will never give out.
    """

    number: int = 0
    oldest: timedelta = timedelta(0)
    stuck: Sequence[str] = ()
    astray: Sequence[str] = field(default_factory=list[str])


async def look_at_open_batches(
    database: Database, queue: QueueService, control: QueueControl, now: Callable[[], datetime]
) -> OpenBatches:
    """First the messages, then the outcomes: what was processed in between has an outcome."""
    async with database.snapshot() as connection:
        number, since = await readiness.open_runs(connection)
        old = await runs.open_runs_after(connection, None, now() - STUCK_AFTER, LOOKED_AT, most_jobs=PAGE_JOBS)
    missing = await queue.missing([queued(run) for run in old])
    pending = await pending_students(database, old)
    stuck, astray, left = list[str](), list[str](), MESSAGES
    for run, gone in zip(old, missing, strict=True):
        due = _due(run, pending.get(run.run_id, set()))
        there = [chunk.message_id for chunk in due if chunk not in gone]
        lost = await control.astray(there[:left])
        left -= len(there[:left])
        astray += lost
        if lost or not due or len(there) < len(due):
            stuck.append(run.batch.id)
    return OpenBatches(number, max(timedelta(0), now() - since) if since else timedelta(0), stuck, astray)


def _due(run: Run, pending: set[int]) -> list[Chunk]:
    """The messages of a run in which somebody is pending."""
    return [
        chunk for chunk in queued(run).messages if any(job.student_id in pending for job in run.chunks[chunk.number])
    ]


def check_open_batches(found: OpenBatches) -> Finding:
    """Does everything that is open wait for something?"""
    if found.stuck:
        return error(
            "batches",
            f"{counted(len(found.stuck), 'batch', found.stuck)} standing still: nobody will be handed what is left",
            FIX,
        )
    if not found.number:
        return ok("batches", "none is being processed")
    return ok("batches", f"{counted(found.number, 'open batch')}, the oldest for {_spoken(found.oldest)}")


def check_queue(state: QueueState) -> list[Finding]:
    """Paused, and what others left in BullMQ's failed set: Adsum's own failures are rows of the database."""
    waiting = f"{counted(state.waiting, 'message')} waiting, {state.active:,} being processed"
    findings = [ok("queue", waiting)]
    if state.is_paused:
        findings = [warning("queue", f"paused: {waiting}", "adsum queue resume")]
    if state.failed:
        what = f"{counted(state.failed, 'message')} in BullMQ's failed set: while there, it is not sent again"
        findings.append(error("failed messages", what, FIX))
    return findings


def check_workers(workers: Sequence[WorkerSeen], state: QueueState, found: OpenBatches) -> list[Finding]:
    """Is anybody there, and are they enough?"""
    alive = [worker.name for worker in workers if worker.is_alive]
    silent = [worker.name for worker in workers if not worker.is_alive]
    findings = [ok("workers", counted(len(alive), "worker", alive))]
    waits = f"{counted(found.number, 'open batch')}, the oldest for {_spoken(found.oldest)}"
    if not alive:
        findings = [error("workers", f"there is none; {waits}" if found.number else "there is none", "adsum worker")]
    elif found.oldest > LONG and not state.is_paused:
        findings = [warning("workers", f"too few: {waits}", "adsum worker  # one more, on any machine")]
    if silent:
        host, _, pid = silent[0].rpartition(":")
        what = f"{counted(len(silent), 'worker', silent)} said nothing lately"
        findings.append(warning("workers", what, f"kill -9 {pid}  # on {host}"))
    return findings


def _spoken(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
