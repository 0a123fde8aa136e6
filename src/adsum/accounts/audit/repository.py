"""Writes the audit log: `record`, which every action calls that is recorded."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.audit.rules import SYSTEM, Action, Details, canonical_json
from adsum.platform.database.sql_files import sql_file
from adsum.platform.origin import ORIGIN

_INSERT_ENTRY = sql_file("adsum.accounts.audit", "insert_entry")


async def record(  # noqa: PLR0913 - the parts of an entry
    connection: AsyncConnection,
    caller: Caller | None,
    action: Action,
    *,
    school_id: int | None = None,
    student_id: int | None = None,
    user_id: int | None = None,
    key_id: int | None = None,
    before: Details | None = None,
    after: Details | None = None,
) -> None:
    """Records an action in its own transaction, so that both are stored or neither. It waits for no other transaction.

    Args:
        connection: with the transaction of the action.
        caller: who acts; `system_caller()` for the command line and the library; None: nobody has signed in.
        action: what they do.
        school_id: the school that the action is about; None: all schools, or none.
        student_id: the student that it is about.
        user_id: the user that it is about.
        key_id: the API key that it is about.
        before: the changed values before.
        after: the changed values after, or the extent of the action. See `Details` for what neither may contain.
    """
    origin = ORIGIN.get()
    values = {
        "action": action.value,
        "caller_role": _role_of(caller),
        "caller_user_id": None if caller is None else caller.user_id,
        "caller_key_id": None if caller is None else caller.key_id,
        "os_user": origin.os_user,
        "address": origin.address,
        "request_id": origin.request_id,
        "agent": origin.agent,
        "school_id": school_id,
        "student_id": student_id,
        "user_id": user_id,
        "key_id": key_id,
        "before": canonical_json(before),
        "after": canonical_json(after),
    }
    await _INSERT_ENTRY.fetch_all(connection, values)


def _role_of(caller: Caller | None) -> str | None:
    if caller is None:
        return None
    return SYSTEM if caller.user_id is None and caller.key_id is None else caller.role.value
