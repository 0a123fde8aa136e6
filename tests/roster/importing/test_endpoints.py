"""`POST /rosters/import`, as the platform of a school sends it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from adsum.accounts.access import Role
from adsum.operations.migrations import tables
from adsum.platform.settings import Settings
from tests.roster.conftest import Importing
from tests.roster.files import Roster, a_school, enrolment, in_zip
from tests.support.application import running_app
from tests.support.schools import make_bare_school, make_user

ZIP = {"Content-Type": "application/zip"}
LIMIT = 200_000


@pytest.fixture
async def client(database_url: str, redis_url: str) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client with the token of an admin. `as_office` sends that of an office."""
    settings = Settings(
        database_url=database_url, redis_url=redis_url, secret_key=SecretStr("k" * 40), max_import_bytes=LIMIT
    )
    async with (
        running_app(settings) as app,
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://adsum.example") as opened,
    ):
        async with app.state.adsum.database.transaction() as connection:
            school_id = await make_bare_school(connection)
            await make_user(connection, Role.ADMIN, email="admin@school.example")
            await make_user(connection, Role.OFFICE, school_id, email="office@school.example")
            await make_user(connection, Role.VIEWER, school_id, email="viewer@school.example")
        for role in ("viewer", "office", "admin"):
            token = (await app.state.adsum.tokens.create(f"{role}@school.example")).text
            opened.headers["Authorization"] = f"Bearer {token}"
            opened.headers[f"Test-{role}"] = token
        yield opened


