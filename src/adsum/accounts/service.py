"""Users who can sign in: adds and authenticates them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from adsum.accounts import repository as statements
from adsum.accounts.access import Caller, Role, rights_of, system_caller
from adsum.accounts.audit.repository import record, record_about_user
from adsum.accounts.audit.rules import Action
from adsum.accounts.names import PersonName
from adsum.accounts.passwords.hashing import Passwords
from adsum.accounts.passwords.policy import PasswordPolicy
from adsum.accounts.passwords.rules import MAX_LENGTH, Strength
from adsum.accounts.repository import NOBODY, Greeting, StoredUser
from adsum.accounts.rules import (
    WRONG,
    EmailTaken,
    FirstPassword,
    User,
    chosen_school,
    normalised_email,
    validate_email,
    validate_new_name,
    validate_role,
)
from adsum.platform.database.engine import Database, RejectedRows
from adsum.platform.errors import (
    ConfigurationError,
    Forbidden,
    Invalid,
    NotFound,
    Unauthenticated,
    Unavailable,
    Violation,
    refuse,
)
from adsum.platform.texts import validate_roster_text

_SYSTEM = system_caller()


@dataclass(frozen=True, slots=True)
class NewLogin:
    """A user and the new password, which is not stored and can be shown only now."""

    user: User
    password: str


@dataclass(frozen=True, slots=True)
class PreparedPassword:
    """A password and its hash. `first` is None for one that was chosen."""

    text: str
    hash: str
    first: FirstPassword | None


class Accounts:
    """Adds and authenticates users. Checks no permission of a caller: `People` does, which manages users.

    Each change is recorded as that of the caller `by`, by default the system.
    """

    def __init__(self, database: Database, passwords: Passwords, policy: PasswordPolicy | None = None) -> None:
        self._database = database
        self._passwords = passwords
        self._policy = policy or PasswordPolicy()

    @property
    def min_length(self) -> int:
        """The minimum length of a new password."""
        return self._policy.min_length

    async def is_new_installation(self) -> bool:
        """Whether nobody has a login yet. During an outage of the database it is none."""
        try:
            async with self._database.snapshot() as connection:
                return not await statements.has_logins(connection)
        except Unavailable:
            return False

    async def add_user(
        self,
        email: str,
        role: Role,
        *,
        school_id: int | None = None,
        teacher: str | None = None,
        password: str | None = None,
        name: PersonName | None = None,
        by: Caller = _SYSTEM,
    ) -> NewLogin:
        """Adds a user who can sign in.

        Args:
            email: stored in lower case.
            role: of the user.
            school_id: None: all schools, for an admin; of any other role the only school, if there is just one.
            teacher: source id of a person in the roster, who receives the login and keeps their role.
            password: None: a generated one, with which the user signs in once to choose their own.
            name: of the user; None: without one, or with that of the person in the roster.
            by: who adds them.

        Raises:
            Invalid: with all violations; or the roster of the school has no such teacher.
            EmailTaken: another user has the email.
        """
        email = normalised_email(email)
        teacher = None if teacher is None else teacher.strip()
        refuse(await self.validate_user(email, role, teacher, password, school_id, name))
        first, password = self._new_password(password)
        password_hash = await self._passwords.hash(password)
        user_id = await self._insert(email, password_hash, first, role, school_id, teacher, name, by)
        return NewLogin(await self._user(user_id), password)

    async def validate_user(
        self,
        email: str,
        role: Role,
        teacher: str | None,
        password: str | None,
        school_id: int | None = None,
        name: PersonName | None = None,
    ) -> list[Violation]:
        """The violations of a new user, apart from the school."""
        email = normalised_email(email)
        names = [email]
        if password is not None:
            async with self._database.snapshot() as connection:
                names += await statements.names_of_own_schools(connection, school_id)
        return [
            *validate_email(email),
            *([] if password is None else await self._policy.violations(password, names)),
            *validate_role(role, teacher),
            *validate_roster_text(teacher or "", "/teacher"),
            *validate_new_name(name, teacher),
        ]

    async def require_one_enabled(self, emails: Collection[str]) -> None:
        """Raises ConfigurationError if there are users, and none of these emergency accounts can sign in."""
        async with self._database.snapshot() as connection:
            users = await statements.users_with_email(connection)
        if users and not any(user.email in emails and not user.disabled for user in users):
            detail = "nobody could sign in: none of ADSUM_EMERGENCY_ACCOUNTS is an enabled user, and passwords are off"
            raise ConfigurationError(detail)

    async def prepare_password(self, password: str | None, names: Collection[str]) -> PreparedPassword:
        """A password that can be stored.

        Args:
            password: None: a generated one, with which the user signs in once to choose their own.
            names: of the user and the school, which the password does not consist of.

        Raises:
            Invalid: it is too short, too long, or easy to guess.
        """
        if password is not None:
            refuse(await self._policy.violations(password, names))
        first, password = self._new_password(password)
        return PreparedPassword(password, await self._passwords.hash(password), first)

    async def set_password(self, email: str, password: str | None = None, *, by: Caller = _SYSTEM) -> NewLogin:
        """Sets a password, ends all tokens of the user, and clears their failed sign-ins.

        Args:
            email: of the user.
            password: None: a generated one, with which the user signs in once to choose their own.
            by: who sets it.

        Raises:
            Invalid: the password is too short, too long, or easy to guess.
            NotFound: no user has this email.
        """
        if password is not None:
            async with self._database.snapshot() as connection:
                user = _require_user(await statements.user_of_email(connection, normalised_email(email)))
                names = await statements.names_of_user(connection, user.id)
            refuse(await self._policy.violations(password, names))
        first, password = self._new_password(password)
        password_hash = await self._passwords.hash(password)
        async with self._database.transaction() as connection:
            user = _require_user(await statements.user_of_email(connection, normalised_email(email)))
            await statements.set_password(connection, user.id, password_hash, first)
            await record(connection, by, Action.PASSWORD_RESET, school_id=user.school_id, user_id=user.id)
        return NewLogin(await self._user(user.id), password)

    async def user_of_id(self, user_id: int) -> User | None:
        """The user with this id; None: there is none."""
        async with self._database.snapshot() as connection:
            found = (await statements.users_of_ids(connection, [user_id])).get(user_id)
        return None if found is None else user_of_row(found)

    async def own_user(self, caller: Caller) -> User:
        """The calling user. Raises Forbidden for an API key."""
        return user_of_row(await self._own(caller))

    async def strength(self, caller: Caller, password: str) -> Strength:
        """How hard a password of the calling user would be to guess."""
        return await self._policy.strength(password, await self._names(await self._own(caller)))

    async def validate_own_password(self, caller: Caller, password: str) -> None:
        """Raises Invalid if the calling user cannot take this password, for example because they have it already."""
        user = await self._own(caller)
        refuse(await self._policy.violations(password, await self._names(user)))
        if await self._passwords.matches(password, user.password_hash):
            detail = "this is the present password: choose another one"
            refuse([Violation("password_unchanged", detail, "/password")])

    async def choose_password(self, user: User, password: str, caller: Caller) -> User:
        """Sets the password that a user has chosen, and ends all their tokens.

        Args:
            user: as they were when they were authenticated.
            caller: the same user.
            password: from `validate_own_password`.

        Raises:
            Unauthenticated: since then they were disabled, or somebody else has set a password.
        """
        password_hash = await self._passwords.hash(password)
        async with self._database.transaction() as connection:
            await statements.keep_user(connection, user.id)
            now = (await statements.users_of_ids(connection, [user.id])).get(user.id)
            if now is None or now.disabled or now.token_generation != user.generation:
                raise Unauthenticated("the password was changed by somebody else: sign in again")
            await statements.set_password(connection, user.id, password_hash, None)
            await record(connection, caller, Action.PASSWORD_CHANGED, school_id=user.school_id, user_id=user.id)
        return await self._user(user.id)

    def _new_password(self, password: str | None) -> tuple[FirstPassword | None, str]:
        return (FirstPassword.UNUSED, self._policy.generated()) if password is None else (None, password)

    async def _names(self, user: StoredUser) -> tuple[str, ...]:
        async with self._database.snapshot() as connection:
            return await statements.names_of_user(connection, user.id)

    async def _own(self, caller: Caller) -> StoredUser:
        if caller.user_id is None or caller.key_id is not None:
            raise Forbidden("only users have a password")
        async with self._database.snapshot() as connection:
            return _require_user((await statements.users_of_ids(connection, [caller.user_id])).get(caller.user_id))

    async def unlocks_of(self, email: str) -> int:
        """How often the failed sign-ins of this account were cleared; 0 for an unknown email.

        Args:
            email: normalised.
        """
        user = await self._find(email)
        return 0 if user is None else user.unlocks

    async def greeting_of(self, caller: Caller) -> Greeting:
        """The name of the caller, else their email, and their language; `NOBODY` if the caller is not a user."""
        if caller.user_id is None:
            return NOBODY
        async with self._database.snapshot() as connection:
            return await statements.greeting_of_user(connection, caller.user_id)

    async def end_tokens(self, caller: Caller) -> None:
        """Ends all tokens of the user."""
        assert caller.user_id is not None, "only users have tokens"
        async with self._database.transaction() as connection:
            await statements.end_tokens(connection, caller.user_id)
            await record_about_user(connection, caller, Action.SIGN_INS_ENDED, caller.user_id, after={"which": "all"})

    async def authenticate(self, email: str, password: str) -> User:
        """The user with this email and password.

        Raises:
            Unauthenticated: wrong password, unknown email or disabled user, without a difference in text or time.
        """
        email = normalised_email(email)
        user = await self._find(email)
        matches = await self._passwords.matches(password[:MAX_LENGTH], user.password_hash if user else None)
        if user is None or user.disabled or not matches or len(password) > MAX_LENGTH:
            raise Unauthenticated(WRONG)
        return user_of_row(user)

    async def _find(self, email: str) -> StoredUser | None:
        async with self._database.snapshot() as connection:
            return None if validate_email(email) else await statements.user_of_email(connection, email)

    async def _insert(
        self,
        email: str,
        password_hash: str,
        first: FirstPassword | None,
        role: Role,
        school_id: int | None,
        teacher: str | None,
        name: PersonName | None,
        by: Caller,
    ) -> int:
        try:
            async with self._database.transaction() as connection:
                if await statements.user_of_email(connection, email):
                    raise _email_taken(email)
                if role is not Role.ADMIN or school_id is not None:
                    school_id = chosen_school(await statements.school_ids(connection), school_id)
                if teacher is None or school_id is None:
                    user_id = await statements.insert_user(
                        connection,
                        email=email,
                        password_hash=password_hash,
                        first_password=first,
                        role=role.value,
                        school_id=school_id,
                        name=name,
                    )
                    after = {"role": role.value}
                    await record(connection, by, Action.USER_ADDED, school_id=school_id, user_id=user_id, after=after)
                    return user_id
                person = _linkable(
                    await statements.user_of_source(connection, school_id, teacher, locked=True), teacher
                )
                await statements.set_login(
                    connection, person.id, email=email, password_hash=password_hash, first_password=first
                )
                await record(connection, by, Action.USER_LINKED, school_id=school_id, user_id=person.id)
                return person.id
        except RejectedRows:
            raise _email_taken(email) from None  # a concurrent request has added the email

    async def _user(self, user_id: int) -> User:
        async with self._database.snapshot() as connection:
            return user_of_row(_require_user((await statements.users_of_ids(connection, [user_id])).get(user_id)))


def caller_of_user(user: StoredUser) -> Caller:
    """The caller for a user."""
    role = Role(user.role)
    rights = rights_of(role, user.school_id, office_manages_logins=user.office_manages_logins)
    return Caller(role=role, permissions=rights.permissions, user_id=user.id, schools=rights.schools)


def _linkable(person: StoredUser | None, teacher: str) -> StoredUser:
    if person is None or person.role != Role.TEACHER:
        detail = "the roster of this school has no such teacher"
        raise Invalid(detail, [Violation("unknown_teacher", detail, "/teacher", {"teacher": teacher})])
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


def user_of_row(row: StoredUser) -> User:
    """The user of a row with an email."""
    return User(
        *(row.id, row.email or "", Role(row.role), row.school_id, row.disabled, row.source_id),
        has_first_password=row.first_password is not None,
        generation=row.token_generation,
        has_password=row.password_hash is not None,
    )
