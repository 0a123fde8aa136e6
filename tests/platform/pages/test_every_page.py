"""Every page as every role, with no school, with one and with several. In the daily form, an admin opens every page of
one school, and others open a third of the pages, each role others.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from http import HTTPStatus
from zlib import crc32

import httpx2
import pytest
from fastapi.routing import APIRoute

from adsum.accounts.access import Permission, Role, system_caller
from adsum.app import PAGES
from adsum.events.webhooks.service import NewWebhook
from adsum.wiring import Adsum
from tests.platform.pages.untranslated import untranslated
from tests.support.api import DAY, PEOPLE, opened_api
from tests.support.pages import Pages
from tests.support.runs import inserts, make_run
from tests.support.schools import SchoolIds, make_school

SCHOOL_ADMIN = "school-admin"
NOTHING = SchoolIds(1, 1, 1, [1], 1)
POSTED = re.compile(r"<form\b[^>]*\bmethod=\"?post\b[^>]*>(.{0,80})", re.IGNORECASE | re.DOTALL)
# A page without content, and a request for a part of a page, which a browser never sends.
ANSWERS = {HTTPStatus.OK, HTTPStatus.SEE_OTHER, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}


def page_paths() -> Iterator[str]:
    for router in PAGES:
        for route in router.routes:
            if isinstance(route, APIRoute) and "GET" in (route.methods or ()) and not route.path.startswith("/static"):
                yield route.path


def addresses(school: SchoolIds, *, record: int) -> Iterator[str]:
    """Each page with ids of the school."""
    values = {
        "class_id": school.class_id,
        "session_id": school.session_id,
        "provider": "unknown",
        "day": DAY,
        "batchId": f"class-{school.class_id}-session-{school.session_id}-date-{DAY}",
    }
    for path in page_paths():
        kinds = {
            "/record/{id}": record,
            "/year/classes/{id}": school.class_id,
            "/year/students/{id}": school.student_ids[0],
        }
        yield path.format(**values, id=kinds.get(path, 1))


def chosen(roles: Sequence[str], paths: Sequence[str], schools: int, share: int) -> Iterator[tuple[str, str]]:
    """Roles with addresses."""
    for i, role in enumerate(roles):
        for j, path in enumerate(paths):
            if (i + j) % share == 0 or (role == "admin" and schools == 1):
                yield role, path


def with_schools(address: str, schools: list[SchoolIds], role: str) -> Iterator[str]:
    """A page without a school in its address, and with some: an admin of all schools and one of the first, with each
    school and with an unknown one; the other roles, each with another one of these.
    """
    yield address
    school_ids = [*(each.school_id for each in schools), 4711]
    if role not in {"admin", SCHOOL_ADMIN}:
        school_ids = [school_ids[crc32(f"{role} {address}".encode()) % len(school_ids)]]
    yield from (f"{address}?school={school_id}" for school_id in school_ids)


@pytest.fixture(params=[0, 1, 2])
async def schools(request: pytest.FixtureRequest, adsum: Adsum) -> list[SchoolIds]:
    made: list[SchoolIds] = []
    async with adsum.database.transaction() as connection:
        for _ in range(request.param):
            made.append(await make_school(connection))
            await make_run(connection, made[-1], inserts(made[-1].student_ids))
    return made


@pytest.fixture
async def pages(adsum: Adsum, schools: list[SchoolIds]) -> AsyncGenerator[tuple[Pages, tuple[str, ...]]]:
    """All users of the first school, one of them an admin, and an admin of all schools; else only the latter."""
    people = PEOPLE if schools else ()
    await adsum.api_keys.create("sync", [Permission.ROSTER_READ])  # its id is 1
    await adsum.webhooks.create(NewWebhook("https://93.184.216.34/hooks"), system_caller())
    async with opened_api(adsum, schools[0] if schools else NOTHING, people) as api:
        if schools:
            await api.sign_in(Role.ADMIN, schools[0].school_id)
            api.tokens[SCHOOL_ADMIN] = api.tokens.pop("admin")
        await api.sign_in(Role.ADMIN, None)
        yield Pages(api), tuple(api.tokens)


async def test_every_page_is_shown_to_every_role_in_their_language_with_forms_for_them_alone(
    pages: tuple[Pages, tuple[str, ...]], schools: list[SchoolIds], share: int
) -> None:
    opened, roles = pages
    found = sorted(set(addresses(schools[0] if schools else NOTHING, record=1)))
    if not schools:
        share = 1  # few pages show anything
    answers = {
        (role, address): await opened.open(address, role, "de")
        for role, each in chosen(roles, found, len(schools), share)
        for address in with_schools(each, schools, role)
    }
    assert {place: each.status_code for place, each in answers.items() if each.status_code not in ANSWERS} == {}
    # All but redirects, such as those of the second step and to providers, and pages of things that these schools lack.
    if share == 1 or len(schools) == 1:
        different = {
            address.partition("?")[0] for (_, address), each in answers.items() if each.status_code == HTTPStatus.OK
        }
        assert len(different) >= (len(list(page_paths())) - 10 if schools else 8)
    read = {place: each.text for place, each in answers.items() if _is_page(each)}
    assert {place: texts for place, page in read.items() if (texts := untranslated(page))} == {}
    shown = {place: page for place, page in read.items() if answers[place].status_code == HTTPStatus.OK}
    for role in roles:
        assert await _forms_of_others(opened, role, shown) == []
    assert len([form for page in shown.values() for form in POSTED.findall(page)]) > (100 if schools else 15)


def _is_page(answer: httpx2.Response) -> bool:
    return answer.headers.get("Content-Type", "").startswith("text/html")


async def _forms_of_others(pages: Pages, role: str, shown: Mapping[tuple[str, str], str]) -> list[tuple[str, str]]:
    """The addresses of pages with a form that does not name its visitor first, and how these forms begin."""
    field = f'<input type="hidden" name="visitor" value="{await pages.visitor_of(role)}">'
    return [
        (address, form)
        for (of, address), page in shown.items()
        if of == role and not address.startswith("/sign-in")  # made for nobody
        for form in POSTED.findall(page)
        if not form.startswith(field)
    ]


async def test_an_admin_of_several_schools_chooses_the_school_of_the_on_site_list(
    pages: tuple[Pages, tuple[str, ...]], schools: list[SchoolIds]
) -> None:
    page = await pages[0].open(f"/house?school={schools[-1].school_id}" if schools else "/house", "admin")
    assert page.status_code == (HTTPStatus.OK if schools else HTTPStatus.SEE_OTHER)
    assert ('<select name="school">' in page.text) is (len(schools) > 1)


async def test_without_a_school_the_start_leads_to_the_import_of_one(
    pages: tuple[Pages, tuple[str, ...]], schools: list[SchoolIds]
) -> None:
    address = "/"
    while (page := await pages[0].open(address, "admin")).status_code == HTTPStatus.SEE_OTHER:
        address = page.headers["Location"]
    assert (page.status_code, address) == (HTTPStatus.OK, "/overview" if schools else "/admin")
    assert ('href="/admin/roster"' in page.text) is not bool(schools)


async def test_an_admin_of_a_school_sees_all_of_it_and_nothing_of_another(
    pages: tuple[Pages, tuple[str, ...]], schools: list[SchoolIds]
) -> None:
    opened, _ = pages
    for number, school in enumerate(schools):
        for path in ("/admin/people", "/admin/calendar", "/admin/statuses", "/admin/covers", "/overview", "/house"):
            status = (await opened.open(f"{path}?school={school.school_id}", SCHOOL_ADMIN)).status_code
            assert status == (HTTPStatus.NOT_FOUND if number else HTTPStatus.OK), path
