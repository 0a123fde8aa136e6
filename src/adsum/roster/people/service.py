"""Lists the people of a school and manages their logins. No caller gives a right that they lack.

Each method takes a person by id or by email, and checks the rights of the caller against those of the person in the
transaction that changes them: a right that somebody gets meanwhile counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from adsum.accounts import repository as accounts
from adsum.accounts.access import (
    Caller,
    Permission,
    Role,
    require_confirmed,
    require_may_manage,
    require_permission,
)
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.named_schools import require_named_school, violations_of_school
from adsum.accounts.names import PersonName, refuse_name_of_roster
from adsum.accounts.rules import chosen_school, normalised_email
from adsum.accounts.second_factors.service import reset_factors
from adsum.accounts.service import Accounts
from adsum.accounts.visibility import can_see_school
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Forbidden, Invalid, refuse
from adsum.platform.paging import PageRequest, RowPage, begin_of, by_number, page_of
from adsum.roster.people.access import UserRef, managed_person, refuse_own, require_other_admin, visible_person
from adsum.roster.people.adoption import adopt, unlinked_login
from adsum.roster.people.repository import (
    end_duties,
    find_person,
    list_people,
    lock_roles,
    set_rights,
    teachings_of,
)
from adsum.roster.people.rules import (
    GivenPassword,
    NoLogin,
    Person,
    PersonChange,
    PersonFilters,
    PersonRow,
    TeachingRow,
    refuse_fixed,
    validate_rights,
)
from adsum.schools.repository import today_of_school


class People:
    """The staff of the schools, and their logins.

    Every method about logins raises Forbidden without `user:manage` or if the person has a right that the caller lacks,
    and NotFound for a person whom the caller does not see.
    """

    def __init__(self, database: Database, accounts: Accounts, now: Clock) -> None:
        self._database = database
        self._accounts = accounts
        self._now = now

    async def page(self, filters: PersonFilters, caller: Caller, page: PageRequest) -> RowPage[Person]:
        """A page of the people whom the caller sees, by id.

        Raises:
            Forbidden: without `user:manage`, except for the people of one school with `school:manage`; for the admins
                of the district, if the caller does not belong to all schools.
            NotFound: the caller does not see this school.
            Invalid: a wrong cursor.
        """
        if filters.school_id is None or not caller.may(Permission.SCHOOL_MANAGE):
            require_permission(caller, Permission.USER_MANAGE)
        if filters.of_district and caller.schools is not None:
            raise Forbidden("admins of the district are visible only to callers of all schools")
        after = begin_of(page, filters, by_number) or 0
        async with self._database.snapshot() as connection:
            await require_named_school(connection, caller, filters.school_id)
            rows = await list_people(connection, caller, filters, after, page.limit + 1)
            people = await _with_teachings(connection, rows)
        return page_of(people, page, filters, lambda person: (person.row.id,))

    async def find(self, who: UserRef, caller: Caller) -> Person:
        """One person with their teachings. Needs `user:manage`."""
        require_permission(caller, Permission.USER_MANAGE)
        async with self._database.snapshot() as connection:
            (person,) = await _with_teachings(connection, [await visible_person(connection, who, caller)])
        return person

    async def add_login(
        self,
        email: str,
        role: Role,
        caller: Caller,
        *,
        school_id: int | None = None,
        teacher: str | None = None,
        password: str | None = None,
        name: PersonName | None = None,
    ) -> GivenPassword:
        """Adds a login.

        Args:
            email: in any case.
            role: of the new user.
            caller: who adds the login.
            school_id: None: all schools, for an admin; else the only school that the caller sees.
            teacher: source id of a person of the roster, who gets the login. If a teacher of the same school has this
                email, and no source id, that login becomes theirs, with the new password.
            password: None: a generated one, with which the user signs in once to choose their own.
            name: None: without one. With `teacher` it comes from the roster, and this one has to be empty.

        Raises:
            Invalid: with every violation; or the roster of the school has no such teacher.
            EmailTaken: another user has this email, or the person has a login.
            ConfirmationNeeded: of an admin; the caller has confirmed their sign-in too long ago.
        """
        require_permission(caller, Permission.USER_MANAGE)
        if school_id is not None or role is not Role.ADMIN:
            async with self._database.snapshot() as connection:
                every = await accounts.school_ids(connection)
            visible = [each for each in every if can_see_school(caller, each)]
            try:
                school_id = chosen_school(visible, school_id)
            except Invalid as error:
                found = await self._accounts.validate_user(email, role, teacher, password, name=name)
                refuse([*found, *error.violations])
        require_may_manage(caller, role, school_id)
        if role is Role.ADMIN:
            require_confirmed(caller)
        if school_id is not None and teacher is not None:
            refuse(await self._accounts.validate_user(email, role, teacher, password, school_id, name))
            adopted = await self._adopt(email, school_id, teacher.strip(), caller, password)
            if adopted is not None:
                return adopted
        login = await self._accounts.add_user(
            email, role, school_id=school_id, teacher=teacher, password=password, name=name, by=caller
        )
        async with self._database.snapshot() as connection:
            return GivenPassword(await visible_person(connection, login.user.id, caller), login.password)

    async def _adopt(
        self, email: str, school_id: int, teacher: str, caller: Caller, password: str | None
    ) -> GivenPassword | None:
        """Makes an unlinked login that of the person of the roster; None: see `unlinked_login`."""
        email = normalised_email(email)
        async with self._database.snapshot() as connection:
            found = await unlinked_login(connection, email, school_id, teacher)
        if found is None:
            return None
        prepared = await self._accounts.prepare_password(password, [email])
        async with self._database.transaction() as connection:
            user_id = await adopt(connection, email, school_id, teacher, prepared, caller)
            person = None if user_id is None else await visible_person(connection, user_id, caller)
        return None if person is None else GivenPassword(person, prepared.text)

    async def change(self, who: UserRef, change: PersonChange, caller: Caller) -> PersonRow:
        """Changes role, school and name of a user, and whether they are disabled.

        Any change but a new name ends their sign-ins. A new school, and a role other than teacher, ends assignments and
        covers.

        Raises:
            Forbidden: also if the caller lacks a right that the user would get.
            Invalid: an unknown school or role, a wrong name, or no school for a role other than admin.
            OwnLogin: the caller changes their own login.
            LastAdmin: the district would be without an active admin.
            NoLogin: the person has no login.
            PersonOfRoster: the person of a roster would get another school.
            NameOfRoster: the person of a roster would get another name.
            ConfirmationNeeded: of an admin, before or after; the caller has confirmed their sign-in too long ago.
        """
        async with self._database.transaction() as connection:
            await lock_roles(connection)
            person = await managed_person(connection, who, caller)
            role, school_id = change.get("role", Role(person.role)), change.get("school_id", person.school_id)
            name = change["name"].applied_to(person.name) if "name" in change else person.name
            name_violations = name.violations() if "name" in change else ()
            rights_violations = validate_rights(role, school_id)
            refuse([*rights_violations, *await violations_of_school(connection, caller, school_id), *name_violations])
            require_may_manage(caller, role, school_id)
            refuse_fixed(person, school_id)
            await _rename(connection, person, name, caller)
            await self._set_rights(connection, person, role, school_id, change.get("disabled"), caller)
            changed = await find_person(connection, caller, person.id)
        assert changed is not None, "the caller sees the school that they give"
        return changed

    async def _set_rights(
        self,
        connection: Connection,
        person: PersonRow,
        role: Role,
        school_id: int | None,
        disabled: bool | None,
        caller: Caller,
    ) -> None:
        wanted = {
            "role": role.value,
            "school_id": school_id,
            "disabled": person.disabled if disabled is None else disabled,
        }
        new = {name: value for name, value in wanted.items() if getattr(person, name) != value}
        if disabled or (wanted["disabled"] and "role" in new):
            # A teacher whom the roster has disabled stays so after the next import, and in another role.
            new["disabled"] = True
        if not new:
            return
        refuse_own(person, caller)
        if Role.ADMIN in (role, person.role):
            require_confirmed(caller)
        if not (role is Role.ADMIN and school_id is None and not wanted["disabled"]):
            await require_other_admin(connection, person)
        if person.school_id is not None and ("school_id" in new or role is not Role.TEACHER):
            await end_duties(connection, person.id, await today_of_school(connection, person.school_id, self._now()))
        await set_rights(connection, person.id, new)
        await _record_change(connection, caller, person, new)

    async def new_password(self, who: UserRef, caller: Caller, password: str | None = None) -> GivenPassword:
        """Sets a password, ends all sign-ins of the user, and clears their failed ones.

        Args:
            who: the user.
            caller: who sets it.
            password: None: a generated one, with which the user signs in once to choose their own.

        Raises:
            Invalid: the password is too short, too long, or easy to guess.
            OwnLogin: the caller's own, which they change with their present password.
            NoLogin: the person has no login.
            ConfirmationNeeded: of an admin; the caller has confirmed their sign-in too long ago.
        """
        async with self._database.snapshot() as connection:
            person = await managed_person(connection, who, caller, lock=False)
            names = await accounts.names_of_user(connection, person.id)
        prepared = await self._accounts.prepare_password(password, names)
        async with self._database.transaction() as connection:
            person = await _managed_login(connection, person.id, caller)
            refuse_own(person, caller)
            if person.role == Role.ADMIN:
                require_confirmed(caller)
            await accounts.set_password(connection, person.id, prepared.hash, prepared.first)
            await _record(connection, caller, Action.PASSWORD_RESET, person)
            person = await visible_person(connection, person.id, caller)
        return GivenPassword(person, prepared.text)

    async def unlock(self, who: UserRef, caller: Caller) -> PersonRow:
        """Clears the failed sign-ins of a user: they no longer wait or are slowed down on account of them.

        The counter of an address stays, so that the user still waits where too many failed, of whatever account.
        """
        async with self._database.transaction() as connection:
            person = await _managed_login(connection, who, caller)
            await accounts.unlock(connection, person.id)
            await _record(connection, caller, Action.USER_UNLOCKED, person)
        return person

    async def reset_factors(self, who: UserRef, caller: Caller) -> bool:
        """Removes the second factors of a user, and ends their sign-ins. Returns whether they had any.

        Raises ConfirmationNeeded if the caller has confirmed their sign-in too long ago.
        """
        async with self._database.transaction() as connection:
            person = await _managed_login(connection, who, caller)
            require_confirmed(caller)
            return await reset_factors(connection, person.id, person.school_id, caller)

    async def sign_out(self, who: UserRef, caller: Caller) -> PersonRow:
        """Ends all sign-ins of a user."""
        async with self._database.transaction() as connection:
            person = await _managed_login(connection, who, caller)
            await accounts.end_tokens(connection, person.id)
            await _record(connection, caller, Action.SIGN_INS_ENDED, person)
        return person


async def _with_teachings(connection: Connection, rows: list[PersonRow]) -> list[Person]:
    by_user = defaultdict[int, list[TeachingRow]](list)
    for teaching in await teachings_of(connection, [row.id for row in rows]):
        by_user[teaching.user_id].append(teaching)
    return [Person(row, by_user[row.id]) for row in rows]


async def _managed_login(connection: Connection, who: UserRef, caller: Caller) -> PersonRow:
    person = await managed_person(connection, who, caller)
    if person.email is None:
        raise NoLogin("this person has no login: add one first")
    return person


async def _rename(connection: Connection, person: PersonRow, name: PersonName, caller: Caller) -> None:
    if name == person.name:
        return
    if person.source_id is not None:
        refuse_name_of_roster()
    await accounts.rename_user(connection, person.id, name)
    await _record(connection, caller, Action.USER_RENAMED, person)


async def _record(connection: Connection, caller: Caller, action: Action, person: PersonRow) -> None:
    await record(connection, caller, action, school_id=person.school_id, user_id=person.id)


async def _record_change(
    connection: Connection, caller: Caller, person: PersonRow, new: Mapping[str, str | int | bool | None]
) -> None:
    names = {"role": "role", "school_id": "schoolId"}
    after = {names[name]: value for name, value in new.items() if name in names}
    if after:
        before = {names[name]: getattr(person, name) for name in new if name in names}
        about = {"school_id": person.school_id, "user_id": person.id}
        await record(connection, caller, Action.USER_ROLE_CHANGED, **about, before=before, after=after)
    if "disabled" in new:
        await _record(connection, caller, Action.USER_DISABLED if new["disabled"] else Action.USER_ENABLED, person)
