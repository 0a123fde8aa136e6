"""Lists, adds, renames and retires the statuses of a school. Records keep the statuses that they have."""

from __future__ import annotations

from dataclasses import replace

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.named_schools import require_school
from adsum.attendance.statuses.repository import set_status, statuses_of_school
from adsum.attendance.statuses.rules import ALWAYS_IN_USE, SchoolStatuses, Status, StatusChange, validate_status
from adsum.platform.clock import Clock
from adsum.platform.database.answers import KeyedRequest, claim_key, store_result
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Conflict, NotFound, refuse
from adsum.schools.locks import lock_school


class StatusExists(Conflict):
    """The school has a status with this code, in use or retired."""

    code = "status_exists"


class LetterTaken(Conflict):
    """Another status in use has this letter."""

    code = "letter_taken"


class StatusNeeded(Conflict):
    """`present` and `absent` cannot be retired, since create-batch writes them for whole classes."""

    code = "status_needed"


class Statuses:
    """The statuses of schools, as their managers see and change them."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def all_of(self, school_id: int, caller: Caller) -> SchoolStatuses:
        """The statuses of a school, including retired ones.

        Raises:
            Forbidden: without `roster:read`.
            NotFound: there is no such school, or the caller may not see it.
        """
        require_permission(caller, Permission.ROSTER_READ)
        async with self._database.snapshot() as connection:
            await require_school(connection, caller, school_id)
            return await statuses_of_school(connection, school_id)

    async def add(
        self, school_id: int, status: Status, caller: Caller, keyed: KeyedRequest[Status] | None = None
    ) -> Status:
        """Adds a status.

        Raises:
            Forbidden: without `school:manage`.
            NotFound: there is no such school, or the caller may not see it.
            Invalid: with all violations.
            StatusExists, LetterTaken.
        """
        require_permission(caller, Permission.SCHOOL_MANAGE)
        async with self._database.transaction() as connection:
            await claim_key(connection, keyed)
            statuses = await _locked(connection, school_id, caller)
            refuse(validate_status(status))
            if statuses.get(status.code) is not None:
                raise StatusExists(f"there is a status {status.code!r} already", status=status.code)
            _require_free_letter(statuses, status)
            await set_status(connection, school_id, status)
            after = {"status": status.code}
            await record(connection, caller, Action.STATUSES_CHANGED, school_id=school_id, after=after)
            await store_result(connection, keyed, status)
        return status

    async def change(self, school_id: int, code: str, change: StatusChange, caller: Caller) -> Status:
        """Renames, reorders, retires or reuses a status.

        Raises:
            Forbidden: without `school:manage`.
            NotFound: there is no such school or status, or the caller may not see it.
            Invalid: with all violations.
            LetterTaken, StatusNeeded.
        """
        require_permission(caller, Permission.SCHOOL_MANAGE)
        async with self._database.transaction() as connection:
            statuses = await _locked(connection, school_id, caller)
            status = statuses.get(code)
            if status is None:
                raise NotFound(f"school {school_id} has no status {code[:40]!r}", schoolId=school_id)
            changed = self._changed(status, change)
            refuse(validate_status(changed))
            _require_free_letter(statuses, changed)
            if not changed.is_in_use and code in ALWAYS_IN_USE:
                raise StatusNeeded(f"{code!r} is written for whole classes: it cannot be retired", status=code)
            if changed != status:
                await set_status(connection, school_id, changed)
                before, after = _recorded(status), _recorded(changed)
                await record(
                    connection, caller, Action.STATUSES_CHANGED, school_id=school_id, before=before, after=after
                )
        return changed

    def _changed(self, status: Status, change: StatusChange) -> Status:
        retired_at = status.retired_at
        if change.retired is not None and change.retired == status.is_in_use:
            retired_at = self._now() if change.retired else None
        return replace(
            status,
            label=status.label if change.label is None else change.label,
            letter=status.letter if change.letter is None else change.letter,
            position=status.position if change.position is None else change.position,
            retired_at=retired_at,
        )


def _recorded(status: Status) -> dict[str, str | int | bool]:
    """A status in the audit log, without its label, which is a free text."""
    return {
        "status": status.code,
        "letter": status.letter,
        "position": status.position,
        "retired": not status.is_in_use,
    }


async def _locked(connection: Connection, school_id: int, caller: Caller) -> SchoolStatuses:
    await require_school(connection, caller, school_id)
    await lock_school(connection, school_id)
    return await statuses_of_school(connection, school_id)


def _require_free_letter(statuses: SchoolStatuses, status: Status) -> None:
    others = (each for each in statuses if each.is_in_use and each.code != status.code)
    taken = next((each for each in others if each.letter.casefold() == status.letter.casefold()), None)
    if status.is_in_use and taken is not None:
        raise LetterTaken(f"the letter {status.letter!r} is that of {taken.code!r}", status=taken.code)
