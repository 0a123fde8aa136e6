"""Lists schools and sets their edit windows."""

from __future__ import annotations

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Invalid, NotFound, Violation, refuse
from adsum.platform.paging import Page, PageRequest, begin_of, by_number, page_of
from adsum.schools.repository import is_visible_school, list_schools, set_edit_window
from adsum.schools.rules import MAX_EDIT_WINDOW_DAYS, School


class Schools:
    """The schools that a caller may see."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, caller: Caller, page: PageRequest) -> Page[School]:
        """One page of the visible schools, by id.

        Raises:
            Forbidden: without `roster:read`.
            Invalid: the cursor is wrong.
        """
        require_permission(caller, Permission.ROSTER_READ)
        after = begin_of(page, "schools", by_number) or 0
        async with self._database.snapshot() as connection:
            rows = await list_schools(connection, caller, after, page.limit + 1)
        return page_of(rows, page, "schools", lambda row: (row.id,))

    async def find(self, school_id: int, caller: Caller) -> School:
        """One school.

        Raises:
            Forbidden: without `roster:read`.
            NotFound: the school does not exist or is not visible.
        """
        require_permission(caller, Permission.ROSTER_READ)
        async with self._database.snapshot() as connection:
            await require_school(connection, caller, school_id)
            (row,) = await list_schools(connection, caller, school_id - 1, 1)
        return row

    async def only(self, caller: Caller) -> School:
        """The only visible school, for any caller: a default needs no permission.

        Raises:
            Invalid: there are several schools or none.
        """
        async with self._database.snapshot() as connection:
            found = await list_schools(connection, caller, 0, 2)
        if len(found) != 1:
            detail = "there are several schools: name one" if found else "there is no school"
            raise Invalid(detail, [Violation("missing_field", detail, "/schoolId")])
        return found[0]

    async def set_edit_window(self, school_id: int, days: int | None, caller: Caller) -> School:
        """Sets the number of days after a learning date within which teachers may write. None removes the limit.

        Raises:
            Forbidden: without `school:manage`.
            NotFound: the school does not exist or is not visible.
            Invalid: the number is out of range.
        """
        require_permission(caller, Permission.SCHOOL_MANAGE)
        if days is not None and not 0 <= days <= MAX_EDIT_WINDOW_DAYS:
            detail = f"an edit window has 0 to {MAX_EDIT_WINDOW_DAYS} days"
            refuse([Violation("out_of_range", detail, "/editWindowDays")])
        async with self._database.transaction() as connection:
            await require_school(connection, caller, school_id)
            await set_edit_window(connection, school_id, days)
            (row,) = await list_schools(connection, caller, school_id - 1, 1)
        return row


async def require_school(connection: Connection, caller: Caller, school_id: int) -> None:
    """Raises NotFound if the school does not exist or is not visible to the caller."""
    if not await is_visible_school(connection, caller, school_id):
        raise NotFound(f"there is no school {school_id}", schoolId=school_id)
