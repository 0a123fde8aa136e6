"""Fixtures of the tests of erasures of staff: a school, and a teacher with a login and traces everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Table, insert, select, update

from adsum.accounts.access import Role, system_caller
from adsum.accounts.second_factors.tables import passkeys, recovery_codes, totp_apps
from adsum.accounts.tables import class_covers, identities, users
from adsum.platform.clock import system_clock
from adsum.platform.database.answers import idempotency_keys
from adsum.platform.database.engine import Database
from adsum.wiring import Adsum
from tests.attendance.corrections.conftest import register
from tests.support.schools import SchoolIds, assign, make_class, make_school, make_user

__all__ = ["register"]

EMAIL, PASSWORD = "ada.lovelace@school.example", "violet kettle drum"
SOURCE_ID, GIVEN, FAMILY = "teacher-1815", "Xylanthe", "Quorvane"
TRACES = (EMAIL, SOURCE_ID, GIVEN, FAMILY)
SYSTEM = system_caller()


@dataclass(frozen=True, slots=True)
class Staff:
    """A school with an admin of all schools, and Ada, who teaches its class."""

    adsum: Adsum
    school: SchoolIds
    ada: int
    admin: int

    @property
    def database(self) -> Database:
        return self.adsum.database

    async def rows(self, table: Table, **values: Any) -> list[dict[str, Any]]:
        """The rows with these values."""
        async with self.database.snapshot() as connection:
            found = await connection.execute(select(table).filter_by(**values))
            return [dict(row) for row in found.mappings()]

    async def user(self) -> dict[str, Any]:
        (row,) = await self.rows(users, id=self.ada)
        return row

    async def store_answer(self, actor: str, key: str, answer: Any) -> None:
        """Stores an answer under an idempotency key."""
        values = {"actor": actor, "key": key, "body_digest": "-", "answer": answer, "created_at": system_clock()}
        async with self.database.transaction() as connection:
            await connection.execute(insert(idempotency_keys).values(values))

    async def leave_traces(self) -> str:
        """Gives Ada a row in every table about her login. Returns the token of a sign-in."""
        now = system_clock()
        today = now.date()
        token = await self.adsum.tokens.create(EMAIL, agent="Safari of Ada")
        async with self.database.transaction() as connection:
            of_ada = {"user_id": self.ada, "created_at": now}
            app = {"name": "Ada's phone", "sealed_secret": "-", "last_step": 1}
            await connection.execute(insert(totp_apps).values(of_ada | app))
            passkey = {"name": "Ada's key", "credential_id": "c", "public_key": "k", "transports": "", "sign_count": 0}
            await connection.execute(insert(passkeys).values(of_ada | passkey))
            await connection.execute(insert(recovery_codes).values(user_id=self.ada, code_hash="h"))
            await connection.execute(
                insert(identities).values(of_ada | {"issuer": "https://id.example", "subject": "ada"})
            )
            other = await make_class(connection, self.school.school_id, title="8a")
            await assign(connection, other, self.ada, begin=today - timedelta(days=9), end=today + timedelta(days=9))
            cover = {"class_id": other, "user_id": self.ada, "school_id": self.school.school_id, "created_at": now}
            cover |= {"created_role": "office", "begin_date": today - timedelta(days=2)}
            await connection.execute(insert(class_covers).values(cover | {"end_date": today + timedelta(days=2)}))
            await connection.execute(update(users).where(users.c.id == self.ada).values(passkey_handle="handle"))
        return token.text


@pytest.fixture
async def staff(adsum: Adsum) -> Staff:
    async with adsum.database.transaction() as connection:
        school = await make_school(connection, students=3)
        named = {"source_id": SOURCE_ID, "given_name": GIVEN, "family_name": FAMILY}
        ada = await make_user(connection, Role.TEACHER, school.school_id, **named)
        await assign(connection, school.class_id, ada)
    await adsum.accounts.add_user(EMAIL, Role.TEACHER, school_id=school.school_id, teacher=SOURCE_ID, password=PASSWORD)
    admin = (await adsum.accounts.add_user("head@district.example", Role.ADMIN)).user.id
    return Staff(adsum, school, ada, admin)
