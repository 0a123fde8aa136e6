"""The feed over HTTP: filters, cursors, rights, and what is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest

from adsum.accounts.access import Role, system_caller
from adsum.events.rules import EventFilters
from adsum.events.service import EventFeed, EventNumbering, EventPruning
from adsum.platform.database.engine import Database
from adsum.platform.database.new_events import EventType, NewEvent, write_events
from adsum.wiring import Adsum
from tests.support.api import Api, violations
from tests.support.schools import make_school

NOW = datetime(2024, 12, 25, 8, tzinfo=UTC)
COUNTS = {"added": 1, "changed": 2, "ended": 3, "unchanged": 4, "failed": 0}


async def imported(database: Database, *schools: int | None, at: datetime = NOW) -> None:
    events = [NewEvent(EventType.ROSTER_IMPORTED, school_id, COUNTS) for school_id in schools]
    async with database.transaction() as connection:
        await write_events(connection, events, at)


@pytest.fixture
async def admin(api: Api) -> Api:
    """The API with an admin of the district and one of the school, who are signed in."""
    await api.sign_in(Role.ADMIN, None)
    api.tokens["district"] = api.tokens["admin"]
    await api.sign_in(Role.ADMIN, api.school.school_id)
    return api


async def read(api: Api, role: str = "district", **query: Any) -> dict[str, Any]:
    answer = await api.get("/events", role, **query)
    assert answer.status_code == HTTPStatus.OK, answer.text
    return answer.json()


async def test_a_page_has_the_events_and_the_cursor_of_the_next_one(admin: Api) -> None:
    school_id = admin.school.school_id
    await imported(admin.adsum.database, school_id, school_id, school_id)

    first = await read(admin, limit=2)
    second = await read(admin, after=first["nextCursor"])
    third = await read(admin, after=second["nextCursor"])

    assert first["items"][0] == {
        "id": 1,
        "type": "roster.imported",
        "version": 1,
        "schoolId": school_id,
        "occurredAt": "2024-12-25T08:00:00Z",
        "data": COUNTS,
    }
    assert ([each["id"] for each in first["items"]], first["nextCursor"], first["hasMore"]) == ([1, 2], "2", True)
    assert ([each["id"] for each in second["items"]], second["nextCursor"], second["hasMore"]) == ([3], "3", False)
    assert third == {"items": [], "nextCursor": "3", "hasMore": False}


async def test_a_reader_of_what_happens_from_now_on_begins_after_the_newest_event(admin: Api) -> None:
    await imported(admin.adsum.database, None)
    now = await read(admin, after="latest")
    await imported(admin.adsum.database, None)

    assert now == {"items": [], "nextCursor": "1", "hasMore": False}
    assert [each["id"] for each in (await read(admin, after=now["nextCursor"]))["items"]] == [2]


async def test_the_feed_is_narrowed_by_types_and_by_school(admin: Api) -> None:
    async with admin.adsum.database.transaction() as connection:
        other = await make_school(connection)
    await imported(admin.adsum.database, admin.school.school_id, other.school_id, None)

    of_school = await read(admin, schoolId=other.school_id)
    of_type = await read(admin, types="batch.completed, roster.imported")
    of_none = await read(admin, types="batch.completed")

    assert [each["id"] for each in of_school["items"]] == [2]
    assert [each["id"] for each in of_type["items"]] == [1, 2, 3]
    assert of_none == {"items": [], "nextCursor": "3", "hasMore": False}


async def test_a_cursor_passes_events_that_the_filter_leaves_out(adsum: Adsum, admin: Api) -> None:
    await imported(adsum.database, *[None] * 5, admin.school.school_id)
    feed = EventFeed(adsum.database, EventNumbering(adsum.database), scanned_at_once=2)

    pages = [await feed.page(system_caller(), EventFilters(school_id=admin.school.school_id), n, 10) for n in (0, 2, 4)]

    assert [([event.id for event in page.items], page.next_after, page.has_more) for page in pages] == [
        ([], 2, True),
        ([], 4, True),
        ([6], 6, False),
    ]


async def test_an_admin_of_a_school_sees_its_events_alone(admin: Api) -> None:
    async with admin.adsum.database.transaction() as connection:
        other = await make_school(connection)
    await imported(admin.adsum.database, other.school_id, admin.school.school_id, None)

    own = await read(admin, "admin")

    assert ([each["id"] for each in own["items"]], own["nextCursor"]) == ([2], "3")
    for school_id, role in ((other.school_id, "admin"), (99, "district")):
        for after in (None, "1", "latest"):
            refused = await admin.get(
                "/events", role, schoolId=school_id, **({} if after is None else {"after": after})
            )
            assert (refused.status_code, refused.json()["params"]) == (HTTPStatus.NOT_FOUND, {"schoolId": school_id})


@pytest.mark.parametrize("role", ["office", "viewer", "operator", "teacher"])
async def test_the_feed_needs_its_permission(api: Api, role: str) -> None:
    assert (await api.get("/events", role)).status_code == HTTPStatus.FORBIDDEN


async def test_wrong_parameters_are_named(admin: Api) -> None:
    answer = await admin.get(
        "/events", "district", after="-1", types="batch.completed,a.b,c", limit=0, schoolId="x", type="a"
    )
    ahead = await admin.get("/events", "district", after="7")

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert {code for _, code in violations(answer)} == {
        "wrong_form",
        "unknown_event_type",
        "out_of_range",
        "wrong_type",
        "unknown_field",
    }
    assert "a.b, c" in answer.text
    assert violations(ahead) == {("/query/after", "unknown_cursor")}


async def test_events_are_deleted_after_their_time_and_an_older_cursor_is_refused(adsum: Adsum, admin: Api) -> None:
    await imported(adsum.database, None, None, at=NOW - timedelta(days=31))
    await imported(adsum.database, None, at=NOW)
    await adsum.event_numbering.number()
    pruning = EventPruning(adsum.database, lambda: NOW, keep=timedelta(days=30), page=1)

    removed = [await pruning.prune_if_due() for _ in range(4)]
    refused = await admin.get("/events", "district", after="1")

    assert removed == [1, 1, 0, 0]
    assert (refused.status_code, refused.json()["code"]) == (HTTPStatus.GONE, "events_pruned")
    assert refused.json()["params"] == {"oldest": 2}
    assert [each["id"] for each in (await read(admin))["items"]] == [3]
    assert [each["id"] for each in (await read(admin, after="2"))["items"]] == [3]
