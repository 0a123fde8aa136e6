"""Batches as operators and schools look through them."""

from __future__ import annotations

from datetime import date

from adsum.domain.access import Caller, Permission
from adsum.domain.cursors import Key, Page, PageRequest
from adsum.domain.filters import BatchFilters
from adsum.services.paging import begin_of, page_of
from adsum.services.permissions import demand
from adsum.storage.batches import BatchPosition, ListedBatch, list_batches
from adsum.storage.database import Database


class Batches:
    """Lists batches, the latest learning date first, for whoever may see them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, caller: Caller, filters: BatchFilters, page: PageRequest) -> Page[ListedBatch]:
        """Some of the batches that the caller sees, each as its newest run has it.

        Raises:
            Forbidden: without `batch:read`.
            Invalid: the cursor is of another query, or none.
        """
        demand(caller, Permission.BATCH_READ)
        after = begin_of(page, filters, _position)
        async with self._database.snapshot() as connection:
            rows = await list_batches(connection, caller, filters, after, page.limit + 1)
        return page_of(rows, page, filters, _key)


def _key(row: ListedBatch) -> Key:
    learning_date, session_id = row.position
    return (learning_date.toordinal(), session_id)


def _position(key: Key) -> BatchPosition:
    ordinal, session_id = key
    return (date.fromordinal(ordinal), session_id)
