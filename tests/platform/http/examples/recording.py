"""Sends the requests of the scenario to a new school, and makes examples of the answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from io import BytesIO
from typing import Any, Final, cast
from urllib.parse import urlencode
from zipfile import ZipFile

import httpx2
from fastapi.routing import APIRoute
from pyotp.totp import TOTP

from adsum.accounts.access import Role, system_caller
from adsum.app import ROUTERS
from adsum.batches.rules import BatchFilters
from adsum.events.announcements import MissingRegisters, UnexplainedStudents
from adsum.events.webhooks.delivery import disable
from adsum.events.webhooks.rules import Disabled
from adsum.platform.paging import PageRequest
from adsum.platform.settings import Settings
from adsum.wiring import Adsum
from tests.platform.http.examples.scenario import (
    CONFIRMATION,
    FORM,
    PASSWORD,
    SETUP,
    STEPS,
    TEACHER,
    TOKEN,
    VIEWER,
    ZIP,
    Step,
)
from tests.support.application import running_app
from tests.support.installation import ended, new_worker, one_student_away
from tests.support.schools import make_user

NOW: Final = datetime(2024, 12, 20, 9, tzinfo=UTC)
ADMIN: Final = "admin@school.example"
ADDRESSES: Final = {"admin": ADMIN, "teacher": TEACHER}
HEADERS: Final = {"User-Agent": "school-platform/1.0", "X-Request-ID": "example"}
DEADLINE_S: Final = 20.0
ALLOWED_NETWORK: Final = "127.0.0.0/8"  # of the receiver of webhooks, where nobody listens

# In the example of all metrics.
METRICS: Final = ("adsum_open_runs", "adsum_queue_depth", "adsum_webhooks")

Examples = dict[str, dict[str, Any]]
"""The request and the response of each operation, by its `operationId`."""

_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b")
# The audit log notes when an entry is written, not the time of the clock.
_MOMENT_OF_MACHINE = re.compile(r"\b20(?:2[6-9]|[3-9][0-9])-[0-9]{2}-[0-9]{2}T[0-9:.]+Z")
# Values that differ each time, by the name of their field.
VARYING: Final[Mapping[str, object]] = {
    "access_token": TOKEN,
    "accessToken": TOKEN,
    "password": "<password>",
    "secret": "<secret>",
    "recoveryCodes": ["<recovery code>"],
    "setup": SETUP,
    "version": "1.0.0",
    "durationMs": 12,
    "endedBy": "worker-1:4711",
    "confirmation": CONFIRMATION,
}


@dataclass
class Normaliser:
    """Replaces what differs each time: secrets by the name of their field, and UUIDs by their first occurrence."""

    uuids: dict[str, str] = field(default_factory=dict[str, str])

    def value(self, value: Any, name: str = "") -> Any:
        match value:
            case dict():
                return {key: self.value(each, key) for key, each in cast("dict[str, Any]", value).items()}
            case _ if name in VARYING and value and isinstance(value, type(VARYING[name])):
                return VARYING[name]
            case list():
                return [self.value(each) for each in cast("list[Any]", value)]
            case str():
                return self.text(value)
            case _:
                return value

    def text(self, text: str) -> str:
        text = re.sub(r"(?<=secret=)[A-Z2-7]+", "<secret>", text)
        text = re.sub(r"(?<=\nretry: )\d+", "2840", text)
        text = _MOMENT_OF_MACHINE.sub("2024-12-20T09:00:00Z", text)
        return _UUID.sub(lambda found: self._uuid(found[0]), text)

    def _uuid(self, uuid: str) -> str:
        return self.uuids.setdefault(uuid, f"019dae57-4cbb-7a70-a571-{len(self.uuids) + 1:012x}")


@dataclass
class Recorder:
    """Sends steps, and keeps what later ones need: tokens and earlier answers."""

    client: httpx2.AsyncClient
    adsum: Adsum
    tokens: dict[str, str] = field(default_factory=dict[str, str])
    answers: dict[str, Any] = field(default_factory=dict[str, Any])
    normaliser: Normaliser = field(default_factory=Normaliser)

    async def record(self, step: Step) -> dict[str, Any]:
        """Sends a step, and returns its example: `status`, and `request` and `response`, as far as they have a text."""
        answer = await self._send(await self._prepared(step))
        assert answer.is_success, (step.operation, answer.status_code, answer.text)
        is_json = answer.content and answer.headers.get("content-type", "").startswith("application/json")
        content = answer.json() if is_json else answer.text
        self.answers[step.operation] = content
        self._keep_token(step, content)
        example: dict[str, Any] = {"status": answer.status_code}
        if step.body is not None:
            example["request"] = _shown(step)
        if step.operation == "getMetrics":
            content = _excerpt(content)
        if content:
            example["response"] = self.normaliser.value(content)
        return example

    async def _send(self, step: Step) -> httpx2.Response:
        method, path = OPERATIONS[step.operation]
        headers = HEADERS | ({"If-Match": step.version} if step.version else {})
        if step.caller is not None:
            headers["Authorization"] = f"Bearer {await self.token(step.caller)}"
        content: dict[str, Any] = {}
        if isinstance(step.body, bytes):
            content = {"content": step.body}
        elif step.media == FORM:
            content = {"content": urlencode(step.body)}
        elif step.body is not None:
            content = {"json": step.body}
        if content and "json" not in content:
            headers["Content-Type"] = step.media
        return await self.client.request(
            method, path.format_map(step.path), params=dict(step.query), headers=headers, **content
        )

    async def token(self, caller: str) -> str:
        if caller not in self.tokens:
            self.tokens[caller] = (await self.adsum.tokens.create(ADDRESSES[caller])).text
        return self.tokens[caller]

    def _keep_token(self, step: Step, content: Any) -> None:
        if step.operation in {"createToken", "changePassword", "confirmSignIn"}:
            self.tokens["viewer"] = content.get("access_token") or content["accessToken"]

    async def _prepared(self, step: Step) -> Step:
        """The step with the secrets that it needs, after what has to happen before it."""
        match step.before:
            case "password":
                await self._choose_password(self.answers["resetPassword"]["password"], PASSWORD)
            case "another sign-in":
                of_phone = await self._sign_in(f"{PASSWORD} 2")
                items = (await self.client.get("/auth/sign-ins", headers=_bearer(of_phone))).json()["items"]
                step = replace(step, path={"id": next(each["id"] for each in items if each["isCurrent"])})
            case "process":
                await self._process()
            case "process with a failure":
                async with one_student_away(self.adsum, 1):
                    await self._process()
            case "a receiver that is gone":
                webhook = await self.adsum.webhooks.get(1, system_caller())
                async with self.adsum.database.transaction() as connection:
                    await disable(connection, webhook, Disabled.GONE, NOW)
            case _:
                pass
        secrets = self._secrets(step.operation)
        return replace(step, body=step.body | secrets) if secrets else step

    def _secrets(self, operation: str) -> dict[str, str]:
        """The fields of a body whose values only this run knows. The example has placeholders instead."""
        match operation:
            case "addTotp":
                begun = self.answers["beginTotp"]
                return {"setup": begun["setup"], "code": TOTP(begun["secret"]).at(NOW)}
            case "revokeToken":
                return {"token": self.tokens["viewer"]}
            case "setRetention" | "setDefaultRetention":
                return {"confirmation": self.answers[operation.replace("set", "preview")]["confirmation"]}
            case _:
                return {}

    async def _choose_password(self, first: str, password: str) -> None:
        body = {"password": first, "newPassword": password}
        answer = await self.client.post("/auth/password", json=body, headers=_bearer(await self._sign_in(first)))
        assert answer.status_code == HTTPStatus.OK, answer.text

    async def _sign_in(self, password: str) -> str:
        body = {"username": VIEWER, "password": password}
        answer = await self.client.post("/auth/token", data=body)
        assert answer.status_code == HTTPStatus.OK, answer.text
        return str(answer.json()["access_token"])

    async def _process(self) -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(new_worker(self.adsum).run(stop))
        page = await self.adsum.batches.page(system_caller(), BatchFilters(), PageRequest())
        for row in page.items:
            await ended(self.adsum, row.status.batch_id)
        stop.set()
        await asyncio.wait_for(running, DEADLINE_S)


def _shown(step: Step) -> object:
    """The body of a request. Of an archive the names of its files, as a placeholder."""
    if step.media != ZIP:
        return step.body.decode() if isinstance(step.body, bytes) else step.body
    with ZipFile(BytesIO(step.body)) as archive:
        return f"<zip of {', '.join(archive.namelist())}>"


def _excerpt(exposition: str) -> str:
    """The lines of `METRICS`, which are the same each time: they are about the database, not about the process."""
    names = re.compile(rf"(?:# (?:HELP|TYPE) )?(?:{'|'.join(METRICS)})[ {{]")
    return "".join(line for line in exposition.splitlines(keepends=True) if names.match(line))


OPERATIONS: Final[Mapping[str, tuple[str, str]]] = {
    route.name: (next(iter(route.methods)), route.path_format)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and route.include_in_schema and route.methods
}


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def new_school(settings: Settings) -> AsyncGenerator[Recorder]:
    """A system whose only user is an admin, on the last day of school before Christmas 2024."""
    async with (
        running_app(settings, now=lambda: NOW) as app,
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://adsum.example") as client,
    ):
        adsum: Adsum = app.state.adsum
        async with adsum.database.transaction() as connection:
            await make_user(connection, Role.ADMIN, email=ADMIN, given_name="Dorothy", family_name="Vaughan")
        yield Recorder(client, adsum)


async def recorded(settings: Settings) -> tuple[Examples, Examples]:
    """The examples of the operations, and those of the events by their type."""
    async with new_school(settings) as recorder:
        examples: Examples = {}
        for step in STEPS:
            example = await recorder.record(step)
            examples.setdefault(step.operation, example)
            # As the worker does, soon after the last mark.
            await recorder.adsum.event_numbering.number()
            await recorder.adsum.taken_registers.announce()
        return examples, await _events(recorder)


async def _events(recorder: Recorder) -> Examples:
    """The first event of each type. Those of late registers and unexplained absences come in the afternoon."""
    database, later = recorder.adsum.database, NOW + timedelta(hours=5)
    await MissingRegisters(database, lambda: later, after=timedelta(minutes=30)).announce_if_due()
    await UnexplainedStudents(database, lambda: later, after=timedelta(minutes=30)).announce()
    headers = _bearer(await recorder.token("admin"))
    feed = await recorder.client.get("/events", params={"limit": 200}, headers=headers)
    found: Examples = {}
    for item in feed.json()["items"]:
        found.setdefault(item["type"], recorder.normaliser.value(item))
    return found
