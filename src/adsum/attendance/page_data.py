"""Collects the data of the page of one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from adsum.accounts.access import Caller
from adsum.attendance.corrections import Corrections
from adsum.attendance.rules import OpenDispute, Record, RecordChange
from adsum.attendance.statuses.rules import ShownStatus, shown_statuses
from adsum.attendance.statuses.service import Statuses
from adsum.platform.clock import Clock
from adsum.platform.days import today_in
from adsum.platform.paging import PageRequest, RowPage
from adsum.roster.rules import NamedIds, Names
from adsum.roster.service import Naming
from adsum.schools.rules import EditWindow, School
from adsum.schools.service import Schools


@dataclass(frozen=True, slots=True)
class RecordView:
    """A record and its surroundings. `is_late`: the edit window is over, so only the office may correct the record."""

    record: Record
    dispute: OpenDispute | None
    school: School
    statuses: Mapping[str, ShownStatus]
    history: RowPage[RecordChange]
    names: Names
    is_late: bool


class RecordPageData:
    """Combines a record with its school, statuses, history and names."""

    def __init__(
        self, corrections: Corrections, schools: Schools, statuses: Statuses, naming: Naming, now: Clock
    ) -> None:
        self._corrections = corrections
        self._schools = schools
        self._statuses = statuses
        self._naming = naming
        self._now = now

    async def view(self, record_id: int, caller: Caller, cursor: str | None = None) -> RecordView:
        """A record with the page of its history at `cursor`.

        Raises:
            Forbidden: without `attendance:read` or `roster:read`.
            NotFound: there is no such record, or the caller may not see it.
            Invalid: the cursor of another record.
        """
        visible = await self._corrections.record(record_id, caller)
        record, dispute = visible.record, visible.dispute
        history = await self._corrections.history(record_id, caller, PageRequest(cursor))
        school = await self._schools.find(record.school_id, caller)
        statuses = await self._statuses.all_of(school.id, caller)
        people = {record.user_id, dispute and dispute.user_id, *(change.user_id for change in history.items)}
        ids = NamedIds(
            students=[record.student_id],
            classes=[record.class_id],
            sessions=[record.session_id],
            people={user_id for user_id in people if user_id is not None},
        )
        window = EditWindow(school.edit_window_days, today_in(school.time_zone, self._now()), school.records_from)
        return RecordView(
            record=record,
            dispute=dispute,
            school=school,
            statuses=shown_statuses(statuses),
            history=history,
            names=await self._naming.names_of(ids, caller),
            is_late=window.is_over(record.learning_date),
        )
