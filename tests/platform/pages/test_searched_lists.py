"""Lists that are searched by name: no name is in an address."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from urllib.parse import parse_qs, urlsplit

import pytest

from adsum.accounts.access import Role
from adsum.wiring import Adsum
from tests.platform.pages.test_every_page import addresses
from tests.support.api import opened_api
from tests.support.pages import Pages, visible_text
from tests.support.schools import SchoolIds

LISTS = {
    "/admin/people": "given 1",
    "/admin/students/merge": "given 1",
    "/planned-absences": "given 1",
    "/admin/timetable": "class",
    "/admin/covers": "class",
}
PATH = "/planned-absences"
SENT_BY_GET = re.compile(r'<form method="get" action="([^"]*)".*?</form>', re.DOTALL)


@pytest.fixture
async def pages(adsum: Adsum, school: SchoolIds) -> AsyncGenerator[Pages]:
    async with opened_api(adsum, school) as api:
        await api.sign_in(Role.ADMIN, None)
        yield Pages(api)


@pytest.mark.parametrize(("path", "words"), LISTS.items())
async def test_a_search_leads_to_an_address_without_its_words_that_can_be_reloaded(
    pages: Pages, school: SchoolIds, path: str, words: str
) -> None:
    fields = {"school": str(school.school_id), "words": f" {words} ", "from": ""}
    found = await pages.send(f"/lists?page={path}", fields, "admin")
    address = found.headers["Location"]
    assert (found.status_code, urlsplit(address).path) == (303, path)
    query = parse_qs(urlsplit(address).query, keep_blank_values=True)
    assert query.keys() == {"school", "from", "search"}
    assert words.split(maxsplit=1)[0] not in address
    for _ in range(2):
        page = await pages.open(address, "admin")
        assert f'name="words" value="{words}"' in page.text


async def test_a_search_finds_the_people_that_match(pages: Pages, school: SchoolIds) -> None:
    fields = {"school": str(school.school_id), "words": "teacher", "role": "teacher", "shown": ""}
    address = (await pages.send("/lists?page=/admin/people", fields, "admin")).headers["Location"]
    found = visible_text(await pages.open(address, "admin"))
    assert f"teacher@class{school.class_id}.example" in found
    assert f"viewer@school{school.school_id}.example" not in found
    fields["words"] = ""
    everybody = (await pages.send("/lists?page=/admin/people", fields, "admin")).headers["Location"]
    assert "search" not in everybody


async def test_the_words_of_another_user_and_a_changed_address_search_for_nothing(pages: Pages) -> None:
    address = (await pages.send(f"/lists?page={PATH}", {"words": "given"}, "admin")).headers["Location"]
    for wrong, role in ((address, "office"), (f"{address[:-8]}AAAAAAAA", "admin"), (f"{PATH}?search=x", "admin")):
        page = await pages.open(wrong, role)
        assert (page.status_code, 'name="words" value=""' in page.text) == (200, True)


async def test_a_search_leads_to_no_other_site(pages: Pages) -> None:
    for page in ("https://evil.example/", "//evil.example/people", "/\\evil.example"):
        answer = await pages.send(f"/lists?page={page}", {"words": "given"}, "admin")
        assert answer.headers["Location"].startswith("/?")


async def test_no_page_sends_the_words_of_a_search_in_an_address(pages: Pages, school: SchoolIds, share: int) -> None:
    """An admin has every list. Of the pages of others, one of `share` is opened."""
    every = sorted(set(addresses(school, record=1)))
    sent = {
        (address, action)
        for role, found_by_role in (("admin", every), ("office", every[::share]), ("teacher", every[1::share]))
        for address in found_by_role
        for found in [SENT_BY_GET.finditer((await pages.open(address, role)).text)]
        for action, form in ((each[1], each[0]) for each in found)
        if 'type="search"' in form
    }
    assert sent == set()
