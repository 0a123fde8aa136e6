"""Syncs of the configured source by workers: in the background, by one of them at a time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from adsum.accounts.access import system_caller
from adsum.platform.cancellation import end
from adsum.platform.clock import Clock
from adsum.platform.errors import AdsumError, Unavailable
from adsum.platform.settings import Settings
from adsum.platform.telemetry import LogIcon, logger
from adsum.roster.syncing.rules import RosterSource, SyncReport, SyncUnderWay, roster_source_of
from adsum.roster.syncing.service import RosterSync

# Between two looks at the state of the source.
LOOK_S = 15.0
MAX_LOGGED = 20

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The source, the time between two syncs, and between two full ones."""

    source: RosterSource
    interval: timedelta
    full_interval: timedelta


def schedule_of(settings: Settings) -> Schedule | None:
    """The schedule that the settings name, if they do."""
    if not settings.roster_sync_interval:
        return None
    return Schedule(
        roster_source_of(settings),
        timedelta(seconds=settings.roster_sync_interval),
        timedelta(seconds=settings.roster_sync_full_interval),
    )


class ScheduledSync:
    """Syncs when it is due. Every worker looks; the database lets one of them begin.

    It never allows that many rows end: such a sync fails, and somebody looks at `adsum roster sync --dry-run`.
    """

    def __init__(self, sync: RosterSync, schedule: Schedule | None, now: Clock, look_s: float = LOOK_S) -> None:
        self._sync = sync
        self._schedule = schedule
        self._now = now
        self._look_s = look_s

    async def run(self, stop: asyncio.Event) -> None:
        """Syncs until `stop` is set. A sync that is under way then is cut, and changes nothing."""
        if self._schedule is None:
            return
        stopped = asyncio.create_task(stop.wait())
        while not stop.is_set():
            syncing = asyncio.create_task(self._sync_if_due(self._schedule))
            await asyncio.wait((stopped, syncing), return_when=asyncio.FIRST_COMPLETED)
            await end([syncing])
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._look_s)

    async def _sync_if_due(self, schedule: Schedule) -> None:
        try:
            state, now = await self._sync.state(schedule.source, system_caller()), self._now()
            if state.is_due(now, schedule.interval):
                full = state.needs_full(now, schedule.full_interval)
                _log(await self._sync.run(schedule.source, caller=system_caller(), full=full))
        except SyncUnderWay:
            return  # of another worker
        except Unavailable as error:
            log.error("roster sync postponed", mark=LogIcon.ERROR, code=error.code, error=error.detail)
        except AdsumError as error:
            log.error("roster sync failed", mark=LogIcon.ERROR, code=error.code, error=error.detail)
        except Exception:
            log.exception("roster sync failed", mark=LogIcon.ERROR)


def _log(report: SyncReport) -> None:
    """Logs the errors by resource and id. A text could contain a name."""
    imported = report.imported
    for violation in imported.violations[:MAX_LOGGED]:
        log.warning("left out by a roster sync", code=violation.code, where=violation.pointer)
    if imported.violation_count > MAX_LOGGED:
        log.warning("more was left out by a roster sync", failed=imported.violation_count)
