"""Finds rows by key for requests that arrive together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Generic, TypeVar

from adsum.platform.coalescer import REFUSE_AFTER_S, REQUESTS_AT_MOST, WAITING_AT_MOST, Coalescer
from adsum.platform.database.engine import Connection, Database

Key = TypeVar("Key")
Row = TypeVar("Row")


class BatchedLookup(Generic[Key, Row]):
    """Finds rows by key, many keys in one statement. `find` is that statement; it omits keys without a row."""

    def __init__(
        self, database: Database, find: Callable[[Connection, Collection[Key]], Awaitable[Mapping[Key, Row]]]
    ) -> None:
        self._database = database
        self._find = find
        self._together: Coalescer[Key, Row | None] = Coalescer(
            self._find_all, at_most=REQUESTS_AT_MOST, waiting_at_most=WAITING_AT_MOST, refuse_after=REFUSE_AFTER_S
        )

    async def find(self, key: Key) -> Row | None:
        """The current row of a key.

        Raises:
            StorageOutage: the database does not answer.
            Overloaded: too many lookups wait.
        """
        return await self._together.submit(key)

    async def close(self) -> None:
        """Cancels running lookups. Call it after the last `find`."""
        await self._together.close()

    async def _find_all(self, keys: Sequence[Key]) -> list[Row | None]:
        async with self._database.autocommit_read() as connection:
            rows = await self._find(connection, set(keys))
        return [rows.get(key) for key in keys]
