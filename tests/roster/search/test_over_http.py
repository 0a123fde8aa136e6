"""The search over HTTP and on the pages."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from adsum.accounts.access import Role
from adsum.wiring import Adsum
from tests.support.api import Api, opened_api, violations
from tests.support.pages import Pages, visible_text
from tests.support.schools import SchoolIds, make_user


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
async def api(adsum: Adsum, school: SchoolIds) -> AsyncGenerator[Api]:
    async with adsum.database.transaction() as connection:
        await make_user(
            connection, Role.VIEWER, school.school_id, given_name="Eve", family_name="Family", email="eve@a.example"
        )
        await make_user(connection, Role.VIEWER, school.school_id, source_id="family-9", email="family9@a.example")
    async with opened_api(adsum, school) as api:
        await api.sign_in(Role.ADMIN, None)
        yield api


async def test_a_search_returns_each_kind_with_its_best_matches(api: Api) -> None:
    found = (await api.post("/search", {"q": "family", "limit": 1}, "admin")).json()
    assert [item["familyName"] for item in found["students"]["items"]] == ["Family 0001"]
    assert found["students"]["hasMore"] is True
    assert found["classes"] == {"items": [], "hasMore": False}
    assert [item["email"] for item in found["users"]["items"]] == ["eve@a.example"]
    assert (await api.post("/search", {"q": "family"}, "office")).json()["users"] == {"items": [], "hasMore": False}


async def test_a_wrong_search_names_each_violation(api: Api) -> None:
    answer = await api.post("/search", {"q": "", "limit": 101}, "office")
    assert answer.status_code == 422
    assert violations(answer) == {("/q", "too_short"), ("/limit", "out_of_range")}
    assert (await api.post("/search", {"q": "family"}, "operator")).status_code == 403


async def test_the_page_lists_matches_with_links_for_a_browser_without_scripts(api: Api) -> None:
    page = await Pages(api).open("/search", "admin", words="family")
    for text in ("Given 1 Family 0001", "Eve Family", "eve@a.example", "family9@a.example", "family-9"):
        assert text in visible_text(page)
    assert f'href="/year/students/{api.school.student_ids[0]}"' in page.text
    assert "Nothing matches these words." in visible_text(await Pages(api).open("/search", words="nobody"))
    none = visible_text(await Pages(api).open("/search", "teacher", words="nobody"))
    assert "among your classes and their students" in none


async def test_the_hits_while_typing_are_a_part_of_a_page(api: Api) -> None:
    hits = await Pages(api).send("/search/hits", {"words": "7b"}, "teacher")
    assert "<html" not in hits.text
    assert f'href="/year/classes/{api.school.class_id}"' in hits.text
    assert "<code>" not in hits.text
    assert "Show all matches" not in hits.text


async def test_the_search_is_offered_to_those_who_read_rosters(api: Api) -> None:
    assert 'id="finder-template"' in (await Pages(api).open("/batches", "office")).text
    assert 'id="finder-template"' not in (await Pages(api).open("/batches", "operator")).text
    assert (await Pages(api).open("/search", "operator")).status_code == 403
