"""Fixtures for tests of events: a class of three whose attendance can be marked, and a reader of the feed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from adsum.accounts.access import system_caller
from adsum.events.announcements import TakenRegisters
from adsum.events.rules import Event, EventFilters
from adsum.events.schemas import event_item
from adsum.events.service import EventFeed
from adsum.wiring import Adsum
from tests.attendance.corrections.conftest import register

__all__ = ["Reader", "register"]


@dataclass
class Reader:
    """Reads the feed from a cursor on, as a client does."""

    feed: EventFeed
    taken: TakenRegisters | None = None
    cursor: int | None = None
    filters: EventFilters = field(default_factory=EventFilters)
    limit: int = 200

    async def read(self) -> list[Event]:
        """All events that follow, page by page, also about registers that are taken by now."""
        if self.taken is not None:
            await self.feed.newest(system_caller(), EventFilters())  # numbers what happened
            await self.taken.announce()
        found: list[Event] = []
        while True:
            page = await self.feed.page(system_caller(), self.filters, self.cursor, self.limit)
            found += page.items
            self.cursor = page.next_after
            if not page.has_more:
                return found

    async def items(self) -> Sequence[dict[str, Any]]:
        """The same, as the API returns them."""
        return [event_item(event).model_dump(mode="json", by_alias=True) for event in await self.read()]


def reader_of(adsum: Adsum) -> Reader:
    return Reader(adsum.event_feed, adsum.taken_registers)
