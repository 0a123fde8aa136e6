"""What stands of batches already: the newest run of each, the records of its session and day, and known absences."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, Date
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.absences.rules import Absence, StudentAbsence
from adsum.attendance.rules import RecordedMark
from adsum.batches.rules import RunState
from adsum.platform.database.columns import Json
from adsum.platform.database.sql_files import input_rows, sql_file
from adsum.platform.ids import Batch

_LOAD_SNAPSHOTS = sql_file(
    "adsum.batches",
    "load_snapshots",
    returns={
        "class_id": BigInteger,
        "session_id": BigInteger,
        "learning_date": Date,
        "newest_run": Json,
        "records": Json,
        "absences": Json,
    },
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is of a batch.

    Attributes:
        number: of the newest run; 0 where there is none.
        newest_run: its id, or None. Only the newest can be open: as long as it is, no other is made.
        is_open: whether it is.
        records: what is recorded of each student in this session and day; cleared marks, too.
        known: absences on that day, known beforehand, of students of the class; their reasons left out.
    """

    number: int
    newest_run: str | None
    is_open: bool
    records: Mapping[int, RecordedMark]
    known: Sequence[StudentAbsence] = ()

    @property
    def is_preceding(self) -> bool:
        """Whether anything of the office's stands before a teacher's mark."""
        return bool(self.known) or any(record.is_offices for record in self.records.values())


async def find_standing(connection: AsyncConnection, batches: Collection[Batch]) -> dict[Batch, Standing]:
    """What stands of each of these batches."""
    rows = input_rows(
        {
            "class_id": batch.class_id,
            "session_id": batch.session_id,
            "learning_date": batch.learning_date.isoformat(),
        }
        for batch in batches
    )
    return {
        Batch(*batch): _standing(newest, records, known)
        for *batch, newest, records, known in await _LOAD_SNAPSHOTS.fetch_all(connection, rows)
    }


def _standing(newest: Any, records: Any, known: Any) -> Standing:
    number, run_id, state = newest or (0, None, None)
    return Standing(
        number=number,
        newest_run=run_id,
        is_open=state == RunState.OPEN,
        records={student_id: _existing(*record) for student_id, *record in records or ()},
        known=tuple(_known(*absence) for absence in known or ()),
    )


def _existing(status: str | None, note: str | None, version: int, *more: Any) -> RecordedMark:
    arrived_at, left_at, is_offices = more
    return RecordedMark(status, note, version, arrived_at, left_at, bool(is_offices))


def _known(absence_id: int, student_id: int, first_day: str, last_day: str, status: str, *more: Any) -> StudentAbsence:
    sessions, from_time, to_time = more
    # SQLite hands JSON within JSON over as text.
    listed: list[int] | None = json.loads(sessions) if isinstance(sessions, str) else sessions
    absence = Absence(
        date.fromisoformat(first_day),
        date.fromisoformat(last_day),
        status,
        reason="",
        session_ids=None if listed is None else tuple(listed),
        from_time=from_time,
        to_time=to_time,
    )
    return StudentAbsence(absence_id, student_id, absence)
