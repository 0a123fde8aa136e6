"""The office alone reads the contacts of a student: over HTTP, on the page of the student and on the command line."""

from __future__ import annotations

import json
from http import HTTPStatus

import pytest

from adsum.accounts.access import Permission, Role
from adsum.platform.errors import Forbidden, NotFound
from adsum.wiring import Adsum
from tests.support.api import opened_api
from tests.support.commands import Commands
from tests.support.pages import Pages, visible_text
from tests.support.schools import SchoolIds, add_school, caller, make_bare_school, make_contact


async def with_contacts(adsum: Adsum, school: SchoolIds) -> None:
    """Gives the first student two contacts."""
    async with adsum.database.transaction() as connection:
        first = school.student_ids[0]
        await make_contact(connection, school.school_id, first, email="maria@family.example")
        await make_contact(
            connection, school.school_id, first, "guardian-1", role="guardian", given_name="<Otto>", phone="1, or 2"
        )


async def test_the_office_reads_the_contacts_of_a_student_and_nobody_else_does(adsum: Adsum, school: SchoolIds) -> None:
    await with_contacts(adsum, school)
    first, second = school.student_ids[:2]
    async with opened_api(adsum, school) as api:
        await api.sign_in(Role.ADMIN, None)
        for role in ("office", "admin"):
            items = (await api.get(f"/students/{first}/contacts", role)).json()["items"]
            assert [(item["sourcedId"], item["role"], item["phone"]) for item in items] == [
                ("guardian-1", "guardian", "1, or 2"),
                ("parent-1", "parent", "030 1234"),
            ]
            assert items[1].keys() == {"sourcedId", "role", "givenName", "familyName", "phone", "sms", "email"}
        assert (await api.get(f"/students/{second}/contacts")).json() == {"items": []}
        for role in ("teacher", "viewer", "operator"):
            assert (await api.get(f"/students/{first}/contacts", role)).status_code == HTTPStatus.FORBIDDEN
        unknown = await api.get("/students/999999/contacts")
        assert (unknown.status_code, unknown.json()["code"]) == (HTTPStatus.NOT_FOUND, "not_found")


async def test_a_school_sees_the_contacts_that_its_own_roster_names(adsum: Adsum, school: SchoolIds) -> None:
    await with_contacts(adsum, school)
    first = school.student_ids[0]
    async with adsum.database.transaction() as connection:
        other, third = await make_bare_school(connection), await make_bare_school(connection)
        await add_school(connection, first, other, active=True)
        await make_contact(connection, other, first, phone="040 9")
    read = adsum.student_contacts.of_student

    assert [each.phone for each in await read(first, caller(Role.OFFICE, other))] == ["040 9"]
    assert [each.phone for each in await read(first, caller(Role.ADMIN))] == ["1, or 2", "030 1234", "040 9"]
    with pytest.raises(NotFound):
        await read(first, caller(Role.OFFICE, third))
    for lacking in (Permission.ATTENDANCE_OVERRULE, Permission.ROSTER_READ):
        office = caller(Role.OFFICE, school.school_id)
        key = type(office)(Role.KEY, office.permissions - {lacking}, schools=office.schools)
        with pytest.raises(Forbidden):
            await read(first, key)


async def test_the_page_of_a_student_shows_contacts_with_links_to_the_office(adsum: Adsum, school: SchoolIds) -> None:
    await with_contacts(adsum, school)
    first, second = school.student_ids[:2]
    async with opened_api(adsum, school) as api:
        pages = Pages(api)
        page = await pages.open(f"/year/students/{first}")
        assert "Contacts <Otto> Byron Guardian 1, or 2 Maria Byron Parent 030 1234" in visible_text(page)
        assert '<a href="tel:0301234">030 1234</a>' in page.text
        assert 'href="mailto:maria@family.example"' in page.text
        assert "<Otto>" not in page.text
        german = visible_text(await pages.open(f"/year/students/{first}", language="de"))
        assert "Kontakte <Otto> Byron Sorgeberechtigte Person 1, or 2 Maria Byron Elternteil" in german
        assert "Maria" not in (await pages.open(f"/year/students/{first}", "teacher")).text
        assert "Contacts" not in visible_text(await pages.open(f"/year/students/{second}"))


def test_the_command_prints_the_contacts_of_a_student(demo: Commands) -> None:
    nothing = demo.run("student", "contacts", "1")
    assert (nothing.returncode, nothing.stdout, nothing.stderr) == (0, "", "adsum: no contacts in the roster\n")
    assert json.loads(demo.output("student", "contacts", "1", "--json")) == []
    unknown = demo.run("student", "contacts", "999999")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "there is no student 999999" in unknown.stderr
