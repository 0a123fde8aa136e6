"""Statements that erase a member of staff.

The row of `users` stays, without anything that identifies the person, as the author of marks, corrections and audit
entries.
"""

from __future__ import annotations

from datetime import date, datetime
from functools import partial
from typing import Any

from sqlalchemy import String, Table, and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.second_factors.repository import delete_factors
from adsum.accounts.second_factors.tables import passkeys, totp_apps
from adsum.accounts.sign_ins.repository import delete_sign_ins
from adsum.accounts.tables import class_covers, class_teachers, identities, sign_ins, users
from adsum.platform.database.answers import idempotency_keys
from adsum.platform.database.columns import Json
from adsum.platform.database.search import with_search_text
from adsum.platform.database.sql_files import sql_file
from adsum.platform.database.tombstones import Erased, add_tombstones
from adsum.privacy.repository.references import remove_from_answer
from adsum.privacy.staff.rules import LoginData, is_about_user
from adsum.roster.people.repository import end_duties
from adsum.roster.people.rules import PersonRow

ANONYMOUS: dict[str, Any] = {
    "email": None,
    "source_id": None,
    "given_name": "",
    "family_name": "",
    "password_hash": None,
    "first_password": None,
    "passkey_handle": None,
    "language": None,
    "unlocks": 0,
    "disabled": True,
    "enabled_in_roster": True,
    "left_roster": False,
}
"""The values of the columns of an erased user. Role and school stay: they decide who sees that there was somebody."""

_COLUMNS = {"actor": String, "key": String, "answer": Json}
_ANSWERS = sql_file("adsum.privacy.staff", "answers_with_user", returns=_COLUMNS)


async def lock_whole_user(connection: AsyncConnection, user_id: int) -> None:
    """Locks a user for their erasure. Waits for transactions that store a row about them: see `keep_user`."""
    await connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update())


async def login_data(connection: AsyncConnection, person: PersonRow, today: date | None) -> LoginData:
    """The number of rows that an erasure removes. `today` of the school; None: the person belongs to none."""
    return LoginData(
        sign_ins=await _count(connection, sign_ins, person.id),
        second_factors=await _count(connection, passkeys, person.id) + await _count(connection, totp_apps, person.id),
        identities=await _count(connection, identities, person.id),
        duties=0 if today is None else await _count_duties(connection, person.id, today),
        answers=len(await _answers(connection, person)),
    )


async def erase_person(connection: AsyncConnection, person: PersonRow, today: date | None, now: datetime) -> None:
    """Removes what identifies a person, and everything with which they could sign in. A tombstone stays.

    The person is locked, and owns no API key any more. `today` of the school; None: the person belongs to none.
    """
    if today is not None:
        await end_duties(connection, person.id, today)
    taught = class_teachers.c.user_id == person.id
    await connection.execute(update(class_teachers).where(taught).values(source_id=None))
    await delete_sign_ins(connection, person.id)
    await delete_factors(connection, person.id)
    await connection.execute(delete(identities).where(identities.c.user_id == person.id))
    await _erase_from_answers(connection, person)
    values = with_search_text(users, ANONYMOUS)
    values |= {"token_generation": users.c.token_generation + 1, "erased_at": now}
    await connection.execute(update(users).where(users.c.id == person.id).values(values))
    if person.school_id is not None and person.source_id is not None:
        await add_tombstones(connection, Erased.USER, [(person.school_id, person.source_id)], now)


async def _count(connection: AsyncConnection, table: Table, user_id: int) -> int:
    counted = select(func.count()).select_from(table).where(table.c.user_id == user_id)
    return int(await connection.scalar(counted) or 0)


async def _count_duties(connection: AsyncConnection, user_id: int, today: date) -> int:
    total = 0
    for table in (class_teachers, class_covers):
        c = table.c
        is_open = or_(c.end_date.is_(None), c.end_date > today)
        counted = select(func.count()).select_from(table).where(c.user_id == user_id, is_open)
        total += int(await connection.scalar(counted) or 0)
    return total


async def _answers(connection: AsyncConnection, person: PersonRow) -> list[dict[str, Any]]:
    """The stored answers that name a person, with `actor`, `key` and `answer`."""
    rows = await _ANSWERS.fetch_all(connection, {"email": person.email, "source_id": person.source_id})
    return [dict(zip(_COLUMNS, row, strict=True)) for row in rows]


async def _erase_from_answers(connection: AsyncConnection, person: PersonRow) -> None:
    """Removes the person from answers to others. Their own are deleted: nobody can ask for them any more."""
    c = idempotency_keys.c
    of_key = and_(c.actor.startswith("key-"), c.actor.endswith(f"-user-{person.id}"))
    await connection.execute(delete(idempotency_keys).where(or_(c.actor == f"user-{person.id}", of_key)))
    for row in await _answers(connection, person):
        await remove_from_answer(connection, row, partial(is_about_user, person.email, person.source_id))
