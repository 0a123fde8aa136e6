"""Deletes webhooks that were deleted, and old attempts from the logs of the others."""

from __future__ import annotations

from datetime import datetime, timedelta

from typing_extensions import override

from adsum.events.service import PRUNE_PAUSE, PRUNED_AT_ONCE
from adsum.events.webhooks import repository as statements
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.pruning import PagedPruning

DELETION_PAUSE = timedelta(minutes=1)


class DeletedWebhooks(PagedPruning):
    """Deletes webhooks that were deleted, with the logs of their deliveries."""

    def __init__(self, database: Database, now: Clock, *, page: int = PRUNED_AT_ONCE) -> None:
        super().__init__(database, now, page=page, pause=DELETION_PAUSE)

    @override
    async def _prune(self, connection: Connection, now: datetime) -> int:
        return await statements.prune_deleted(connection, self._page)


class DeliveryPruning(PagedPruning):
    """Deletes old attempts from the logs of webhooks, and answers to events: while an upgrade runs, workers of the
    version before store them.
    """

    def __init__(self, database: Database, now: Clock, *, keep: timedelta, page: int = PRUNED_AT_ONCE) -> None:
        super().__init__(database, now, page=page, pause=PRUNE_PAUSE)
        self._keep = keep

    @override
    async def _prune(self, connection: Connection, now: datetime) -> int:
        await statements.remove_answers(connection, now - 2 * PRUNE_PAUSE)
        return await statements.prune_deliveries(connection, now - self._keep, self._page)
