"""Fixtures for tests of imports: a school of one class with three students, and a client that sends files."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from adsum.wiring import Adsum
from tests.support.api import DAY, Api, opened_api
from tests.support.schools import make_class, make_school, make_session, make_student

HEADER = "class,classId,session,sessionId,student,studentId,date,status"


@dataclass(frozen=True, slots=True)
class Files:
    """Sends files of marks to the API."""

    api: Api

    @property
    def students(self) -> Sequence[int]:
        return self.api.school.student_ids

    def line(
        self, student: Any, status: str = "present", day: str = DAY, class_id: Any = None, session: Any = ""
    ) -> str:
        """A number is an id of Adsum, a text a source id or a period."""
        names = (class_id or self.api.school.class_id, session, student)
        return f"{','.join(map(_in_its_column, names))},{day},{status}"

    async def send(
        self, *lines: str, header: str = HEADER, role: str = "office", kind: str = "text/csv", **query: Any
    ) -> httpx2.Response:
        content = "".join(f"{line}\r\n" for line in (header, *lines)).encode()
        return await self.send_bytes(content, role, kind, **query)

    async def send_bytes(
        self, content: bytes, role: str = "office", kind: str = "text/csv", **query: Any
    ) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.api.tokens[role]}", "Content-Type": kind}
        return await self.api.client.post("/attendances/import", content=content, params=query, headers=headers)


def _in_its_column(name: str | int) -> str:
    return f",{name}" if isinstance(name, int) else f"{name},"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another class of the same school, which the teacher does not teach, and a student without a class."""

    class_id: int
    session_id: int
    student_id: int


@pytest.fixture
async def files(adsum: Adsum) -> AsyncGenerator[Files]:
    async with adsum.database.transaction() as connection:
        school = await make_school(connection)
    async with opened_api(adsum, school) as api:
        yield Files(api)


@pytest.fixture
async def elsewhere(adsum: Adsum, files: Files) -> Elsewhere:
    school_id = files.api.school.school_id
    async with adsum.database.transaction() as connection:
        class_id = await make_class(connection, school_id, source_id="ma-7c")
        session_id = await make_session(connection, class_id, period="2")
        return Elsewhere(class_id, session_id, await make_student(connection, school_id, source_id="s-99"))
