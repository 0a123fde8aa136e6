"""Prunes old runs to their counts, and deletes old responses and sign-ins, so that the database does not grow for ever.

After `ADSUM_KEEP_RUNS_DAYS`, a run that has ended loses its plan and its failures, and a stored response is deleted, so
that its idempotency key can be used again. A sign-in is deleted when its time is over. Records, their history and
absences are never pruned.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from typing_extensions import override

from adsum.accounts.audit.chain import ChainKeys
from adsum.accounts.audit.sealing import prune_entries
from adsum.accounts.sign_ins.repository import delete_ended_sign_ins
from adsum.operations.repository import prune_answers, prune_runs
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.pruning import PagedPruning
from adsum.platform.errors import ConfigurationError
from adsum.platform.telemetry import LogIcon, logger

# The size of one short transaction, so that other writers do not wait for it.
PAGE = 200
PAUSE = timedelta(hours=1)
AUDIT_PAGE = 1_000
AUDIT_PAUSE = timedelta(days=1)

log = logger(__name__)


class Pruning(PagedPruning):
    """Prunes runs and stored responses once an hour. The sweeper that leads calls it.

    Args:
        database: to prune.
        now: the clock.
        keep: for which the plan of an ended run and a stored response are kept: `ADSUM_KEEP_RUNS_DAYS`, which at 0
            leaves out pruning.
        page: maximum of runs, and of responses, in one call.
    """

    def __init__(self, database: Database, now: Clock, *, keep: timedelta, page: int = PAGE) -> None:
        super().__init__(database, now, page=page, pause=PAUSE)
        self._keep = keep

    @override
    async def _prune(self, connection: Connection, now: datetime) -> int:
        runs = await prune_runs(connection, now - self._keep, now, self._page)
        answers = await prune_answers(connection, now - self._keep, self._page)
        if runs or answers:
            log.info("old runs and responses pruned", rows=runs + answers)
        return runs + answers


class EndedSignIns(PagedPruning):
    """Deletes sign-ins whose time is over."""

    def __init__(self, database: Database, now: Clock, page: int = PAGE) -> None:
        super().__init__(database, now, page=page, pause=PAUSE)

    @override
    async def _prune(self, connection: Connection, now: datetime) -> int:
        return await delete_ended_sign_ins(connection, now, self._page)


class AuditPruning(PagedPruning):
    """Removes entries of the audit log after `ADSUM_KEEP_AUDIT_YEARS`, once a day.

    Of each page the log records how many entries were removed.
    """

    def __init__(self, database: Database, keys: ChainKeys, now: Clock, years: int, page: int = AUDIT_PAGE) -> None:
        super().__init__(database, now, page=page, pause=AUDIT_PAUSE)
        self._keys = keys
        self._years = years

    @override
    async def _prune(self, connection: Connection, now: datetime) -> int:
        try:
            removed = await prune_entries(connection, self._keys, years_before(now, self._years), self._page)
        except ConfigurationError as error:
            # Of a chain that somebody has changed nothing is removed.
            log.error("the audit log is not pruned", mark=LogIcon.ERROR, error=error.detail)
            return 0
        if removed:
            log.info("old entries of the audit log removed", rows=removed)
        return removed


def years_before(moment: datetime, years: int) -> datetime:
    """The same moment of an earlier year; of 29 February, that of the day before where there is none."""
    try:
        return moment.replace(year=moment.year - years)
    except ValueError:
        return moment.replace(year=moment.year - years, day=28)


class LogTruncation:
    """Truncates SQLite's write-ahead log once an hour, so that no deleted data stays in it for longer."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now
        self._due = now()

    async def truncate_if_due(self) -> int:
        """Does nothing if less than an hour has passed; tries again at the next call if a reader prevents it.

        Returns:
            1 if the log was truncated, else 0.
        """
        now = self._now()
        if now < self._due or not await self._database.truncate_log():
            return 0
        self._due = now + PAUSE
        return 1
