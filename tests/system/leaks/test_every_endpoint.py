"""No GET endpoint reveals data of a class that the caller does not see, in any format.

The endpoints are those of the application, so new ones are included automatically. Add each new parameter to
`tests/system/leaks/places.py` or to `HARMLESS`; otherwise the test fails.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import Any

import httpx2
import pytest
from fastapi.routing import APIRoute

from adsum.accounts.access import Role
from adsum.app import ROUTERS
from adsum.platform.http.list_files import FileKind
from adsum.reports.rules import GroupBy
from adsum.wiring import Adsum
from tests.platform.http.snapshot import present
from tests.support.application import running_app
from tests.support.installation import RunWorker, adsum, redis, settings, worker
from tests.support.schools import make_bare_school, make_user
from tests.system.leaks.places import Place, make_place

__all__ = ["adsum", "redis", "settings", "worker"]

# The OpenAPI document and its page are the same for every caller.
UNDESCRIBED = {"/docs", "/docs/{asset}", "/openapi.json"}
# Filters that name no data of a school.
HARMLESS = {
    *("limit", "cursor", "state", "outcome", "status", "revoked", "active", "retired", "onBehalfOf"),
    *("action", "disabled", "role", "since", "until", "withLogin", "extent", "after", "types", "failed"),
}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One database is enough, since the rule of visibility is tested on both."""
    return sqlite_url


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A GET of the application: its path, its query parameters, and its file formats."""

    path: str
    parameters: frozenset[str]
    required: frozenset[str]
    files: tuple[FileKind, ...]

    @property
    def is_of_one(self) -> bool:
        return "{" in self.path

    def path_to(self, place: Place) -> str:
        """Returns the path with the ids of a place, each by the preceding word."""
        parts = self.path.split("/")
        for i, part in enumerate(parts):
            if part.startswith("{"):
                parts[i] = str(place.paths[parts[i - 1]])
        return "/".join(parts)

    def plain(self, own: Place) -> dict[str, Any]:
        """Returns a query with as few filters as possible."""
        day = own.day.isoformat()
        values: dict[str, Any] = {"from": day, "to": day, "date": day, "percent": 1, "leastDays": 1, "by": "student"}
        values = {name: value for name, value in values.items() if name in self.parameters}
        return values | {name: own.filters[name] for name in self.required - values.keys()}

    def queries(self, own: Place, other: Place) -> Iterator[dict[str, Any]]:
        """Returns queries without filters, with each filter of the other place, with all but the school, which alone
        would be refused, and with each grouping.
        """
        plain = self.plain(own)
        named = self.parameters - HARMLESS - (plain.keys() - self.required)
        foreign = {name: other.filters[name] for name in sorted(named - {"from", "to", "by"})}
        yield plain
        yield from (plain | {name: value} for name, value in foreign.items())
        combined = {name: value for name, value in foreign.items() if name != "schoolId"}
        if len(combined) > 1:
            yield plain | combined
        if "by" in self.parameters:
            yield from (plain | {"by": by.value} for by in GroupBy)


@dataclass(frozen=True, slots=True)
class Reader:
    """A caller that sends every request, and the place that it may see."""

    client: httpx2.AsyncClient
    token: str
    own: Place

    async def get(self, path: str, query: dict[str, Any], kind: str = "*/*") -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": kind}
        return await self.client.get(path, params=query, headers=headers)

    async def visible_responses(self, other: Place) -> dict[str, str]:
        """Returns responses to requests for the other school, or without filters."""
        responses: dict[str, str] = {}
        for endpoint in endpoints():
            for path in {endpoint.path_to(self.own), endpoint.path_to(other)}:
                # A file is made of the same pages as JSON for any filters, so it is requested once.
                requests = [(query, "*/*") for query in endpoint.queries(self.own, other)]
                for query, kind in requests + [(endpoint.plain(self.own), kind) for kind in endpoint.files]:
                    responses[f"{path} {query} {kind}"] = text_of(await self.get(path, query, kind))
        return responses

    async def statuses(self, place: Place) -> dict[str, int]:
        """Returns responses of the endpoints of single items to requests for those of this school."""
        of_one = [endpoint for endpoint in endpoints() if endpoint.is_of_one]
        return {each.path: (await self.get(each.path_to(place), each.plain(self.own))).status_code for each in of_one}


@dataclass(frozen=True, slots=True)
class Schools:
    """Two classes of one school, and one of another."""

    client: httpx2.AsyncClient
    adsum: Adsum
    shown: Place
    hidden: Place
    elsewhere: Place

    async def reader(self, role: Role, own: Place) -> Reader:
        if role is Role.TEACHER:
            return Reader(self.client, (await self.adsum.tokens.create(own.teacher_email)).text, own)
        email = f"{role.value}@example.com"
        async with self.adsum.database.transaction() as connection:
            await make_user(connection, role, own.school_id, email=email)
        return Reader(self.client, (await self.adsum.tokens.create(email)).text, own)


@pytest.fixture
async def schools(adsum: Adsum, worker: RunWorker) -> AsyncGenerator[Schools]:
    async with adsum.database.transaction() as connection:
        here, there = await make_bare_school(connection), await make_bare_school(connection)
    # Today, since one report covers the current day.
    day = datetime.now(UTC).date()
    places = [
        await make_place(adsum, worker, school, word, day)
        for school, word in ((here, "zqshown"), (here, "zqhidden"), (there, "zqelsewhere"))
    ]
    async with (
        running_app(adsum.settings) as app,
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://adsum.test") as client,
    ):
        yield Schools(client, adsum, *places)


@cache
def endpoints() -> list[Endpoint]:
    """Returns every GET of the application."""
    described = [_endpoint(path, methods["get"]) for path, methods in present()["paths"].items() if "get" in methods]
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    assert {route.path for route in routes if "GET" in (route.methods or ())} == {
        each.path for each in described
    } | UNDESCRIBED
    return described


def _endpoint(path: str, described: dict[str, Any]) -> Endpoint:
    query = [parameter for parameter in described.get("parameters", ()) if parameter["in"] == "query"]
    kinds = described["responses"]["200"]["content"]
    return Endpoint(
        path,
        frozenset(parameter["name"] for parameter in query),
        frozenset(parameter["name"] for parameter in query if parameter.get("required")),
        tuple(kind for kind in FileKind if kind in kinds),
    )


def text_of(answer: httpx2.Response) -> str:
    """Returns all text of a response; of a workbook, the texts of its sheets."""
    if answer.headers.get("content-type") != FileKind.XLSX:
        return answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return "".join(archive.read(name).decode() for name in archive.namelist())


def requests_with(word: str, responses: dict[str, str]) -> list[str]:
    return [request for request, answer in responses.items() if word in answer]


async def test_a_teacher_learns_nothing_about_the_class_of_a_colleague(schools: Schools) -> None:
    teacher = await schools.reader(Role.TEACHER, schools.shown)

    responses = await teacher.visible_responses(schools.hidden)

    assert requests_with(schools.hidden.word, responses) == []
    assert len(requests_with(schools.shown.word, responses)) > 20
    await _assert_hidden(teacher, schools.hidden, except_of={"schools"})


async def test_a_viewer_learns_nothing_about_another_school(schools: Schools) -> None:
    viewer = await schools.reader(Role.VIEWER, schools.elsewhere)

    responses = await viewer.visible_responses(schools.hidden)

    assert requests_with(schools.hidden.word, responses) == requests_with(schools.shown.word, responses) == []
    assert len(requests_with(schools.elsewhere.word, responses)) > 20
    await _assert_hidden(viewer, schools.hidden)


async def test_an_operator_learns_nothing_about_any_student(schools: Schools) -> None:
    operator = await schools.reader(Role.OPERATOR, schools.shown)

    responses = await operator.visible_responses(schools.hidden)

    assert requests_with("zq", responses) == []
    await _assert_hidden(operator, schools.elsewhere)


async def test_the_office_receives_everything_that_the_other_tests_search_for(schools: Schools) -> None:
    """Otherwise the other tests would pass without data."""
    office = await schools.reader(Role.OFFICE, schools.shown)

    responses = "".join((await office.visible_responses(schools.hidden)).values())

    for text in ("given", "family", "s", "note", "corrected", "said", "office", "why", "reason", "class", "teacher"):
        assert f"{schools.hidden.word}-{text}" in responses, text


async def _assert_hidden(reader: Reader, other: Place, except_of: frozenset[str] | set[str] = frozenset()) -> None:
    """Items of one school are 404 for callers of the other; items that a role cannot read at all are 403 for both."""
    own, others = await reader.statuses(reader.own), await reader.statuses(other)
    own_statuses = {path: status for path, status in own.items() if path.split("/")[1] not in except_of}
    assert set(own.values()) <= {HTTPStatus.OK, HTTPStatus.FORBIDDEN}, own
    expected = {
        path: HTTPStatus.NOT_FOUND if status == HTTPStatus.OK else status for path, status in own_statuses.items()
    }
    assert {path: others[path] for path in own_statuses} == expected
