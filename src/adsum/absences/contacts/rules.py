"""Contacts: who was called about an unexplained absence, by whom, when, and with what result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from adsum.attendance.rules import DescribedRecord
from adsum.platform.errors import Violation
from adsum.platform.texts import note_text, validate_note
from adsum.roster.student_contacts.rules import StudentContact

MAX_PERSON = 100
EXPLAINED_BY_CALL = "Explained by a call"
"""The reason in the history of records that a call explains. Teachers read it, so it says nothing of the call."""


class ContactResult(StrEnum):
    """The result of a call."""

    REACHED = "reached"
    MESSAGE_LEFT = "message_left"
    NO_ANSWER = "no_answer"
    WRONG_NUMBER = "wrong_number"
    OTHER = "other"


NOBODY_REACHED = (ContactResult.NO_ANSWER, ContactResult.WRONG_NUMBER)
"""Results of calls in which nobody has explained anything."""


@dataclass(frozen=True, slots=True)
class NewContact:
    """A contact as it is entered.

    Attributes:
        result: of the call. `other` needs a note.
        person: who was called, such as "mother"; None: nobody is named.
        note: what was said; None: nothing. Only the office reads both.
        explain_as: an authorised status, which explains the absence; None: it stays unexplained. A call that has
            reached nobody explains nothing.
    """

    result: ContactResult
    person: str | None = None
    note: str | None = None
    explain_as: str | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact about the absence of a student on a day, and its author. Nobody changes it."""

    id: int
    school_id: int
    student_id: int
    day: date
    result: ContactResult
    person: str | None
    note: str | None
    contacted_at: datetime
    contacted_by_role: str
    contacted_by_user_id: int | None
    contacted_by_key_id: int | None


@dataclass(frozen=True, slots=True)
class EnteredContact:
    """A stored contact, and how many records it has explained; None: it was to explain none."""

    contact: Contact
    explained: int | None


@dataclass(frozen=True, slots=True)
class ContactFilters:
    """Filters of contacts; None does not filter. Days are those of the absences, and inclusive."""

    school_id: int | None = None
    student_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None


@dataclass(frozen=True, slots=True)
class StudentToCall:
    """A student to call about on a day: the unexplained records, by session, and the contacts, the newest first.

    `people`: whom to call, by the roster.
    """

    student_id: int
    records: Sequence[DescribedRecord]
    contacts: Sequence[Contact]
    people: Sequence[StudentContact] = ()

    @property
    def day(self) -> date:
        return self.records[0].learning_date

    @property
    def name(self) -> tuple[str, str]:
        """The family name and the given name; empty without `roster:read`."""
        return self.records[0].family_name or "", self.records[0].given_name or ""


def validate_contact(contact: NewContact) -> Iterator[Violation]:
    """The violations in a contact."""
    if contact.person is not None and len(contact.person.strip()) > MAX_PERSON:
        detail = f"a person has at most {MAX_PERSON} characters"
        yield Violation("too_long", detail, "/person", {"maximum": MAX_PERSON})
    yield from validate_note(contact.person if contact.person is None else contact.person[:MAX_PERSON], "/person")
    yield from validate_note(contact.note)
    if contact.result is ContactResult.OTHER and not note_text(contact.note or ""):
        yield Violation("note_missing", "say in a note what the other result is", "/note")
    if contact.explain_as is not None and contact.result in NOBODY_REACHED:
        yield Violation("nobody_reached", "a call that has reached nobody explains no absence", "/explainAs")
