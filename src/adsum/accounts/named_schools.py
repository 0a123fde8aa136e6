"""Schools that a request names. One that does not exist, and one that the caller may not see, get the same answer."""

from __future__ import annotations

from adsum.accounts.access import Caller
from adsum.accounts.repository import is_visible_school
from adsum.accounts.rules import unknown_school
from adsum.platform.database.engine import Connection
from adsum.platform.errors import NotFound, Violation


async def require_school(connection: Connection, caller: Caller, school_id: int) -> None:
    """Raises NotFound if the school does not exist or is not visible to the caller."""
    if not await is_visible_school(connection, caller, school_id):
        raise NotFound(f"there is no school {school_id}", schoolId=school_id)


async def require_named_school(connection: Connection, caller: Caller, school_id: int | None) -> None:
    """As `require_school`, of the filter of a list, which may name no school: a wrong id is no empty list."""
    if school_id is not None:
        await require_school(connection, caller, school_id)


async def violations_of_school(connection: Connection, caller: Caller, school_id: int | None) -> list[Violation]:
    """The violations of the `schoolId` of a body, which may name no school."""
    if school_id is None or await is_visible_school(connection, caller, school_id):
        return []
    return [unknown_school(school_id)]
