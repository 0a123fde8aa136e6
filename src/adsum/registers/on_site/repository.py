"""Statements that find the students who are on site, by their newest mark of today and the entries of the desk, and
those of whom nobody knows it.

The newest mark of a student is that of the session that begins last by the timetable, of those that have begun; among
sessions without times, the mark that was made last. If no such session has a mark, the mark of a session that has not
begun counts if it has the student on site: an absence from it says nothing about now. Times that are still to come do
not count either.

The newest entry of the desk decides instead, unless the mark says something about a later moment: see `_is_later`. So
it does not matter when a register is recorded that was being saved while the entry was made.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    Integer,
    Select,
    String,
    Subquery,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.absences.tables import absence_versions, absences
from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_session
from adsum.attendance.repository import is_set_by_hand
from adsum.attendance.statuses.rules import PRESENT, SchoolStatuses
from adsum.attendance.tables import attendance_changes, attendances
from adsum.platform.database.validity import valid_on
from adsum.registers.repository import has_register
from adsum.registers.rules import DeskKind, LocalTime, OnSiteStudent, UnknownStudent
from adsum.registers.tables import desk_entries
from adsum.roster.tables import classes, enrolments, session_times, sessions, students
from adsum.schools.tables import schools


async def list_on_site(
    connection: AsyncConnection,
    caller: Caller,
    school_id: int,
    now: LocalTime,
    statuses: SchoolStatuses,
    *,
    after: int = 0,
    limit: int | None = None,
) -> list[OnSiteStudent]:
    """At most `limit` students by id, after the id `after`; without a limit all of them.

    `statuses`: of the school. A teacher sees the students of their sessions.
    """
    on_site = _on_site(caller, school_id, now, statuses, after).order_by(students.c.id).limit(limit)
    return [OnSiteStudent(*row) for row in await connection.execute(on_site)]


async def is_listed_on_site(
    connection: AsyncConnection,
    caller: Caller,
    school_id: int,
    student_id: int,
    at: LocalTime,
    statuses: SchoolStatuses,
) -> bool:
    """Whether `list_on_site` lists a student at a time of a day."""
    found = await list_on_site(connection, caller, school_id, at, statuses, after=student_id - 1, limit=1)
    return any(each.student_id == student_id for each in found)


async def count_on_site(
    connection: AsyncConnection, caller: Caller, school_id: int, now: LocalTime, statuses: SchoolStatuses
) -> int:
    """The number of students whom `list_on_site` lists."""
    on_site = _on_site(caller, school_id, now, statuses).with_only_columns(students.c.id).subquery("on_site")
    return (await connection.execute(select(func.count()).select_from(on_site))).scalar_one()


async def list_unknown(
    connection: AsyncConnection,
    caller: Caller,
    school_id: int,
    now: LocalTime,
    *,
    after: int = 0,
    limit: int | None = None,
) -> list[UnknownStudent]:
    """At most `limit` students by id, after the id `after`; without a limit all of them.

    They are on the roster of a register that is due by now, or that has marks, and have neither a mark today nor an
    entry of the desk. Each is listed once, with the session that begins last.
    """
    unknown = _unknown(caller, school_id, now, after).order_by(students.c.id).limit(limit)
    return [UnknownStudent(*row) for row in await connection.execute(unknown)]


async def count_unknown(connection: AsyncConnection, caller: Caller, school_id: int, now: LocalTime) -> int:
    """The number of students whom `list_unknown` lists."""
    unknown = _unknown(caller, school_id, now).with_only_columns(students.c.id).subquery("unknown")
    return (await connection.execute(select(func.count()).select_from(unknown))).scalar_one()


def _unknown(caller: Caller, school_id: int, now: LocalTime, after: int = 0) -> Select[*tuple[Any, ...]]:
    entered = select(_entries(school_id, now).c.student_id)
    without_entry = _expected(caller, school_id, now, after).where(enrolments.c.student_id.not_in(entered))
    expected = without_entry.subquery("expected")
    n, s, c, due = expected.c, students.c, classes.c, sessions.c
    return (
        select(
            *(s.id, s.given_name, s.family_name, s.grade, n.class_id, n.session_id),
            *(s.source_id, c.source_id, c.title, due.source_id, due.title),
        )
        .join(expected, n.student_id == s.id)
        .join(classes, c.id == n.class_id)
        .join(sessions, due.id == n.session_id)
        .where(n.rank == 1)
    )


def _expected(caller: Caller, school_id: int, now: LocalTime, after: int) -> Select[*tuple[Any, ...]]:
    """Students without a mark, once for each session whose register is due. `rank` 1: the session that begins last."""
    a, e, m = attendances.c, enrolments.c, session_times.c
    day, weekday = literal(now.day, Date()), literal(now.day.isoweekday(), Integer())
    marked = select(a.student_id).where(
        *(a.school_id == school_id, a.learning_date == now.day, a.status.is_not(None)),
        in_visible_session(caller, a.class_id, a.session_id, now.day),
    )
    begins = (
        select(func.max(m.begins))
        .where(m.session_id == sessions.c.id, m.weekday == weekday, m.begins <= now.time)
        .where(valid_on(session_times, now.day))
        .correlate(sessions)
        .scalar_subquery()
    )
    order = func.coalesce(begins, "").desc(), sessions.c.id.desc()
    return (
        select(
            *(e.student_id, classes.c.id.label("class_id"), sessions.c.id.label("session_id")),
            func.row_number().over(partition_by=e.student_id, order_by=order).label("rank"),
        )
        .select_from(classes)
        .join(schools, schools.c.id == classes.c.school_id)
        .join(sessions, sessions.c.class_id == classes.c.id)
        .join(enrolments, and_(e.class_id == classes.c.id, valid_on(enrolments, now.day)))
        .where(
            *(classes.c.school_id == school_id, e.student_id > after, e.student_id.not_in(marked)),
            in_visible_session(caller, classes.c.id, sessions.c.id, now.day),
            *has_register(day, weekday, literal(now.time, String())),
        )
    )


def _on_site(
    caller: Caller, school_id: int, now: LocalTime, statuses: SchoolStatuses, after: int = 0
) -> Select[*tuple[Any, ...]]:
    found = union_all(
        _marked_on_site(caller, school_id, now, statuses, after), _arrived_unmarked(caller, school_id, now, after)
    ).subquery("found")
    f, s, c, taken = found.c, students.c, classes.c, sessions.c
    return (
        select(
            *(s.id, s.given_name, s.family_name, s.grade, f.class_id, f.session_id, f.status, f.marked_at),
            *(s.source_id, c.source_id, c.title, taken.source_id, taken.title),
        )
        .join(found, f.student_id == s.id)
        .join(classes, c.id == f.class_id)
        .join(sessions, taken.id == f.session_id)
    )


def _marked_on_site(
    caller: Caller, school_id: int, now: LocalTime, statuses: SchoolStatuses, after: int
) -> Select[*tuple[Any, ...]]:
    """Students with a mark, whom it has on site, or a newer arrival at the desk."""
    newest, entry = _ranked_marks(caller, school_id, now, statuses, after).subquery("newest"), _entries(school_id, now)
    n, e = newest.c, entry.c
    mark_decides = or_(e.student_id.is_(None), func.coalesce(_is_later(n, e), false()))
    is_on_site = or_(
        and_(n.left_at.is_(None), n.status.in_(statuses.on_site)),
        and_(n.left_at > now.time, n.status.in_(statuses.on_site_until_left)),
    )
    has_arrived = and_(not_(mark_decides), e.kind == DeskKind.ARRIVAL.value)
    return (
        select(
            *(n.student_id, n.class_id, n.session_id),
            case((mark_decides, n.status), else_=PRESENT).label("status"),
            case((mark_decides, n.marked_at), else_=e.entered_at).label("marked_at"),
        )
        .outerjoin(entry, and_(e.student_id == n.student_id, e.rank == 1))
        .where(n.rank == 1, or_(and_(mark_decides, is_on_site), has_arrived))
    )


def _arrived_unmarked(caller: Caller, school_id: int, now: LocalTime, after: int) -> Select[*tuple[Any, ...]]:
    """Students without a mark who have arrived at the desk, with the due session that begins last."""
    expected, entry = _expected(caller, school_id, now, after).subquery("expected"), _entries(school_id, now)
    n, e = expected.c, entry.c
    return (
        select(n.student_id, n.class_id, n.session_id, literal(PRESENT, String()), e.entered_at)
        .join(entry, e.student_id == n.student_id)
        .where(n.rank == 1, e.rank == 1, e.kind == DeskKind.ARRIVAL.value)
    )


def _is_later(mark: Any, entry: Any) -> ColumnElement[bool]:
    """Whether a mark says something about a later moment than the entry. NULL counts as false.

    - An arrival in any session, or a departure in this one, at the time of the entry or after it.
    - A mark of a session that was not over then, which the office has made by hand after the entry.
    - After a departure: a mark of a later session that was made after the entry, whose planned absence it overrules. A
      mark from before it was made without knowing of the departure, even if it is recorded later.
    - After an arrival: the mark of a later session, or of one that begins at that time and was marked after the entry.
    """
    is_arrival = entry.kind == DeskKind.ARRIVAL.value
    is_newer = and_(mark.marked_at > entry.completed_at, not_(_is_set_back(mark)))
    was_not_over = or_(mark.ends.is_(None), mark.ends > entry.time)
    begins_then = and_(mark.begins == entry.time, mark.marked_at > entry.entered_at)
    return or_(
        and_(is_newer, mark.is_set_by_hand, was_not_over),
        case(
            (is_arrival, or_(mark.left_at >= entry.time, mark.begins > entry.time, begins_then)),
            else_=or_(entry.returned_at >= entry.time, and_(is_newer, mark.begins >= entry.time)),
        ),
    )


def _is_set_back(mark: Any) -> ColumnElement[bool]:
    """Whether the undo of a run or the end of a planned absence has made a mark: it is no newer than the mark that it
    restores.
    """
    c, p, v = attendance_changes.c, absences.c, absence_versions.c
    of_version = (c.attendance_id == mark.id, c.version == mark.version)
    by_run = select(c.version).where(*of_version, c.undoes_run_id.is_not(None))
    by_absence = select(v.version).join(absences, p.id == v.absence_id)
    by_absence = by_absence.where(p.student_id == mark.student_id, v.changed_at == mark.marked_at)
    return or_(exists(by_run), exists(by_absence))


def _entries(school_id: int, now: LocalTime) -> Subquery:
    """The entries of today, up to now. `rank` 1: the newest one of its student. `returned_at`: their last arrival in a
    session.
    """
    d, a = desk_entries.c, attendances.c
    returned_at = (
        select(func.max(a.arrived_at))
        .where(a.student_id == d.student_id, a.learning_date == now.day, a.school_id + 0 == school_id)
        .where(a.status.is_not(None), a.arrived_at <= now.time)
        .correlate(desk_entries)
        .scalar_subquery()
    )
    # A release before 0071 does not store when an entry was complete.
    completed_at = func.coalesce(d.completed_at, case((d.pending.is_(None), d.entered_at)))
    rank = func.row_number().over(partition_by=d.student_id, order_by=(d.time.desc(), d.id.desc()))
    return (
        select(d.student_id, d.kind, d.time, d.entered_at, completed_at.label("completed_at"))
        .add_columns(returned_at.label("returned_at"), rank.label("rank"))
        .where(d.school_id == school_id, d.day == now.day, d.undone_at.is_(None), d.time <= now.time)
        .subquery("entry")
    )


def _ranked_marks(
    caller: Caller, school_id: int, now: LocalTime, statuses: SchoolStatuses, after: int
) -> Select[*tuple[Any, ...]]:
    """The marks of today. `rank` 1: the newest one of its student."""
    of_school = (attendances.c.school_id == school_id, attendances.c.learning_date == now.day)
    times = _times_of_sessions(now, select(attendances.c.session_id).where(*of_school))
    a, t = attendances.c, times.c
    has_begun = or_(t.begins.is_(None), t.begins <= now.time)
    begun_first = case((has_begun, 0), else_=1)
    order = begun_first, func.coalesce(t.begins, "").desc(), a.marked_at.desc(), a.session_id.desc()
    return (
        select(
            *(a.id, a.version, a.student_id, a.class_id, a.session_id, a.status, a.left_at, a.marked_at),
            *(t.begins, t.ends, is_set_by_hand().label("is_set_by_hand")),
            func.row_number().over(partition_by=a.student_id, order_by=order).label("rank"),
        )
        .outerjoin(times, t.session_id == a.session_id)
        .where(
            *(*of_school, a.status.is_not(None), a.student_id > after),
            or_(has_begun, a.status.in_(statuses.on_site_until_left)),
            in_visible_session(caller, a.class_id, a.session_id, now.day),
        )
    )


def _times_of_sessions(now: LocalTime, session_ids: Select[int]) -> Subquery:
    """When sessions begin today, the last time up to now, else the first one; and when they end for the last time."""
    m = session_times.c
    begun = func.max(case((m.begins <= now.time, m.begins)))
    return (
        select(m.session_id, func.coalesce(begun, func.min(m.begins)).label("begins"), func.max(m.ends).label("ends"))
        .where(m.session_id.in_(session_ids), m.weekday == now.day.isoweekday(), valid_on(session_times, now.day))
        .group_by(m.session_id)
        .subquery("times")
    )
