"""`Idempotency-Key` on every POST: the same request has one effect and one answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import httpx2
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter
from sqlalchemy import func, select

from adsum.accounts.access import Role
from adsum.accounts.tables import class_covers
from adsum.app import PAGES, ROUTERS
from adsum.batches.tables import batch_runs
from adsum.platform.database.answers import idempotency_keys
from adsum.schools.tables import terms
from tests.roster.files import a_school, in_zip
from tests.support.api import DAY, Api

# POSTs of the API without the header, with the reason.
WITHOUT_KEY = {
    "/auth/token": "stores nothing, has no caller before it is answered, and its answer is a secret",
    "/auth/revoke": "has no caller, and a repetition gets the same answer",
    "/auth/confirm": "a repetition has the token that has ended",
    "/auth/password": "its answer is a secret, and a repetition has the wrong present password",
    "/auth/second-factors/totp": "stores nothing, and its answer is a secret",
    "/auth/second-factors/totp/confirm": "its answer is a secret, and a repetition finds the app set up",
    "/auth/second-factors/recovery-codes": "its answer is a secret",
    "/keys": "its answer is a secret",
    "/keys/{id}/rotate": "its answer is a secret",
    "/schools/{id}/readmissions": "a repetition has no effect, and is answered with 404",
    "/users/readmissions": "a repetition has no effect, and is answered with 404",
    "/users": "its answer may be a secret, and a repetition finds the email taken",
    "/users/{id}/password": "its answer is a secret",
    "/users/{id}/sign-out": "a repetition has the same effect",
    "/users/{id}/unlock": "a repetition has the same effect",
    "/retention/preview": "changes nothing",
    "/schools/{id}/retention/preview": "changes nothing",
    "/search": "changes nothing",
    "/webhooks": "its answer is a secret",
    "/webhooks/{id}/rotate": "its answer is a secret",
    "/webhooks/{id}/test": "a repetition sends another test",
    "/webhooks/{id}/replay": "a receiver ignores what it knows",
    "/desk-entries/{id}/complete": "a repetition has the same effect",
    "/desk-entries/{id}/undo": "a repetition has the same effect",
    "/students/search": "changes nothing",
    "/users/search": "changes nothing",
    "/absences/search": "changes nothing",
}
# POSTs of pages with the header: the scripts of the others submit forms, which cannot send it.
PAGES_WITH_KEY = {"/take/{class_id}/{session_id}/{day}"}
SECRET = re.compile(r"token|secret|password", re.IGNORECASE)


def posts(routers: Any) -> Iterator[APIRoute]:
    for router in routers:
        yield from (each for each in router.routes if isinstance(each, APIRoute) and "POST" in (each.methods or ()))


def headers_of(dependant: Dependant) -> set[str]:
    return {each.alias for each in dependant.header_params}.union(*map(headers_of, dependant.dependencies))


def test_every_post_of_the_api_honours_the_header() -> None:
    without = {each.path for each in posts(ROUTERS) if "idempotency-key" not in headers_of(each.dependant)}
    assert without == set(WITHOUT_KEY), "declare `SentKey`, and pass `key.answering(…)` to the service"


def test_the_register_honours_the_header_and_no_other_page() -> None:
    honouring = {each.path for each in posts(PAGES) if "idempotency-key" in headers_of(each.dependant)}
    assert honouring == PAGES_WITH_KEY


def test_no_answer_that_is_stored_has_a_secret() -> None:
    """See docs/decisions/0024."""
    models = {each.path: each.response_model for each in posts(ROUTERS) if each.path not in WITHOUT_KEY}
    schemas = {path: TypeAdapter[Any](model).json_schema() for path, model in models.items()}
    assert {path: found for path, schema in schemas.items() if (found := secrets_in(schema))} == {}


def test_a_secret_of_an_item_is_found() -> None:
    class Item(BaseModel):
        apiToken: str  # noqa: N815 - as in JSON

    class Answer(BaseModel):
        items: list[Item]

    assert secrets_in(TypeAdapter(Answer).json_schema()) == ["apiToken"]


def secrets_in(schema: Any) -> list[str]:
    """The names of properties, at any depth of a JSON schema, that are words for secrets."""
    if isinstance(schema, list):
        return [found for each in cast("list[Any]", schema) for found in secrets_in(each)]
    if not isinstance(schema, dict):
        return []
    properties = cast("dict[str, Any]", schema)
    own = [name for name in cast("dict[str, Any]", properties.get("properties", {})) if SECRET.search(name)]
    return own + [found for each in properties.values() for found in secrets_in(each)]


@dataclass(frozen=True)
class Post:
    """A request, and another one under the same key. `content` is sent as `kind`, a mapping as JSON."""

    path: str
    content: Any
    other: Any
    kind: str = "application/json"
    query: Mapping[str, str] = field(default_factory=dict[str, str])

    async def send(self, api: Api, key: str, content: Any, role: str = "admin") -> httpx2.Response:
        headers = {"Authorization": f"Bearer {api.tokens[role]}", "Idempotency-Key": key, "Content-Type": self.kind}
        sent = {"json": content} if self.kind == "application/json" else {"content": content}
        return await api.client.post(self.path, params=self.query, headers=headers, **sent)

    async def first(self, api: Api, key: str) -> httpx2.Response:
        return await self.send(api, key, self.content)


def requests(api: Api) -> list[Post]:
    school = api.school
    marks = f"classId,session,studentId,date,status\r\n{school.class_id},,{{}},{DAY},late\r\n"
    timetable = f"classId,session,weekday,begins,ends\r\n{school.class_id},,3,{{}},10:00\r\n"
    absence = {"studentIds": [school.student_ids[0]], "from": DAY, "to": DAY, "status": "excused", "reason": "doctor"}
    cover = {"classId": school.class_id, "teacherId": school.teacher_id, "from": DAY, "to": DAY}
    status = {"code": "field-trip", "label": "Field trip", "letter": "F", "countsAs": "attended"}
    closed = {"from": "2024-12-27", "to": "2024-12-31", "reason": "holidays"}
    term = {"title": "Autumn", "beginDate": "2024-08-01", "endDate": "2025-08-01"}
    roster, changed = a_school(), a_school()
    changed.tables["users"][0]["givenName"] = "Other"
    archive, other_archive = (in_zip(each.files()).getvalue() for each in (roster, changed))
    return [
        Post("/absences", absence, absence | {"reason": "dentist"}),
        Post("/covers", cover, cover | {"to": "2024-12-26"}),
        Post(f"/schools/{school.school_id}/statuses", status, status | {"letter": "Z"}),
        Post(f"/schools/{school.school_id}/closed-days", closed, closed | {"to": "2024-12-30"}),
        Post(f"/schools/{school.school_id}/terms", term, term | {"title": "Winter"}),
        Post(
            f"/schools/{school.school_id}/timetable", timetable.format("08:00"), timetable.format("09:00"), "text/csv"
        ),
        Post(
            "/attendances/import",
            marks.format(school.student_ids[1]),
            marks.format(school.student_ids[2]),
            "text/csv",
            {"schoolId": str(school.school_id)},
        ),
        Post("/rosters/import", archive, other_archive, "application/zip"),
    ]


@pytest.fixture
async def admin(api: Api) -> Api:
    await api.sign_in(Role.ADMIN, None)
    return api


async def test_a_repeated_request_gets_the_first_answer_and_another_one_is_refused(admin: Api) -> None:
    for number, each in enumerate(requests(admin)):
        first = await each.first(admin, f"key-{number}")
        assert first.is_success, first.text
        again = await each.first(admin, f"key-{number}")
        assert (again.status_code, again.json()) == (first.status_code, first.json()), each.path
        other = await each.send(admin, f"key-{number}", each.other)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused"), each.path
    assert await count(admin, class_covers) == await count(admin, terms) == 1
    assert await count(admin, batch_runs) == 1


async def test_concurrent_requests_with_one_key_have_one_effect_and_one_answer(admin: Api) -> None:
    for number, each in enumerate(requests(admin)):
        answers = await asyncio.gather(*(each.first(admin, f"key-{number}") for _ in range(3)))
        assert all(answer.json() == answers[0].json() for answer in answers), each.path
        assert len({answer.status_code for answer in answers}) == 1, each.path
        assert answers[0].is_success, answers[0].text
    assert await count(admin, class_covers) == await count(admin, terms) == 1


async def test_keys_of_two_callers_and_of_two_paths_are_told_apart(admin: Api) -> None:
    absence, cover, *_ = requests(admin)
    assert (await absence.send(admin, "key", absence.content)).status_code == 201
    assert (await absence.send(admin, "key", absence.content, role="office")).status_code == 200
    refused = await cover.first(admin, "key")
    assert refused.json()["code"] == "idempotency_key_reused"


async def test_a_refused_request_and_a_dry_run_leave_their_key_free(admin: Api) -> None:
    absence, *_, timetable, marks, roster = requests(admin)
    assert (await absence.send(admin, "key", absence.content | {"status": "?"})).status_code == 422
    for each in (timetable, marks, roster):
        dry = Post(each.path, each.content, each.other, each.kind, {**each.query, "dryRun": "true"})
        assert (await dry.first(admin, "key")).status_code == 200
    assert await count(admin, idempotency_keys) == 0
    assert (await absence.first(admin, "key")).status_code == 201


async def test_a_wrong_key_is_refused_with_its_place(admin: Api) -> None:
    absence, *_ = requests(admin)
    refused = await absence.first(admin, "two words")
    assert [(each["pointer"], each["code"]) for each in refused.json()["errors"]] == [
        ("/header/idempotency-key", "wrong_form")
    ]


async def count(api: Api, table: Any) -> int:
    async with api.adsum.database.snapshot() as connection:
        return (await connection.execute(select(func.count()).select_from(table))).scalar_one()
