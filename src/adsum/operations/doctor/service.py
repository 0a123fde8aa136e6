"""The doctor: looks at everything that it can reach, and mends what is safe to mend."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from adsum.batches.queue.control import QueueControl, QueueState
from adsum.batches.queue.leftovers import Leftovers
from adsum.batches.queue.service import QueueService
from adsum.operations.doctor.batches import (
    OpenBatches,
    check_open_batches,
    check_queue,
    check_workers,
    look_at_open_batches,
)
from adsum.operations.doctor.findings import Finding, all_well, error, reason, warning
from adsum.operations.doctor.installation import (
    Installation,
    check_installation,
    close_to_others,
    free_bytes,
    open_to_others,
)
from adsum.operations.doctor.leftovers import Remains, check_remains, look_for_remains
from adsum.operations.doctor.repair import Mending
from adsum.operations.doctor.servers import Place, check_database, check_redis
from adsum.platform.database.engine import Database, RejectedRows
from adsum.platform.errors import Unavailable
from adsum.platform.redis.inspection import RedisInspection

# What needs both servers may have to look at much; it is cut off after that.
TIME_LIMIT_S = 20.0
# What a server that is away leaves unanswered.
ASKED_OF_SERVERS = ("migrations", "eviction", "persistence", "memory", "queue", "workers", "batches", "keys")


@dataclass(frozen=True, slots=True)
class Patient:
    """Everything that is looked at."""

    database: Database
    database_place: Place
    redis_place: Place
    inspection: RedisInspection
    queue: QueueService
    control: QueueControl
    leftovers: Leftovers
    installation: Installation


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found, and what of it can be mended."""

    findings: list[Finding]
    batches: OpenBatches = field(default_factory=OpenBatches)
    remains: Remains | None = None

    @property
    def not_looked_at(self) -> list[str]:
        """The checks that could not be made; silence about them would look as if they were well."""
        if self.remains is not None:
            return []
        made = {finding.check for finding in self.findings}
        return [check for check in ASKED_OF_SERVERS if check not in made]


class Doctor:
    """`now` is the clock."""

    def __init__(self, patient: Patient, mending: Mending, now: Callable[[], datetime]) -> None:
        self._patient = patient
        self._mending = mending
        self._now = now

    async def examine(self) -> Examination:
        """Changes nothing, and never raises because a server is away: that is a finding."""
        patient = self._patient
        database, redis = await asyncio.gather(
            check_database(patient.database, patient.database_place, self._now),
            check_redis(patient.inspection, patient.redis_place, self._now),
        )
        findings = [*database, *redis, *check_installation(patient.installation, free_bytes)]
        if not (all_well(database) and _answers(redis)):
            return Examination(findings)
        try:
            async with asyncio.timeout(TIME_LIMIT_S):
                return await self._look_closer(findings)
        except (Unavailable, RejectedRows) as outage:
            findings.append(error("batches", f"a server went away meanwhile: {_why(outage)}", "adsum doctor"))
        except TimeoutError:
            findings.append(error("batches", f"no end of looking within {TIME_LIMIT_S:g} s", "adsum doctor"))
        return Examination(findings)

    async def _look_closer(self, findings: list[Finding]) -> Examination:
        patient = self._patient
        state = await patient.control.state()
        batches = await look_at_open_batches(patient.database, patient.queue, patient.control, self._now)
        remains = await look_for_remains(patient.database, patient.leftovers, self._now)
        closer = [
            *check_queue(state),
            *await self._workers(state, batches),
            check_open_batches(batches),
            *check_remains(remains),
        ]
        return Examination([*findings, *closer], batches, remains)

    async def _workers(self, state: QueueState, batches: OpenBatches) -> list[Finding]:
        try:
            return check_workers(await self._patient.control.workers(), state, batches)
        except Unavailable as outage:
            return [warning("workers", f"the server does not say who works: {reason(outage)}", "adsum queue status")]

    async def mend(self, found: Examination) -> list[str]:
        """Does what is safe, and answers with what it has done.

        Raises:
            Unavailable: a server went away meanwhile; doing it again is safe.
        """
        done: list[str] = []
        if closed := close_to_others(open_to_others(self._patient.installation)):
            done.append(f"closed {', '.join(map(str, closed))} to other users")
        if found.remains is not None:
            done += await self._mending.clear(found.remains)
            done += await self._mending.drive_on(found.batches)
        return done


def _answers(redis: list[Finding]) -> bool:
    """A server whose settings are wrong answers all the same."""
    return all_well(finding for finding in redis if finding.check == "redis")


def _why(outage: Unavailable | RejectedRows) -> str:
    return reason(outage) if isinstance(outage, Unavailable) else str(outage)
