"""What teachers said of students whose mark is the office's: kept beside it, until the office settles it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school, in_visible_session
from adsum.attendance.filters import ContradictionFilters
from adsum.attendance.rules import Mark
from adsum.attendance.tables import attendances, contradictions
from adsum.platform.ids import Batch

ContradictionPosition = tuple[date, int]
"""Where a contradiction stands in a list, the newest learning date first: its day, its id."""


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody said of a student, which is not to be recorded."""

    school_id: int
    batch: Batch
    student_id: int
    mark: Mark
    caller: Caller
    at: datetime


@dataclass(frozen=True, slots=True)
class ContradictionRow:
    """A contradiction that stands.

    Attributes:
        attendance_id, version: of the record that the office has set.
        recorded, recorded_note: what it says.
        said, said_note: what was said of the student in class.
        said_at, said_role, user_id, key_id: when, and by whom.
    """

    id: int
    school_id: int
    class_id: int
    session_id: int
    learning_date: date
    student_id: int
    attendance_id: int
    version: int
    recorded: str
    recorded_note: str | None
    said: str
    said_note: str | None
    said_at: datetime
    said_role: str
    user_id: int | None
    key_id: int | None

    @property
    def position(self) -> ContradictionPosition:
        return self.learning_date, self.id


async def keep_said(connection: AsyncConnection, said: Sequence[Said]) -> None:
    """Keeps what was said; of one student in one session and day the newest."""
    if not said:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    # In one order, so that two who say something of the same students cannot deadlock.
    rows = sorted((_row(each) for each in said), key=lambda row: (row["session_id"], row["student_id"]))
    statement = dialect.insert(contradictions)
    kept = ("status", "note", "said_at", "said_role", "user_id", "key_id")
    newest = {name: getattr(statement.excluded, name) for name in kept}
    of_one = ("session_id", "learning_date", "student_id")
    newest_stands = statement.on_conflict_do_update(index_elements=of_one, set_={**newest, "resolved_at": None})
    await connection.execute(newest_stands, rows)


async def list_contradictions(
    connection: AsyncConnection,
    caller: Caller,
    filters: ContradictionFilters,
    after: ContradictionPosition | None,
    limit: int,
) -> list[ContradictionRow]:
    """At most `limit` contradictions that the caller sees and that stand, the newest day first."""
    c = contradictions.c
    statement = _standing(caller).order_by(c.learning_date.desc(), c.id.desc()).limit(limit)
    for column, wanted in ((c.school_id, filters.school_id), (c.class_id, filters.class_id)):
        if wanted is not None:
            statement = statement.where(column == wanted)
    if filters.student_id is not None:
        statement = statement.where(c.student_id == filters.student_id)
    if filters.first_day is not None:
        statement = statement.where(c.learning_date >= filters.first_day)
    if filters.last_day is not None:
        statement = statement.where(c.learning_date <= filters.last_day)
    if after is not None:
        statement = statement.where(tuple_(c.learning_date, c.id) < after)
    return [ContradictionRow(*row) for row in await connection.execute(statement)]


async def find_contradiction(
    connection: AsyncConnection, caller: Caller, contradiction_id: int
) -> ContradictionRow | None:
    """One that stands, if the caller sees it."""
    found = await connection.execute(_standing(caller).where(contradictions.c.id == contradiction_id))
    row = found.one_or_none()
    return None if row is None else ContradictionRow(*row)


async def contradiction_of(connection: AsyncConnection, caller: Caller, record_id: int) -> ContradictionRow | None:
    """What stands beside a record, if anything does and the caller sees it."""
    row = (await connection.execute(_standing(caller).where(attendances.c.id == record_id))).one_or_none()
    return None if row is None else ContradictionRow(*row)


async def resolve(connection: AsyncConnection, record_id: int, now: datetime) -> None:
    """Settles what was said of the student of a record, if anything was: the office has looked at it."""
    c, a = contradictions.c, attendances.c
    of_record = select(a.session_id, a.learning_date, a.student_id).where(a.id == record_id)
    await connection.execute(
        update(contradictions)
        .where(tuple_(c.session_id, c.learning_date, c.student_id).in_(of_record), c.resolved_at.is_(None))
        .values(resolved_at=now)
    )


def _standing(caller: Caller) -> Select[*tuple[Any, ...]]:
    """Whatever the record says by now is no contradiction any more; nor is what stands beside a cleared mark."""
    c, a = contradictions.c, attendances.c
    return (
        select(
            *(c.id, c.school_id, c.class_id, c.session_id, c.learning_date, c.student_id),
            *(a.id, a.version, a.status, a.note, c.status, c.note, c.said_at, c.said_role, c.user_id, c.key_id),
        )
        .join(attendances, _of_record())
        .where(
            *(c.resolved_at.is_(None), a.status.is_not(None)),
            or_(a.status != c.status, and_(c.note.is_not(None), c.note.is_distinct_from(a.note))),
            in_visible_school(caller, c.school_id),
            in_visible_session(caller, c.class_id, c.session_id, c.learning_date),
        )
    )


def _of_record() -> ColumnElement[bool]:
    c, a = contradictions.c, attendances.c
    return and_(a.session_id == c.session_id, a.learning_date == c.learning_date, a.student_id == c.student_id)


def _row(said: Said) -> dict[str, Any]:
    return {
        "school_id": said.school_id,
        "class_id": said.batch.class_id,
        "session_id": said.batch.session_id,
        "learning_date": said.batch.learning_date,
        "student_id": said.student_id,
        "status": said.mark.status,
        "note": said.mark.note,
        "said_at": said.at,
        "said_role": said.caller.role,
        "user_id": said.caller.user_id,
        "key_id": said.caller.key_id,
    }
