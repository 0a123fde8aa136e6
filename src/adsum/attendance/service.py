"""Reads attendance records: in pages, and as an export of all records that match."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import asdict
from datetime import date

from adsum.accounts.access import Caller, Permission, require_confirmed, require_permission
from adsum.accounts.audit.exports import ListExports
from adsum.accounts.named_schools import require_named_school
from adsum.attendance.repository import RecordRow, list_records
from adsum.attendance.rules import DescribedRecord, Record, RecordFilters, RecordPosition, is_bulk
from adsum.attendance.statuses.repository import visible_codes
from adsum.platform.database.engine import Database
from adsum.platform.database.reading import StandbyReader
from adsum.platform.errors import Invalid, Violation
from adsum.platform.paging import Key, PageRequest, RowPage, begin_of, page_of

# No index matches this order, so each statement sorts the remaining records of its first day. A chunk of records is
# what the event loop converts at once.
EXPORT_READ_SIZE = 6000
EXPORT_CHUNK_SIZE = 1000


class Records:
    """Attendance records in the order of school, learning date, session and student. Names need `roster:read`."""

    def __init__(self, database: Database, reader: StandbyReader) -> None:
        self._database = database
        self._reader = reader
        self._exports = ListExports(database)

    async def page(self, caller: Caller, filters: RecordFilters, page: PageRequest) -> RowPage[DescribedRecord]:
        """A page of the visible records.

        Raises:
            Forbidden: without `attendance:read`.
            NotFound: the caller does not see the school of the filter.
            Invalid: a cursor of another query, or a status that no visible school has.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        await self._require_known_status(caller, filters)
        rows = await self._read(caller, filters, begin_of(page, filters, _position), page.limit + 1)
        return page_of([_record(row, caller) for row in rows], page, filters, _key)

    async def export(
        self, caller: Caller, filters: RecordFilters, file_format: str
    ) -> AsyncGenerator[Sequence[DescribedRecord]]:
        """All visible records in chunks; those of one statement are in memory. The export is logged.

        This method reads the first records before it returns, so that errors precede the first byte of the file.

        Raises:
            Forbidden: without `attendance:read`.
            ConfirmationNeeded: a bulk export, and the caller has confirmed their sign-in too long ago.
            NotFound: the caller does not see the school of the filter.
            Invalid: a status that no visible school has.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        if is_bulk(filters):
            require_confirmed(caller)
        await self._require_known_status(caller, filters)
        first = await self._read(caller, filters, None, EXPORT_READ_SIZE)
        given = {name: value for name, value in asdict(filters).items() if value is not None}
        await self._exports.begin(caller, "attendances", file_format, given)
        return self._chunks(caller, filters, first)

    async def _chunks(
        self, caller: Caller, filters: RecordFilters, rows: Sequence[RecordRow]
    ) -> AsyncGenerator[Sequence[DescribedRecord]]:
        while rows:
            for begin in range(0, len(rows), EXPORT_CHUNK_SIZE):
                yield [_record(row, caller) for row in rows[begin : begin + EXPORT_CHUNK_SIZE]]
                await asyncio.sleep(0)  # other requests, which a client that reads fast would hold up
            rows = await self._read(caller, filters, _record(rows[-1], caller).position, EXPORT_READ_SIZE)

    async def _require_known_status(self, caller: Caller, filters: RecordFilters) -> None:
        if filters.status is None:
            return
        async with self._database.snapshot() as connection:
            codes = await visible_codes(connection, caller)
        if filters.status not in codes:
            detail = (
                f"status: {filters.status[:40]!r} is not a status of the school: use one of {', '.join(sorted(codes))}"
            )
            params = {"in": "query", "name": "status", "allowed": sorted(codes)}
            raise Invalid(detail, [Violation("unknown_status", detail, "/query/status", params)])

    async def _read(
        self, caller: Caller, filters: RecordFilters, after: RecordPosition | None, limit: int
    ) -> Sequence[RecordRow]:
        # A transaction of its own, since a slow client must not keep a transaction open.
        async with self._reader.snapshot(caller) as connection:
            await require_named_school(connection, caller, filters.school_id)
            return await list_records(connection, caller, filters, after, limit)


def _record(row: RecordRow, caller: Caller) -> DescribedRecord:
    return DescribedRecord(*row).visible_to(caller)


def _key(record: Record) -> Key:
    school_id, learning_date, session_id, student_id = record.position
    return (school_id, learning_date.toordinal(), session_id, student_id)


def _position(key: Key) -> RecordPosition:
    school_id, ordinal, session_id, student_id = key
    return (school_id, date.fromordinal(ordinal), session_id, student_id)
