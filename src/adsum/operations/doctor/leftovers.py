"""Keys in Redis that belong to nothing any more, judged by the database. They do no harm; each ends by itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from adsum.batches.queue.leftovers import Kind, Leftovers, OurKey, OurKeys
from adsum.batches.repository.runs import run_endings
from adsum.operations.doctor.findings import FIX, Finding, counted, ok, warning
from adsum.operations.doctor.repository import known_batches
from adsum.platform.database.engine import Database
from adsum.platform.ids import Batch

# Keys of the server that are looked at; and how many of ours the database is asked about at once.
LIMIT = 200_000
PAGE = 500
# Whoever ended a run is given so long to release it.
GRACE = timedelta(seconds=30)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Remains:
    """What belongs to nothing: locks and tickets of runs that ended or are unknown, counters without a lock,
    completion markers of batches that are unknown, and keys that would live for ever.
    """

    keys: OurKeys
    locks: Sequence[OurKey]
    tickets: Sequence[OurKey]
    counters: Sequence[OurKey]
    markers: Sequence[OurKey]
    immortal: Sequence[OurKey]


async def look_for_remains(
    database: Database, leftovers: Leftovers, now: Callable[[], datetime], limit: int = LIMIT
) -> Remains:
    """First Redis, then the database, which knows a run before Redis does. So what it does not know is of before it was
    restored.
    """
    keys = await leftovers.scan(limit)
    locks, tickets = keys.of(Kind.LOCK), keys.of(Kind.TICKET)
    over = await _over(database, {key.holds for key in (*locks, *tickets)}, now())
    unknown = await _unknown(database, {key.batch for key in keys.of(Kind.MARKER) if key.batch is not None})
    locked = {key.batch for key in locks}
    return Remains(
        keys,
        locks=[key for key in locks if key.holds in over],
        tickets=[key for key in tickets if key.holds in over],
        # Of a scan that was cut off nobody knows what it has not seen.
        counters=[key for key in keys.of(Kind.COUNTER) if key.batch not in locked and not keys.is_cut_off],
        markers=[key for key in keys.of(Kind.MARKER) if key.batch in unknown],
        immortal=[key for key in keys.keys if key.lifetime is None],
    )


def check_remains(remains: Remains) -> list[Finding]:
    """Warnings, not errors: all of it is in nobody's way."""
    wrong = {
        "locks": (remains.locks, "lock", "whose run ended or is unknown"),
        "tickets": (remains.tickets, "ticket", "whose run ended or is unknown"),
        "counters": (remains.counters, "counter", "without a lock"),
        "markers": (remains.markers, "completion marker", "whose batch the database does not know"),
        "lifetimes": (remains.immortal, "key", "without a time to live"),
    }
    findings = [
        warning(check, f"{counted(len(keys), what)} {how}{_example(keys)}", FIX)
        for check, (keys, what, how) in wrong.items()
        if keys
    ]
    if remains.keys.is_cut_off:
        what = "the server holds too many keys to look at all of them: a Redis of Adsum's own shows more"
        findings.append(warning("keys", what, "set ADSUM_REDIS_URL to a server or a database number of its own"))
    return findings or [ok("keys", f"{counted(len(remains.keys.keys), 'key')} of ours in Redis, all in order")]


def _example(keys: Sequence[OurKey]) -> str:
    """Of a ticket not even the name is told: a student's id is in it."""
    named = [key.name for key in keys if key.kind is not Kind.TICKET]
    return f", such as {named[0]}" if named else ""


async def _over(database: Database, run_ids: Collection[str], now: datetime) -> set[str]:
    """Which of these runs ended a while ago, or are unknown."""
    over: set[str] = set()
    for page in _pages(run_ids):
        async with database.snapshot() as connection:
            endings = await run_endings(connection, page)
        standing = {run_id for run_id, each in endings.items() if each.ended_at is None or each.ended_at > now - GRACE}
        over |= set(page) - standing
    return over


async def _unknown(database: Database, batches: Collection[Batch]) -> set[Batch]:
    unknown: set[Batch] = set()
    for page in _pages(batches):
        async with database.snapshot() as connection:
            unknown |= set(page) - await known_batches(connection, page)
    return unknown


def _pages(items: Collection[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while page := list(islice(rest, PAGE)):
        yield page
