"""Syncs the roster with a OneRoster 1.2 REST service: at first as a whole, then by its changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from uuid6 import uuid7

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.platform.cancellation import end, uncancellable
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import AdsumError, Unavailable
from adsum.platform.telemetry import logger
from adsum.roster.importing.rules import NO_OPTIONS, ImportOptions, ImportReport
from adsum.roster.importing.service import ImportRefused, RosterImport
from adsum.roster.importing.steps import ReportProgress
from adsum.roster.syncing import repository as statements
from adsum.roster.syncing.locations import located, located_report
from adsum.roster.syncing.reading import PAGE, ReadRoster, read_roster
from adsum.roster.syncing.rules import Pause, RosterSource, SyncReport, SyncState, SyncUnderWay, seen_after

# A claim that is not renewed has ended: its process is dead, or away from the database.
CLAIM = timedelta(minutes=2)
RENEWAL_S = 30.0
MAX_ERROR = 500

log = logger(__name__)


class RosterSync:
    """Reads a source into temporary files, and imports them as a file import does, in one transaction.

    A sync that is cut changes nothing; the next one reads the same again. One process at a time syncs with a source.

    Args:
        database: where the roster and the state of the sync are.
        roster_import: has all rules of the import.
        now: the clock.
        pause: waits for some seconds, before a request is repeated.
        page_size: objects that are asked for at once.
    """

    def __init__(
        self,
        database: Database,
        roster_import: RosterImport,
        now: Clock,
        pause: Pause = asyncio.sleep,
        page_size: int = PAGE,
    ) -> None:
        self._database = database
        self._import = roster_import
        self._now = now
        self._pause = pause
        self._page_size = page_size

    async def state(self, source: RosterSource, caller: Caller) -> SyncState:
        """The state of a source."""
        require_permission(caller, Permission.ROSTER_IMPORT)
        async with self._database.snapshot() as connection:
            return await statements.sync_state_of(connection, source.url)

    async def run(
        self,
        source: RosterSource,
        *,
        caller: Caller,
        options: ImportOptions = NO_OPTIONS,
        full: bool = False,
        progress: ReportProgress | None = None,
    ) -> SyncReport:
        """Makes the roster equal to the source. Invalid objects, and those that depend on them, are left out.

        Args:
            source: to read.
            caller: with `roster:import`.
            options: as for files.
            full: reads everything, also if changes would do. The first sync is always full.
            progress: see `ReportProgress`.

        Raises:
            SyncUnderWay: another process syncs with this source.
            SourceUnavailable, WrongSource: see `read_roster`.
            Forbidden, Invalid, ImportRefused: see `RosterImport.run`.
        """
        require_permission(caller, Permission.ROSTER_IMPORT)
        run = partial(self._run, source, caller, options, progress, full=full)
        if options.dry_run:
            return await run(confirm_as=None)
        async with self._claimed(source.url) as claim:
            try:
                return await run(confirm_as=claim)
            except Exception as error:
                await self._store_failure(source.url, claim, error)
                raise

    async def _run(
        self,
        source: RosterSource,
        caller: Caller,
        options: ImportOptions,
        progress: ReportProgress | None,
        *,
        full: bool,
        confirm_as: str | None,
    ) -> SyncReport:
        from adsum.roster.syncing.client import RosterClient  # noqa: PLC0415 - see `adsum.platform.outgoing`

        began, state = self._now(), await self.state(source, caller)
        is_full = full or state.needs_full(began)
        client = RosterClient(source, self._now, self._pause)
        show = progress or _ignore_progress
        try:
            since = None if is_full else state.seen
            async with read_roster(client, since, self._now, show, self._page_size) as read:

                async def confirm(connection: Connection, report: ImportReport) -> None:
                    assert confirm_as is not None
                    seen = seen_after(state.seen, read.seen, report, is_full=is_full)
                    await self._store_success(connection, source.url, confirm_as, seen, began, is_full=is_full)

                imported = await self._imported(
                    read,
                    caller=caller,
                    options=options,
                    progress=show,
                    origin={"source": source.url, "full": is_full},
                    confirm=confirm,
                )
        finally:
            await uncancellable(client.close())
        return SyncReport(source.url, is_full, imported)

    async def _imported(self, read: ReadRoster, **arguments: Any) -> ImportReport:
        try:
            report = await self._import.run_package(read.package, **arguments)
        except ImportRefused as refused:
            violations = await asyncio.to_thread(located, refused.violations, read.tables)
            raise ImportRefused(refused.detail.replace("the files have", "the source has"), violations) from None
        return await asyncio.to_thread(located_report, report, read.tables)

    async def _store_success(
        self, connection: Connection, url: str, claim: str, seen: Mapping[str, str], began: datetime, *, is_full: bool
    ) -> None:
        if not await statements.store_success(connection, url, claim, seen, began, is_full=is_full):
            raise SyncUnderWay("another process has begun to sync with this source: nothing was imported")

    async def _store_failure(self, url: str, claim: str, error: Exception) -> None:
        text = f"{error.code}: {error.detail}" if isinstance(error, AdsumError) else type(error).__name__
        with suppress(Unavailable):  # the error itself is reported
            async with self._database.transaction() as connection:
                await statements.store_failure(connection, url, claim, text[:MAX_ERROR])

    @asynccontextmanager
    async def _claimed(self, url: str) -> AsyncGenerator[str]:
        """The claim of this process, which is renewed until the end of the block."""
        claim = str(uuid7())
        async with self._database.transaction() as connection:
            is_claimed = await statements.claim(connection, url, claim, self._now(), self._now() + CLAIM)
        if not is_claimed:
            raise SyncUnderWay("another process syncs with this source, or was killed within the last two minutes")
        renewing = asyncio.create_task(self._renew(url, claim))
        try:
            yield claim
        finally:
            await end([renewing])
            await uncancellable(self._release(url, claim))

    async def _release(self, url: str, claim: str) -> None:
        with suppress(Unavailable):  # then the claim ends by itself
            async with self._database.transaction() as connection:
                await statements.release(connection, url, claim)

    async def _renew(self, url: str, claim: str) -> None:
        while True:
            await asyncio.sleep(RENEWAL_S)
            with suppress(Unavailable):  # on SQLite also while the import writes
                async with self._database.transaction() as connection:
                    await statements.renew(connection, url, claim, self._now() + CLAIM)


def _ignore_progress(_name: str, _done: int, _total: int) -> None:
    pass
