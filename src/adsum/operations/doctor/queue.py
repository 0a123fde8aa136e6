"""Checks of open batches, of the queue and its workers, and of keys in Redis."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from adsum.batches.queue.chunks import Chunk, chunks_of
from adsum.batches.queue.control import ConnectedWorker, QueueControl, QueueState
from adsum.batches.queue.key_scanner import KeyKind, KeyScanner, ScannedKey, ScannedKeys
from adsum.batches.queue.service import QueueService
from adsum.batches.repository import runs
from adsum.batches.repository.runs import find_endings
from adsum.batches.run import Run
from adsum.batches.sweep import PAGE_JOBS, pending_students_of_runs
from adsum.operations.doctor.findings import FIX, Finding, counted, error, ok, warning
from adsum.operations.repository import known_batches, open_runs
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.ids import Batch

# The sweeper takes a few seconds. A run that has lacked messages for longer has no sweeper.
STALLED_AFTER = timedelta(seconds=60)
# A backlog that takes longer needs more workers.
LONG_BACKLOG = timedelta(minutes=5)
# Limits of the check: the oldest open runs, and their messages.
MAX_RUNS = 200
MAX_MESSAGES = 1000
# Limits of the scan: keys of the server, and keys that one query looks up.
MAX_KEYS = 200_000
PAGE = 500
# Time that a process has to release a run after it has ended it.
RELEASE_TIME = timedelta(seconds=30)

# A worker with other values is connected to another queue, and is not seen.
START = "adsum worker  # with the ADSUM_REDIS_URL, ADSUM_KEY_PREFIX and ADSUM_QUEUE_NAME of this command"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OpenBatches:
    """The state of the open runs.

    Attributes:
        number: of open runs.
        oldest: age of the oldest open run.
        stalled: ids of batches whose open run no worker will finish: their run is stalled as `Sweeper` says, BullMQ
            stores a chunk of it but never delivers that, or no job is pending.
        orphaned: their chunks whose messages BullMQ stores but never delivers.
    """

    number: int = 0
    oldest: timedelta = timedelta(0)
    stalled: Sequence[str] = ()
    orphaned: Sequence[Chunk] = ()


@dataclass(frozen=True, slots=True)
class StaleKeys:
    """Keys in Redis without a use. They do no harm and expire, except those without a time to live.

    Attributes:
        scanned: all keys of this installation.
        locks: of runs that have ended or are unknown.
        tickets: of runs that have ended or are unknown.
        counters: without a lock.
        markers: of batches that the database does not know.
        immortal: keys without a time to live.
    """

    scanned: ScannedKeys
    locks: Sequence[ScannedKey]
    tickets: Sequence[ScannedKey]
    counters: Sequence[ScannedKey]
    markers: Sequence[ScannedKey]
    immortal: Sequence[ScannedKey]


async def find_open_batches(database: Database, queue: QueueService, control: QueueControl, now: Clock) -> OpenBatches:
    """Reads the messages first and the outcomes second, so that a job processed in between has an outcome."""
    async with database.snapshot() as connection:
        number, since = await open_runs(connection)
        old = await runs.open_runs_after(connection, None, now() - STALLED_AFTER, MAX_RUNS, max_jobs=PAGE_JOBS)
    missing = await queue.find_missing(old)
    pending = await pending_students_of_runs(database, old)
    stalled, orphaned, remaining = list[str](), list[Chunk](), MAX_MESSAGES
    for run, missing_chunks in zip(old, missing, strict=True):
        due = _due_chunks(run, pending.get(run.run_id, set()))
        stored = [chunk for chunk in due if chunk not in missing_chunks]
        undelivered = await control.orphaned_messages(stored[:remaining])
        remaining -= len(stored[:remaining])
        orphaned += undelivered
        if undelivered or not due or len(stored) < len(due):
            stalled.append(run.batch.id)
    return OpenBatches(number, max(timedelta(0), now() - since) if since else timedelta(0), stalled, orphaned)


def _due_chunks(run: Run, pending: set[int]) -> list[Chunk]:
    """The chunks of a run with a pending student."""
    return [chunk for chunk in chunks_of(run) if any(job.student_id in pending for job in run.chunks[chunk.number])]


def check_open_batches(batches: OpenBatches) -> Finding:
    """Checks that a worker will receive every open batch."""
    if batches.stalled:
        return error(
            "batches",
            f"{counted(len(batches.stalled), 'batch', batches.stalled)} stalled: no worker will receive the rest",
            FIX,
        )
    if not batches.number:
        return ok("batches", "none is being processed")
    return ok("batches", f"{counted(batches.number, 'open batch')}, the oldest for {_age(batches.oldest)}")


def check_queue(state: QueueState) -> list[Finding]:
    """Checks whether the queue is paused, and BullMQ's failed set, which Adsum does not use."""
    waiting = f"{counted(state.waiting, 'message')} waiting, {state.active:,} being processed"
    findings = [ok("queue", waiting)]
    if state.is_paused:
        findings = [warning("queue", f"paused: {waiting}", "adsum queue resume")]
    if state.failed:
        message = f"{counted(state.failed, 'message')} in BullMQ's failed set: while there, it is not sent again"
        findings.append(error("failed messages", message, FIX))
    return findings


