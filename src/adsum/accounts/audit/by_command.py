"""Records what a command does that opens no services."""

from __future__ import annotations

from adsum.accounts.access import system_caller
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action, Details
from adsum.platform.database.engine import open_database
from adsum.platform.origin import ORIGIN, Origin


async def record_by_command(url: str, action: Action, after: Details) -> None:
    """Records an action of the command line in the database at this URL.

    Raises:
        Unavailable: the database does not answer, or lacks the migration of the audit log.
    """
    database = open_database(url)
    token = ORIGIN.set(Origin.of_command())
    try:
        async with database.transaction() as connection:
            await record(connection, system_caller(), action, after=after)
    finally:
        ORIGIN.reset(token)
        await database.close()
