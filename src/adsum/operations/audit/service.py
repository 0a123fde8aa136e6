"""Reads the audit log: in pages, and as an export of all entries that match."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.audit.exports import school_of_export
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.named_schools import require_named_school
from adsum.operations.audit.repository import list_entries
from adsum.operations.audit.rules import AuditEntry, AuditFilters
from adsum.platform.database.engine import Database
from adsum.platform.database.reading import StandbyReader
from adsum.platform.paging import PageRequest, RowPage, begin_of, by_number, page_of
from adsum.schools.repository import common_zone

EXPORT_READ_SIZE = 1_000


class AuditLog:
    """The entries, the newest first. Every method raises Forbidden without `audit:read`, and NotFound for the filter
    of a school that the caller does not see.
    """

    def __init__(self, database: Database, reader: StandbyReader) -> None:
        self._database = database
        self._reader = reader

    async def page(self, caller: Caller, filters: AuditFilters, page: PageRequest) -> RowPage[AuditEntry]:
        """A page of the visible entries. Raises Invalid: a cursor of another query."""
        require_permission(caller, Permission.AUDIT_READ)
        before_id = begin_of(page, filters, by_number)
        async with self._reader.snapshot(caller) as connection:
            await require_named_school(connection, caller, filters.school_id)
            rows = await list_entries(connection, caller, filters, before_id, page.limit + 1)
        return page_of(rows, page, filters, lambda entry: (entry.id,))

    async def export(
        self, caller: Caller, filters: AuditFilters, file_format: str
    ) -> AsyncGenerator[Sequence[AuditEntry]]:
        """All visible entries in chunks. The export is recorded before the first one is read."""
        require_permission(caller, Permission.AUDIT_READ)
        async with self._database.transaction() as connection:
            await require_named_school(connection, caller, filters.school_id)
            after = {"form": file_format}
            school_id = school_of_export(caller, filters.school_id)
            await record(connection, caller, Action.LOG_EXPORTED, school_id=school_id, after=after)
        return self._chunks(caller, filters)

    async def _chunks(self, caller: Caller, filters: AuditFilters) -> AsyncGenerator[Sequence[AuditEntry]]:
        before_id: int | None = None
        while True:
            # A transaction of its own, since a slow client must not keep a transaction open.
            async with self._reader.snapshot(caller) as connection:
                rows = await list_entries(connection, caller, filters, before_id, EXPORT_READ_SIZE)
            if not rows:
                return
            yield rows
            before_id = rows[-1].id

    async def time_zone(self, caller: Caller) -> str:
        """The time zone of the caller's schools; UTC if they have different ones."""
        require_permission(caller, Permission.AUDIT_READ)
        async with self._database.snapshot() as connection:
            return await common_zone(connection, caller)
