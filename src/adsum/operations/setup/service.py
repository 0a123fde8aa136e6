"""The setup of schools: which steps are done, and which somebody has confirmed."""

from __future__ import annotations

from collections.abc import Collection

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.named_schools import require_school
from adsum.operations.setup.repository import confirm_step, facts_of_schools, revoke_step
from adsum.operations.setup.rules import DISMISSED, Setup, SetupFacts, Step, setup_of
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.schools.locks import lock_school


class SchoolSetup:
    """The checklist of a new school. Every method raises Forbidden without `school:manage`."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def of_schools(self, school_ids: Collection[int], caller: Caller) -> dict[int, Setup]:
        """The checklists of schools that the caller was shown."""
        require_permission(caller, Permission.SCHOOL_MANAGE)
        async with self._database.snapshot() as connection:
            facts = await facts_of_schools(connection, school_ids)
        return {school_id: setup_of(school_id, each) for school_id, each in facts.items()}

    async def find(self, school_id: int, caller: Caller) -> Setup:
        """The checklist of one school. Raises NotFound if the caller does not see it."""
        require_permission(caller, Permission.SCHOOL_MANAGE)
        async with self._database.snapshot() as connection:
            await require_school(connection, caller, school_id)
            return await _setup(connection, school_id)

    async def confirm(self, school_id: int, step: Step, caller: Caller, *, confirmed: bool = True) -> Setup:
        """Says that a step is done or not needed, or takes that back. Raises NotFound as `find`."""
        return await self._store(school_id, step, caller, confirmed=confirmed)

    async def dismiss(self, school_id: int, caller: Caller, *, dismissed: bool = True) -> Setup:
        """Hides the checklist for everybody, or shows it again. Raises NotFound as `find`."""
        return await self._store(school_id, DISMISSED, caller, confirmed=dismissed)

    async def _store(self, school_id: int, step: str, caller: Caller, *, confirmed: bool) -> Setup:
        require_permission(caller, Permission.SCHOOL_MANAGE)
        async with self._database.transaction() as connection:
            await require_school(connection, caller, school_id)
            await lock_school(connection, school_id)
            if confirmed:
                await confirm_step(connection, school_id, step, self._now())
            else:
                await revoke_step(connection, school_id, step)
            return await _setup(connection, school_id)


async def _setup(connection: Connection, school_id: int) -> Setup:
    facts = await facts_of_schools(connection, [school_id])
    return setup_of(school_id, facts.get(school_id, SetupFacts()))
