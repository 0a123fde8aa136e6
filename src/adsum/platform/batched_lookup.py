"""Looking up rows by their keys, for every request: those that arrive together are one statement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Generic, TypeVar

from adsum.platform.coalescer import REQUESTS_AT_MOST, WAITING_AT_MOST, Coalescer
from adsum.platform.database.engine import Connection, Database

Key = TypeVar("Key")
Row = TypeVar("Row")


class BatchedLookup(Generic[Key, Row]):
    """Finds rows. `find` is the statement that does it for many keys; a key that it leaves out has no row."""

    def __init__(
        self, database: Database, find: Callable[[Connection, Collection[Key]], Awaitable[Mapping[Key, Row]]]
    ) -> None:
        self._database = database
        self._find = find
        self._together: Coalescer[Key, Row | None] = Coalescer(
            self._find_all, at_most=REQUESTS_AT_MOST, waiting_at_most=WAITING_AT_MOST
        )

    async def find(self, key: Key) -> Row | None:
        """The row of a key, as it is now.

        Raises:
            StorageOutage: the database does not answer.
            Overloaded: too many wait already.
        """
        return await self._together.submit(key)

    async def close(self) -> None:
        """Ends what is being looked up. To be called when nobody asks any more."""
        await self._together.close()

    async def _find_all(self, keys: Sequence[Key]) -> list[Row | None]:
        async with self._database.autocommit_read() as connection:
            rows = await self._find(connection, set(keys))
        return [rows.get(key) for key in keys]
