"""Unexplained absences: records with an absent status that is not authorised, and explaining them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from adsum.absences.repository.records import newest_changes
from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.named_schools import require_school
from adsum.attendance.correction_rules import Correction, change_of
from adsum.attendance.disputed_marks.repository import reopen_dispute, resolve_dispute
from adsum.attendance.repository import apply_changes, find_records_with_statuses
from adsum.attendance.rules import Record, RecordChange
from adsum.attendance.statuses.repository import statuses_of_school
from adsum.attendance.statuses.rules import CountsAs, SchoolStatuses, StatusFlag
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Violation, refuse
from adsum.platform.texts import validate_reason

StudentDay = tuple[int, date]
"""A student id and a day."""

MAX_EXPLAINED = 400
"""The pairs of a student and a day that one request explains."""


@dataclass(frozen=True, slots=True)
class OwnExplanation:
    """A record that the caller has explained, and the change that explained it, which is its newest."""

    record: Record
    change: RecordChange


@dataclass(frozen=True, slots=True)
class Explanation:
    """An authorised status, and the reason in the history of the records, which teachers read."""

    status: str
    reason: str


class UnexplainedAbsences:
    """Finds and explains them. Every method raises NotFound for a school that the caller may not see.

    All absences of a student on a day are explained together.
    """

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def find(
        self, school_id: int, student_days: Collection[StudentDay], caller: Caller
    ) -> Mapping[StudentDay, Sequence[Record]]:
        """The unexplained records of students on days, in one statement. Raises Forbidden without `attendance:read`."""
        require_permission(caller, Permission.ATTENDANCE_READ)
        async with self._database.snapshot() as connection:
            await require_school(connection, caller, school_id)
            codes = (await statuses_of_school(connection, school_id)).unexplained
            return _by_day(await find_records_with_statuses(connection, caller, school_id, student_days, codes))

    async def explain(
        self, school_id: int, student_days: Collection[StudentDay], status: str, reason: str, caller: Caller
    ) -> Mapping[StudentDay, Sequence[Record]]:
        """Gives the unexplained records of students on days an authorised status, each with an entry in its history.

        Records that have been explained meanwhile, or are no longer absent, keep their marks.

        Returns:
            The records before the change. Students and days whose absences have been explained meanwhile are missing.

        Raises:
            Forbidden: without `attendance:overrule`.
            Invalid: the status is not an authorised absence of this school, the reason is missing or cannot be stored,
                or there is no absence or too many.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.transaction() as connection:
            await require_school(connection, caller, school_id)
            statuses = await statuses_of_school(connection, school_id)
            refuse(
                [
                    *_validate_number(student_days),
                    *validate_explanation(status, statuses, "/status"),
                    *_validate_reason(reason),
                ]
            )
            explanation = Explanation(status, reason.strip())
            records = await explain_days(connection, school_id, student_days, explanation, caller, now=self._now())
        return _by_day(records)

    async def explained(
        self, school_id: int, student_days: Collection[StudentDay], caller: Caller
    ) -> Mapping[StudentDay, Sequence[OwnExplanation]]:
        """The records of students on days that the caller has explained, and that nobody has changed since.

        Raises Forbidden without `attendance:overrule`.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.snapshot() as connection:
            await require_school(connection, caller, school_id)
            own = await _own_explanations(connection, school_id, student_days, caller)
        found: defaultdict[StudentDay, list[OwnExplanation]] = defaultdict(list)
        for each in own:
            found[each.record.student_id, each.record.learning_date].append(each)
        return found

    async def undo(
        self, school_id: int, student_days: Collection[StudentDay], caller: Caller
    ) -> Mapping[StudentDay, Sequence[Record]]:
        """Sets the records that `explained` returns back to the marks before, and opens their disputes again.

        Returns:
            The records before the change. To undo an explanation again changes nothing.

        Raises:
            Forbidden: without `attendance:overrule`.
            Invalid: there is no absence, or there are too many.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.transaction() as connection:
            await require_school(connection, caller, school_id)
            refuse(_validate_number(student_days))
            own = await _own_explanations(connection, school_id, student_days, caller, lock=True)
            now = self._now()
            for each in own:
                await reopen_dispute(connection, each.record.id, each.change.changed_at)
            await apply_changes(
                connection,
                {each.record.id: change_of(each.record, _reverse(each.change), caller, now) for each in own},
            )
        return _by_day(each.record for each in own)


