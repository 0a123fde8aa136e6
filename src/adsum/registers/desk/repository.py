"""Statements about the desk: the sessions of a student on a day, and the entries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, Integer, Select, String, insert, literal, null, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.absences.repository.planned import absences_of_student
from adsum.absences.rules import Author, StudentAbsence, absences_of_session
from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school
from adsum.attendance.repository import is_set_by_hand
from adsum.attendance.rules import OFFICE_ROLES
from adsum.attendance.tables import attendances
from adsum.batches.repository.runs import find_open_runs
from adsum.batches.run import Run
from adsum.platform.database.columns import columns_of
from adsum.platform.database.filters import equal, in_period
from adsum.platform.database.validity import valid_on
from adsum.platform.ids import parse_batch_id
from adsum.registers.desk.rules import DeskEntry, DeskFilters, DeskMarks, DeskRun, DeskSession, NewEntry
from adsum.registers.repository import has_register
from adsum.registers.rules import DeskKind
from adsum.registers.tables import desk_entries
from adsum.roster.tables import classes, enrolments, sessions
from adsum.roster.timetable.repository import times_of_sessions
from adsum.schools.calendar.rules import SessionTime, times_on
from adsum.schools.tables import schools

_COLUMNS = columns_of(desk_entries, DeskEntry, author="entered", missed_status="status")


async def sessions_of_student(
    connection: AsyncConnection, school_id: int, student_id: int, day: date
) -> list[DeskSession]:
    """The sessions of a student at a school on a day, by time; sessions without times first.

    A mark that an open run is about to record counts as recorded.
    """
    of_day = literal(day, Date())
    c, m, e, a = classes.c, sessions.c, enrolments.c, attendances.c
    is_enrolled = select(e.class_id).where(e.student_id == student_id, valid_on(enrolments, of_day))
    found = (
        select(c.id, c.title, m.id, m.title, a.version, a.status, a.arrived_at, a.left_at, is_set_by_hand())
        .select_from(sessions)
        .join(classes, c.id == m.class_id)
        .join(schools, schools.c.id == c.school_id)
        .outerjoin(attendances, (a.session_id == m.id) & (a.learning_date == of_day) & (a.student_id == student_id))
        .where(
            *(c.school_id == school_id, c.id.in_(is_enrolled)),
            *has_register(of_day, literal(day.isoweekday(), Integer()), literal("24:00", String())),
        )
    )
    rows = (await connection.execute(found)).all()
    times = await times_of_sessions(connection, [row[2] for row in rows])
    planned = await absences_of_student(connection, school_id, student_id, day)
    open_runs = await find_open_runs(connection, [row[2] for row in rows], day)
    marked = [_with_mark_of_run(row, student_id, open_runs.get(row[2])) for row in rows]
    listed = [_desk_session(row, day, times.get(row[2], ()), planned) for row in marked]
    return sorted(listed, key=lambda each: (each.begins or "", each.session_id))


def _with_mark_of_run(row: Sequence[Any], student_id: int, run: Run | None) -> Sequence[Any]:
    """A row of a session with the mark that its open run is about to record, instead of the recorded mark."""
    *of_session, version, status, arrived_at, left_at, by_hand = row
    # A record keeps the version that its job has until the job is processed.
    jobs = run.jobs if run is not None else ()
    waiting = next((each for each in jobs if each.student_id == student_id and each.version == version), None)
    if run is None or waiting is None:
        return (*of_session, status, arrived_at, left_at, by_hand, False)
    mark, is_offices = waiting.mark, run.accepted_role in OFFICE_ROLES
    return (*of_session, mark.status, mark.arrived_at, mark.left_at, is_offices and mark.absence_id is None, True)


def _desk_session(
    row: Sequence[Any], day: date, times: Sequence[SessionTime], planned: Sequence[StudentAbsence]
) -> DeskSession:
    """The session of a row with its times on the day, and the planned absence that applies to it, if one does."""
    class_id, class_title, session_id, title, *mark, by_hand, is_being_saved = row
    on_day = times_on(day, times)
    applying = next(iter(absences_of_session(planned, session_id, day, times).values()), None)
    return DeskSession(
        *(class_id, class_title, session_id, title),
        min((each.begins for each in on_day), default=None),
        max((each.ends for each in on_day), default=None),
        *mark,
        planned_status=None if applying is None else applying.absence.status,
        absence_id=None if applying is None else applying.id,
        is_set_by_office=bool(by_hand),
        is_being_saved=is_being_saved,
    )


async def find_same_entry(
    connection: AsyncConnection, school_id: int, day: date, new: NewEntry, missed: str
) -> DeskEntry | None:
    """The newest entry with the same content that is not undone. `missed`: the status of the missed sessions."""
    c = desk_entries.c
    is_same = (
        *(c.school_id == school_id, c.student_id == new.student_id, c.day == day),
        *(c.kind == new.kind, c.time == new.time, c.reason == new.reason.strip(), c.status == missed),
    )
    found = await connection.execute(_select_entries().where(*is_same, c.undone_at.is_(None)).limit(1))
    row = found.one_or_none()
    return None if row is None else _entry(*row)


async def standing_entries(connection: AsyncConnection, besides: DeskEntry) -> list[DeskEntry]:
    """The other entries of the student on the day of an entry that are not undone."""
    c = desk_entries.c
    of_day = (c.school_id == besides.school_id, c.student_id == besides.student_id, c.day == besides.day)
    found = _select_entries().where(*of_day, c.id != besides.id, c.undone_at.is_(None))
    return [_entry(*row) for row in await connection.execute(found)]


async def replace_absence(connection: AsyncConnection, departure: DeskEntry, absence_id: int) -> bool:
    """Replaces the planned absence of a departure, and of the entries that share it. False: none has it by now."""
    c = desk_entries.c
    shares = (c.absence_id == departure.absence_id, c.undone_at.is_(None))
    replaced = await connection.scalars(
        update(desk_entries).where(*shares).values(absence_id=absence_id).returning(c.id)
    )
    return bool(replaced.all())


async def is_absence_of_entry(connection: AsyncConnection, absence_id: int, besides: int | None = None) -> bool:
    """Whether an entry that is not undone has this planned absence. `besides`: an entry that does not count."""
    c = desk_entries.c
    found = select(c.id).where(c.absence_id == absence_id, c.undone_at.is_(None), c.id != (besides or 0)).limit(1)
    return await connection.scalar(found) is not None


async def undone_run_ids(connection: AsyncConnection, entry: DeskEntry) -> list[str]:
    """The runs of the other undone entries of the same student on the same day."""
    c = desk_entries.c
    of_day = (c.school_id == entry.school_id, c.student_id == entry.student_id, c.day == entry.day)
    undone = await connection.scalars(select(c.runs).where(*of_day, c.undone_at.is_not(None), c.id != entry.id))
    return [run_id for runs in undone for _, run_id in runs]


async def newest_entry(
    connection: AsyncConnection, school_id: int, student_id: int, day: date, until: str
) -> DeskEntry | None:
    """The entry of a student on a day that has the latest time up to `until`, and is not undone."""
    c = desk_entries.c
    of_student = (c.school_id == school_id, c.student_id == student_id, c.day == day)
    entries = select(*_COLUMNS).where(*of_student, c.undone_at.is_(None), c.time <= until)
    row = (await connection.execute(entries.order_by(c.time.desc(), c.id.desc()).limit(1))).one_or_none()
    return None if row is None else _entry(*row)


async def add_entry(
    connection: AsyncConnection,
    school_id: int,
    day: date,
    new: NewEntry,
    missed: str,
    pending: DeskMarks,
    author: Author,
) -> DeskEntry:
    """Stores an entry whose marks are pending. `missed`: the status of the missed sessions."""
    row: dict[str, Any] = {
        "school_id": school_id,
        "student_id": new.student_id,
        "day": day,
        "kind": new.kind,
        "time": new.time,
        "reason": new.reason.strip(),
        "status": missed,
        "runs": [],
        "entered_at": author.at,
        "entered_role": author.caller.role.value,
        "user_id": author.caller.user_id,
        "key_id": author.caller.key_id,
        "pending": pending.to_json(),
    }
    added = await connection.execute(insert(desk_entries).values(row).returning(*_COLUMNS))
    return _entry(*added.one())


async def find_entry(connection: AsyncConnection, caller: Caller, entry_id: int) -> DeskEntry | None:
    """An entry of a school that the caller sees."""
    c = desk_entries.c
    found = await connection.execute(_select_entries().where(c.id == entry_id, in_visible_school(caller, c.school_id)))
    row = found.one_or_none()
    return None if row is None else _entry(*row)


async def list_desk_entries(
    connection: AsyncConnection, caller: Caller, filters: DeskFilters, before: int | None, limit: int
) -> list[DeskEntry]:
    """At most `limit` entries of the schools that the caller sees, the newest first, from before the id `before`."""
    c = desk_entries.c
    conditions = [
        *equal((c.school_id, filters.school_id), (c.student_id, filters.student_id)),
        *in_period(c.day, filters.first_day, filters.last_day),
    ]
    statement = _select_entries().where(in_visible_school(caller, c.school_id), *conditions).limit(limit)
    if before is not None:
        statement = statement.where(c.id < before)
    return [_entry(*row) for row in await connection.execute(statement)]


async def set_pending(connection: AsyncConnection, entry_id: int, pending: DeskMarks) -> None:
    """Stores what an entry has to make. An undone entry stays as it is."""
    c = desk_entries.c
    stands = (c.id == entry_id, c.undone_at.is_(None))
    await connection.execute(update(desk_entries).where(*stands).values(pending=pending.to_json()))


async def set_complete(
    connection: AsyncConnection, entry_id: int, absence_id: int | None, runs: Sequence[DeskRun], at: datetime
) -> None:
    """Stores what an entry has made, so that nothing of it is pending. An undone entry stays as it is."""
    made = {
        "absence_id": absence_id,
        "runs": [[run.batch_id, run.run_id] for run in runs],
        "pending": null(),
        "completed_at": at,
    }
    c = desk_entries.c
    await connection.execute(update(desk_entries).where(c.id == entry_id, c.undone_at.is_(None)).values(made))


async def begin_undo(connection: AsyncConnection, entry_id: int, at: datetime) -> None:
    """Marks an entry as undone. Until `end_undo` it is incomplete."""
    undone = {"undone_at": at, "pending": DeskMarks([]).to_json()}
    await connection.execute(update(desk_entries).where(desk_entries.c.id == entry_id).values(undone))


async def end_undo(connection: AsyncConnection, entry_id: int) -> None:
    """Stores that all of an undone entry is set back."""
    await connection.execute(update(desk_entries).where(desk_entries.c.id == entry_id).values(pending=null()))


async def find_open_batch(connection: AsyncConnection, entry: DeskEntry) -> str | None:
    """The id of a batch of an entry that is being saved, or None."""
    batches = [parse_batch_id(run.batch_id) for run in entry.runs]
    found = await find_open_runs(connection, [each.session_id for each in batches if each is not None], entry.day)
    return next((run.batch.id for run in found.values()), None)


def _select_entries() -> Select[*tuple[Any, ...]]:
    return select(*_COLUMNS).order_by(desk_entries.c.id.desc())


def _entry(*row: Any) -> DeskEntry:
    stored: Any = DeskEntry(*row)
    return replace(
        stored,
        kind=DeskKind(stored.kind),
        runs=[DeskRun(*run) for run in stored.runs],
        pending=None if stored.pending is None else DeskMarks.of_json(stored.pending),
    )
