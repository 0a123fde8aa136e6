"""The turns of sessions: who changes what submissions look at takes them, and who looked before that looks again.

A submission looks at what stands, decides, and inserts its run. What changes meanwhile, it must not miss: an absence
that the office enters, a student who is erased, a run that is undone or made again.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.platform.database.input_rows import asking, rows_asked


def turns_asked(dialect: str, lock: str) -> str:
    """Selects id and turn of the sessions in `asked`, and on Postgres locks them so. In the order of the ids, so that
    two who lock several cannot deadlock; SQLite has one writer at a time.
    """
    if dialect == "sqlite":
        return "SELECT s.id, s.turn FROM sessions s WHERE s.id IN (SELECT session_id FROM asked)"
    return f"""SELECT s.* FROM (SELECT DISTINCT session_id FROM asked ORDER BY session_id) a
    CROSS JOIN LATERAL (SELECT id, turn FROM sessions WHERE id = a.session_id {lock}) s"""  # noqa: S608 - the words are ours


def _taking(dialect: str) -> str:
    return f""",
mine AS ({turns_asked(dialect, "FOR NO KEY UPDATE")})
UPDATE sessions SET turn = sessions.turn + 1 FROM mine WHERE sessions.id = mine.id
RETURNING sessions.id, sessions.turn"""  # noqa: S608 - as above


_TAKE = asking(_taking, {"session_id": "bigint"})


async def take_turns(connection: AsyncConnection, session_ids: Collection[int]) -> dict[int, int]:
    """Has no run made in these sessions, but by this transaction, until it ends; waits for who has their turns.

    Submissions that looked before are not inserted after it: see `insert_runs`.

    Returns:
        The turn that each of these sessions now has; of those that there are.
    """
    rows = await _TAKE.fetch_all(connection, rows_asked({"session_id": each} for each in session_ids))
    return {row[0]: row[1] for row in rows}
