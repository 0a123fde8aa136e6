"""The names of users: those of a roster come from it, all others are typed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from adsum.platform.errors import Conflict, Violation
from adsum.platform.texts import validate_roster_text

MAX_NAME = 255


class NameOfRoster(Conflict):
    """The roster says what this person is called. The next import would undo another name."""

    code = "name_of_roster"


@dataclass(frozen=True, slots=True)
class PersonName:
    """A given and a family name, without blanks at their ends. One of the two may be empty."""

    given: str
    family: str

    @classmethod
    def of(cls, given: str, family: str) -> PersonName:
        return cls(given.strip(), family.strip())

    def violations(self) -> Iterator[Violation]:
        """The violations of this name."""
        for text, pointer in ((self.given, "/givenName"), (self.family, "/familyName")):
            yield from validate_roster_text(text, pointer)
            if len(text) > MAX_NAME:
                detail = f"a name has at most {MAX_NAME} characters"
                yield Violation("too_long", detail, pointer, {"maximum": MAX_NAME})
        if not self.given and not self.family:
            yield Violation("name_missing", "a person has a given name, a family name, or both", "/familyName")


@dataclass(frozen=True, slots=True)
class NameChange:
    """The parts of a name that change, without blanks at their ends; None: the part stays."""

    given: str | None
    family: str | None

    @classmethod
    def of(cls, given: str | None, family: str | None) -> NameChange | None:
        """The change of a body or a form; None: it has no part of a name."""
        if given is None and family is None:
            return None
        return cls(given and given.strip(), family and family.strip())

    def applied_to(self, name: PersonName) -> PersonName:
        """The name after this change of the stored one."""
        given = name.given if self.given is None else self.given
        return PersonName(given, name.family if self.family is None else self.family)


def refuse_name_of_roster() -> None:
    """Raises NameOfRoster."""
    detail = "the name of this person comes from the roster: change it there"
    raise NameOfRoster(detail, [Violation(NameOfRoster.code, detail, "/familyName")])
