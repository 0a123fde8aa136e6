"""The HTTP API for clients, in the test's process, on real servers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from sqlalchemy import update

from adsum.accounts.access import Role
from adsum.accounts.tables import users
from adsum.wiring import Adsum
from tests.support.application import running_app
from tests.support.schools import SchoolIds, make_user

DAY = "2024-12-25"
PEOPLE = (Role.OFFICE, Role.VIEWER, Role.OPERATOR, Role.TEACHER)


@dataclass
class Api:
    """Sends requests as users of one school. The teacher teaches the school's class."""

    client: httpx2.AsyncClient
    adsum: Adsum
    school: SchoolIds
    tokens: dict[str, str] = field(default_factory=dict[str, str])

    async def sign_in(self, role: Role, school_id: int | None) -> None:
        """Creates a user in `role`, and stores the user's token under the role's name."""
        email = f"{role.value}@school{school_id or 0}.example"
        async with self.adsum.database.transaction() as connection:
            await make_user(connection, role, school_id, email=email)
        self.tokens[role.value] = (await self.adsum.tokens.create(email)).text

    async def sign_in_teacher(self) -> None:
        async with self.adsum.database.transaction() as connection:
            email = f"teacher@class{self.school.class_id}.example"
            await connection.execute(update(users).where(users.c.id == self.school.teacher_id).values(email=email))
        self.tokens["teacher"] = (await self.adsum.tokens.create(email)).text

    async def create(self, role: str = "office", key: str | None = None, **fields: Any) -> httpx2.Response:
        """Sends `create-batch` for the whole class, unless `fields` override this."""
        body = {
            "classId": self.school.class_id,
            "sessionId": self.school.session_id,
            "learningDate": DAY,
            "isSelectedAll": True,
        } | fields
        headers = {"Idempotency-Key": key} if key is not None else {}
        return await self.post("/attendances/create-batch", body, role, headers)

    async def post(self, path: str, body: Any, role: str, headers: dict[str, str] | None = None) -> httpx2.Response:
        return await self.client.post(path, json=body, headers=self._authorised(role) | (headers or {}))

    async def change(self, method: str, path: str, role: str, version: str | None, **options: Any) -> httpx2.Response:
        """Sends PATCH or DELETE for one record, with `version` in `If-Match`."""
        headers = self._authorised(role) | ({"If-Match": version} if version is not None else {})
        return await self.client.request(method, path, headers=headers, **options)

    async def get(self, path: str, role: str = "office", **query: Any) -> httpx2.Response:
        return await self.client.get(path, params=query, headers=self._authorised(role))

    async def statuses(self) -> dict[int, str]:
        """Returns the status of each student of the school with a record on any day."""
        items = (await self.get("/attendances", limit=200)).json()["items"]
        return {item["studentId"]: item["status"] for item in items}

    def _authorised(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[role]}"} if role in self.tokens else {}


@asynccontextmanager
async def opened_api(adsum: Adsum, school: SchoolIds, people: Sequence[Role] = PEOPLE) -> AsyncGenerator[Api]:
    """Opens the API with these users of the school signed in; the teacher teaches its class."""
    async with (
        running_app(adsum.settings) as app,
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://adsum.test") as client,
    ):
        api = Api(client, adsum, school)
        for role in people:
            await (api.sign_in_teacher() if role is Role.TEACHER else api.sign_in(role, school.school_id))
        yield api


def violations(response: httpx2.Response) -> set[tuple[str, str]]:
    """Returns pointer and code of each violation in a problem response."""
    assert response.headers["content-type"] == "application/problem+json"
    return {(error["pointer"], error["code"]) for error in response.json()["errors"]}
