"""Lists the people of a school and manages their logins. No caller grants a permission that they lack."""

from __future__ import annotations

from collections import defaultdict

from adsum.accounts.access import Caller, Permission, Role, require_confirmed, require_permission
from adsum.accounts.repository import StoredUser, user_of_email
from adsum.accounts.second_factors.service import SecondFactors
from adsum.accounts.service import Accounts, NewLogin, User, normalised_email
from adsum.platform.database.engine import Database
from adsum.platform.errors import Conflict, Forbidden, Invalid, NotFound, Violation
from adsum.platform.paging import Page, PageRequest, begin_of, by_number, page_of
from adsum.roster.people.repository import list_people, teachings_of
from adsum.roster.people.rules import Person, PersonFilters, TeachingRow, may_grant
from adsum.schools.service import require_school


class OwnLogin(Conflict):
    """A caller cannot disable their own login, because they could not enable it again."""

    code = "own_login"


class People:
    """Checks permissions and calls `Accounts`, which checks none.

    Every method about logins raises Forbidden without `user:manage` or if the login has a permission that the caller
    lacks, and NotFound for a school or a login that the caller does not see.
    """

    def __init__(self, database: Database, accounts: Accounts, factors: SecondFactors) -> None:
        self._database = database
        self._accounts = accounts
        self._factors = factors

    async def page(self, filters: PersonFilters, caller: Caller, page: PageRequest) -> Page[Person]:
        """A page of the people of a school, or of those who belong to every school, by id.

        Raises:
            Forbidden: without `school:manage`; for every school, without `user:manage` or if the caller has a school.
            NotFound: the caller does not see this school.
            Invalid: a wrong cursor.
        """
        require_permission(
            caller, Permission.SCHOOL_MANAGE if filters.school_id is not None else Permission.USER_MANAGE
        )
        after = begin_of(page, filters, by_number) or 0
        async with self._database.snapshot() as connection:
            if filters.school_id is not None:
                await require_school(connection, caller, filters.school_id)
            elif caller.schools is not None:
                raise Forbidden("people of every school are visible only to callers of every school")
            rows = await list_people(connection, filters, after, page.limit + 1)
            teachings = await teachings_of(connection, [row.id for row in rows])
        by_user = defaultdict[int, list[TeachingRow]](list)
        for teaching in teachings:
            by_user[teaching.user_id].append(teaching)
        return page_of([Person(row, by_user[row.id]) for row in rows], page, filters, lambda person: (person.row.id,))

    async def add_login(
        self, email: str, role: Role, caller: Caller, *, school_id: int | None, teacher: str | None = None
    ) -> NewLogin:
        """Adds a login with a new password.

        Args:
            email: in any case.
            role: an admin has no school, every other role has one.
            caller: who adds the login.
            school_id: None for an admin.
            teacher: source id of a person of the roster, who gets the login.

        Raises:
            Invalid: with every violation.
            EmailTaken: another user has this email, or the person has a login.
            NotFound: the roster of the school has no such teacher.
            ConfirmationNeeded: of an admin; the caller has confirmed their sign-in too long ago.
        """
        require_permission(caller, Permission.USER_MANAGE)
        _require_may_grant(caller, role)
        if role is Role.ADMIN:
            require_confirmed(caller)
        else:
            if school_id is None:
                detail = "a school is required: every role except admin has one"
                raise Invalid(detail, [Violation("school_missing", detail, "/school")])
            async with self._database.snapshot() as connection:
                await require_school(connection, caller, school_id)
        return await self._accounts.add_user(email, role, school_id=school_id, teacher=teacher, by=caller)

    async def new_password(self, email: str, caller: Caller) -> NewLogin:
        """Sets a new password and revokes all tokens of the user. Raises ConfirmationNeeded for that of an admin."""
        user = await self._manageable(email, caller)
        if Role(user.role) is Role.ADMIN:
            require_confirmed(caller)
        return await self._accounts.set_password(email, by=caller)

    async def reset_factors(self, email: str, caller: Caller) -> None:
        """Removes the second factors of a user, and ends their sign-ins. Raises ConfirmationNeeded."""
        await self._manageable(email, caller)
        require_confirmed(caller)
        await self._factors.reset(email, caller)

    async def disable(self, email: str, caller: Caller) -> User:
        """Disables a login and revokes its tokens. Raises OwnLogin for the caller's own login."""
        if (await self._manageable(email, caller)).id == caller.user_id:
            detail = "this is your own login: another user has to disable it"
            raise OwnLogin(detail, [Violation(OwnLogin.code, detail, "/email")])
        return await self._accounts.disable(email, by=caller)

    async def enable(self, email: str, caller: Caller) -> User:
        """Enables a disabled login; its old tokens stay revoked."""
        await self._manageable(email, caller)
        return await self._accounts.enable(email, by=caller)

    async def _manageable(self, email: str, caller: Caller) -> StoredUser:
        """A user whose login the caller may manage."""
        require_permission(caller, Permission.USER_MANAGE)
        async with self._database.snapshot() as connection:
            user = await user_of_email(connection, normalised_email(email))
        if user is None or (caller.schools is not None and user.school_id not in caller.schools):
            raise NotFound("no user has this email")
        _require_may_grant(caller, Role(user.role))
        return user


def _require_may_grant(caller: Caller, role: Role) -> None:
    if not may_grant(caller, role):
        raise Forbidden(f"the role {role.value} can do what you may not")
