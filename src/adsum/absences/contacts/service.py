"""Contacts: the students to call because of an unexplained absence, and the calls that were made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date

from adsum.absences.contacts.repository import (
    absent_students,
    add_contact,
    contacts_of_day,
    count_uncalled,
    list_contacts,
)
from adsum.absences.contacts.rules import (
    EXPLAINED_BY_CALL,
    Contact,
    ContactFilters,
    EnteredContact,
    NewContact,
    StudentToCall,
    validate_contact,
)
from adsum.absences.rules import Author
from adsum.absences.unexplained import Explanation, explain_days, validate_explanation
from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.named_schools import require_named_school, require_school
from adsum.accounts.visibility import sees_names
from adsum.attendance.repository import describe, find_records_with_statuses
from adsum.attendance.rules import DescribedRecord
from adsum.attendance.statuses.repository import statuses_of_school
from adsum.platform.clock import Clock
from adsum.platform.database.answers import KeyedRequest, claim_key, store_result
from adsum.platform.database.contention import repeats_if_contended
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Invalid, Violation, refuse
from adsum.platform.paging import PageRequest, RowPage, begin_of, by_number, page_of
from adsum.roster.service import school_of_student
from adsum.roster.student_contacts.repository import contacts_of_students
from adsum.roster.student_contacts.rules import StudentContact
from adsum.schools.locks import lock_school
from adsum.schools.repository import today_of_school


class Contacts:
    """Lists the students to call, and stores contacts. Every method raises Forbidden without `attendance:overrule`.

    `now` is the clock.
    """

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def to_call(
        self, school_id: int, day: date | None, caller: Caller, page: PageRequest
    ) -> RowPage[StudentToCall]:
        """The students of a school with an unexplained absence on a day, by id, with its contacts and whom to call.

        Args:
            school_id: of the students.
            day: of the absences; None: the school's today.
            caller: of the office. Without `roster:read` the students have no names.
            page: of the list.

        Raises:
            NotFound: there is no such school, or the caller does not see it.
            Invalid: the cursor belongs to another query, or is not a cursor.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        query = ("to_call", school_id, day)
        after = begin_of(page, query, by_number) or 0
        async with self._database.snapshot() as connection:
            await require_school(connection, caller, school_id)
            day = day or await today_of_school(connection, school_id, self._now())
            codes = (await statuses_of_school(connection, school_id)).unexplained
            ids = await absent_students(connection, school_id, day, codes, after, page.limit + 1)
            records = await find_records_with_statuses(
                connection, caller, school_id, [(student_id, day) for student_id in ids], codes
            )
            described = await describe(connection, records, caller)
            contacts = await contacts_of_day(connection, school_id, day, ids)
            people = await contacts_of_students(connection, caller, ids) if sees_names(caller) else {}
        found = _students_to_call(ids, described, contacts, people)
        return page_of(found, page, query, lambda each: (each.student_id,))

    async def count_to_call(self, school_id: int, day: date, caller: Caller) -> int:
        """The number of students with an unexplained absence on a day about whom nobody was called.

        Raises NotFound: there is no such school, or the caller does not see it.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.snapshot() as connection:
            await require_school(connection, caller, school_id)
            codes = (await statuses_of_school(connection, school_id)).unexplained
            return await count_uncalled(connection, school_id, day, codes)

    async def page(self, caller: Caller, filters: ContactFilters, page: PageRequest) -> RowPage[Contact]:
        """A page of the contacts, the newest first.

        Raises:
            NotFound: the caller does not see the school of the filter.
            Invalid: a cursor of another query.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        query = ("contacts", filters)
        before = begin_of(page, query, by_number)
        async with self._database.snapshot() as connection:
            await require_named_school(connection, caller, filters.school_id)
            rows = await list_contacts(connection, caller, filters, before, page.limit + 1)
        return page_of(rows, page, query, lambda row: (row.id,))

    @repeats_if_contended
    async def add(
        self,
        student_id: int,
        day: date | None,
        contact: NewContact,
        caller: Caller,
        keyed: KeyedRequest[EnteredContact] | None = None,
        *,
        school_id: int | None = None,
    ) -> EnteredContact:
        """Stores a contact, now. With `explain_as`, it also explains the unexplained records of the day.

        Their history says that a call has explained them. The note stays with the contact.

        Args:
            student_id: whose absence it is.
            day: of the absence; None: the school's today.
            contact: the result of the call.
            caller: of the office, who has called.
            keyed: the request, if it has an idempotency key.
            school_id: of the absence; None: the student's home school, or the first one that the caller sees.

        Raises:
            Invalid: with all violations; nothing was stored.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.transaction() as connection:
            await claim_key(connection, keyed)
            violations = list(validate_contact(contact))
            try:
                own_school = await _locked_school(connection, caller, student_id, school_id)
            except Invalid as error:
                raise Invalid(error.detail, [*violations, *error.violations]) from error
            now = self._now()
            today = await today_of_school(connection, own_school, now)
            day = day or today
            refuse([*violations, *await _wrong_at(connection, own_school, day, today, contact)])
            explained = None
            if contact.explain_as is not None:
                explanation = Explanation(contact.explain_as, EXPLAINED_BY_CALL)
                days = [(student_id, day)]
                records = await explain_days(connection, own_school, days, explanation, caller, now=now)
                explained = len(records)
            stored = await add_contact(connection, own_school, student_id, day, contact, Author(caller, now))
            entered = EnteredContact(stored, explained)
            await store_result(connection, keyed, entered)
        return entered


async def _locked_school(connection: Connection, caller: Caller, student_id: int, school_id: int | None) -> int:
    """As `school_of_student`, and locks the school, as a merge or an erasure of the student does."""
    own_school = await school_of_student(connection, caller, student_id, school_id)
    await lock_school(connection, own_school)
    return await school_of_student(connection, caller, student_id, own_school)


async def _wrong_at(
    connection: Connection, school_id: int, day: date, today: date, contact: NewContact
) -> list[Violation]:
    """The violations of a contact that depend on its school."""
    found = list[Violation]()
    if day > today:
        detail = f"{day} is in the future: at the school it is {today}"
        found.append(Violation("date_in_future", detail, "/date", {"today": today.isoformat()}))
    if contact.explain_as is not None:
        statuses = await statuses_of_school(connection, school_id)
        found += validate_explanation(contact.explain_as, statuses, "/explainAs")
    return found


def _students_to_call(
    student_ids: Sequence[int],
    records: Collection[DescribedRecord],
    contacts: Collection[Contact],
    people: Mapping[int, Sequence[StudentContact]],
) -> list[StudentToCall]:
    by_student: defaultdict[int, list[DescribedRecord]] = defaultdict(list)
    for record in records:
        by_student[record.student_id].append(record)
    return [
        StudentToCall(
            student_id,
            by_student[student_id],
            [each for each in contacts if each.student_id == student_id],
            people.get(student_id, ()),
        )
        for student_id in student_ids
        if student_id in by_student
    ]
