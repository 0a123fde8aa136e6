"""What stands of batches already: the newest run of each, and the records of its session and day."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import BigInteger, Date, String
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.domain.batches import RunState
from adsum.domain.ids import Batch
from adsum.domain.plan import Existing
from adsum.storage.asked import asking, rows_asked
from adsum.storage.columns import Json, RunId

# One row a batch: an object for each record of a class that was marked before would be most of what accept does.
_STANDING = """
SELECT asked.class_id, asked.session_id, asked.learning_date, newest.run_id, newest.state,
    (SELECT {list_of}({tuple_of}(a.student_id, a.status, a.note, a.version)) FROM attendances a
     WHERE a.session_id = asked.session_id AND a.learning_date = asked.learning_date) AS records
FROM asked LEFT JOIN batch_runs newest ON newest.run_id = (
    SELECT r.run_id FROM batch_runs r
    WHERE r.session_id = asked.session_id AND r.learning_date = asked.learning_date
    ORDER BY r.number DESC LIMIT 1)"""


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is of a batch.

    Attributes:
        newest_run: its id, or None. Only the newest can be open: as long as it is, no other is made.
        is_open: whether it is.
        records: what is recorded of each student in this session and day; cleared marks, too.
    """

    newest_run: str | None
    is_open: bool
    records: Mapping[int, Existing]


async def find_standing(connection: AsyncConnection, batches: Collection[Batch]) -> dict[Batch, Standing]:
    """What stands of each of these batches."""
    statement = asking(connection, _STANDING, class_id="bigint", session_id="bigint", learning_date="date").columns(
        class_id=BigInteger, session_id=BigInteger, learning_date=Date, run_id=RunId, state=String, records=Json
    )
    asked = rows_asked(
        {
            "class_id": batch.class_id,
            "session_id": batch.session_id,
            "learning_date": batch.learning_date.isoformat(),
        }
        for batch in batches
    )
    return {
        Batch(*batch): Standing(
            newest_run=run_id,
            is_open=state == RunState.OPEN,
            records={student_id: Existing(*record) for student_id, *record in records or ()},
        )
        for *batch, run_id, state, records in await connection.execute(statement, asked)
    }
