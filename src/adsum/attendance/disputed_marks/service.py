"""Contradictions: what was said in class of students whose mark is the office's, until the office settles it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from enum import StrEnum

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.attendance.corrections import SeenRecord, change_of
from adsum.attendance.disputed_marks import repository as contradictions
from adsum.attendance.disputed_marks.repository import ContradictionPosition, ContradictionRow
from adsum.attendance.filters import ContradictionFilters
from adsum.attendance.history import apply_changes
from adsum.attendance.repository import find_record
from adsum.attendance.rules import Correction, Keep
from adsum.platform.database.engine import Database
from adsum.platform.errors import Invalid, NotFound, StaleVersion
from adsum.platform.paging import Key, Page, PageRequest, begin_of, page_of
from adsum.platform.texts import validate_reason


class Holds(StrEnum):
    """Which of the two holds: what is recorded, or what was said in class."""

    RECORDED = "recorded"
    SAID = "said"


class Contradictions:
    """Lists them, for who sees the class; settles them, for the office. `now` is the clock."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def page(self, caller: Caller, filters: ContradictionFilters, page: PageRequest) -> Page[ContradictionRow]:
        """Some of those that stand and that the caller sees, the newest day first.

        Raises:
            Forbidden: without `attendance:read`.
            Invalid: the cursor is of another query, or none.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        query = ("contradictions", filters)
        after = begin_of(page, query, _position)
        async with self._database.snapshot() as connection:
            rows = await contradictions.list_contradictions(connection, caller, filters, after, page.limit + 1)
        return page_of(rows, page, query, lambda row: (row.learning_date.toordinal(), row.id))

    async def settle(
        self, contradiction_id: int, holds: Holds, reason: str | None, caller: Caller, version: int | None = None
    ) -> SeenRecord:
        """Says which of the two holds. What was said in class is then recorded, with a history entry.

        Args:
            contradiction_id: of one that stands.
            holds: which of the two.
            reason: why, for the history.
            caller: who says so.
            version: of the record that the caller saw; None: whatever it says.

        Returns:
            The record as it stands now.

        Raises:
            Forbidden: without `attendance:overrule`.
            NotFound: there is no such contradiction, or it does not stand any more, or the caller does not see it.
            StaleVersion: the record was changed since the caller saw it.
            Invalid: the reason cannot be kept.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        violations = list(validate_reason(reason))
        if violations:
            raise Invalid(violations[0].detail, violations)
        async with self._database.transaction() as connection:
            found = await contradictions.find_contradiction(connection, caller, contradiction_id)
            if found is None:
                raise NotFound(f"there is no contradiction {contradiction_id}", id=contradiction_id)
            record = await find_record(connection, caller, found.attendance_id, to_change=True)
            assert record is not None, "who sees a contradiction sees its record"
            if version not in (None, record.version):
                raise StaleVersion(f"attendance {record.id} was changed meanwhile: it is version {record.version} now")
            now = self._now()
            await contradictions.resolve(connection, record.id, now)
            if holds is Holds.SAID:
                note = Keep.AS_IS if found.said_note is None else found.said_note
                correction = Correction(status=found.said, note=note, reason=reason)
                await apply_changes(connection, {record.id: change_of(record, correction, caller, now)})
            settled = await find_record(connection, caller, record.id)
        assert settled is not None, "records are never deleted but with their student, whom an open transaction keeps"
        return SeenRecord(settled, None)


def _position(key: Key) -> ContradictionPosition:
    ordinal, contradiction_id = key
    return date.fromordinal(ordinal), contradiction_id
