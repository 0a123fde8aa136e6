"""Fixtures of the tests of corrections: a class of three, all of whom are recorded as present on Christmas Day 2024."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx2
import pytest

from adsum.wiring import Adsum
from tests.support.api import DAY, Api, opened_api
from tests.support.installation import RunWorker, ended
from tests.support.schools import make_school


@dataclass(frozen=True, slots=True)
class Register:
    """A class that is marked, and requests about its records by users of the school."""

    api: Api
    adsum: Adsum
    worker: RunWorker
    records: Sequence[int]

    @property
    def path(self) -> str:
        """The path of the first student's record."""
        return f"/attendances/{self.records[0]}"

    async def correct(self, role: str = "teacher", version: str | None = '"1"', **body: Any) -> httpx2.Response:
        return await self.api.change("PATCH", self.path, role, version, json=body)

    async def clear(self, role: str = "teacher", version: str | None = '"1"', **query: Any) -> httpx2.Response:
        return await self.api.change("DELETE", self.path, role, version, params=query)

    async def history(self, role: str = "teacher", **query: Any) -> dict[str, Any]:
        answer = await self.api.get(f"{self.path}/history", role, **query)
        assert answer.status_code == HTTPStatus.OK, answer.text
        return answer.json()

    async def mark(self, **fields: Any) -> dict[str, Any]:
        """Marks the class again, and waits until the run has ended."""
        answer = await self.api.create("teacher", **fields)
        assert answer.is_success, answer.text
        async with self.worker():
            await ended(self.adsum, answer.json()["batchId"])
        return answer.json()


@pytest.fixture
async def register(adsum: Adsum, worker: RunWorker) -> AsyncGenerator[Register]:
    async with adsum.database.transaction() as connection:
        school = await make_school(connection, students=3)
    async with opened_api(adsum, school) as api:
        marked = Register(api, adsum, worker, ())
        await marked.mark(learningDate=DAY)
        items = (await api.get("/attendances")).json()["items"]
        yield Register(api, adsum, worker, [item["id"] for item in items])


def mark(mark_of_version: dict[str, Any]) -> tuple[str | None, str | None]:
    """Returns status and note of a version."""
    return mark_of_version["status"], mark_of_version["note"]
