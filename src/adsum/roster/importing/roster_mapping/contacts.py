"""The contacts of students: guardians, parents and relatives.

OneRoster relates users by `agentSourcedIds`: the row of a student names their contacts, the row of a contact their
students, or both. A contact is stored for a student as long as either row names the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeAlias

from adsum.platform.errors import Violation
from adsum.platform.files.file_violations import row_violation
from adsum.roster.importing.roster_mapping.staged_people import FILE
from adsum.roster.importing.rules import ContactKey, Findings, ImportedContact, column_of_empty_name
from adsum.roster.oneroster.records import CONTACT_ROLES, STUDENT, PersonRecord

COLUMN = "agentSourcedIds"

Place: TypeAlias = tuple[int, int]
"""A school and a student of it."""


@dataclass(frozen=True, slots=True)
class ListedContact:
    """A row of a contact. `schools`: the ids of the schools among the orgs of the contact."""

    person: PersonRecord
    role: str
    schools: AbstractSet[int]


@dataclass(frozen=True, slots=True)
class KnownUsers:
    """The users of the import once its students are stored.

    Attributes:
        places: of the active students, by source id.
        listed, gone, left_out: the source ids of all users of the file, of deleted ones, and of invalid rows.
        stored: the stored contacts of the schools of the import.
        is_complete: contacts and relations that the file does not have are over.
    """

    places: Mapping[str, Collection[Place]]
    listed: AbstractSet[str]
    gone: AbstractSet[str]
    left_out: AbstractSet[str]
    stored: Mapping[ContactKey, ImportedContact]
    is_complete: bool


class ListedContacts:
    """The rows of contacts and of students, as `PeopleMapping` reads them."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self.contacts: dict[str, ListedContact] = {}
        # Of students whose row tells it: the number of the row, and the agents.
        self.students: dict[str, tuple[int, tuple[str, ...]]] = {}
        # Contacts who end at a school; None: at all schools.
        self.ended: set[tuple[str, int | None]] = set()

    @property
    def is_empty(self) -> bool:
        return not self.contacts and not any(agents for _, agents in self.students.values())

    def add(self, person: PersonRecord, roles: Collection[str], schools: AbstractSet[int] = frozenset()) -> None:
        """Adds a user with these roles. `schools`: those of their orgs."""
        role = next((each for each in CONTACT_ROLES if each in roles), None)
        if role is not None:
            self.contacts[person.source_id] = ListedContact(person, role, schools)
        if STUDENT in roles and person.agents is not None:
            self.students[person.source_id] = (person.row, person.agents)
        if role is not None or STUDENT in roles:
            self._findings.warn(*person.doubts)


