"""What the page of one record shows, and the correction that its form asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel

from adsum.accounts.access import Caller
from adsum.attendance.corrections import SeenRecord
from adsum.attendance.history import Change
from adsum.attendance.repository import RecordRow
from adsum.attendance.rules import Correction, Keep
from adsum.attendance.statuses.rules import ShownStatus, shown_statuses
from adsum.platform.days import today_in
from adsum.platform.http.schemas import PlainText
from adsum.platform.paging import Page, PageRequest
from adsum.roster.rules import NamedIds, Names
from adsum.schools.rules import EditWindow, School
from adsum.wiring import Adsum


class RecordForm(BaseModel):
    """What was typed, and the version of the record that whoever typed it saw."""

    version: int
    status: PlainText = ""
    note: PlainText = ""
    arrived: PlainText = ""
    left: PlainText = ""
    reason: PlainText = ""
    office_note: PlainText | None = None


@dataclass(frozen=True, slots=True)
class RecordView:
    """One record with everything around it.

    Attributes:
        is_late: whether the day is so long ago that only the office writes about it, and says why.
    """

    seen: SeenRecord
    school: School
    statuses: Mapping[str, ShownStatus]
    history: Page[Change]
    names: Names
    is_late: bool

    @property
    def record(self) -> RecordRow:
        return self.seen.record


async def view_of(adsum: Adsum, record_id: int, caller: Caller, cursor: str | None, now: datetime) -> RecordView:
    """The record as the caller sees it. Raises NotFound, Forbidden and, for a wrong cursor, Invalid."""
    seen = await adsum.corrections.record(record_id, caller)
    history = await adsum.corrections.history(record_id, caller, PageRequest(cursor))
    record, beside = seen.record, seen.beside
    school = await adsum.schools.find(record.school_id, caller)
    said_by = [] if beside is None else [beside.user_id]
    people = [*(change.user_id for change in history.items), record.user_id, *said_by]
    ids = NamedIds(
        students=[record.student_id],
        classes=[record.class_id],
        sessions=[record.session_id],
        people={user_id for user_id in people if user_id is not None},
    )
    window = EditWindow(school.edit_window_days, today_in(school.time_zone, now))
    return RecordView(
        seen=seen,
        school=school,
        statuses=shown_statuses(await adsum.statuses.all_of(school.id, caller)),
        history=history,
        names=await adsum.naming.names_of(ids, caller),
        is_late=window.is_over(record.learning_date),
    )


def form_of(record: RecordRow) -> RecordForm:
    """The form as it stands before anybody types."""
    return RecordForm(
        version=record.version,
        status=record.status or "",
        note=record.note or "",
        arrived=record.arrived_at or "",
        left=record.left_at or "",
        office_note=record.office_note or "",
    )


def correction_of(form: RecordForm, record: RecordRow) -> Correction | None:
    """What is to be changed: what was typed and is not so already. None: nothing is."""
    status = form.status if form.status and form.status != record.status else Keep.AS_IS
    # With another status the times would go: what stands in the form is what is meant.
    times_are_meant = status is not Keep.AS_IS
    office_note = Keep.AS_IS if form.office_note is None else _changed(form.office_note, record.office_note)
    correction = Correction(
        status=status,
        note=_changed(form.note, record.note),
        reason=form.reason.strip() or None,
        arrived_at=_typed(form.arrived) if times_are_meant else _changed(form.arrived, record.arrived_at),
        left_at=_typed(form.left) if times_are_meant else _changed(form.left, record.left_at),
        office_note=office_note,
    )
    return correction if correction.changes_mark or office_note is not Keep.AS_IS else None


def _typed(text: str) -> str | None:
    return text.strip() or None


def _changed(text: str, standing: str | None) -> str | Keep | None:
    typed = _typed(text)
    return Keep.AS_IS if typed == standing else typed
