"""The people who work at a school, and the classes that they teach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from adsum.accounts.access import PERMISSIONS, Caller, Role
from adsum.accounts.service import ROLES
from adsum.platform.texts import folded


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person of a school's staff. A person without an email comes from the roster and cannot sign in."""

    id: int
    school_id: int | None
    source_id: str | None
    email: str | None
    role: str
    disabled: bool
    given_name: str
    family_name: str
    left_roster: bool = False
    has_second_factor: bool = False


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
    """Filters of people. `school_id` None selects those who belong to every school.

    Each of `words` occurs in a name, the email or the source id: see `search_spellings`.
    """

    school_id: int | None
    words: str | None = None


def by_name(row: PersonRow) -> tuple[str, str, str]:
    """The key that sorts people on a page: by name, or by email if they have none."""
    return folded(row.family_name) or (row.email or ""), folded(row.given_name), row.email or ""


def grantable_roles(caller: Caller) -> list[Role]:
    """The roles whose logins a caller with `user:manage` may manage."""
    return [role for role in ROLES if may_grant(caller, role)]


def may_grant(caller: Caller, role: Role) -> bool:
    """Whether the caller has every permission of the role, and, for admins, belongs to every school."""
    return caller.may_grant(PERMISSIONS[role], None if role is Role.ADMIN else ())
