"""Users who can sign in: adds, changes, disables and authenticates them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from adsum.accounts import repository as statements
from adsum.accounts.access import PERMISSIONS, Caller, Role
from adsum.accounts.passwords import MAX_LENGTH, MIN_LENGTH, Passwords, generated_password
from adsum.accounts.repository import StoredUser
from adsum.platform.database.engine import Database, RejectedRows
from adsum.platform.errors import Conflict, Invalid, NotFound, Unauthenticated, Violation, refuse
from adsum.platform.texts import validate_roster_text

ROLES = tuple(role for role in Role if role is not Role.KEY)
MAX_EMAIL = 254
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f\"<>(),;:\\\[\]]{1,64}@[\w-]+(\.[\w-]+)*")


class EmailTaken(Conflict):
    """Another user has this email."""

    code = "email_taken"


@dataclass(frozen=True, slots=True)
class User:
    """A user with a login. `school_id` is None for an admin."""

    id: int
    email: str
    role: Role
    school_id: int | None
    disabled: bool
    source_id: str | None = None


@dataclass(frozen=True, slots=True)
class NewLogin:
    """A user and the new password, which is not stored and can be shown only now."""

    user: User
    password: str


class Accounts:
    """Manages users. Checks no permission: the command line and `People`, which checks them, call it."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords

    async def add_user(
        self,
        email: str,
        role: Role,
        *,
        school_id: int | None = None,
        teacher: str | None = None,
        password: str | None = None,
    ) -> NewLogin:
        """Adds a user who can sign in.

        Args:
            email: stored in lower case.
            role: an admin has no school, every other role has one.
            school_id: may be None if there is only one school.
            teacher: source id of a person in the roster, who receives the login and keeps their role.
            password: generated if None.

        Raises:
            Invalid: with all violations.
            EmailTaken: another user has the email.
            NotFound: the roster of the school has no such teacher.
        """
        email = normalised_email(email)
        teacher = None if teacher is None else teacher.strip()
        password = generated_password() if password is None else password
        violations = [
            *_validate_email(email),
            *_validate_password(password),
            *_validate_role(role, school_id, teacher),
            *validate_roster_text(teacher or "", "/teacher"),
        ]
        refuse(violations)
        password_hash = await self._passwords.hash(password)
        user_id = await self._insert(email, password_hash, role, school_id, teacher)
        return NewLogin(await self._user(user_id), password)

    async def list_users(self) -> list[User]:
        """All users with a login, by email."""
        async with self._database.snapshot() as connection:
            return [_user(row) for row in await statements.users_with_email(connection)]

    async def set_password(self, email: str, password: str | None = None) -> NewLogin:
        """Sets a password, generated if None, ends all tokens of the user, and clears their failed sign-ins.

        Raises:
            Invalid: the password is too short or too long.
            NotFound: no user has this email.
        """
        password = generated_password() if password is None else password
        refuse(_validate_password(password))
        password_hash = await self._passwords.hash(password)
        async with self._database.transaction() as connection:
            user = _require_user(await statements.user_of_email(connection, normalised_email(email)))
            await statements.set_password(connection, user.id, password_hash)
        return NewLogin(_user(user), password)

    async def disable(self, email: str) -> User:
        """Ends all tokens of the user and refuses new ones. Raises NotFound."""
        return await self._set_disabled(email, disabled=True)

    async def enable(self, email: str) -> User:
        """Lets a disabled user sign in again. Earlier tokens stay ended. Raises NotFound."""
        return await self._set_disabled(email, disabled=False)

    async def unlock(self, email: str) -> User:
        """Clears the failed sign-ins of the user: they no longer wait or are slowed down on account of them.

        The counter of an address stays, so that the user still waits where too many failed, of whatever account.

        Raises NotFound.
        """
        async with self._database.transaction() as connection:
            user = _require_user(await statements.user_of_email(connection, normalised_email(email)))
            await statements.unlock(connection, user.id)
        return _user(user)

    async def unlocks_of(self, email: str) -> int:
        """How often the failed sign-ins of this account were cleared; 0 for an unknown email.

        Args:
            email: normalised.
        """
        user = await self._find(email)
        return 0 if user is None else user.unlocks

    async def name_of(self, caller: Caller) -> str:
        """The name of the caller, else their email; '' if the caller is not a user."""
        if caller.user_id is None:
            return ""
        async with self._database.snapshot() as connection:
            return await statements.name_of_user(connection, caller.user_id)

    async def end_tokens(self, caller: Caller) -> None:
        """Ends all tokens of the user."""
        assert caller.user_id is not None, "only users have tokens"
        async with self._database.transaction() as connection:
            await statements.end_tokens(connection, caller.user_id)

    async def authenticate(self, email: str, password: str) -> User:
        """The user with this email and password.

        Raises:
            Unauthenticated: wrong password, unknown email or disabled user, without a difference in text or time.
        """
        email = normalised_email(email)
        user = await self._find(email)
        matches = await self._passwords.matches(password[:MAX_LENGTH], user.password_hash if user else None)
        if user is None or user.disabled or not matches or len(password) > MAX_LENGTH:
            raise Unauthenticated("the email or the password is wrong")
        return _user(user)

    async def _find(self, email: str) -> StoredUser | None:
        async with self._database.snapshot() as connection:
            return None if _validate_email(email) else await statements.user_of_email(connection, email)

    async def _insert(
        self, email: str, password_hash: str, role: Role, school_id: int | None, teacher: str | None
    ) -> int:
        try:
            async with self._database.transaction() as connection:
                if await statements.user_of_email(connection, email):
                    raise _email_taken(email)
                if role is not Role.ADMIN:
                    school_id = _chosen_school(await statements.school_ids(connection), school_id)
                if teacher is None or school_id is None:
                    return await statements.insert_user(
                        connection, email=email, password_hash=password_hash, role=role.value, school_id=school_id
                    )
                person = _linkable(await statements.user_of_source(connection, school_id, teacher), teacher)
                await statements.set_login(connection, person.id, email=email, password_hash=password_hash)
                return person.id
        except RejectedRows:
            raise _email_taken(email) from None  # a concurrent request has added the email

    async def _user(self, user_id: int) -> User:
        async with self._database.snapshot() as connection:
            return _user(_require_user((await statements.users_of_ids(connection, [user_id])).get(user_id)))

    async def _set_disabled(self, email: str, *, disabled: bool) -> User:
        async with self._database.transaction() as connection:
            user = _require_user(await statements.user_of_email(connection, normalised_email(email)))
            await statements.set_disabled(connection, user.id, disabled=disabled)
            return _user(_require_user((await statements.users_of_ids(connection, [user.id])).get(user.id)))