def check_workers(workers: Sequence[ConnectedWorker], state: QueueState, batches: OpenBatches) -> list[Finding]:
    """Checks that there are enough workers, and that all of them respond."""
    alive = [worker.name for worker in workers if worker.is_alive]
    silent = [worker.name for worker in workers if not worker.is_alive]
    findings = [ok("workers", counted(len(alive), "worker", alive))]
    backlog = f"{counted(batches.number, 'open batch')}, the oldest for {_age(batches.oldest)}"
    if not alive:
        none = f"none {'responds' if silent else 'is connected'}: batches are accepted, and wait"
        findings = [error("workers", f"{none}; {backlog}" if batches.number else none, START)]
    elif batches.oldest > LONG_BACKLOG and not state.is_paused:
        findings = [warning("workers", f"too few: {backlog}", "adsum worker  # one more, on any machine")]
    if silent:
        host, _, pid = silent[0].rpartition(":")
        message = f"{counted(len(silent), 'worker', silent)} did not respond lately"
        findings.append(warning("workers", message, f"kill -9 {pid}  # on {host}"))
    return findings


async def find_stale_keys(database: Database, key_scanner: KeyScanner, now: Clock, limit: int = MAX_KEYS) -> StaleKeys:
    """Reads Redis first and the database second. The database stores a run before Redis does, so that a run that the
    database does not know is older than a restored backup.
    """
    scanned = await key_scanner.scan(limit)
    locks, tickets = scanned.of(KeyKind.LOCK), scanned.of(KeyKind.TICKET)
    ended = await _ended_runs(database, {key.value for key in (*locks, *tickets)}, now())
    unknown = await _unknown_batches(
        database, {key.batch for key in scanned.of(KeyKind.MARKER) if key.batch is not None}
    )
    locked = {key.batch for key in locks}
    return StaleKeys(
        scanned,
        locks=[key for key in locks if key.value in ended],
        tickets=[key for key in tickets if key.value in ended],
        # After an incomplete scan, a lock may exist that the scan has not read.
        counters=[key for key in scanned.of(KeyKind.COUNTER) if key.batch not in locked and not scanned.is_cut_off],
        markers=[key for key in scanned.of(KeyKind.MARKER) if key.batch in unknown],
        immortal=[key for key in scanned.keys if key.lifetime is None],
    )


def check_stale_keys(stale: StaleKeys) -> list[Finding]:
    """Stale keys are warnings, because they do no harm."""
    groups = {
        "locks": (stale.locks, "lock", "whose run ended or is unknown"),
        "tickets": (stale.tickets, "ticket", "whose run ended or is unknown"),
        "counters": (stale.counters, "counter", "without a lock"),
        "markers": (stale.markers, "completion marker", "whose batch the database does not know"),
        "lifetimes": (stale.immortal, "key", "without a time to live"),
    }
    findings = [
        warning(check, f"{counted(len(keys), noun)} {fault}{_example(keys)}", FIX)
        for check, (keys, noun, fault) in groups.items()
        if keys
    ]
    if stale.scanned.is_cut_off:
        message = "the server has too many keys to scan all of them: a Redis of its own for Adsum allows it"
        findings.append(warning("keys", message, "set ADSUM_REDIS_URL to a server or a database number of its own"))
    return findings or [ok("keys", f"{counted(len(stale.scanned.keys), 'key')} in Redis, none of them stale")]


def _example(keys: Sequence[ScannedKey]) -> str:
    """The name of a key. The name of a ticket contains the id of a student and is not shown."""
    names = [key.name for key in keys if key.kind is not KeyKind.TICKET]
    return f", such as {names[0]}" if names else ""


async def _ended_runs(database: Database, run_ids: Collection[str], now: datetime) -> set[str]:
    """The runs that ended more than `RELEASE_TIME` ago or are unknown."""
    ended: set[str] = set()
    for page in _pages(run_ids):
        async with database.snapshot() as connection:
            endings = await find_endings(connection, page)
        current = {run_id for run_id, (_, at) in endings.items() if at is None or at > now - RELEASE_TIME}
        ended |= set(page) - current
    return ended


async def _unknown_batches(database: Database, batches: Collection[Batch]) -> set[Batch]:
    unknown: set[Batch] = set()
    for page in _pages(batches):
        async with database.snapshot() as connection:
            unknown |= set(page) - await known_batches(connection, page)
    return unknown


def _pages(items: Collection[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while page := list(islice(rest, PAGE)):
        yield page


def _age(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
