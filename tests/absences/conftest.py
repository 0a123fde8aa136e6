"""Fixtures for tests of absences: a class of three students, and requests of its office."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx2
import pytest

from adsum.wiring import Adsum
from tests.support.api import DAY, Api, opened_api
from tests.support.installation import RunWorker, ended
from tests.support.schools import SchoolIds, make_school


@dataclass(frozen=True, slots=True)
class Office:
    """Requests about absences, and registers as a teacher takes them."""

    api: Api
    adsum: Adsum
    worker: RunWorker

    @property
    def school(self) -> SchoolIds:
        return self.api.school

    async def enter(self, *students: int, role: str = "office", **fields: Any) -> httpx2.Response:
        """Enters an absence of all students on `DAY`, unless `fields` override this."""
        body = {"studentIds": students, "from": DAY, "to": DAY, "status": "excused", "reason": "doctor"} | fields
        return await self.api.post("/absences", body, role)

    async def planned(self, *students: int, **fields: Any) -> int:
        """Returns the id of the first planned absence."""
        answer = await self.enter(*students, **fields)
        assert answer.status_code == HTTPStatus.CREATED, answer.text
        return answer.json()["items"][0]["id"]

    async def take(self, role: str = "teacher", **fields: Any) -> dict[str, Any]:
        """Takes the register, and waits until its run has ended."""
        answer = await self.api.create(role, **fields)
        assert answer.is_success, answer.text
        if answer.status_code == HTTPStatus.ACCEPTED:
            async with self.worker():
                await ended(self.adsum, answer.json()["batchId"])
        return answer.json()

    async def record(self, student: int, role: str = "office") -> dict[str, Any]:
        (item,) = (await self.api.get("/attendances", role, studentId=student)).json()["items"]
        return (await self.api.get(f"/attendances/{item['id']}", role)).json()

    async def contradictions(self, role: str = "office", **query: Any) -> list[dict[str, Any]]:
        answer = await self.api.get("/contradictions", role, **query)
        assert answer.status_code == HTTPStatus.OK, answer.text
        return answer.json()["items"]


@pytest.fixture
async def office(adsum: Adsum, worker: RunWorker) -> AsyncGenerator[Office]:
    async with adsum.database.transaction() as connection:
        school = await make_school(connection, students=3)
    async with opened_api(adsum, school) as api:
        yield Office(api, adsum, worker)
