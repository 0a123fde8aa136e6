"""A source of rosters, the state of its sync, and the errors of both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from adsum.platform.errors import ConfigurationError, Conflict, Invalid, Unavailable
from adsum.platform.setting_groups.values import service_address
from adsum.platform.settings import Settings
from adsum.roster.importing.rules import ImportReport

COLLECTIONS = ("enrollments", "users", "classes", "academicSessions", "orgs")
"""In the order in which they are read: rows before those that they name. An enrolment that is created meanwhile is read
by the next sync, so that its user is never missing.
"""
WHOLE_COLLECTIONS = frozenset({"orgs"})
"""Read as a whole by every sync: they are small, and tell the schools to which changed rows belong."""
RETRY_AFTER = timedelta(minutes=10)
"""Until the next attempt after a failure, unless the interval is shorter."""

Pause = Callable[[float], Awaitable[None]]
"""Waits for some seconds."""


class SourceUnavailable(Unavailable):
    """The source does not answer, or wants to be left alone for longer than a sync waits."""

    code = "roster_source_unavailable"


class WrongSource(Invalid):
    """The source refuses the client, or its answers are not those of OneRoster 1.2. Nothing was imported."""

    code = "wrong_roster_source"


class SyncUnderWay(Conflict):
    """Another process syncs with this source."""

    code = "sync_under_way"


@dataclass(frozen=True, slots=True)
class RosterSource:
    """A OneRoster 1.2 REST service.

    Attributes:
        url: the address before `/users`, such as https://sis.example/ims/oneroster/rostering/v1p2.
        token_url: where the client gets its tokens.
        secret: of the client.
    """

    url: str
    token_url: str
    client_id: str
    secret: str = field(repr=False)
    scope: str


def roster_source_of(
    settings: Settings, *, url: str | None = None, token_url: str | None = None, client_id: str | None = None
) -> RosterSource:
    """The source that the settings name, and options of a command instead of them.

    Raises:
        ConfigurationError: something is missing, or an address is neither https nor of this machine.
    """
    secret = settings.roster_sync_client_secret
    found = {
        "URL": url or settings.roster_sync_url,
        "TOKEN_URL": token_url or settings.roster_sync_token_url,
        "CLIENT_ID": client_id or settings.roster_sync_client_id,
        "CLIENT_SECRET": secret.get_secret_value() if secret is not None else None,
    }
    missing = [f"ADSUM_ROSTER_SYNC_{name}" for name, value in found.items() if not value]
    if missing:
        raise ConfigurationError(f"a sync needs {', '.join(missing)}")
    try:
        urls = [service_address(str(found[name])) for name in ("URL", "TOKEN_URL")]
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    return RosterSource(
        *urls,
        client_id=str(found["CLIENT_ID"]),
        secret=str(found["CLIENT_SECRET"]),
        scope=settings.roster_sync_scope,
    )


@dataclass(frozen=True, slots=True)
class SyncState:
    """The state of a source.

    Attributes:
        seen: by collection, the last `dateLastModified` that was imported, as the source spells it.
        full_at: the begin of the last full sync that succeeded.
        synced_at: the begin of the last sync that succeeded.
        tried_at: the begin of the last sync.
        error: why the last sync failed; None: it did not.
        claimed_until: until when another process is believed to be syncing.
    """

    seen: Mapping[str, str] = field(default_factory=dict[str, str])
    full_at: datetime | None = None
    synced_at: datetime | None = None
    tried_at: datetime | None = None
    error: str | None = None
    claimed_until: datetime | None = None

    def is_due(self, now: datetime, interval: timedelta) -> bool:
        pause = interval if self.error is None else min(interval, RETRY_AFTER)
        return self.tried_at is None or now >= self.tried_at + pause

    def needs_full(self, now: datetime, interval: timedelta | None = None) -> bool:
        """Whether a delta does not suffice. `interval`: between two full syncs; None: the first one is enough."""
        return self.full_at is None or (interval is not None and now >= self.full_at + interval)


@dataclass(frozen=True, slots=True)
class SyncReport:
    """The outcome of a sync. Its violations name a resource and a sourcedId.

    `is_full`: everything was read, so that rows which the source does not have any more have ended.
    """

    source: str
    is_full: bool
    imported: ImportReport


def seen_after(
    before: Mapping[str, str], read: Mapping[str, str], report: ImportReport, *, is_full: bool
) -> dict[str, Any]:
    """The dates from which the next delta reads. A delta with errors is repeated: a row that was left out because of
    another one has not changed when that one is corrected.
    """
    return {**before, **read} if is_full or not report.violation_count else dict(before)
