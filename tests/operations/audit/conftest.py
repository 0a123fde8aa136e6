"""Fixtures of the tests of the audit log."""

from __future__ import annotations

import pytest

from adsum.accounts.access import Role, system_caller
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.wiring import Adsum
from tests.support.api import Api

PASSWORD = "correct horse battery"
ADMIN = "admin@school.example"


@pytest.fixture
async def admin(adsum: Adsum, api: Api) -> Api:
    """The API with an admin, and entries of two schools and a student."""
    await adsum.accounts.add_user(ADMIN, Role.ADMIN, password=PASSWORD)
    api.tokens["admin"] = (await adsum.tokens.create(ADMIN)).text
    school, student = api.school.school_id, api.school.student_ids[0]
    async with adsum.database.transaction() as connection:
        for number in range(3):
            after = {"days": number}
            await record(connection, system_caller(), Action.SCHOOL_CHANGED, school_id=school, before={}, after=after)
        await record(connection, system_caller(), Action.SCHOOL_CHANGED, school_id=school + 1, after={"days": 9})
        await record(connection, system_caller(), Action.STUDENT_READ, school_id=school, student_id=student)
        await record(connection, None, Action.SIGN_IN_FAILED, after={"attempts": 3, "code": "unauthenticated"})
    return api
