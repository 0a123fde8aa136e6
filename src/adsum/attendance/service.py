"""Reading what is recorded: as pages, and all of it that matches, for a file."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import asdict, replace
from datetime import date

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.attendance.filters import RecordFilters
from adsum.attendance.repository import RecordPosition, RecordRow, list_records
from adsum.attendance.statuses.repository import codes_seen
from adsum.platform.csv_files import Cell
from adsum.platform.database.engine import Database
from adsum.platform.errors import Invalid, Violation
from adsum.platform.paging import Key, Page, PageRequest, begin_of, page_of
from adsum.platform.telemetry import log_export

EXPORTED_AT_ONCE = 1000
COLUMNS = (
    "id",
    "batchId",
    "classId",
    "sessionId",
    "studentId",
    "learningDate",
    "status",
    "note",
    "version",
    "markedAt",
    "markedByRole",
    "markedByUserId",
    "arrivedAt",
    "leftAt",
    "officeNote",
    "absenceId",
)


class Records:
    """Attendance records by school, learning date, session and student, for whoever may see them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, caller: Caller, filters: RecordFilters, page: PageRequest) -> Page[RecordRow]:
        """Some of the records that the caller sees.

        Raises:
            Forbidden: without `attendance:read`.
            Invalid: the cursor is of another query, or none; or no school of the caller's has this status.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        await self._require_known(caller, filters)
        rows = await self._read(caller, filters, begin_of(page, filters, _position), page.limit + 1)
        return page_of(rows, page, filters, _key)

    async def export(
        self, caller: Caller, filters: RecordFilters, form: str
    ) -> AsyncGenerator[Sequence[Sequence[Cell]]]:
        """All records that the caller sees, under `COLUMNS`, a piece at a time: never more than one is in memory.

        The first rows are read before this returns, so that what is refused is refused before anything is sent.
        `form`, of the file that it is for, is for the log.

        Raises:
            Forbidden: without `attendance:read`.
            Invalid: no school of the caller's has this status.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        await self._require_known(caller, filters)
        rows = await self._read(caller, filters, None, EXPORTED_AT_ONCE)
        asked = {name: value for name, value in asdict(filters).items() if value is not None}
        log_export("attendances", form, caller.actor, asked)
        return self._pieces(caller, filters, rows)

    async def _pieces(
        self, caller: Caller, filters: RecordFilters, rows: Sequence[RecordRow]
    ) -> AsyncGenerator[Sequence[Sequence[Cell]]]:
        while rows:
            yield [cells(row) for row in rows]
            rows = await self._read(caller, filters, rows[-1].position, EXPORTED_AT_ONCE)

    async def _require_known(self, caller: Caller, filters: RecordFilters) -> None:
        if filters.status is None:
            return
        async with self._database.snapshot() as connection:
            codes = await codes_seen(connection, caller)
        if filters.status not in codes:
            detail = f"status: {filters.status[:40]!r} is no status here: one of {', '.join(sorted(codes))}"
            params = {"in": "query", "name": "status", "allowed": sorted(codes)}
            raise Invalid(detail, [Violation("unknown_status", detail, "/query/status", params)])

    async def _read(
        self, caller: Caller, filters: RecordFilters, after: RecordPosition | None, limit: int
    ) -> list[RecordRow]:
        # A transaction for each piece: a client that reads slowly must not hold one open.
        async with self._database.snapshot() as connection:
            rows = await list_records(connection, caller, filters, after, limit)
        return [seen_by(caller, row) for row in rows]


def seen_by(caller: Caller, row: RecordRow) -> RecordRow:
    """The record as the caller sees it: the office's note is for the office."""
    return row if caller.overrules else replace(row, office_note=None)


def cells(row: RecordRow) -> tuple[Cell, ...]:
    """The record under `COLUMNS`."""
    return (
        row.id,
        row.batch_id,
        row.class_id,
        row.session_id,
        row.student_id,
        row.learning_date,
        row.status,
        row.note,
        row.version,
        row.marked_at,
        row.marked_role,
        row.user_id,
        row.arrived_at,
        row.left_at,
        row.office_note,
        row.absence_id,
    )


def _key(row: RecordRow) -> Key:
    school_id, learning_date, session_id, student_id = row.position
    return (school_id, learning_date.toordinal(), session_id, student_id)


def _position(key: Key) -> RecordPosition:
    school_id, ordinal, session_id, student_id = key
    return (school_id, date.fromordinal(ordinal), session_id, student_id)
