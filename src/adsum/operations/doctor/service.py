"""The doctor: runs all checks and repairs what is safe to repair."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from adsum.accounts.api_keys.service import ApiKeys
from adsum.batches.queue.control import QueueControl, QueueState
from adsum.batches.queue.key_scanner import KeyKind, KeyScanner
from adsum.batches.queue.ledger import Ledger, Tickets
from adsum.batches.queue.service import QueueService
from adsum.batches.sharding.service import EarlierShards
from adsum.batches.sweep import Sweeper
from adsum.operations.doctor.audit import check_audit
from adsum.operations.doctor.environment import (
    InspectedServer,
    Installation,
    check_connections,
    check_database,
    check_installation,
    check_redis,
    close_to_others,
    free_bytes,
    open_to_others,
)
from adsum.operations.doctor.events import check_events
from adsum.operations.doctor.findings import Finding, counted, error, has_no_error, warning
from adsum.operations.doctor.keys import CHECK as API_KEYS
from adsum.operations.doctor.keys import check_keys
from adsum.operations.doctor.pool import CHECK as POOL
from adsum.operations.doctor.pool import check_left_clients, check_pool
from adsum.operations.doctor.queue import (
    OpenBatches,
    StaleKeys,
    check_open_batches,
    check_queue,
    check_stale_keys,
    check_workers,
    find_open_batches,
    find_stale_keys,
)
from adsum.operations.doctor.roster_sync import CHECK as ROSTER_SYNC
from adsum.operations.doctor.roster_sync import check_roster_sync
from adsum.operations.doctor.shards import check_shards
from adsum.operations.doctor.standby import check_standby
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database, RejectedRows
from adsum.platform.database.standby import Standby
from adsum.platform.errors import Unavailable, reason
from adsum.platform.keys import KeyRing
from adsum.platform.redis.inspection import RedisInspection
from adsum.roster.syncing.schedule import Schedule

# The limit for all checks that need both servers.
TIMEOUT_S = 20.0
HIDDEN = "permit CLIENT LIST to the user of ADSUM_REDIS_URL; `adsum queue status` shows whether messages wait"
# Checks that are skipped while a server is unavailable.
SERVER_CHECKS = (
    *("migrations", "eviction", "persistence", "memory", "queue", "workers", "batches", "keys", "audit"),
    *("events", "webhooks"),
    POOL,
    API_KEYS,
    ROSTER_SYNC,
)


@dataclass(frozen=True, slots=True)
class Deployment:
    """The servers and files that the doctor checks. `inspections`: of the home shard, then of the others."""

    database: Database
    standby: Standby | None
    standby_servers: Sequence[InspectedServer]
    database_server: InspectedServer
    redis_server: InspectedServer
    inspections: Sequence[RedisInspection]
    queue: QueueService
    control: QueueControl
    earlier_shards: EarlierShards
    key_scanner: KeyScanner
    api_keys: ApiKeys
    installation: Installation
    roster_schedule: Schedule | None


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The findings, and the faults that can be repaired. `stale_keys` None: a server was unavailable."""

    findings: list[Finding]
    batches: OpenBatches = field(default_factory=OpenBatches)
    stale_keys: StaleKeys | None = None

    @property
    def skipped(self) -> list[str]:
        """The checks that were not made. A missing finding does not mean that there is no fault."""
        if self.stale_keys is not None:
            return []
        made = {finding.check for finding in self.findings}
        return [check for check in SERVER_CHECKS if check not in made]


