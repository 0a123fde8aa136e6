"""Names in the place of ids, for pages that people read."""

from __future__ import annotations

from adsum.domain.access import Caller, Permission
from adsum.storage.database import Database
from adsum.storage.names import NamedIds, Names, find_names


class Naming:
    """Tells names to who may know them: whoever has `roster:read`, of what is of their schools."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def names_of(self, ids: NamedIds, caller: Caller) -> Names:
        """What these are called, in one statement. To who may not know names, nothing."""
        if not caller.may(Permission.ROSTER_READ):
            return Names()
        async with self._database.glance() as connection:
            return await find_names(connection, caller, ids)
