"""Callers who manage people, and attempts that are refused."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

import pytest

from adsum.accounts.access import Caller, Role, rights_of, system_caller
from adsum.platform.database.engine import Database
from tests.support.schools import make_bare_school

ADMIN = system_caller()


async def new_school(database: Database) -> int:
    async with database.transaction() as connection:
        return await make_bare_school(connection)


def of(role: Role, school_id: int | None, *, office_manages_logins: bool = False, user_id: int = 99) -> Caller:
    """A caller with the rights of such a user."""
    rights = rights_of(role, school_id, office_manages_logins=office_manages_logins)
    return Caller(role, rights.permissions, user_id=user_id, schools=rights.schools)


async def refused(attempts: Sequence[Awaitable[object]], error: type[Exception]) -> None:
    for attempt in attempts:
        with pytest.raises(error):
            await attempt
