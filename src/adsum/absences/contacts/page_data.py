"""Collects the data of the call list: students to call, students who were called, and those who are settled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from adsum.absences.contacts.rules import Contact, ContactFilters, StudentToCall
from adsum.absences.contacts.service import Contacts
from adsum.accounts.access import Caller, Permission
from adsum.attendance.statuses.rules import ShownStatus, shown_statuses
from adsum.attendance.statuses.service import Statuses
from adsum.platform.paging import PageRequest, every_item
from adsum.roster.rules import NamedIds, Names, name_order
from adsum.roster.service import Naming

# On the page of a student.
SHOWN = 20


@dataclass(frozen=True, slots=True)
class CallList:
    """The call list of a day, each part by name.

    Attributes:
        open: nobody was called yet.
        tried: somebody was called, and the absence is still unexplained.
        explained: the contacts about students whose absences of the day are explained by now, by student.
        names: of the students of `explained`, and of the callers.
        statuses: of the school.
        explanations: the statuses that explain an absence.
    """

    open: Sequence[StudentToCall]
    tried: Sequence[StudentToCall]
    explained: Mapping[int, Sequence[Contact]]
    names: Names
    statuses: Mapping[str, ShownStatus]
    explanations: Sequence[ShownStatus]


@dataclass(frozen=True, slots=True)
class ContactsOfStudent:
    """The newest contacts about a student, and the names of the callers. `has_more`: there are older ones."""

    contacts: Sequence[Contact]
    names: Names
    has_more: bool


class CallListPageData:
    """Combines students to call and contacts with names and statuses."""

    def __init__(self, contacts: Contacts, statuses: Statuses, naming: Naming) -> None:
        self._contacts = contacts
        self._statuses = statuses
        self._naming = naming

    async def read(self, school_id: int, day: date, caller: Caller) -> CallList:
        """The call list of a school on a day.

        Raises:
            Forbidden: without `attendance:overrule`.
            NotFound: there is no such school, or the caller does not see it.
        """
        found = await every_item(lambda page: self._contacts.to_call(school_id, day, caller, page))
        to_call = sorted(found, key=lambda each: name_order(*each.name, each.student_id))
        filters = ContactFilters(school_id=school_id, first_day=day, last_day=day)
        contacts = await every_item(lambda page: self._contacts.page(caller, filters, page))
        explained = _by_student(contacts, {each.student_id for each in to_call})
        names = await self._naming.names_of(NamedIds(students=explained, people=_callers(contacts)), caller)
        statuses = await self._statuses.all_of(school_id, caller)
        shown = shown_statuses(statuses)
        by_name = sorted(explained, key=names.order_of_student)
        return CallList(
            [each for each in to_call if not each.contacts],
            [each for each in to_call if each.contacts],
            {student_id: explained[student_id] for student_id in by_name},
            names,
            shown,
            [shown[code] for code in statuses.authorised_absences],
        )

    async def of_student(self, student_id: int, caller: Caller) -> ContactsOfStudent | None:
        """The contacts about a student. None: the caller may not see any."""
        if not caller.may(Permission.ATTENDANCE_OVERRULE):
            return None
        page = await self._contacts.page(caller, ContactFilters(student_id=student_id), PageRequest(limit=SHOWN))
        names = await self._naming.names_of(NamedIds(people=_callers(page.items)), caller)
        return ContactsOfStudent(page.items, names, page.next_cursor is not None)


def _callers(contacts: Sequence[Contact]) -> Collection[int]:
    return {each.contacted_by_user_id for each in contacts if each.contacted_by_user_id is not None}


def _by_student(contacts: Sequence[Contact], without: Collection[int]) -> Mapping[int, Sequence[Contact]]:
    found: defaultdict[int, list[Contact]] = defaultdict(list)
    for each in contacts:
        if each.student_id not in without:
            found[each.student_id].append(each)
    return found
