"""Records exports of lists as files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adsum.accounts.access import Caller
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.platform.database.engine import Database
from adsum.platform.telemetry import log_export


class ListExports:
    """Records that callers begin to export lists. An export that is not recorded does not begin."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, caller: Caller, name: str, form: str, filters: Mapping[str, Any]) -> None:
        """Records and logs an export.

        Args:
            caller: who exports.
            name: of the list.
            form: of the file, such as `csv`.
            filters: of the list, by name. Their values may be personal: only ids of schools and students are stored.
        """
        async with self._database.transaction() as connection:
            await record(
                connection,
                caller,
                Action.LIST_EXPORTED,
                school_id=school_of_export(caller, filters.get("school_id")),
                student_id=filters.get("student_id"),
                after={"list": name, "form": form, "filters": sorted(filters)},
            )
        log_export(name, form, caller.actor, filters)


def school_of_export(caller: Caller, school_id: int | None) -> int | None:
    """The school in whose log an export is: the one of its filter if the caller sees it, else their only one.

    Nobody writes into the log of a school that they do not see.
    """
    if school_id is not None and (caller.schools is None or school_id in caller.schools):
        return school_id
    return next(iter(caller.schools)) if caller.schools is not None and len(caller.schools) == 1 else None
