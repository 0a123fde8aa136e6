"""The school of the fault tests, and requests that mark its classes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2

from adsum.accounts.access import Role
from adsum.platform.ids import Batch
from tests.support.schools import (
    TERM_BEGINS,
    enrol,
    make_bare_school,
    make_class,
    make_session,
    make_students,
    make_user,
)
from tests.system.faults.installation import Installation
from tests.system.faults.oracle import Promise

EMAIL = "operator@school.example"
DAYS = 700


@dataclass(frozen=True, slots=True)
class Classes:
    """Sessions, each of its own class, all with the same students; and a token with all permissions."""

    sessions: list[tuple[int, int]]
    students: list[int]
    token: str

    def batches(self) -> Generator[Batch]:
        """Yields batches, each once, day by day."""
        for number in range(DAYS):
            for class_id, session_id in self.sessions:
                yield Batch(class_id, session_id, TERM_BEGINS + timedelta(number))

    def marks(self, absent: int = 2) -> dict[int, str]:
        """Returns the marks of the whole class: the first `absent` students absent, the others present."""
        return {student: "absent" if place < absent else "present" for place, student in enumerate(self.students)}


async def create_classes(installation: Installation, *, classes: int = 1, students: int = 30) -> Classes:
    """Creates a school with classes, and a user with all permissions."""
    async with installation.adsum.database.transaction() as connection:
        school_id = await make_bare_school(connection)
        student_ids = await make_students(connection, school_id, students)
        sessions: list[tuple[int, int]] = []
        for _ in range(classes):
            class_id = await make_class(connection, school_id)
            await enrol(connection, class_id, student_ids)
            sessions.append((class_id, await make_session(connection, class_id)))
        await make_user(connection, Role.ADMIN, None, email=EMAIL)
    return Classes(sessions, student_ids, (await installation.adsum.tokens.create(EMAIL)).text)


@dataclass
class Platform:
    """A client of the API."""

    client: httpx2.AsyncClient
    classes: Classes

    async def mark(self, batch: Batch, **fields: Any) -> httpx2.Response:
        """Marks a whole class with two students absent, unless `fields` override this."""
        absent = [student for student, status in self.classes.marks().items() if status == "absent"]
        body = {
            "classId": batch.class_id,
            "sessionId": batch.session_id,
            "learningDate": batch.learning_date.isoformat(),
            "isSelectedAll": True,
            "unselectedStudentIds": absent,
        } | fields
        return await self.client.post("/attendances/create-batch", json=body)

    async def status(self, batch: Batch) -> dict[str, Any]:
        """Returns the status of a batch from the seed's endpoint."""
        return (await self.client.get(f"/attendances/batch-status/{batch.id}")).json()

    async def mark_accepted(self, batch: Batch) -> Promise:
        """Marks a whole class and requires 202."""
        answer = await self.mark(batch)
        assert answer.status_code == 202, answer.text
        return self.promise(answer)

    async def correct(self, batch: Batch) -> httpx2.Response:
        """Marks the absent students of a class present."""
        return await self.mark(batch, onExisting="update", unselectedStudentIds=[])

    def promise(self, answer: httpx2.Response) -> Promise:
        return Promise(answer.json()["batchId"], answer.json()["runId"], self.classes.marks())

    def promise_of_correction(self, answer: httpx2.Response) -> Promise:
        corrected = {student: "present" for student, status in self.classes.marks().items() if status == "absent"}
        return Promise(answer.json()["batchId"], answer.json()["runId"], corrected)

    async def operate(self, batch: Batch, verb: str) -> httpx2.Response:
        return await self.client.post(f"/attendances/batches/{batch.id}/{verb}")


@asynccontextmanager
async def platform(address: str, classes: Classes) -> AsyncGenerator[Platform]:
    """Opens a client with a timeout of 30 s."""
    headers = {"Authorization": f"Bearer {classes.token}"}
    limits = httpx2.Limits(max_connections=128, max_keepalive_connections=128)
    async with httpx2.AsyncClient(base_url=address, headers=headers, timeout=30, limits=limits) as client:
        yield Platform(client, classes)
