"""The people who work at a school, the classes that they teach, and changes of their logins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypedDict

from adsum.accounts.access import Caller, Role, may_manage
from adsum.accounts.names import NameChange, PersonName
from adsum.accounts.rules import ROLES
from adsum.platform.errors import Conflict, Violation
from adsum.roster.rules import NameOrder, name_order


class OwnLogin(Conflict):
    """A caller cannot take their own rights, because they could not give them back."""

    code = "own_login"


class LastAdmin(Conflict):
    """Nobody else could manage the admins of the district."""

    code = "last_admin"


class NoLogin(Conflict):
    """The person cannot sign in."""

    code = "no_login"


class PersonOfRoster(Conflict):
    """The roster says at which school a person teaches."""

    code = "person_of_roster"


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A member of staff. A person without an email comes from the roster and cannot sign in.

    `school_id` is None for an admin of the district. `has_first_password`: the password was generated, and the person
    has to choose their own.
    """

    id: int
    school_id: int | None
    source_id: str | None
    email: str | None
    role: str
    disabled: bool
    given_name: str
    family_name: str
    left_roster: bool = False
    has_first_password: bool = False
    has_second_factor: bool = False

    @property
    def name(self) -> PersonName:
        return PersonName(self.given_name, self.family_name)

    @property
    def is_active_district_admin(self) -> bool:
        return self.role == Role.ADMIN and self.school_id is None and not self.disabled


@dataclass(frozen=True, slots=True)
class TeachingRow:
    """A person teaches a class from `begin_date` until before `end_date`; None: no bound."""

    user_id: int
    class_id: int
    title: str
    begin_date: date | None
    end_date: date | None


@dataclass(frozen=True, slots=True)
class Person:
    """A person, with past, present and future teachings."""

    row: PersonRow
    teachings: Sequence[TeachingRow]


@dataclass(frozen=True, slots=True)
class PersonFilters:
    """Filters of people; None: any.

    Attributes:
        school_id: of this school.
        of_district: of all schools: admins of the district.
        role: in this role.
        disabled: whether they are disabled.
        with_login: whether they can sign in, or could if they were not disabled.
        words: each occurs in a name, the email or the source id: see `search_spellings`.
    """

    school_id: int | None = None
    of_district: bool = False
    role: Role | None = None
    disabled: bool | None = None
    with_login: bool | None = None
    words: str | None = None


class PersonChange(TypedDict, total=False):
    """Changes of a login; missing values stay. `school_id` None: all schools, for an admin."""

    role: Role
    school_id: int | None
    disabled: bool
    name: NameChange


@dataclass(frozen=True, slots=True)
class GivenPassword:
    """A person and their new password, which is not stored and can be shown only now."""

    person: PersonRow
    password: str


def by_name(row: PersonRow) -> NameOrder:
    """The key that sorts people on a page: by name, or by email if they have none."""
    return name_order(row.family_name or row.email or "", row.given_name, row.id)


def grantable_roles(caller: Caller, school_id: int | None) -> list[Role]:
    """The roles that the caller may give at this school; None: at all schools."""
    return [role for role in ROLES if may_manage(caller, role, school_id) and (school_id or role is Role.ADMIN)]


def validate_rights(role: Role, school_id: int | None) -> Iterator[Violation]:
    """The violations of a role and a school."""
    if role not in ROLES:
        yield Violation("unknown_role", f"a user is one of {', '.join(ROLES)}", "/role", {"allowed": list(ROLES)})
    if school_id is None and role is not Role.ADMIN:
        detail = "a school is required: only an admin may belong to all schools"
        yield Violation("school_missing", detail, "/schoolId")


def refuse_fixed(person: PersonRow, school_id: int | None) -> None:
    """Raises NoLogin, or PersonOfRoster if a person of a roster would get another school."""
    if person.email is None:
        raise NoLogin("this person has no login: add one first")
    if person.source_id is not None and school_id != person.school_id:
        detail = "the roster says at which school this person is: add another login for another school"
        raise PersonOfRoster(detail, [Violation(PersonOfRoster.code, detail, "/schoolId")])
