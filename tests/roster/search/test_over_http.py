"""The search over HTTP and on the pages."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from adsum.accounts.access import Role
from adsum.roster.search.pages import HITS_WHILE_TYPING
from adsum.wiring import Adsum
from tests.support.api import Api, opened_api, violations
from tests.support.pages import Pages, visible_text
from tests.support.schools import SchoolIds, make_student, make_user


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
    assert violations(await api.post("/search", {"q": "f"}, "office")) == {("/q", "too_short")}
    assert (await api.post("/search", {"q": "family"}, "operator")).status_code == 403


async def test_the_page_lists_matches_with_links_for_a_browser_without_scripts(api: Api) -> None:
    page = await Pages(api).send("/search/results", {"words": "family"}, "admin")
    for text in ("Given 1 Family 0001", "Eve Family", "eve@a.example", "family9@a.example", "family-9"):
        assert text in visible_text(page)
    assert f'href="/year/students/{api.school.student_ids[0]}"' in page.text
    assert "Nothing matches these words." in visible_text(await Pages(api).send("/search/results", {"words": "nobody"}))
    none = visible_text(await Pages(api).send("/search/results", {"words": "nobody"}, "teacher"))
    assert "among your classes and their students" in none
    assert "Type at least two letters." in visible_text(await Pages(api).send("/search/results", {"words": " f "}))


async def test_words_are_in_no_address(api: Api) -> None:
    api.tokens["ended"] = "ended"
    expired = await Pages(api).send("/search/results", {"words": "family"}, "ended")
    assert expired.headers["location"] == "/sign-in?next=/search/results"
    assert (await Pages(api).open("/search/results")).headers["location"] == "/search"
    pages = [await Pages(api).open("/search"), await Pages(api).send("/search/results", {"words": "family"})]
    hits = await Pages(api).send("/search/hits", {"words": "family"})
    for page in (*pages, hits):
        assert "words=" not in page.text
        assert 'method="get" action="/search"' not in page.text


async def test_the_hits_while_typing_are_a_part_of_a_page(api: Api) -> None:
    hits = await Pages(api).send("/search/hits", {"words": "7b"}, "teacher")
    assert "<html" not in hits.text
    assert f'href="/year/classes/{api.school.class_id}"' in hits.text
    assert "<code>" not in hits.text
    assert "Show more matches" not in hits.text
    async with api.adsum.database.transaction() as connection:
        for number in range(HITS_WHILE_TYPING):
            await make_student(connection, api.school.school_id, given=f"{number}", family="Family")
    few = await Pages(api).send("/search/hits", {"words": "family"})
    more = await Pages(api).send("/search/hits", {"words": "family", "all": "true"})
    assert [page.text.count("/year/students/") for page in (few, more)] == [
        HITS_WHILE_TYPING,
        HITS_WHILE_TYPING + len(api.school.student_ids),
    ]
    assert ["Show more matches" in page.text for page in (few, more)] == [True, False]


async def test_the_search_is_offered_to_those_who_read_rosters(api: Api) -> None:
    assert 'id="finder-template"' in (await Pages(api).open("/batches", "office")).text
    assert 'id="finder-template"' not in (await Pages(api).open("/batches", "operator")).text
    assert (await Pages(api).open("/search", "operator")).status_code == 403