def normalised_email(email: str) -> str:
    """The form in which an email is stored and looked up."""
    return email.strip().lower()


def caller_of_user(user: StoredUser) -> Caller:
    """The caller for a user. An admin sees all schools, every other user one."""
    role = Role(user.role)
    schools = None if role is Role.ADMIN else frozenset({user.school_id} if user.school_id is not None else ())
    return Caller(role=role, permissions=PERMISSIONS[role], user_id=user.id, schools=schools)


def _validate_email(email: str) -> list[Violation]:
    if len(email) <= MAX_EMAIL and _EMAIL.fullmatch(email):
        return []
    return [Violation("wrong_email", "this is not an email address", "/email")]


def _validate_password(password: str) -> list[Violation]:
    if MIN_LENGTH <= len(password) <= MAX_LENGTH:
        return []
    detail = f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters"
    return [Violation("wrong_password_length", detail, "/password", {"minimum": MIN_LENGTH, "maximum": MAX_LENGTH})]


def _validate_role(role: Role, school_id: int | None, teacher: str | None) -> list[Violation]:
    violations: list[Violation] = []
    if role not in ROLES:
        violations.append(
            Violation("unknown_role", f"a user is one of {', '.join(ROLES)}", "/role", {"allowed": list(ROLES)})
        )
    if role is Role.ADMIN and school_id is not None:
        violations.append(
            Violation("admin_of_one_school", "an admin belongs to every school: omit the school", "/school")
        )
    if teacher is not None and role is not Role.TEACHER:
        violations.append(
            Violation("not_a_teacher", "only the role teacher can be linked to a teacher of the roster", "/teacher")
        )
    return violations


def _chosen_school(school_ids: Sequence[int], school_id: int | None) -> int:
    if school_id is None:
        if len(school_ids) == 1:
            return school_ids[0]
        detail = (
            "a school is required: every role except admin has one"
            if school_ids
            else "there is no school yet: import a roster"
        )
        raise Invalid(detail, [Violation("school_missing", detail, "/school")])
    if school_id not in school_ids:
        detail = f"there is no school {school_id}"
        raise Invalid(detail, [Violation("unknown_school", detail, "/school", {"schoolId": school_id})])
    return school_id


def _linkable(person: StoredUser | None, teacher: str) -> StoredUser:
    if person is None:
        raise NotFound("the roster of this school has no such teacher", teacher=teacher)
    if person.email is not None:
        raise EmailTaken("this teacher has a login already", teacher=teacher)
    return person


def _email_taken(email: str) -> EmailTaken:
    detail = "another user has this email"
    return EmailTaken(detail, [Violation(EmailTaken.code, detail, "/email", {"email": email})])


def _require_user(user: StoredUser | None) -> StoredUser:
    if user is None or user.email is None:
        raise NotFound("no user has this email")
    return user


def _user(row: StoredUser) -> User:
    return User(row.id, row.email or "", Role(row.role), row.school_id, row.disabled, row.source_id)
