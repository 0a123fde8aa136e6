"""The people of a school, and their logins, for whoever may manage them: nobody hands out more than they have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from adsum.accounts.access import PERMISSIONS, Caller, Permission, Role, require_permission
from adsum.accounts.repository import user_of_email
from adsum.accounts.service import ROLES, Accounts, NewLogin, User, normalised_email
from adsum.platform.database.engine import Database
from adsum.platform.errors import Conflict, Forbidden, Invalid, NotFound, Violation
from adsum.platform.paging import Page, PageRequest, begin_of, by_number, page_of
from adsum.roster.people.repository import PersonRow, TeachingRow, list_people, teachings_of
from adsum.roster.people.rules import PersonFilters
from adsum.schools.service import require_school


class OwnLogin(Conflict):
    """Nobody disables their own login: they could not take it back."""

    code = "own_login"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, and what they teach, have taught or are to teach."""

    row: PersonRow
    teachings: Sequence[TeachingRow]


class People:
    """What callers may do about people; `Accounts` does it, and asks nobody.

    Every method about logins raises Forbidden without `user:manage`, and where the login can do what the caller may
    not; and NotFound for a school, or a login, that the caller does not see.
    """

    def __init__(self, database: Database, accounts: Accounts) -> None:
        self._database = database
        self._accounts = accounts

    async def page(self, filters: PersonFilters, caller: Caller, page: PageRequest) -> Page[Person]:
        """Some people of a school, or, without one, of those who are of every school, by id.

        Raises:
            Forbidden: without `school:manage`; of every school without `user:manage`, or from within a school.
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
                raise Forbidden("who is of every school is seen by those alone who are, too")
            rows = await list_people(connection, filters, after, page.limit + 1)
            teachings = await teachings_of(connection, [row.id for row in rows])
        taught = defaultdict[int, list[TeachingRow]](list)
        for teaching in teachings:
            taught[teaching.user_id].append(teaching)
        return page_of([Person(row, taught[row.id]) for row in rows], page, filters, lambda person: (person.row.id,))

    async def add_login(
        self, email: str, role: Role, caller: Caller, *, school_id: int | None, teacher: str | None = None
    ) -> NewLogin:
        """Adds somebody who may sign in, with a new password.

        Args:
            email: in any case.
            role: an admin has no school, every other role has one.
            caller: who adds them.
            school_id: None for an admin.
            teacher: the roster's source id of a person, who gets the login.

        Raises:
            Invalid: with a violation for each thing that is wrong.
            EmailTaken: by another user, or the person has a login.
            NotFound: the roster of the school has no such teacher.
        """
        require_permission(caller, Permission.USER_MANAGE)
        _require_grants(caller, role)
        if role is not Role.ADMIN:
            if school_id is None:
                detail = "name a school: every role but admin has one"
                raise Invalid(detail, [Violation("school_missing", detail, "/school")])
            async with self._database.snapshot() as connection:
                await require_school(connection, caller, school_id)
        return await self._accounts.add_user(email, role, school_id=school_id, teacher=teacher)

    async def new_password(self, email: str, caller: Caller) -> NewLogin:
        """Gives a new password, which ends all tokens of the user."""
        await self._manageable(email, caller)
        return await self._accounts.set_password(email)

    async def disable(self, email: str, caller: Caller) -> User:
        """Ends all tokens of the user at once, and makes no more. Raises OwnLogin for the caller's own login."""
        if await self._manageable(email, caller) == caller.user_id:
            detail = "this is your own login: somebody else has to disable it"
            raise OwnLogin(detail, [Violation(OwnLogin.code, detail, "/email")])
        return await self._accounts.disable(email)

    async def enable(self, email: str, caller: Caller) -> User:
        """Lets a disabled user sign in again; old tokens stay ended."""
        await self._manageable(email, caller)
        return await self._accounts.enable(email)

    async def _manageable(self, email: str, caller: Caller) -> int:
        """The id of the user, whose login the caller may manage."""
        require_permission(caller, Permission.USER_MANAGE)
        async with self._database.snapshot() as connection:
            user = await user_of_email(connection, normalised_email(email))
        if user is None or (caller.schools is not None and user.school_id not in caller.schools):
            raise NotFound("nobody signs in with this email")
        _require_grants(caller, Role(user.role))
        return user.id


def grantable_roles(caller: Caller) -> list[Role]:
    """The roles whose logins the caller may manage, if they manage any."""
    return [role for role in ROLES if _grants(caller, role)]


def _grants(caller: Caller, role: Role) -> bool:
    is_within = role is not Role.ADMIN or caller.schools is None
    return is_within and PERMISSIONS[role] <= caller.permissions


def _require_grants(caller: Caller, role: Role) -> None:
    if not _grants(caller, role):
        raise Forbidden(f"the role {role.value} can do what you may not")