async def explain_days(
    connection: Connection,
    school_id: int,
    student_days: Collection[StudentDay],
    explanation: Explanation,
    caller: Caller,
    *,
    now: datetime,
) -> Sequence[Record]:
    """As `UnexplainedAbsences.explain`, in an open transaction, with a valid explanation."""
    codes = (await statuses_of_school(connection, school_id)).unexplained
    records = await find_records_with_statuses(connection, caller, school_id, student_days, codes, lock=True)
    correction = Correction(status=explanation.status, reason=explanation.reason)
    for record in records:
        await resolve_dispute(connection, record.id, now)
    await apply_changes(connection, {record.id: change_of(record, correction, caller, now) for record in records})
    return records


def _is_authorised(statuses: SchoolStatuses, code: str | None) -> bool:
    status = None if code is None else statuses.get(code)
    return status is not None and status.counts_as is CountsAs.ABSENT and StatusFlag.AUTHORISED in status.flags


async def _own_explanations(
    connection: Connection, school_id: int, student_days: Collection[StudentDay], caller: Caller, *, lock: bool = False
) -> list[OwnExplanation]:
    statuses = await statuses_of_school(connection, school_id)
    codes = [each.code for each in statuses if _is_authorised(statuses, each.code)]
    records = await find_records_with_statuses(connection, caller, school_id, student_days, codes, lock=lock)
    changes = await newest_changes(connection, [record.id for record in records])
    return [
        OwnExplanation(record, change)
        for record in records
        if (change := changes.get(record.id)) is not None and _is_explanation(change, statuses, caller)
    ]


def _is_explanation(change: RecordChange, statuses: SchoolStatuses, caller: Caller) -> bool:
    """Whether the caller has explained an absence with this change, which has given a record an authorised status."""
    is_own = (change.user_id, change.key_id) == (caller.user_id, caller.key_id)
    return is_own and change.reason is not None and change.old_status in statuses.unexplained


def _reverse(change: RecordChange) -> Correction:
    return Correction(
        status=change.old_status, note=change.old_note, arrived_at=change.old_arrived_at, left_at=change.old_left_at
    )


def _by_day(records: Iterable[Record]) -> Mapping[StudentDay, Sequence[Record]]:
    found: defaultdict[StudentDay, list[Record]] = defaultdict(list)
    for record in records:
        found[record.student_id, record.learning_date].append(record)
    return found


def _validate_number(student_days: Collection[StudentDay]) -> list[Violation]:
    if not student_days:
        return [Violation("too_short", "choose at least one absence", "/absences", {"minimum": 1})]
    if len(student_days) > MAX_EXPLAINED:
        detail = f"at most {MAX_EXPLAINED} absences at once"
        return [Violation("too_long", detail, "/absences", {"maximum": MAX_EXPLAINED})]
    return []


def validate_explanation(status: str, statuses: SchoolStatuses, pointer: str) -> list[Violation]:
    """The violations of a status that is to explain absences of a school."""
    allowed = statuses.authorised_absences
    if status in allowed:
        return []
    detail = f"{status[:40]!r} is not an authorised absence of this school: use one of {', '.join(allowed)}"
    return [Violation("unknown_status", detail, pointer, {"allowed": allowed})]


def _validate_reason(reason: str) -> list[Violation]:
    if not reason.strip():
        return [Violation("reason_missing", "a reason is required", "/reason")]
    return list(validate_reason(reason.strip()))