def token_of(client: httpx2.AsyncClient, role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {client.headers[f'Test-{role}']}"}


async def send(
    client: httpx2.AsyncClient, roster: Roster, headers: dict[str, str] | None = None, **query: Any
) -> httpx2.Response:
    content = in_zip(roster.files()).getvalue()
    return await client.post("/rosters/import", content=content, params=query, headers=ZIP | (headers or {}))


@pytest.fixture
def invalid() -> Roster:
    roster = a_school()
    roster.tables["enrollments"] += [enrolment("class-9", "student-1"), enrolment("class-1", "nobody")]
    return roster


async def test_a_zip_as_the_body_is_imported(client: httpx2.AsyncClient, importing: Importing) -> None:
    answer = await send(client, a_school(), timezone="Europe/Berlin")

    assert answer.status_code == 200
    assert answer.json() == {
        "dryRun": False,
        "refused": False,
        "changesNothing": False,
        "tables": {
            "schools": {"added": 1, "changed": 0, "ended": 0, "unchanged": 0},
            "terms": {"added": 0, "changed": 0, "ended": 0, "unchanged": 0},
            "students": {"added": 3, "changed": 0, "ended": 0, "unchanged": 0},
            "contacts": {"added": 0, "changed": 0, "ended": 0, "unchanged": 0},
            "teachers": {"added": 1, "changed": 0, "ended": 0, "unchanged": 0},
            "classes": {"added": 1, "changed": 0, "ended": 0, "unchanged": 0},
            "sessions": {"added": 1, "changed": 0, "ended": 0, "unchanged": 0},
            "enrolments": {"added": 3, "changed": 0, "ended": 0, "unchanged": 0},
            "teachings": {"added": 1, "changed": 0, "ended": 0, "unchanged": 0},
        },
        "ignored": {},
        "ignoredFiles": [],
        "errorCount": 0,
        "errors": [],
        "warningCount": 0,
        "warnings": [],
        "students": None,
    }
    assert len(await importing.rows(tables.students)) == 3
    assert await zones(importing) == ["Europe/Berlin"]


async def zones(importing: Importing) -> list[str]:
    """The time zones of the schools of roster files."""
    return [row["time_zone"] for row in await importing.rows(tables.schools) if row["source_id"] is not None]


async def test_an_import_that_has_to_assume_a_time_zone_warns_and_an_unknown_one_is_refused(
    client: httpx2.AsyncClient, importing: Importing
) -> None:
    unknown = await send(client, a_school(), timezone="berlin")
    stored = await zones(importing)
    assumed = await send(client, a_school(), dryRun="true")
    await send(client, a_school(), timezone="Asia/Tokyo")
    same = await send(client, a_school(), timezone="Asia/Tokyo")
    other = await send(client, a_school(), timezone="UTC")

    (error,) = unknown.json()["errors"]
    assert (unknown.status_code, error["pointer"], error["code"]) == (422, "/query/timezone", "unknown_time_zone")
    assert (error["params"], stored) == ({"close": ["Europe/Berlin"]}, [])
    warnings = [[each["code"] for each in answer.json()["warnings"]] for answer in (assumed, same, other)]
    assert warnings == [["assumed_time_zone"], [], ["time_zone_kept"]]
    assert await zones(importing) == ["Asia/Tokyo"]


async def test_a_zip_as_a_file_of_a_form_is_imported(client: httpx2.AsyncClient) -> None:
    zipped = in_zip(a_school().files()).getvalue()

    answer = await client.post("/rosters/import", files={"file": ("roster.zip", zipped, "application/zip")})

    assert answer.json()["tables"]["students"]["added"] == 3


async def test_wrong_rows_are_listed_by_file_and_row(client: httpx2.AsyncClient, invalid: Roster) -> None:
    answer = await send(client, invalid)

    assert answer.status_code == 200
    assert answer.json()["errorCount"] == 2
    assert answer.json()["errors"][0] == {
        "pointer": "enrollments.csv:6",
        "detail": "there is no class class-9",
        "code": "unknown_class",
        "params": {
            "file": "enrollments.csv",
            "row": 6,
            "column": "classSourcedId",
            "class": "class-9",
            "user": "student-1",
        },
    }


async def test_a_dry_run_changes_nothing(client: httpx2.AsyncClient, importing: Importing) -> None:
    answer = await send(client, a_school(), dryRun="true")

    assert answer.json()["dryRun"] is True
    assert answer.json()["tables"]["students"]["added"] == 3
    assert answer.json()["students"]["joins"]["count"] == 3
    assert answer.json()["students"]["joins"]["items"][0]["familyName"] == "Family"
    assert await importing.rows(tables.students) == []


async def test_a_strict_import_with_wrong_rows_is_a_problem_that_names_each(
    client: httpx2.AsyncClient, importing: Importing, invalid: Roster
) -> None:
    answer = await send(client, invalid, strict="true")

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "import_refused"
    assert [entry["pointer"] for entry in answer.json()["errors"]] == ["enrollments.csv:6", "enrollments.csv:7"]
    assert await importing.rows(tables.students) == []


async def test_removals_are_refused_until_they_are_allowed(client: httpx2.AsyncClient) -> None:
    await send(client, a_school(students=10))

    refused = await send(client, a_school(students=5))
    allowed = await send(client, a_school(students=5), allowRemovals="true")

    assert refused.status_code == 422
    assert {entry["code"] for entry in refused.json()["errors"]} == {"too_many_removals"}
    assert allowed.json()["tables"]["students"]["ended"] == 5


async def test_an_office_gets_403_for_a_school_that_is_not_its_own(client: httpx2.AsyncClient) -> None:
    answer = await send(client, a_school(), token_of(client, "office"))

    assert answer.status_code == 403
    assert [entry["code"] for entry in answer.json()["errors"]] == ["not_your_school"]


async def test_an_import_without_permission_gets_403_and_without_login_401(client: httpx2.AsyncClient) -> None:
    assert (await send(client, a_school(), token_of(client, "viewer"))).status_code == 403
    del client.headers["Authorization"]
    assert (await send(client, a_school())).status_code == 401


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"no zip", "application/zip", 400, "unreadable_roster"),
        (b"", "application/zip", 400, "unreadable_roster"),
        (b"{}", "application/json", 415, "unsupported_media_type"),
        (b"x" * (LIMIT + 1), "application/zip", 413, "too_large"),
        (b"no form", "multipart/form-data; boundary=x", 400, "malformed"),
        (b"--x--\r\n", "multipart/form-data; boundary=x", 422, "invalid"),
    ],
)
async def test_a_file_that_is_not_a_roster_is_a_problem(
    client: httpx2.AsyncClient, content: bytes, kind: str, status: int, code: str
) -> None:
    answer = await client.post("/rosters/import", content=content, headers={"Content-Type": kind})

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_body_of_another_type_is_told_the_types_that_are_read(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/rosters/import", content=b"{}", headers={"Content-Type": "application/json"})

    assert answer.json()["params"] == {
        "accepted": [
            "application/zip",
            "application/x-zip-compressed",
            "application/octet-stream",
            "multipart/form-data",
        ]
    }
    assert "application/zip or " in answer.json()["detail"]


@pytest.mark.parametrize("query", ["dryrun=true", "dryRun=maybe", "dryRun=true&dryRun=false"])
async def test_a_misspelt_query_imports_nothing(client: httpx2.AsyncClient, importing: Importing, query: str) -> None:
    content = in_zip(a_school().files()).getvalue()

    answer = await client.post(f"/rosters/import?{query}", content=content, headers=ZIP)

    assert answer.status_code == 422
    assert await importing.rows(tables.students) == []
