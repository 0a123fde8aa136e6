"""Undoing a run: every record that still says what the run made of it says again what it said before."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, and_, func, insert, literal, null, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.attendance.repository import is_set_by_office
from adsum.attendance.rules import RecordedMark
from adsum.attendance.tables import attendance_changes, attendances
from adsum.batches.rules import UndoneRun
from adsum.batches.tables import batch_runs
from adsum.platform.database.columns import RunId
from adsum.platform.ids import Batch
from adsum.schools.stale_days import mark_stale_batch

_CHANGE_OF_RUN = attendance_changes.alias("of_run")


@dataclass(frozen=True, slots=True)
class UndoRequest:
    """Who undoes the run `run_id` of a batch, when, and why. What the run carried on is undone with it."""

    batch: Batch
    run_id: str
    caller: Caller
    at: datetime
    reason: str | None


async def undone_runs(connection: AsyncConnection, batch: Batch) -> list[UndoneRun]:
    """What was undone of a batch, the oldest first."""
    change = attendance_changes.c
    grouped = (change.undoes_run_id, change.changed_at, change.changed_role)
    found = (
        select(*grouped, func.count())
        .join(attendances, attendances.c.id == change.attendance_id)
        .where(*_of_batch(batch), change.undoes_run_id.is_not(None))
        .group_by(*grouped)
        .order_by(change.changed_at)
    )
    return [UndoneRun(*row) for row in await connection.execute(found)]


async def undo_run(connection: AsyncConnection, undo: UndoRequest) -> int:
    """Sets back what is as the run left it, one version on, and keeps what it said. The number of records."""
    runs = await _runs_of(connection, undo)
    await connection.execute(_changes(undo, runs))
    undone = (await connection.execute(_records(undo))).rowcount
    await mark_stale_batch(connection, undo.batch)
    return undone


async def changed_since(connection: AsyncConnection, undo: UndoRequest) -> dict[int, RecordedMark]:
    """By student, the records that the run made or changed and that others changed after it: as they are now."""
    runs = await _runs_of(connection, undo)
    a = attendances.c
    touched = or_(
        a.run_id.in_(runs),
        select(attendance_changes.c.version)
        .where(attendance_changes.c.attendance_id == a.id, attendance_changes.c.run_id.in_(runs))
        .exists(),
    )
    rows = await connection.execute(
        select(a.student_id, a.status, a.note, a.version)
        .select_from(_records_and_newest_changes())
        .where(
            *(*_of_batch(undo.batch), touched, ~_is_undone(undo.run_id)),
            or_(~_is_as_left(runs), ~_is_to_undo(undo)),
        )
        .order_by(a.student_id)
    )
    return {student_id: RecordedMark(status, note, version) for student_id, status, note, version in rows}


async def _runs_of(connection: AsyncConnection, undo: UndoRequest) -> list[str]:
    """The run, and those before it that it carried on: a retry and what was retried are one submission."""
    c = batch_runs.c
    carried = (c.carried_recorded + c.carried_skipped + c.carried_cancelled).label("carried")
    chain: CTE = select(c.run_id, c.number, carried).where(c.run_id == undo.run_id).cte("chain", recursive=True)
    before = (
        select(c.run_id, c.number, carried)
        .join(chain, c.number == chain.c.number - 1)
        .where(c.session_id == undo.batch.session_id, c.learning_date == undo.batch.learning_date, chain.c.carried > 0)
    )
    return list(await connection.scalars(select(chain.union_all(before).c.run_id)))


def _changes(undo: UndoRequest, runs: Collection[str]) -> Any:
    a, before = attendances.c, _CHANGE_OF_RUN.c
    due: Select[*tuple[Any, ...]] = (
        select(
            a.id,
            a.version + 1,
            a.status,
            before.old_status,
            a.note,
            before.old_note,
            a.arrived_at,
            before.old_arrived_at,
            a.left_at,
            before.old_left_at,
            literal(undo.at, attendance_changes.c.changed_at.type),
            literal(undo.caller.role.value),
            literal(undo.caller.user_id, attendance_changes.c.user_id.type),
            literal(undo.caller.key_id, attendance_changes.c.key_id.type),
            literal(undo.reason, attendance_changes.c.reason.type),
            null(),
            literal(undo.run_id, RunId),
        )
        .select_from(_records_and_newest_changes())
        # Cleared already: to clear it again would be a change of nothing.
        .where(
            *(*_of_batch(undo.batch), _is_as_left(runs), _is_to_undo(undo)),
            or_(a.status.is_not(None), before.old_status.is_not(None)),
        )
        .order_by(a.id)
        .with_for_update(of=attendances)
    )
    columns = (
        "attendance_id",
        "version",
        "old_status",
        "new_status",
        "old_note",
        "new_note",
        "old_arrived_at",
        "new_arrived_at",
        "old_left_at",
        "new_left_at",
        "changed_at",
        "changed_role",
        "user_id",
        "key_id",
        "reason",
        "run_id",
        "undoes_run_id",
    )
    return insert(attendance_changes).from_select(columns, due)


def _records(undo: UndoRequest) -> Any:
    a, made = attendances.c, attendance_changes.c
    return (
        update(attendances)
        .where(
            *_of_batch(undo.batch),
            made.attendance_id == a.id,
            made.undoes_run_id == undo.run_id,
            made.version == a.version + 1,
        )
        .values(
            status=made.new_status,
            note=made.new_note,
            arrived_at=made.new_arrived_at,
            left_at=made.new_left_at,
            absence_id=None,
            version=made.version,
            marked_at=made.changed_at,
            marked_role=made.changed_role,
            user_id=made.user_id,
            key_id=made.key_id,
        )
    )


def _records_and_newest_changes() -> Any:
    """Each record with the change that made its version; the first version has none."""
    a, change = attendances.c, _CHANGE_OF_RUN.c
    return attendances.outerjoin(_CHANGE_OF_RUN, and_(change.attendance_id == a.id, change.version == a.version))


def _is_as_left(runs: Collection[str]) -> ColumnElement[bool]:
    a, change = attendances.c, _CHANGE_OF_RUN.c
    return func.coalesce(or_(and_(a.version == 1, a.run_id.in_(runs)), change.run_id.in_(runs)), False)


def _is_to_undo(undo: UndoRequest) -> ColumnElement[bool]:
    """Not what the office has marked, where a teacher undoes."""
    return true() if undo.caller.overrules else ~is_set_by_office()


def _is_undone(run_id: str) -> ColumnElement[bool]:
    return func.coalesce(_CHANGE_OF_RUN.c.undoes_run_id == run_id, False)


def _of_batch(batch: Batch) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return attendances.c.session_id == batch.session_id, attendances.c.learning_date == batch.learning_date
