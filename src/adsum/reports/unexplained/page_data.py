"""Collects the list of unexplained absences for pages, with those that the visitor has just explained."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from adsum.absences.unexplained import OwnExplanation, StudentDay, UnexplainedAbsences
from adsum.accounts.access import Caller, Permission
from adsum.attendance.rules import Record
from adsum.attendance.statuses.rules import ShownStatus, shown_statuses
from adsum.attendance.statuses.service import Statuses
from adsum.platform.paging import PageRequest
from adsum.reports.definitions import Definition
from adsum.reports.explaining import row_of, text_of
from adsum.reports.rules import CountedDay, Extent, Scope
from adsum.reports.service import Reports
from adsum.roster.rules import NamedIds, Names
from adsum.roster.service import Naming


@dataclass(frozen=True, slots=True)
class AbsentDay:
    """The unexplained absences of a student on one day, or those that the visitor has just explained.

    Attributes:
        student_id, day: of the absences.
        records: the unexplained ones.
        explained: those that the visitor has explained. Without either, another user has explained all.
        counts: the sessions of the day; None: the report does not list the day.
    """

    student_id: int
    day: date
    records: Sequence[Record]
    explained: Sequence[OwnExplanation]
    counts: CountedDay | None

    @property
    def text(self) -> str:
        """As the forms send it."""
        return text_of((self.student_id, self.day))

    @property
    def row(self) -> str:
        """The id of the row."""
        return row_of((self.student_id, self.day))

    @property
    def is_open(self) -> bool:
        return bool(self.records)

    @property
    def is_all_day(self) -> bool:
        return self.counts is not None and self.counts.absent == self.counts.sessions

    @property
    def codes(self) -> Sequence[str | None]:
        """The statuses, each once."""
        return list(dict.fromkeys(record.status for record in self.records))


@dataclass(frozen=True, slots=True)
class AbsentDays:
    """A page of the list, and what it refers to. `explanations`: the statuses that explain; empty: for nobody."""

    items: Sequence[AbsentDay]
    next_cursor: str | None
    rule: Definition
    unmarked: int
    names: Names
    statuses: Mapping[str, ShownStatus]
    explanations: Sequence[ShownStatus]

    @property
    def open(self) -> Sequence[AbsentDay]:
        return [each for each in self.items if each.is_open]

    @property
    def undoable(self) -> Sequence[AbsentDay]:
        """Those that the visitor has explained."""
        return [each for each in self.items if each.explained]


class UnexplainedPageData:
    """Combines the report of unexplained absences with their records, and with names and statuses."""

    def __init__(
        self, reports: Reports, unexplained_absences: UnexplainedAbsences, statuses: Statuses, naming: Naming
    ) -> None:
        self._reports = reports
        self._unexplained_absences = unexplained_absences
        self._statuses = statuses
        self._naming = naming

    async def read(
        self,
        scope: Scope,
        caller: Caller,
        page: PageRequest,
        *,
        extent: Extent | None = None,
        explained: Collection[StudentDay] = (),
    ) -> AbsentDays:
        """A page of the list, the newest day first, and its students by name. `explained` are shown in their places for
        callers who explain.

        Raises as `Reports.unexplained`.
        """
        overrules = caller.may(Permission.ATTENDANCE_OVERRULE)
        shown = set(explained) if overrules else set[StudentDay]()
        report = await self._reports.unexplained(scope, caller, page, extent)
        counts = {(each.day.student_id, each.day.day): each.day for each in report.items}
        wanted = counts.keys() | shown
        records = await self._unexplained_absences.find(scope.school_id, wanted, caller)
        own: Mapping[StudentDay, Sequence[OwnExplanation]] = {}
        if shown:
            own = await self._unexplained_absences.explained(scope.school_id, shown, caller)
        items = [
            AbsentDay(*key, records.get(key, ()), () if key in records else own.get(key, ()), counts.get(key))
            for key in wanted
            # The report was read a moment before. Absences that were explained since have no records here.
            if key in records or key in shown
        ]
        names = await self._naming.names_of(_named_ids(items), caller)
        statuses = await self._statuses.all_of(scope.school_id, caller)
        by_code = shown_statuses(statuses)
        return AbsentDays(
            sorted(items, key=lambda each: (-each.day.toordinal(), names.order_of_student(each.student_id))),
            report.next_cursor,
            report.rule,
            report.unmarked,
            names,
            by_code,
            [by_code[code] for code in statuses.authorised_absences] if overrules else [],
        )


def _named_ids(items: Sequence[AbsentDay]) -> NamedIds:
    records = [record for each in items for record in each.records]
    return NamedIds(
        students={each.student_id for each in items},
        classes={record.class_id for record in records},
        sessions={record.session_id for record in records},
    )
