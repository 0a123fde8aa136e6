"""The sheets of a class, and the callers who open them."""

from __future__ import annotations

from datetime import date

import pytest

from adsum.accounts.access import Caller, Role
from adsum.platform.ids import Batch
from adsum.registers.sheets.rules import RegisterSheet
from adsum.wiring import Adsum
from tests.support.schools import SchoolIds, caller

DAY = date(2024, 12, 25)


@pytest.fixture
def teacher(school: SchoolIds) -> Caller:
    return caller(Role.TEACHER, school.school_id, school.teacher_id)


@pytest.fixture
def office(school: SchoolIds) -> Caller:
    return caller(Role.OFFICE, school.school_id)


def batch_of(school: SchoolIds) -> Batch:
    return Batch(school.class_id, school.session_id, DAY)


async def sheet_of(adsum: Adsum, school: SchoolIds, actor: Caller) -> RegisterSheet:
    return await adsum.register_sheets.sheet(school.class_id, school.session_id, DAY, actor)
