"""A service with a roster, and syncs with it into a database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Any

import pytest

from adsum.absences.transfers import warnings_of_transfers
from adsum.accounts.access import system_caller
from adsum.platform.settings import Settings
from adsum.roster.importing.rules import ImportOptions
from adsum.roster.importing.service import RosterImport
from adsum.roster.syncing.rules import SyncReport, SyncState, roster_source_of
from adsum.roster.syncing.service import RosterSync
from tests.roster.conftest import REAL, Importing, importing
from tests.roster.files import a_school
from tests.support.roster_service import RosterService, objects_in, objects_of, roster_service
from tests.support.waiting import DEADLINE_S

__all__ = ["importing"]


@dataclass
class Syncing:
    """Syncs with a service. `pauses`: the seconds that it waited before it repeated requests; no time passes."""

    service: RosterService
    importing: Importing
    pauses: list[float] = field(default_factory=list[float])
    page_size: int = 5

    def now(self) -> datetime:
        return datetime.combine(self.importing.today, time(12), UTC)

    def sync(self) -> RosterSync:
        database = self.importing.database
        roster_import = RosterImport(database, "UTC", self.now, warnings_of_transfers)
        return RosterSync(database, roster_import, self.now, self._pause, self.page_size)

    async def run(self, *, full: bool = False, secret: str | None = None, **options: Any) -> SyncReport:
        return await self.sync().run(
            roster_source_of(self.settings(secret)), caller=system_caller(), options=ImportOptions(**options), full=full
        )

    async def state(self) -> SyncState:
        return await self.sync().state(roster_source_of(self.settings()), system_caller())

    def settings(self, secret: str | None = None) -> Settings:
        given: dict[str, Any] = self.service.settings()
        return Settings.model_validate(given | ({} if secret is None else {"roster_sync_client_secret": secret}))

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


@contextmanager
def held_at_users(syncing: Syncing) -> Generator[asyncio.Event]:
    """Until the end of the block the service does not answer requests for users. The event is set at the first."""
    reached, released, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()

    def hold(collection: str, _number: int) -> None:
        if collection == "users":
            loop.call_soon_threadsafe(reached.set)
            released.wait(DEADLINE_S)

    syncing.service.before = hold
    try:
        yield reached
    finally:
        syncing.service.before = lambda _collection, _number: None
        released.set()


@pytest.fixture
def service() -> Generator[RosterService]:
    """A school of 12 students in two classes, in OneRoster 1.2."""
    with roster_service(objects_of(a_school(students=12, classes=2).tables)) as service:
        yield service


@pytest.fixture
def real_service() -> Generator[RosterService]:
    """The committed files."""
    with roster_service(objects_in(REAL)) as service:
        yield service


@pytest.fixture
def syncing(service: RosterService, importing: Importing) -> Syncing:
    return Syncing(service, importing)
