"""The fence of a session: a counter that every change advances which the plan of a new run must not miss.

Accepting a submission reads the state of its batch, decides, and inserts a run. `insert_runs` inserts it only if the
fence still has the value that was read first. So a planned absence that the office enters meanwhile, the erasure of a
student, and an undo or a retry of a run are never missed. The fence is the column `sessions.turn`.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.platform.database.sql_files import input_rows, sql_file

_ADVANCE_FENCES = sql_file("adsum.roster", "advance_fences")


async def advance_fences(connection: AsyncConnection, session_ids: Collection[int]) -> dict[int, int]:
    """Locks the fences of sessions until the transaction ends, and advances them; waits for other transactions that
    hold them. Until then only this transaction inserts runs in these sessions, and afterwards no run is inserted whose
    submission read an older value.

    Returns:
        The new value for each session that exists.
    """
    rows = await _ADVANCE_FENCES.fetch_all(
        connection, input_rows({"session_id": session_id} for session_id in session_ids)
    )
    return {row[0]: row[1] for row in rows}
