"""Are the database and Valkey or Redis there, new enough, and fit for their work?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from adsum.operations.doctor.findings import Finding, error, ok, reason, warning
from adsum.operations.doctor.repository import DatabaseFacts, database_facts, ensure_writable
from adsum.operations.repository import MigrationState, migration_state
from adsum.platform.database.engine import Database
from adsum.platform.database.schema import newest_revision
from adsum.platform.errors import Unavailable
from adsum.platform.redis.inspection import RedisFacts, RedisInspection

# A server that needs longer for a few questions is away, for whoever waits.
TIME_LIMIT_S = 5.0
DRIFT = timedelta(seconds=2)
GREAT_DRIFT = timedelta(seconds=30)
OLDEST = {"PostgreSQL": (13,), "SQLite": (3, 38)}
OLDEST_REDIS = (6, 2)
FULL, NEARLY_FULL = 0.95, 0.8


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is, in words, and the commands that start it and that tell it something. Without `tell` it is the
    one of `up`, which configures it at every start.
    """

    name: str
    start: str
    tell: str | None = None

    def told(self, command: str) -> str:
        """The command line that tells it so."""
        return "adsum up  # stopped and started again" if self.tell is None else f"{self.tell} {command}"


async def check_database(database: Database, place: Place, now: Callable[[], datetime]) -> list[Finding]:
    """Takes at most `TIME_LIMIT_S`."""
    if database.is_missing:
        return [error("database", f"there is no database {place.name} yet", place.start)]
    try:
        async with asyncio.timeout(TIME_LIMIT_S):
            before = now()
            facts = await database_facts(database)
            findings = [*_judged(facts, place), *_clock("database clock", facts.clock, before, now())]
            state = await migration_state(database)
            findings.append(_migrations(state))
            if not facts.is_replica:
                await ensure_writable(database)
    except Unavailable as outage:
        return [error("database", f"{place.name} does not answer or cannot be written: {reason(outage)}", place.start)]
    except TimeoutError:
        return [error("database", f"{place.name} did not answer within {TIME_LIMIT_S:g} s", place.start)]
    return findings


def _judged(facts: DatabaseFacts, place: Place) -> list[Finding]:
    version, oldest = _dotted(facts.version), OLDEST[facts.name]
    if facts.version < oldest:
        return [error("database", f"{facts.name} {version} is older than {_dotted(oldest)}", f"upgrade {facts.name}")]
    if facts.is_replica:
        return [error("database", f"{place.name} is a read-only replica", "set ADSUM_DATABASE_URL to the primary")]
    return [ok("database", f"{facts.name} {version}, {place.name}")]


def _migrations(state: MigrationState) -> Finding:
    if state is MigrationState.BEHIND:
        return error("migrations", "the database lacks migrations of this version", "adsum migrate")
    if state is MigrationState.AHEAD:
        return warning("migrations", "the database is at the schema of a newer version", "update this installation")
    return ok("migrations", f"at revision {newest_revision()}, which is this version's")


async def check_redis(inspection: RedisInspection, place: Place, now: Callable[[], datetime]) -> list[Finding]:
    """Takes at most `TIME_LIMIT_S`."""
    try:
        async with asyncio.timeout(TIME_LIMIT_S):
            before = now()
            facts = await inspection.facts()
            clock = _clock("redis clock", facts.clock, before, now())
            findings = [_server(facts, place), *clock, _eviction(facts, place), _keeping(facts, place), _memory(facts)]
            if facts.primary is None and not facts.is_loading:
                await inspection.write()
    except Unavailable as outage:
        return [error("redis", f"{place.name} does not answer or refuses: {reason(outage)}", place.start)]
    except TimeoutError:
        return [error("redis", f"{place.name} did not answer within {TIME_LIMIT_S:g} s", place.start)]
    return findings


def _server(facts: RedisFacts, place: Place) -> Finding:
    name = f"{facts.name} {facts.version}"
    if facts.redis_version < OLDEST_REDIS:
        return error("redis", f"{name} is older than Redis {_dotted(OLDEST_REDIS)}", "upgrade to Valkey 8 or Redis 7")
    if facts.primary is not None:
        primary = f"set ADSUM_REDIS_URL to its primary, {facts.primary}"
        return error("redis", f"{place.name} is a read-only replica", primary)
    if facts.is_loading:
        return error("redis", f"{name} still loads its data", "adsum doctor  # again, in a moment")
    return ok("redis", f"{name}, {place.name}")


def _eviction(facts: RedisFacts, place: Place) -> Finding:
    if facts.eviction == "noeviction":
        return ok("eviction", "maxmemory-policy is noeviction")
    what = f"maxmemory-policy is {facts.eviction}: a full server drops parts of the queue"
    return error("eviction", what, place.told("CONFIG SET maxmemory-policy noeviction"))


def _keeping(facts: RedisFacts, place: Place) -> Finding:
    if facts.failing_write is not None:
        what = f"the server could not write {facts.failing_write}: its disk may be full"
        return error("persistence", what, "df -h  # on the machine of the server")
    if facts.is_durable is None:
        return ok("persistence", "the server's provider does not say; what is lost is rebuilt from the database")
    if not facts.is_durable:
        what = "nothing is written to disk: after a restart every open batch waits for the sweeper"
        return warning("persistence", what, place.told("CONFIG SET appendonly yes"))
    return ok("persistence", "written to disk, last time without an error")


def _memory(facts: RedisFacts) -> Finding:
    share = facts.used / facts.limit if facts.limit else 0.0
    used = f"{facts.used / 2**20:,.0f} MiB" + (f" of {facts.limit / 2**20:,.0f} ({share:.0%})" if facts.limit else "")
    more = "raise maxmemory in the server's configuration"
    if share >= FULL:
        return error("memory", f"{used} are used: the server will refuse what is queued", more)
    return warning("memory", f"{used} are used", more) if share >= NEARLY_FULL else ok("memory", f"{used} used")


def _clock(check: str, theirs: datetime | None, before: datetime, after: datetime) -> list[Finding]:
    """Compared with the middle of the question and its answer."""
    if theirs is None:
        return []
    drift = abs(theirs - (before + (after - before) / 2))
    if drift <= DRIFT:
        return [ok(check, f"within {max(drift.total_seconds(), 0.001):.3f} s of this machine's")]
    judge = error if drift > GREAT_DRIFT else warning
    return [judge(check, f"{drift.total_seconds():,.0f} s away from this machine's", "timedatectl set-ntp true")]


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
