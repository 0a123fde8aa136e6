"""The contacts of students: the guardians, parents and relatives whom the roster names."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from adsum.platform.texts import list_key
from adsum.roster.oneroster.records import CONTACT_ROLES

_NUMBER = re.compile(r"\+?[\d\s()/.-]{1,30}", re.ASCII)


@dataclass(frozen=True, slots=True)
class StudentContact:
    """A contact of a student. `role`: one of `CONTACT_ROLES`."""

    source_id: str
    role: str
    given_name: str
    family_name: str
    phone: str | None
    sms: str | None
    email: str | None

    @property
    def name(self) -> str:
        return f"{self.given_name} {self.family_name}".strip()

    @property
    def numbers(self) -> Sequence[str]:
        """The phone number and that for text messages, each once."""
        return list(dict.fromkeys(number for number in (self.phone, self.sms) if number))

    @property
    def dialled_numbers(self) -> Sequence[tuple[str, str | None]]:
        """Each number with its digits, which a link dials; None: the text is no single number."""
        return [(number, dialled(number)) for number in self.numbers]

    @property
    def text(self) -> str:
        """Such as `Ada Byron (parent) 030 1234, 0170 5678`."""
        return f"{self.name} ({self.role}) {', '.join(self.numbers)}".strip()


def in_order_of_calls(contacts: Collection[StudentContact]) -> list[StudentContact]:
    """Contacts with a phone number first, then guardians, parents and relatives, each by name. Each once."""

    def order(contact: StudentContact) -> tuple[object, ...]:
        names = list_key(contact.family_name), list_key(contact.given_name)
        return not contact.numbers, CONTACT_ROLES.index(contact.role), *names, contact.source_id, contact.text

    return sorted(set(contacts), key=order)


def dialled(number: str) -> str | None:
    """The digits of a phone number; None: the text is no single number. `+49 (0)30` is dialled without the `(0)`."""
    international = number.replace("(0)", "") if number.startswith("+") else number
    digits = re.sub(r"[^+\d]", "", international)
    return digits if _NUMBER.fullmatch(number) and digits.strip("+") else None
