"""Summaries of a school's days, made anew before they are read wherever something has changed since."""

from __future__ import annotations

from datetime import date

from adsum.attendance.statuses.repository import find_statuses
from adsum.platform.database.engine import Database
from adsum.reports import summaries_repository as summaries
from adsum.schools.repository import lock_school


class Summaries:
    """The summaries that reports read. Two who refresh at once take turns; nobody who marks a class waits for them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def refresh(self, school_id: int) -> int:
        """Summarises what a school has recorded since, a day at a time. One cheap query where that is nothing.

        Returns:
            How many days were summarised.
        """
        refreshed = 0
        while (day := await self._stale_day(school_id)) is not None:
            async with self._database.transaction() as connection:
                await lock_school(connection, school_id)
                # Whoever had the lock before may have done this day: to do it once more makes the same of it.
                statuses = (await find_statuses(connection, [school_id]))[school_id]
                await summaries.summarise(connection, school_id, day, statuses)
            refreshed += 1
        return refreshed

    async def _stale_day(self, school_id: int) -> date | None:
        async with self._database.autocommit_read() as connection:
            return await summaries.stale_day(connection, school_id)
