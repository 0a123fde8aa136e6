"""Erases staff, and lets rosters add them again."""

from __future__ import annotations

from datetime import date
from typing import Any

from adsum.accounts.access import Caller, Permission, Role, require_confirmed, require_may_erase, require_permission
from adsum.accounts.api_keys.ownership import NO_CHOICE, KeyChoice, owned_keys, release_keys
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.named_schools import violations_of_school
from adsum.platform.clock import Clock
from adsum.platform.database.contention import repeats_if_contended
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.tombstones import Erased, remove_tombstone
from adsum.platform.errors import NotFound, refuse
from adsum.platform.telemetry import logger
from adsum.privacy.staff.repository import erase_person, lock_whole_user, login_data
from adsum.privacy.staff.rules import ErasedUser, ErasurePreview
from adsum.roster.people.access import UserRef, refuse_own, require_other_admin, visible_person
from adsum.roster.people.repository import lock_roles
from adsum.roster.people.rules import PersonRow
from adsum.schools.locks import lock_imports
from adsum.schools.repository import today_of_school

log = logger(__name__)


class StaffErasure:
    """Erasures of staff. Records each in the audit log, and logs it with its caller and the id of the user.

    Every method raises Forbidden without `user:manage`, for an office, and if the person has a right that the caller
    lacks, and NotFound for a person whom the caller does not see, or who was erased.
    """

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def preview(self, who: UserRef, caller: Caller) -> ErasurePreview:
        """The rows that `erase` removes. Raises OwnLogin."""
        require_permission(caller, Permission.USER_MANAGE)
        async with self._database.snapshot() as connection:
            person = await _erasable(connection, who, caller)
            login = await login_data(connection, person, await self._today(connection, person))
            return ErasurePreview(person, login, await owned_keys(connection, person.id, self._now()))

    @repeats_if_contended
    async def erase(self, who: UserRef, caller: Caller, keys: KeyChoice = NO_CHOICE) -> ErasedUser:
        """Removes the name, the email, the source id and the login of a person, and ends their sign-ins and duties.

        Marks, notes, corrections and audit entries stay. Their author is the id, which nobody else gets. A batch of
        theirs that is being processed is recorded. A tombstone keeps rosters from adding them again until `readmit`.

        Raises:
            ConfirmationNeeded: the caller has confirmed their sign-in too long ago.
            OwnLogin: the caller would erase themselves.
            LastAdmin: the district would be without an active admin.
            OwnsKeys: the person owns API keys, and `keys` does not say what becomes of them.
            Invalid: the new owner of the keys is no enabled user.
        """
        require_permission(caller, Permission.USER_MANAGE)
        require_confirmed(caller)
        now = self._now()
        async with self._database.transaction() as connection:
            await lock_imports(connection)
            await lock_roles(connection)
            user_id = (await _erasable(connection, who, caller)).id
            # In the order in which changes of a key take these locks.
            await owned_keys(connection, user_id, now, locked=True)
            await lock_whole_user(connection, user_id)
            person = await _erasable(connection, user_id, caller)
            await require_other_admin(connection, person)
            released = tuple(key.id for key in await release_keys(connection, person.id, keys, caller, now))
            await erase_person(connection, person, await self._today(connection, person), now)
            await record(
                connection,
                caller,
                Action.USER_ERASED,
                school_id=person.school_id,
                user_id=person.id,
                after={"role": person.role} | _details(released, keys),
            )
        if not await self._database.truncate_log():
            log.warning("the erased data leaves the database's log within an hour", user_id=person.id)
        log.info("user erased", user_id=person.id, actor=caller.actor)
        return ErasedUser(person.id, released, ()) if keys.revoke else ErasedUser(person.id, (), released)

    async def readmit(self, school_id: int, source_id: str, caller: Caller) -> None:
        """Lets later imports of the school add an erased person again, as a new user without a login.

        Raises:
            Forbidden: without `user:manage`, and for an office.
            Invalid: the school does not exist or is not visible.
            NotFound: nobody with this source id was erased there.
        """
        require_permission(caller, Permission.USER_MANAGE)
        async with self._database.transaction() as connection:
            refuse(await violations_of_school(connection, caller, school_id))
            require_may_erase(caller, Role.TEACHER, school_id)
            if not await remove_tombstone(connection, Erased.USER, school_id, source_id):
                raise NotFound("nobody with this source id was erased at this school", schoolId=school_id)
            await record(connection, caller, Action.USER_READMITTED, school_id=school_id)
        log.info("user readmitted", school_id=school_id, actor=caller.actor)

    async def _today(self, connection: Connection, person: PersonRow) -> date | None:
        return None if person.school_id is None else await today_of_school(connection, person.school_id, self._now())


async def _erasable(connection: Connection, who: UserRef, caller: Caller) -> PersonRow:
    person = await visible_person(connection, who, caller)
    require_may_erase(caller, Role(person.role), person.school_id)
    refuse_own(person, caller)
    return person


def _details(key_ids: tuple[int, ...], choice: KeyChoice) -> dict[str, Any]:
    if not key_ids:
        return {}
    return {"revokedKeyIds": key_ids} if choice.revoke else {"handedOverKeyIds": key_ids}
