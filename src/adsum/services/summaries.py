"""Summaries of a school's days, made anew before they are read wherever something has changed since."""

from __future__ import annotations

from adsum.storage import summaries
from adsum.storage.database import Database
from adsum.storage.schools import lock_school
from adsum.storage.statuses import find_statuses

# Days that one transaction summarises: the first report after a year of records locks no school for long.
DAYS_AT_ONCE = 5


class Summaries:
    """The summaries that reports read. Two who refresh at once take turns; nobody who marks a class waits for them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def refresh(self, school_id: int) -> int:
        """Summarises what a school has recorded since. One cheap query where that is nothing.

        Returns:
            How many days were summarised.
        """
        refreshed = 0
        while await self._has_stale_days(school_id):
            async with self._database.transaction() as connection:
                await lock_school(connection, school_id)
                # Asked once more, and maybe for nothing: whoever had the lock before may have done it.
                days = await summaries.stale_days(connection, school_id, DAYS_AT_ONCE)
                statuses = (await find_statuses(connection, [school_id]))[school_id]
                await summaries.summarise(connection, school_id, days, statuses)
                refreshed += len(days)
        return refreshed

    async def _has_stale_days(self, school_id: int) -> bool:
        async with self._database.glance() as connection:
            return bool(await summaries.stale_days(connection, school_id, 1))
