"""Reads the collections of a source, page by page, into the tables of an import."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from adsum.platform.clock import Clock
from adsum.roster.importing.steps import ReportProgress
from adsum.roster.oneroster.csv_table import MAX_LINES, Mode
from adsum.roster.oneroster.package import LINES_IN_MEMORY, Package
from adsum.roster.syncing.client import RestPage, RosterClient, wrong_source
from adsum.roster.syncing.columns import Objects, Wrong, modified_at, roles_of
from adsum.roster.syncing.rules import COLLECTIONS, WHOLE_COLLECTIONS, SourceUnavailable
from adsum.roster.syncing.table import CollectionTable

PAGE = 1_000
ATTEMPTS = 3
SORTED = {"sort": "sourcedId", "orderBy": "asc"}


@dataclass
class ReadRoster:
    """The tables of a source. `seen`: by collection, the last `dateLastModified`, as the source spells it."""

    tables: Mapping[str, CollectionTable]
    seen: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def package(self) -> Package:
        return Package(self.tables, lists_all_roles=True)


@asynccontextmanager
async def read_roster(
    client: RosterClient,
    since: Mapping[str, str] | None,
    now: Clock,
    progress: ReportProgress,
    page_size: int = PAGE,
) -> AsyncGenerator[ReadRoster]:
    """Reads all collections. Their rows are deleted at the end of the block.

    Args:
        client: of the source.
        since: by collection, the date from which changes are read; None: everything is read.
        now: the clock.
        progress: see `ReportProgress`.
        page_size: objects that are asked for at once.

    Raises:
        SourceUnavailable, WrongSource: see `RosterClient.page`; a collection changes faster than it can be read.
    """
    since = {name: at for name, at in (since or {}).items() if name not in WHOLE_COLLECTIONS}
    modes = {name: Mode.DELTA if name in since else Mode.BULK for name in COLLECTIONS}
    modes["roles"] = modes["users"]
    tables = {name.lower(): CollectionTable(name.lower(), mode) for name, mode in modes.items()}
    found = ReadRoster(tables)
    try:
        for collection in COLLECTIONS:
            reading = _Reading(client, collection, found, now, progress)
            await reading.read(_first_query(since.get(collection), page_size))
        yield found
    finally:
        for table in tables.values():
            table.close()


def _first_query(since: str | None, page_size: int) -> dict[str, str]:
    filtered = {} if since is None else {"filter": f"dateLastModified>='{since}'"}
    return {"limit": str(page_size), "offset": "0", **SORTED, **filtered}


class _Reading:
    """One collection.

    A row that is added or removed while pages are read would move the others: one would be read twice, or never, and
    then end. So each page begins with the last row of the page before, and the collection is read again if it does not.
    """

    def __init__(
        self, client: RosterClient, collection: str, into: ReadRoster, now: Clock, progress: ReportProgress
    ) -> None:
        self._client = client
        self._collection = collection
        self._into = into
        self._now = now
        self._progress = progress
        self._table = into.tables[collection.lower()]
        self._tables = [self._table, *([into.tables["roles"]] if collection == "users" else [])]
        self._latest: tuple[datetime, str] | None = None

    async def read(self, query: Mapping[str, str]) -> None:
        for _ in range(ATTEMPTS):
            for table in self._tables:
                table.clear()
            self._latest = None
            if await self._read_pages(query):
                if self._latest is not None:
                    self._into.seen[self._collection] = self._latest[1]
                return
        detail = (
            f"{self._collection}: it changed each of the {ATTEMPTS} times that it was read, or counts its rows wrongly"
        )
        raise SourceUnavailable(detail, retryAfter=60)

    async def _read_pages(self, first: Mapping[str, str]) -> bool:
        """Whether nothing moved while the pages were read."""
        query, last, followed = first, None, [first]
        total: int | None = None
        while True:
            page = await self._client.page(self._collection, query)
            items = page.items
            if last is not None:
                if page.total != total or not items or _identity(items[0]) != _identity(last):
                    return False
                items = items[1:]
            total = page.total
            await asyncio.to_thread(self._add, items)
            self._progress(self._collection, self._table.size, max(total or 0, self._table.size))
            self._require_size()
            if not items or self._is_last(page):
                return total is None or self._table.size == total
            if page.next_query is None or "offset" in page.next_query:
                last = items[-1]
                query = {**first, "offset": str(self._table.size - 1)}
            elif page.next_query in followed:
                raise wrong_source(self._collection, "the link to the next page leads to an earlier one")
            else:
                last = None
                query = page.next_query
                followed.append(query)

    def _is_last(self, page: RestPage) -> bool:
        """Without links and a total only an empty page is the last: a service may give fewer rows than asked for."""
        if page.total is not None:
            return self._table.size >= page.total
        return page.has_links and page.next_query is None

    def _require_size(self) -> None:
        for name, table in self._into.tables.items():
            if table.size > (limit := LINES_IN_MEMORY.get(name, MAX_LINES)):
                raise wrong_source(self._collection, f"it has more than {limit:,} rows", limit=limit)

    def _add(self, items: Sequence[Any]) -> None:
        rows: list[tuple[Objects, Wrong]] = []
        roles: list[tuple[Objects, Wrong]] = []
        now = self._now()
        for item in items:
            wrong: Wrong = []
            if not isinstance(item, dict):
                rows.append(({}, [("item", "is not an object")]))
                continue
            known = cast("Objects", item)
            if self._collection == "users":
                roles += [(role, []) for role in roles_of(known, wrong)]
            rows.append((known, wrong))
            self._latest = max(filter(None, (self._latest, modified_at(known, now))), default=None)
        self._table.add(rows)
        if roles:
            self._into.tables["roles"].add(roles)


def _identity(item: Any) -> Any:
    return cast("Objects", item).get("sourcedId", item) if isinstance(item, dict) else item
