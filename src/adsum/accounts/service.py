"""People who may sign in: added, changed, disabled, and known by email and password."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from adsum.accounts import repository as statements
from adsum.accounts.access import PERMISSIONS, Caller, Role
from adsum.accounts.passwords import MAX_LENGTH, MIN_LENGTH, Passwords, generated_password
from adsum.accounts.repository import StoredUser
from adsum.platform.database.engine import Database, RejectedRows
from adsum.platform.errors import Conflict, Invalid, NotFound, Unauthenticated, Violation

ROLES = tuple(role for role in Role if role is not Role.KEY)
MAX_EMAIL = 254
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f\"<>(),;:\\\[\]]{1,64}@[\w-]+(\.[\w-]+)*")


class EmailTaken(Conflict):
    """Somebody signs in with this email already."""

    code = "email_taken"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in. `school_id` is None for an admin."""

    id: int
    email: str
    role: Role
    school_id: int | None
    disabled: bool
    source_id: str | None = None


@dataclass(frozen=True, slots=True)
class NewLogin:
    """A user together with the password that was set; it can be shown now and never again."""

    user: User
    password: str


class Accounts:
    """Everything about users but their tokens. It asks for no permission: `People` does, for whoever is a caller."""

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
        """Adds somebody who may sign in.

        Args:
            email: in any case; it is kept in lower case.
            role: an admin has no school, every other role has one.
            school_id: may be left out where there is only one school.
            teacher: the roster's source id of a person, who gets the login and keeps the role that they have there.
            password: generated if None.

        Raises:
            Invalid: with a violation for each thing that is wrong.
            EmailTaken: by another user.
            NotFound: the roster of the school has no such teacher.
        """
        email = normalised_email(email)
        password = generated_password() if password is None else password
        violations = [
            *_email_violations(email),
            *_password_violations(password),
            *_role_violations(role, school_id, teacher),
        ]
        if violations:
            raise Invalid(violations[0].detail, violations)
        password_hash = await self._passwords.hash(password)
        user_id = await self._insert(email, password_hash, role, school_id, teacher)
        return NewLogin(await self._user(user_id), password)

    async def list_users(self) -> list[User]:
        """Everyone with a login, by email."""
        async with self._database.snapshot() as connection:
            return [_user(row) for row in await statements.users_with_email(connection)]

    async def set_password(self, email: str, password: str | None = None) -> NewLogin:
        """Gives a new password, generated if None, and ends all tokens of the user.

        Raises:
            Invalid: the password is too short or too long.
            NotFound: nobody signs in with this email.
        """
        password = generated_password() if password is None else password
        if violations := _password_violations(password):
            raise Invalid(violations[0].detail, violations)
        password_hash = await self._passwords.hash(password)
        async with self._database.transaction() as connection:
            user = _known(await statements.user_of_email(connection, normalised_email(email)))
            await statements.store_password(connection, user.id, password_hash)
        return NewLogin(_user(user), password)

    async def disable(self, email: str) -> User:
        """Ends all tokens of the user at once, and makes no more. Raises NotFound."""
        return await self._set_disabled(email, disabled=True)

    async def enable(self, email: str) -> User:
        """Lets a disabled user sign in again; old tokens stay ended. Raises NotFound."""
        return await self._set_disabled(email, disabled=False)

    async def name_of(self, caller: Caller) -> str:
        """What a page calls the caller: their name, or else their email; '' for who is no person."""
        if caller.user_id is None:
            return ""
        async with self._database.snapshot() as connection:
            return await statements.name_of_user(connection, caller.user_id)

    async def end_tokens(self, caller: Caller) -> None:
        """Ends all tokens of a person, wherever they are used."""
        assert caller.user_id is not None, "only a person has tokens"
        async with self._database.transaction() as connection:
            await statements.end_tokens(connection, caller.user_id)

    async def authenticate(self, email: str, password: str) -> User:
        """The user with this email and password.

        Raises:
            Unauthenticated: the same, and after the same time, for a wrong password, an unknown email, and a disabled
                user.
        """
        email = normalised_email(email)
        async with self._database.snapshot() as connection:
            user = None if _email_violations(email) else await statements.user_of_email(connection, email)
        matches = await self._passwords.matches(password[:MAX_LENGTH], user.password_hash if user else None)
        if user is None or user.disabled or not matches or len(password) > MAX_LENGTH:
            raise Unauthenticated("the email or the password is wrong")
        return _user(user)

    async def _insert(
        self, email: str, password_hash: str, role: Role, school_id: int | None, teacher: str | None
    ) -> int:
        try:
            async with self._database.transaction() as connection:
                if await statements.user_of_email(connection, email):
                    raise _taken(email)
                if role is not Role.ADMIN:
                    school_id = _chosen_school(await statements.school_ids(connection), school_id)
                if teacher is None or school_id is None:
                    return await statements.insert_user(
                        connection, email=email, password_hash=password_hash, role=role.value, school_id=school_id
                    )
                person = _linkable(await statements.user_of_source(connection, school_id, teacher), teacher)
                await statements.give_login(connection, person.id, email=email, password_hash=password_hash)
                return person.id
        except RejectedRows:
            raise _taken(email) from None  # by somebody who was added at the same moment

    async def _user(self, user_id: int) -> User:
        async with self._database.snapshot() as connection:
            return _user(_known((await statements.users_of_ids(connection, [user_id])).get(user_id)))

    async def _set_disabled(self, email: str, *, disabled: bool) -> User:
        async with self._database.transaction() as connection:
            user = _known(await statements.user_of_email(connection, normalised_email(email)))
            await statements.store_disabled(connection, user.id, disabled=disabled)
            return _user(_known((await statements.users_of_ids(connection, [user.id])).get(user.id)))