class ContactMapping:
    """Finds the contacts that each student has after the import. Reports relations that lead nowhere."""

    def __init__(self, listed: ListedContacts, known: KnownUsers, findings: Findings) -> None:
        self._listed = listed
        self._known = known
        self._findings = findings
        self._stored_people = {key[2]: contact for key, contact in known.stored.items()}
        self._active = {place for places in known.places.values() for place in places}

    def contacts(self) -> dict[ContactKey, ImportedContact]:
        by_students, by_contacts = self._named_by_students(), self._named_by_contacts()
        telling_students = self._telling_students()
        found: dict[ContactKey, ImportedContact] = {}
        for key in {*self._known.stored, *by_students, *by_contacts}:
            before = self._known.stored.get(key)
            by_student = key in by_students or (
                before is not None and before.named_by_student and key[:2] not in telling_students
            )
            by_contact = key in by_contacts or (
                before is not None and before.named_by_contact and not self._tells_students(key[2])
            )
            contact = self._contact(key, by_student=by_student, by_contact=by_contact)
            if contact is not None:
                found[key] = contact
        self._report(found)
        return found

    def empty_names(self, keys: Iterable[ContactKey]) -> dict[int, str]:
        """The column of the empty name, by row, of those with one name among these contacts of the file who are new or
        whose names change.
        """
        sources = {source_id for _, _, source_id in keys}
        found: dict[int, str] = {}
        for source_id, listed in self._listed.contacts.items():
            person, stored = listed.person, self._stored_people.get(source_id)
            names = (person.given_name, person.family_name)
            stays = stored is not None and (stored.given_name, stored.family_name) == names
            if source_id in sources and "" in names and not stays:
                found[person.row] = column_of_empty_name(person.given_name)
        return found

    def _telling_students(self) -> set[Place]:
        """The students whose contacts the file tells: their row is in it, or would be if they had any."""
        known = self._known
        sources: Iterable[str] = known.places.keys() - known.left_out if known.is_complete else self._listed.students
        return {place for source in sources for place in known.places.get(source, ())}

    def _tells_students(self, source_id: str) -> bool:
        """Whether the file tells the students of a contact."""
        listed = self._listed.contacts.get(source_id)
        if listed is not None:
            return listed.person.agents is not None
        return self._known.is_complete and source_id not in self._known.left_out

    def _named_by_students(self) -> set[ContactKey]:
        found: set[ContactKey] = set()
        for source_id, (row, agents) in self._listed.students.items():
            places = self._known.places.get(source_id, ())
            for agent in agents if places else ():
                if self._is_contact(agent):
                    found.update((*place, agent) for place in places)
                elif agent not in self._known.gone:
                    self._report_agent(row, agent, source_id)
        return found

    def _named_by_contacts(self) -> set[ContactKey]:
        found: set[ContactKey] = set()
        for source_id, listed in self._listed.contacts.items():
            for student in listed.person.agents or ():
                places = self._known.places.get(student)
                if places:
                    found.update((*place, source_id) for place in places)
                elif student not in self._listed.students and student not in self._known.gone:
                    self._report_agent(listed.person.row, student, student)
        return found

    def _is_contact(self, source_id: str) -> bool:
        if source_id in self._listed.contacts:
            return True
        is_kept = not self._known.is_complete or source_id in self._known.left_out
        return is_kept and source_id in self._stored_people and source_id not in self._known.gone

    def _contact(self, key: ContactKey, *, by_student: bool, by_contact: bool) -> ImportedContact | None:
        """The contact of a student with the values of the file, else those that are stored; None: there is none."""
        school_id, _, source_id = key
        if not (by_student or by_contact) or not self._is_contact(source_id) or key[:2] not in self._active:
            return None
        listed = self._listed.contacts.get(source_id)
        if listed is not None:
            return ImportedContact.of(listed.person, listed.role, by_student=by_student, by_contact=by_contact)
        if not self._listed.ended.isdisjoint(((source_id, None), (source_id, school_id))):
            return None
        stored = self._known.stored.get(key, self._stored_people[source_id])
        return stored.named(by_student=by_student, by_contact=by_contact)

    def _report(self, found: Collection[ContactKey]) -> None:
        schools: dict[str, set[int]] = {}
        for school_id, _, source_id in found:
            schools.setdefault(source_id, set()).add(school_id)
        for source_id, listed in self._listed.contacts.items():
            at = schools.get(source_id)
            row, who = listed.person.row, f"{listed.role} {source_id}"
            if at is None:
                self._findings.ignore(FILE, f"{listed.role} without a student")
                continue
            if listed.schools and not at <= listed.schools:
                detail = f"{who} has a student at a school that orgSourcedIds does not name"
                self._findings.warn(_violation("student_of_other_school", row, detail, source_id))
            if not listed.person.phone and not listed.person.sms:
                detail = f"{who} has no phone number"
                self._findings.warn(row_violation("no_phone", FILE, row, detail, column="phone", agent=source_id))

    def _report_agent(self, row: int, agent: str, student: str) -> None:
        """Warns of an agent who is unknown, and counts one with another role, such as a counselor."""
        if agent in self._known.left_out:
            detail = f"the row of user {agent} was left out"
            self._findings.warn(_violation("depends_on_left_out", row, detail, agent, student))
        elif agent not in self._known.listed:
            self._findings.warn(_violation("unknown_agent", row, f"there is no user {agent}", agent, student))
        else:
            self._findings.ignore(FILE, "agent who is neither student nor contact")


def _violation(code: str, row: int, detail: str, agent: str, student: str | None = None) -> Violation:
    """A warning. `user` names the student, so that an erasure finds it in stored answers."""
    named = {} if student is None else {"user": student}
    return row_violation(code, FILE, row, detail, column=COLUMN, agent=agent, **named)
