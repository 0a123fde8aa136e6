"""Statements about the setup of schools."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, exists, func, insert, not_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Role
from adsum.accounts.tables import is_disabled, users
from adsum.attendance.tables import statuses
from adsum.batches.tables import batch_runs
from adsum.operations.setup.rules import SetupFacts
from adsum.operations.setup.tables import setup_steps
from adsum.roster.tables import classes, session_times, sessions
from adsum.schools.tables import school_changes, schools, terms

_WORKING = (Role.TEACHER.value, Role.OFFICE.value)


async def facts_of_schools(connection: AsyncConnection, school_ids: Collection[int]) -> dict[int, SetupFacts]:
    """The facts about the setup of each of these schools."""
    ids = sorted(school_ids)
    settings = await _texts(connection, _of(school_changes.c.school_id, school_changes.c.setting, ids).distinct())
    confirmed = await _texts(connection, _of(setup_steps.c.school_id, setup_steps.c.step, ids))
    return {
        school_id: SetupFacts(
            settings[school_id],
            has_terms=bool(has_terms),
            has_times=bool(has_times),
            has_own_statuses=bool(has_statuses),
            logins=count,
            has_register=bool(has_register),
            confirmed=confirmed[school_id],
        )
        for school_id, has_terms, has_times, has_statuses, count, has_register in await connection.execute(
            _rows_of_schools(ids)
        )
    }


def _rows_of_schools(ids: list[int]) -> Select[*tuple[Any, ...]]:
    c = schools.c
    with_times = (
        select(session_times.c.id)
        .join(sessions, sessions.c.id == session_times.c.session_id)
        .join(classes, classes.c.id == sessions.c.class_id)
        .where(classes.c.school_id == c.id)
    )
    logins = (
        select(func.count())
        .where(users.c.school_id == c.id, users.c.role.in_(_WORKING), users.c.email.is_not(None), not_(is_disabled))
        .correlate(schools)
        .scalar_subquery()
    )
    return select(
        c.id,
        exists().where(terms.c.school_id == c.id),
        exists(with_times.correlate(schools)),
        exists().where(statuses.c.school_id == c.id),
        logins,
        exists().where(batch_runs.c.school_id == c.id),
    ).where(c.id.in_(ids))


async def confirm_step(connection: AsyncConnection, school_id: int, step: str, now: datetime) -> None:
    """Stores that a step is confirmed."""
    await revoke_step(connection, school_id, step)
    await connection.execute(insert(setup_steps).values(school_id=school_id, step=step, confirmed_at=now))


async def revoke_step(connection: AsyncConnection, school_id: int, step: str) -> None:
    """Removes the confirmation of a step."""
    c = setup_steps.c
    await connection.execute(delete(setup_steps).where(c.school_id == school_id, c.step == step))


async def _texts(connection: AsyncConnection, statement: Select[int, str]) -> Mapping[int, set[str]]:
    found: defaultdict[int, set[str]] = defaultdict(set)
    for school_id, text in await connection.execute(statement):
        found[school_id].add(text)
    return found


def _of(school_id: ColumnElement[int], text: ColumnElement[str], ids: Collection[int]) -> Select[int, str]:
    return select(school_id, text).where(school_id.in_(ids))
