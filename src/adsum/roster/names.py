"""What students, classes, sessions and people are called, for who was shown their ids: one statement for all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, literal, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.tables import users
from adsum.accounts.visibility import in_visible_school
from adsum.roster.tables import classes, sessions, students


@dataclass(frozen=True, slots=True)
class NamedIds:
    """The ids that a page is about."""

    students: Collection[int] = ()
    classes: Collection[int] = ()
    sessions: Collection[int] = ()
    people: Collection[int] = ()


@dataclass(frozen=True, slots=True)
class Names:
    """By id, what they are called. What has no name, is of another school or is gone has none here."""

    students: Mapping[int, str] = field(default_factory=dict[int, str])
    classes: Mapping[int, str] = field(default_factory=dict[int, str])
    sessions: Mapping[int, str] = field(default_factory=dict[int, str])
    people: Mapping[int, str] = field(default_factory=dict[int, str])


async def find_names(connection: AsyncConnection, caller: Caller, ids: NamedIds) -> Names:
    """The names of what is of the caller's schools. Who is of all schools is told of everywhere."""
    found: dict[str, dict[int, str]] = {"student": {}, "class": {}, "session": {}, "person": {}}
    for kind, id_, given, family in await connection.execute(union_all(*_selects(caller, ids))):
        name = f"{given} {family}".strip()
        if name:
            found[kind][id_] = name
    return Names(found["student"], found["class"], found["session"], found["person"])


def _selects(caller: Caller, ids: NamedIds) -> list[Select[*tuple[Any, ...]]]:
    s, c, m, u = students.c, classes.c, sessions.c, users.c
    return [
        select(literal("student"), s.id, s.given_name, s.family_name).where(
            s.id.in_(sorted(ids.students)), in_visible_school(caller, s.school_id)
        ),
        select(literal("class"), c.id, c.title, literal("")).where(
            c.id.in_(sorted(ids.classes)), in_visible_school(caller, c.school_id)
        ),
        select(literal("session"), m.id, m.title, literal(""))
        .join(classes, c.id == m.class_id)
        .where(m.id.in_(sorted(ids.sessions)), in_visible_school(caller, c.school_id)),
        select(literal("person"), u.id, u.given_name, u.family_name).where(
            u.id.in_(sorted(ids.people)), or_(u.school_id.is_(None), in_visible_school(caller, u.school_id))
        ),
    ]