def normalised_email(email: str) -> str:
    """The one form in which an email is stored and looked up."""
    return email.strip().lower()


def caller_of_user(user: StoredUser) -> Caller:
    """A person as the services see them: an admin is of every school, everybody else of one."""
    role = Role(user.role)
    schools = None if role is Role.ADMIN else frozenset({user.school_id} if user.school_id is not None else ())
    return Caller(role=role, permissions=PERMISSIONS[role], user_id=user.id, schools=schools)


def _email_violations(email: str) -> list[Violation]:
    if len(email) <= MAX_EMAIL and _EMAIL.fullmatch(email):
        return []
    return [Violation("wrong_email", "this is no email address", "/email")]


def _password_violations(password: str) -> list[Violation]:
    if MIN_LENGTH <= len(password) <= MAX_LENGTH:
        return []
    detail = f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters"
    return [Violation("wrong_password_length", detail, "/password", {"minimum": MIN_LENGTH, "maximum": MAX_LENGTH})]


def _role_violations(role: Role, school_id: int | None, teacher: str | None) -> list[Violation]:
    violations: list[Violation] = []
    if role not in ROLES:
        violations.append(
            Violation("unknown_role", f"a user is one of {', '.join(ROLES)}", "/role", {"allowed": list(ROLES)})
        )
    if role is Role.ADMIN and school_id is not None:
        violations.append(
            Violation("admin_of_one_school", "an admin is of every school: leave the school out", "/school")
        )
    if teacher is not None and role is not Role.TEACHER:
        violations.append(
            Violation("not_a_teacher", "only the role teacher goes with a teacher of the roster", "/teacher")
        )
    return violations


def _chosen_school(known: Sequence[int], school_id: int | None) -> int:
    if school_id is None:
        if len(known) == 1:
            return known[0]
        detail = "name a school: every role but admin has one" if known else "there is no school yet: import a roster"
        raise Invalid(detail, [Violation("school_missing", detail, "/school")])
    if school_id not in known:
        detail = f"there is no school {school_id}"
        raise Invalid(detail, [Violation("unknown_school", detail, "/school", {"schoolId": school_id})])
    return school_id


def _linkable(person: StoredUser | None, teacher: str) -> StoredUser:
    if person is None:
        raise NotFound("the roster of this school has no such teacher", teacher=teacher)
    if person.email is not None:
        raise EmailTaken("this teacher has a login already", teacher=teacher)
    return person


def _taken(email: str) -> EmailTaken:
    detail = "somebody signs in with this email already"
    return EmailTaken(detail, [Violation(EmailTaken.code, detail, "/email", {"email": email})])


def _known(user: StoredUser | None) -> StoredUser:
    if user is None or user.email is None:
        raise NotFound("nobody signs in with this email")
    return user


def _user(row: StoredUser) -> User:
    return User(row.id, row.email or "", Role(row.role), row.school_id, row.disabled, row.source_id)