class Doctor:
    """Checks and repairs a deployment."""

    def __init__(self, deployment: Deployment, repair: Repair, now: Clock) -> None:
        self._deployment = deployment
        self._repair = repair
        self._now = now

    async def check(self) -> CheckReport:
        """Runs all checks. Changes nothing. An unavailable server is a finding."""
        parts = self._deployment
        database, (redis, is_home_usable) = await asyncio.gather(
            check_database(parts.database, parts.database_server, self._now),
            check_redis(parts.inspections, parts.redis_server, self._now),
        )
        redis_server = parts.redis_server.at(parts.inspections[0].primary)
        connections = check_connections(parts.database_server, *parts.standby_servers, redis_server)
        findings = [*database, *redis, connections, *check_installation(parts.installation, free_bytes)]
        # A Redis with wrong settings still responds, and so do the other servers of a cluster.
        if not (has_no_error(database) and is_home_usable):
            return CheckReport(findings)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._check_batches(findings)
        except (Unavailable, RejectedRows) as outage:
            cause = reason(outage) if isinstance(outage, Unavailable) else str(outage)
            findings.append(error("batches", f"a server became unavailable: {cause}", "adsum doctor"))
        except TimeoutError:
            findings.append(error("batches", f"not finished within {TIMEOUT_S:g} s", "adsum doctor"))
        return CheckReport(findings)

    async def repair(self, report: CheckReport) -> list[str]:
        """Repairs what is safe to repair at any time. Returns a line for each repair.

        Raises:
            Unavailable: a server became unavailable. Repeating the repair is safe.
        """
        done: list[str] = []
        if closed := close_to_others(open_to_others(self._deployment.installation)):
            done.append(f"closed {', '.join(map(str, closed))} to other users")
        if report.stale_keys is not None:
            done += await self._repair.clear(report.stale_keys)
            done += await self._repair.rescue(report.batches)
        return done

    async def _check_batches(self, findings: list[Finding]) -> CheckReport:
        parts = self._deployment
        findings += await check_shards(parts.queue, parts.control, parts.earlier_shards)
        state = await parts.control.state()
        batches = await find_open_batches(parts.database, parts.queue, parts.control, self._now)
        stale_keys = await find_stale_keys(parts.database, parts.key_scanner, self._now)
        keys = KeyRing(parts.installation.signing_keys, self._now)
        more = [
            *check_queue(state),
            *await self._check_workers(state, batches),
            await check_pool(parts.database, await self._count_workers()),
            *await check_left_clients(parts.database),
            check_open_batches(batches),
            *check_stale_keys(stale_keys),
            *await check_standby(parts.standby),
            *await check_keys(parts.api_keys),
            await check_audit(parts.database, keys, self._now),
            *await check_events(parts.database, keys, self._now),
            await check_roster_sync(parts.database, parts.roster_schedule, self._now),
        ]
        return CheckReport([*findings, *more], batches, stale_keys)

    async def _check_workers(self, state: QueueState, batches: OpenBatches) -> list[Finding]:
        try:
            return check_workers(await self._deployment.control.workers(), state, batches)
        except Unavailable as outage:
            hidden = f"unknown, because the server hides its clients: {reason(outage)}"
            return [warning("workers", hidden, HIDDEN)]

    async def _count_workers(self) -> int:
        """0 where the server hides its clients."""
        with suppress(Unavailable):
            return len(await self._deployment.control.workers())
        return 0


class Repair:
    """Repairs of Redis and of open batches. Lifetimes are in seconds.

    Each repair compares before it deletes, so that a key that another process has taken meanwhile stays.
    """

    def __init__(
        self,
        ledger: Ledger,
        control: QueueControl,
        key_scanner: KeyScanner,
        sweepers: Sequence[Sweeper],
        *,
        lock_ttl: int,
        completed_ttl: int,
    ) -> None:
        self._ledger = ledger
        self._control = control
        self._key_scanner = key_scanner
        self._sweepers = sweepers
        self._lock_ttl = lock_ttl
        self._completed_ttl = completed_ttl

    async def clear(self, stale: StaleKeys) -> list[str]:
        """Deletes stale keys, and sets a time to live for keys without one."""
        # A counter without a lock belongs to no run. The release compares with an empty lock.
        releases = [
            Tickets(key.batch, key.value if key.kind is KeyKind.LOCK else "", [], None)
            for key in (*stale.locks, *stale.counters)
            if key.batch is not None  # the name contains the batch
        ]
        await self._ledger.release_all(releases)
        await self._key_scanner.drop({key.name: key.value for key in (*stale.tickets, *stale.markers)})
        for kind in KeyKind:
            names = [key.name for key in stale.immortal if key.kind is kind]
            await self._key_scanner.limit(names, self._completed_ttl if kind is KeyKind.MARKER else self._lock_ttl)
        cleared = {
            "lock": stale.locks,
            "counter": stale.counters,
            "ticket": stale.tickets,
            "completion marker": stale.markers,
            "lasting key": stale.immortal,
        }
        return [f"cleared {counted(len(keys), noun)}" for noun, keys in cleared.items() if keys]

    async def rescue(self, batches: OpenBatches) -> list[str]:
        """Removes failed and orphaned messages from BullMQ, then sweeps: the sweeper sends missing messages again."""
        failed = await self._control.forget_failed()
        await self._control.forget(batches.orphaned)
        rescued = sum([await sweeper.sweep() for sweeper in self._sweepers])
        done = {"removed": (failed + len(batches.orphaned), "message"), "rescued": (rescued, "batch")}
        return [f"{verb} {counted(number, noun)}" for verb, (number, noun) in done.items() if number]
