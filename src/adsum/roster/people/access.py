"""Whom a caller sees and manages, and which changes nobody may make."""

from __future__ import annotations

from typing import Any

from adsum.accounts.access import Caller, Permission, Role, require_may_manage, require_permission
from adsum.accounts.rules import normalised_email
from adsum.platform.database.engine import Connection
from adsum.platform.errors import NotFound, Violation
from adsum.roster.people.repository import find_person, has_other_district_admin
from adsum.roster.people.rules import LastAdmin, OwnLogin, PersonRow

UserRef = int | str
"""The id or the email of a person, in any case."""


async def visible_person(connection: Connection, who: UserRef, caller: Caller, *, lock: bool = False) -> PersonRow:
    """A person whom the caller sees. Raises NotFound, also for a person who was erased. `lock`: see `find_person`."""
    person = await find_person(connection, caller, who if isinstance(who, int) else normalised_email(who), lock=lock)
    if person is None:
        # An email is no part of an answer.
        params: dict[str, Any] = {"id": who} if isinstance(who, int) else {}
        raise NotFound("there is no such user", **params)
    return person


async def managed_person(connection: Connection, who: UserRef, caller: Caller, *, lock: bool = True) -> PersonRow:
    """A person whose login the caller may manage, locked. Raises Forbidden, and as `visible_person`."""
    require_permission(caller, Permission.USER_MANAGE)
    person = await visible_person(connection, who, caller, lock=lock)
    require_may_manage(caller, Role(person.role), person.school_id)
    return person


def refuse_own(person: PersonRow, caller: Caller) -> None:
    """Raises OwnLogin if the person is the caller."""
    if person.id == caller.user_id:
        detail = "this is your own login: somebody else has to do this"
        raise OwnLogin(detail, [Violation(OwnLogin.code, detail, "/id")])


async def require_other_admin(connection: Connection, person: PersonRow) -> None:
    """Raises LastAdmin if nobody else is an active admin of the district.

    Call it after `lock_roles`, before the person loses rights.
    """
    if person.is_active_district_admin and not await has_other_district_admin(connection, person.id):
        detail = "this is the last active admin of all schools: add another one first"
        raise LastAdmin(detail, [Violation(LastAdmin.code, detail, "/id")])
