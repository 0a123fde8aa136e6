"""Statements about classes and sessions, the names of rows by id, and the sizes of schools."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, case, false, func, literal, not_, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller, Permission
from adsum.accounts.tables import class_teachers, is_disabled, is_erased, users
from adsum.accounts.visibility import in_visible_class, in_visible_school, in_visible_session
from adsum.platform.database.search import distance, mentions
from adsum.platform.database.validity import Day, valid_on
from adsum.platform.ids import MAX_ID
from adsum.platform.texts import list_key
from adsum.roster.repository.membership import is_visible_student
from adsum.roster.repository.session_validity import is_valid
from adsum.roster.rules import (
    ClassFilters,
    ClassRow,
    NamedIds,
    Names,
    SchoolSize,
    SessionFilters,
    SessionRow,
    SessionTitles,
)
from adsum.roster.tables import classes, enrolments, is_student, sessions, student_schools, students
from adsum.schools.tables import schools


async def find_class(
    connection: AsyncConnection, caller: Caller, class_id: int, day: Day | None = None
) -> ClassRow | None:
    """The class, if the caller sees it on `day`; without a day, if the caller sees it on any day."""
    statement = _visible_classes(caller, day).where(classes.c.id == class_id)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else ClassRow(*row)


async def list_classes(
    connection: AsyncConnection, caller: Caller, filters: ClassFilters, today: Day, after: int, limit: int
) -> list[ClassRow]:
    """At most `limit` classes that the caller sees `today`, by id, with ids greater than `after`."""
    statement = _visible_classes(caller, today).where(classes.c.id > after).order_by(classes.c.id).limit(limit)
    if filters.school_id is not None:
        statement = statement.where(classes.c.school_id == filters.school_id)
    if filters.words is not None:
        statement = statement.where(mentions(filters.words, classes.c.search_text))
    if filters.source_id is not None:
        statement = statement.where(classes.c.source_id == filters.source_id)
    if filters.active is not None:
        statement = statement.where(classes.c.active == filters.active)
    if filters.student_id is not None:
        enrolled = select(enrolments.c.id).where(
            enrolments.c.class_id == classes.c.id,
            enrolments.c.student_id == filters.student_id,
            valid_on(enrolments, today),
        )
        statement = statement.where(enrolled.correlate(classes, schools).exists())
    return [ClassRow(*row) for row in await connection.execute(statement)]


async def search_classes(
    connection: AsyncConnection, caller: Caller, words: str, today: Day, limit: int
) -> list[ClassRow]:
    """The `limit` best matches among the classes that the caller sees today, the best first."""
    c = classes.c
    how_far = distance(words, c.search_text)
    statement = _visible_classes(caller, today).where(mentions(words, c.search_text)).add_columns(how_far)
    found = await connection.execute(statement.order_by(how_far, c.active.desc(), c.title, c.id).limit(limit))
    rows = [(far, ClassRow(*row)) for *row, far in found]
    rows.sort(key=lambda each: (each[0], not each[1].active, list_key(each[1].title)))
    return [row for _, row in rows]


async def teachers_of_classes(
    connection: AsyncConnection, caller: Caller, class_ids: Collection[int], today: Day
) -> dict[int, list[str]]:
    """By class that the caller sees `today`, the names of the users who teach it then, in order.

    Users without a name, such as erased ones, are left out, and so are classes without teachers.
    """
    t, u = class_teachers.c, users.c
    statement = (
        select(t.class_id, u.given_name, u.family_name)
        .distinct()
        .join(users, u.id == t.user_id)
        .join(classes, classes.c.id == t.class_id)
        .join(schools, schools.c.id == classes.c.school_id)
        .where(
            *(t.class_id.in_(sorted(class_ids)), valid_on(class_teachers, today)),
            *(in_visible_school(caller, classes.c.school_id), in_visible_class(caller, classes.c.id, today)),
        )
    )
    names = defaultdict[int, list[str]](list)
    for class_id, given, family in await connection.execute(statement):
        if name := f"{given} {family}".strip():
            names[class_id].append(name)
    return {class_id: sorted(each, key=list_key) for class_id, each in names.items()}


def _visible_classes(caller: Caller, day: Day | None) -> Select[int, int, str | None, str, str | None, bool, str]:
    c = classes.c
    return (
        select(c.id, c.school_id, c.source_id, c.title, c.code, c.active, schools.c.time_zone)
        .join(schools, schools.c.id == c.school_id)
        .where(in_visible_school(caller, c.school_id), in_visible_class(caller, c.id, day))
    )


async def find_session(connection: AsyncConnection, session_id: int) -> SessionRow | None:
    """The session. Does not check visibility."""
    row = (await connection.execute(select_sessions().where(sessions.c.id == session_id))).one_or_none()
    return None if row is None else SessionRow(*row)


async def is_visible_session(connection: AsyncConnection, caller: Caller, session_id: int, day: Day) -> bool:
    """Whether the session exists and the caller sees it on `day`."""
    found = select(sessions.c.id).join(classes, classes.c.id == sessions.c.class_id).join(schools)
    found = found.where(sessions.c.id == session_id, *_visible_sessions(caller, day))
    return await connection.scalar(found) is not None


async def list_sessions(
    connection: AsyncConnection, caller: Caller, filters: SessionFilters, today: Day, after: int, limit: int
) -> list[SessionRow]:
    """At most `limit` sessions that the caller sees `today`, by id, with ids greater than `after`."""
    statement = (
        select_sessions()
        .join(classes, classes.c.id == sessions.c.class_id)
        .join(schools)
        .where(*_visible_sessions(caller, today), sessions.c.id > after)
        .order_by(sessions.c.id)
        .limit(limit)
    )
    if filters.class_id is not None:
        statement = statement.where(sessions.c.class_id == filters.class_id)
    if filters.school_id is not None:
        statement = statement.where(classes.c.school_id == filters.school_id)
    if filters.day is not None:
        statement = statement.where(is_valid(filters.day))
    return [SessionRow(*row) for row in await connection.execute(statement)]


def _visible_sessions(caller: Caller, day: Day) -> tuple[ColumnElement[bool], ...]:
    return (
        in_visible_school(caller, classes.c.school_id),
        in_visible_session(caller, classes.c.id, sessions.c.id, day),
    )


def select_sessions() -> Select[int, int, str, str, bool, date | None, date | None]:
    """The columns of `SessionRow`, in their order."""
    s = sessions.c
    return select(s.id, s.class_id, s.period, s.title, s.active, s.begin_date, s.end_date)


async def titles_of_sessions(
    connection: AsyncConnection, caller: Caller, session_ids: Collection[int]
) -> dict[int, SessionTitles]:
    """Titles by session id, of the sessions that the caller sees; a teacher sees those of classes on any day."""
    found = (
        select(sessions.c.id, classes.c.title, sessions.c.title)
        .join(classes, classes.c.id == sessions.c.class_id)
        .where(
            sessions.c.id.in_(session_ids),
            in_visible_school(caller, classes.c.school_id),
            in_visible_class(caller, classes.c.id, None),
        )
    )
    return {session_id: SessionTitles(*titles) for session_id, *titles in await connection.execute(found)}


async def sessions_among(
    connection: AsyncConnection, school_ids: Collection[int], session_ids: Collection[int]
) -> frozenset[int]:
    """The subset of `session_ids` that belongs to these schools."""
    storable = [session_id for session_id in session_ids if 1 <= session_id <= MAX_ID]
    found = (
        select(sessions.c.id)
        .join(classes, classes.c.id == sessions.c.class_id)
        .where(sessions.c.id.in_(storable), classes.c.school_id.in_(list(school_ids)))
    )
    return frozenset(await connection.scalars(found))


async def school_of_session(connection: AsyncConnection, session_id: int) -> tuple[int, str]:
    """The id and the time zone of the school of an existing session."""
    school = (
        select(schools.c.id, schools.c.time_zone)
        .join(classes, classes.c.school_id == schools.c.id)
        .join(sessions, sessions.c.class_id == classes.c.id)
        .where(sessions.c.id == session_id)
    )
    school_id, time_zone = (await connection.execute(school)).one()
    return school_id, time_zone


async def find_names(connection: AsyncConnection, caller: Caller, ids: NamedIds) -> Names:
    """The names of rows of the caller's schools, and of people who belong to every school, in one statement.

    A person without a name has their email instead, for callers who manage their school's logins.
    """
    found: dict[str, dict[int, str]] = {"student": {}, "class": {}, "session": {}, "person": {}, "erased": {}}
    family_names: dict[int, str] = {}
    for kind, id_, given, family, email in await connection.execute(union_all(*_name_selects(caller, ids))):
        name = f"{given} {family}".strip() or email
        if name or kind == "erased":
            found[kind][id_] = name
        if kind == "student":
            family_names[id_] = family
    return Names(
        found["student"], found["class"], found["session"], found["person"], found["erased"].keys(), family_names
    )


def _name_selects(caller: Caller, ids: NamedIds) -> list[Select[*tuple[Any, ...]]]:
    s, c, m, u = students.c, classes.c, sessions.c, users.c
    none = literal("")
    sees_email = in_visible_school(caller, u.school_id) if caller.may(Permission.USER_MANAGE) else false()
    return [
        select(literal("student"), s.id, s.given_name, s.family_name, none).where(
            s.id.in_(sorted(ids.students)), is_visible_student(caller)
        ),
        select(literal("class"), c.id, c.title, none, none).where(
            c.id.in_(sorted(ids.classes)), in_visible_school(caller, c.school_id)
        ),
        select(literal("session"), m.id, m.title, none, none)
        .join(classes, c.id == m.class_id)
        .where(m.id.in_(sorted(ids.sessions)), in_visible_school(caller, c.school_id)),
        select(
            *(case((is_erased, "erased"), else_="person"), u.id, u.given_name, u.family_name),
            case((sees_email, u.email), else_=none),
        ).where(u.id.in_(sorted(ids.people)), or_(u.school_id.is_(None), in_visible_school(caller, u.school_id))),
    ]


async def sizes_of_schools(connection: AsyncConnection, school_ids: Collection[int]) -> dict[int, SchoolSize]:
    """The size of each of these schools, by id."""
    ids = sorted(school_ids)
    active_classes = await _count_by_school(connection, classes, ids, classes.c.active)
    at_home = await _count_by_school(connection, students, ids, students.c.active, is_student)
    elsewhere = await _count_by_school(connection, student_schools, ids, student_schools.c.active)
    people = await _count_by_school(connection, users, ids, not_(is_disabled))
    return {
        id_: SchoolSize(active_classes.get(id_, 0), at_home.get(id_, 0) + elsewhere.get(id_, 0), people.get(id_, 0))
        for id_ in ids
    }


async def _count_by_school(
    connection: AsyncConnection, table: Table, ids: list[int], *conditions: ColumnElement[bool]
) -> dict[int, int]:
    school_id = table.c.school_id
    counts = select(school_id, func.count()).where(school_id.in_(ids), *conditions).group_by(school_id)
    return {row[0]: row[1] for row in await connection.execute(counts)}
