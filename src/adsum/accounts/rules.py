"""Users who can sign in: their values, and the rules of emails, roles and schools."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from adsum.accounts.access import Role
from adsum.accounts.names import NameOfRoster, PersonName
from adsum.platform.errors import Conflict, Invalid, Unauthenticated, Violation, refuse

ROLES = tuple(role for role in Role if role is not Role.KEY)
MAX_EMAIL = 254
WRONG = "the email or the password is wrong"
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f\"<>(),;:\\\[\]]{1,64}@[\w-]+(\.[\w-]+)*")


class FirstPassword(StrEnum):
    """The state of a generated password. With an unused one a user signs in once, to choose their own."""

    UNUSED = "unused"
    USED = "used"


class FirstPasswordUsed(Unauthenticated):
    """The first password is right, and was used before."""

    code = "first_password_used"


class EmailTaken(Conflict):
    """Another user has this email."""

    code = "email_taken"


@dataclass(frozen=True, slots=True)
class User:
    """A user with a login.

    Attributes:
        id, email, role: of the user.
        school_id: None for an admin of the district.
        disabled: whether they cannot sign in.
        source_id: in the roster.
        has_first_password: whether the password was generated, and the user has to choose their own.
        generation: of their sign-ins. A new password increments it.
        has_password: whether they can sign in with a password.
    """

    id: int
    email: str
    role: Role
    school_id: int | None
    disabled: bool
    source_id: str | None = None
    has_first_password: bool = False
    generation: int = 0
    has_password: bool = True


def may_be_email(text: str) -> bool:
    """Whether a normalised text can be the email of a user: it has no more characters, and databases can store it.

    Postgres refuses a NUL, and a lone surrogate has no UTF-8 form.
    """
    return len(text) <= MAX_EMAIL and text.isprintable()


def normalised_email(email: str) -> str:
    """The form in which an email is stored and looked up."""
    return email.strip().lower()


def validate_email(email: str) -> list[Violation]:
    """The violations of a normalised email."""
    if len(email) <= MAX_EMAIL and _EMAIL.fullmatch(email):
        return []
    return [Violation("wrong_email", "this is not an email address", "/email")]


def validate_new_name(name: PersonName | None, teacher: str | None) -> list[Violation]:
    """The violations of the name of a new user; `teacher`: the source id of a person in the roster."""
    if name is None:
        return []
    if teacher is None:
        return list(name.violations())
    detail = "the name of a person of the roster comes from there: leave it out"
    return [Violation(NameOfRoster.code, detail, "/familyName")] if name.given or name.family else []


def validate_role(role: Role, teacher: str | None) -> list[Violation]:
    """The violations of the role of a new user; `teacher`: as for `validate_new_name`."""
    violations: list[Violation] = []
    if role not in ROLES:
        violations.append(
            Violation("unknown_role", f"a user is one of {', '.join(ROLES)}", "/role", {"allowed": list(ROLES)})
        )
    if teacher is not None and role is not Role.TEACHER:
        violations.append(
            Violation("not_a_teacher", "only the role teacher can be linked to a teacher of the roster", "/teacher")
        )
    return violations


def chosen_school(school_ids: Sequence[int], school_id: int | None) -> int:
    """The school of a new user: the given one, which has to be among these, else the only one. Raises Invalid."""
    if school_id is None:
        if len(school_ids) == 1:
            return school_ids[0]
        detail = (
            "a school is required: only an admin may belong to all schools"
            if school_ids
            else "there is no school yet: import a roster"
        )
        raise Invalid(detail, [Violation("school_missing", detail, "/schoolId")])
    if school_id not in school_ids:
        refuse([unknown_school(school_id)])
    return school_id


def unknown_school(school_id: int, pointer: str = "/schoolId") -> Violation:
    """The violation of a body that names a school that does not exist, or that the caller may not see."""
    return Violation("unknown_school", f"there is no school {school_id}", pointer, {"schoolId": school_id})
