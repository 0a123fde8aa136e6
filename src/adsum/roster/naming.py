"""Names in the place of ids, for pages that people read."""

from __future__ import annotations

from adsum.accounts.access import Caller, Permission
from adsum.platform.database.engine import Database
from adsum.roster.names import NamedIds, Names, find_names


class Naming:
    """Tells names to who may know them: whoever has `roster:read`, of what is of their schools."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def names_of(self, ids: NamedIds, caller: Caller) -> Names:
        """What these are called, in one statement. To who may not know names, nothing."""
        if not caller.may(Permission.ROSTER_READ):
            return Names()
        async with self._database.autocommit_read() as connection:
            return await find_names(connection, caller, ids)
