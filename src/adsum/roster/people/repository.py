"""Statements about the people of a school, their logins, and what they teach."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, and_, case, delete, exists, not_, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller, Role
from adsum.accounts.second_factors.tables import passkeys, totp_apps
from adsum.accounts.tables import class_covers, class_teachers, is_disabled, is_erased, users
from adsum.accounts.visibility import in_visible_school
from adsum.platform.database.search import distance, mentions, with_search_text
from adsum.roster.people.rules import PersonFilters, PersonRow, TeachingRow, by_name
from adsum.roster.tables import classes

# As the locks in `schools/locks.py`.
_ROLES = 0x_AD5_0005
_LOCK_ROLES = text("SELECT pg_advisory_xact_lock(:number)")

_c = users.c
_PERSON = select(
    _c.id,
    _c.school_id,
    _c.source_id,
    _c.email,
    _c.role,
    is_disabled,
    _c.given_name,
    _c.family_name,
    _c.left_roster,
    _c.first_password.is_not(None),
    or_(*(exists().where(table.c.user_id == _c.id) for table in (passkeys, totp_apps))),
).where(not_(is_erased))
_is_active_district_admin = and_(
    _c.role == Role.ADMIN.value, _c.school_id.is_(None), _c.email.is_not(None), not_(is_disabled)
)


async def lock_roles(connection: AsyncConnection) -> None:
    """Waits until no other transaction takes a right from a user, and lets none begin until this one ends.

    Without it, two admins could disable each other. SQLite has one writer.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(_LOCK_ROLES, {"number": _ROLES})


async def list_people(
    connection: AsyncConnection, caller: Caller, filters: PersonFilters, after: int, limit: int
) -> list[PersonRow]:
    """At most `limit` people whom the caller sees, by id, with ids greater than `after`. None of them is erased."""
    conditions = [in_visible_school(caller, _c.school_id), _c.id > after, *_conditions(filters)]
    statement = _PERSON.where(*conditions).order_by(_c.id).limit(limit)
    return [PersonRow(*row) for row in await connection.execute(statement)]


async def search_people(connection: AsyncConnection, caller: Caller, words: str, limit: int) -> list[PersonRow]:
    """The `limit` best matches among the people whom the caller sees, the best first. None of them is erased."""
    how_far = distance(words, _c.search_text)
    best = (how_far, case((is_disabled, 1), else_=0), _c.family_name, _c.given_name, _c.id)
    conditions = [in_visible_school(caller, _c.school_id), mentions(words, _c.search_text, _c.email)]
    statement = _PERSON.where(*conditions).add_columns(how_far).order_by(*best).limit(limit)
    rows = [(far, PersonRow(*row)) for *row, far in await connection.execute(statement)]
    rows.sort(key=lambda each: (each[0], each[1].disabled, by_name(each[1])))
    return [row for _, row in rows]


def _conditions(filters: PersonFilters) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters.school_id is not None:
        conditions.append(_c.school_id == filters.school_id)
    if filters.of_district:
        conditions.append(_c.school_id.is_(None))
    if filters.role is not None:
        conditions.append(_c.role == filters.role.value)
    if filters.disabled is not None:
        conditions.append(is_disabled if filters.disabled else not_(is_disabled))
    if filters.with_login is not None:
        conditions.append(_c.email.is_not(None) if filters.with_login else _c.email.is_(None))
    if filters.words is not None:
        conditions.append(mentions(filters.words, _c.search_text, _c.email))
    return conditions


async def find_person(
    connection: AsyncConnection, caller: Caller, who: int | str, *, lock: bool = False
) -> PersonRow | None:
    """The person with this id or this normalised email, if the caller sees them, and they are not erased.

    `lock`: no other transaction changes or deletes the person until this one ends.
    """
    named = _c.id == who if isinstance(who, int) else _c.email == who
    statement = _PERSON.where(named, in_visible_school(caller, _c.school_id))
    if lock:
        statement = statement.with_for_update(key_share=True)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else PersonRow(*row)


async def has_other_district_admin(connection: AsyncConnection, user_id: int) -> bool:
    """Whether somebody else is an active admin of the district. Call it after `lock_roles`."""
    found = select(_c.id).where(_is_active_district_admin, _c.id != user_id).limit(1)
    return await connection.scalar(found) is not None


async def set_rights(connection: AsyncConnection, user_id: int, values: Mapping[str, Any]) -> None:
    """Sets role, school and whether a user is disabled, and ends all their tokens.

    A user whom the roster has disabled is enabled until a roster file disables them again.
    """
    values = {**values, "token_generation": _c.token_generation + 1}
    if not values.get("disabled", True):
        values |= {"enabled_in_roster": True, "left_roster": False}
    await connection.execute(update(users).where(_c.id == user_id).values(values))


async def end_duties(connection: AsyncConnection, user_id: int, today: date) -> None:
    """Ends the assignments and covers of a user before `today`. Covers without earlier days are deleted."""
    t, c = class_teachers.c, class_covers.c
    is_current = and_(t.user_id == user_id, or_(t.end_date.is_(None), t.end_date > today))
    first = case((t.begin_date > today, t.begin_date), else_=today)
    await connection.execute(update(class_teachers).where(is_current).values(end_date=first, end_from_terms=False))
    await connection.execute(delete(class_covers).where(c.user_id == user_id, c.begin_date >= today))
    await connection.execute(
        update(class_covers).where(c.user_id == user_id, c.end_date > today).values(end_date=today)
    )


async def move_to_login(connection: AsyncConnection, person_id: int, login_id: int) -> None:
    """Gives a login everything that the roster says about a person without one, and deletes the person."""
    roster = select(_c.source_id, _c.given_name, _c.family_name, _c.left_roster, _c.enabled_in_roster)
    row = (await connection.execute(roster.where(_c.id == person_id).with_for_update())).mappings().one()
    values = {str(name): value for name, value in row.items()}
    for table in (class_teachers, class_covers):
        await connection.execute(update(table).where(table.c.user_id == person_id).values(user_id=login_id))
    await connection.execute(delete(users).where(_c.id == person_id))
    await connection.execute(update(users).where(_c.id == login_id).values(with_search_text(users, values)))


async def teachings_of(connection: AsyncConnection, user_ids: Collection[int]) -> list[TeachingRow]:
    """Past, present and future teachings of these people, by descending begin date; no begin date sorts last."""
    c = class_teachers.c
    statement = (
        select(c.user_id, c.class_id, classes.c.title, c.begin_date, c.end_date)
        .join(classes, classes.c.id == c.class_id)
        .where(c.user_id.in_(sorted(user_ids)))
        .order_by(c.begin_date.is_(None), c.begin_date.desc(), classes.c.title, c.id)
    )
    return [TeachingRow(*row) for row in await connection.execute(statement)]
