"""Collects the data of the call list: students to call, students who were called, and those who are settled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from adsum.absences.contacts.rules import Call, Contact, ContactFilters
from adsum.absences.contacts.service import Contacts
from adsum.accounts.access import Caller
from adsum.attendance.statuses.rules import ShownStatus, shown_statuses
from adsum.attendance.statuses.service import Statuses
from adsum.platform.paging import every_item
from adsum.platform.texts import list_key
from adsum.roster.rules import NamedIds, Names, name_order
from adsum.roster.service import Naming


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

    open: Sequence[Call]
    tried: Sequence[Call]
    explained: Mapping[int, Sequence[Contact]]
    names: Names
    statuses: Mapping[str, ShownStatus]
    explanations: Sequence[ShownStatus]


class CallListPageData:
    """Combines calls and contacts with names and statuses."""

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
        calls = sorted(found, key=lambda call: name_order(*call.name, call.student_id))
        filters = ContactFilters(school_id=school_id, first_day=day, last_day=day)
        contacts = await every_item(lambda page: self._contacts.page(caller, filters, page))
        explained = _by_student(contacts, {call.student_id for call in calls})
        people = {each.contacted_by_user_id for each in contacts if each.contacted_by_user_id is not None}
        names = await self._naming.names_of(NamedIds(students=explained, people=people), caller)
        statuses = await self._statuses.all_of(school_id, caller)
        shown = shown_statuses(statuses)
        by_name = sorted(explained, key=lambda student_id: (list_key(names.students.get(student_id, "")), student_id))
        return CallList(
            [call for call in calls if not call.contacts],
            [call for call in calls if call.contacts],
            {student_id: explained[student_id] for student_id in by_name},
            names,
            shown,
            [shown[code] for code in statuses.authorised_absences],
        )


def _by_student(contacts: Sequence[Contact], without: Collection[int]) -> Mapping[int, Sequence[Contact]]:
    found: defaultdict[int, list[Contact]] = defaultdict(list)
    for each in contacts:
        if each.student_id not in without:
            found[each.student_id].append(each)
    return found
