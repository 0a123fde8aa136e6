"""Lists schools, and changes their settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, replace

from adsum.accounts.access import Caller, Permission, Role, require_may_manage, require_permission
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.named_schools import require_school
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.errors import Invalid, Violation, refuse
from adsum.platform.paging import PageRequest, RowPage, begin_of, by_number, page_of
from adsum.schools.locks import lock_school
from adsum.schools.repository import (
    change_settings,
    common_zone,
    list_school_changes,
    list_schools,
    names_of_schools,
)
from adsum.schools.rules import School, SchoolChange, SchoolSettings, validate_settings
from adsum.schools.stale_days import mark_stale_days


class Schools:
    """The schools that a caller may see."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def page(self, caller: Caller, page: PageRequest) -> RowPage[School]:
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

    async def names_of(self, school_ids: Collection[int]) -> Mapping[int, str]:
        """Names by id, of schools that the caller was shown."""
        async with self._database.snapshot() as connection:
            return await names_of_schools(connection, school_ids)

    async def time_zone(self, caller: Caller) -> str:
        """The time zone of the visible schools; UTC if they have different ones."""
        async with self._database.snapshot() as connection:
            return await common_zone(connection, caller)

    async def only(self, caller: Caller) -> School:
        """The only visible school, for any caller: a default needs no permission.

        Raises:
            Invalid: there are several schools or none.
        """
        async with self._database.snapshot() as connection:
            found = await list_schools(connection, caller, 0, 2)
        if len(found) != 1:
            detail = (
                "there are several schools: name one (--school, in the API schoolId)" if found else "there is no school"
            )
            raise Invalid(detail, [Violation("missing_field", detail, "/schoolId")])
        return found[0]

    async def change(self, school_id: int, settings: SchoolSettings, caller: Caller) -> School:
        """Changes settings of a school, such as its time zone, from now on. Records keep their days.

        Each changed setting is added to the history; equal values change nothing.

        Raises:
            Forbidden: without `school:manage`; for `office_manages_logins`, if the caller may not manage the office.
            NotFound: the school does not exist or is not visible.
            Invalid: an unknown time zone, a number out of range, or nothing to change; with every violation.
        """
        require_permission(caller, Permission.SCHOOL_MANAGE)
        refuse(list(validate_settings(settings)))
        async with self._database.transaction() as connection:
            await require_school(connection, caller, school_id)
            if "office_manages_logins" in settings:
                require_may_manage(caller, Role.OFFICE, school_id)
            await lock_school(connection, school_id)
            (school,) = await list_schools(connection, caller, school_id - 1, 1)
            old = asdict(school)
            new = {name: value for name, value in settings.items() if old[name] != value}
            if new:
                await change_settings(connection, school_id, old, new, caller, self._now())
                before, after = ({name: values[name] for name in new} for values in (old, new))
                await record(connection, caller, Action.SCHOOL_CHANGED, school_id=school_id, before=before, after=after)
            if "missed_from_percent" in new:
                await mark_stale_days(connection, school_id)
        return replace(school, **new)

    async def changes(self, school_id: int, caller: Caller, page: PageRequest) -> RowPage[SchoolChange]:
        """One page of the changes of a school's settings, the newest first.

        Raises:
            Forbidden: without `school:manage`.
            NotFound: the school does not exist or is not visible.
            Invalid: the cursor is wrong.
        """
        require_permission(caller, Permission.SCHOOL_MANAGE)
        query = f"changes of school {school_id}"
        before = begin_of(page, query, by_number)
        async with self._database.snapshot() as connection:
            await require_school(connection, caller, school_id)
            rows = await list_school_changes(connection, school_id, before, page.limit + 1)
        return page_of(rows, page, query, lambda row: (row.id,))
