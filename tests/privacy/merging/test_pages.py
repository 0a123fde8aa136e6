"""`/admin/students/merge`, requested as a browser requests it."""

from __future__ import annotations

from http import HTTPStatus

from adsum.accounts.access import Role
from adsum.wiring import Adsum
from tests.support.api import opened_api
from tests.support.pages import Pages, visible_text
from tests.support.schools import make_school

PATH = "/admin/students/merge"
CONFIRMED = {"allow_different_names": "true"}


async def test_the_page_after_a_merge_says_so_and_shows_no_form(adsum: Adsum) -> None:
    async with adsum.database.transaction() as connection:
        school = await make_school(connection, students=2)
    keep, remove = school.student_ids

    async with opened_api(adsum, school, [Role.OFFICE]) as api:
        pages = Pages(api)
        sent = await pages.send(PATH, {"keep": keep, "remove": remove, "prefer": "keep"} | CONFIRMED)
        after = await pages.open(sent.headers["location"])
        without_merge = await pages.open(f"{PATH}?keep={keep}")

    assert sent.status_code == HTTPStatus.SEE_OTHER
    assert "The two records were merged." in visible_text(after)
    assert "Records that were merged into this student" in visible_text(after)
    assert 'name="keep"' not in after.text
    assert "The two records were merged." not in visible_text(without_merge)


async def test_the_page_warns_of_different_names_and_refuses_choices_that_name_no_record(adsum: Adsum) -> None:
    async with adsum.database.transaction() as connection:
        school = await make_school(connection, students=2)
    keep, remove = school.student_ids
    pair = {"keep": keep, "remove": remove}
    wrong_fields = [
        {"prefer": "both"},
        {"on-2024-12-25-1": "both"},
        {"on-2024-12-45-1": "keep"},
        {"on-2024-12-25-x": "keep"},
    ]

    async with opened_api(adsum, school, [Role.OFFICE]) as api:
        pages = Pages(api)
        shown = await pages.open(f"{PATH}?keep={keep}&remove={remove}")
        unconfirmed = await pages.send(PATH, pair)
        wrong = [await pages.send(PATH, pair | CONFIRMED | fields) for fields in wrong_fields]
        nothing = await pages.send(PATH, pair | CONFIRMED | {"on-2024-12-25-1": "keep"})

    assert "The names differ: check that both records belong to one student." in visible_text(shown)
    assert unconfirmed.status_code == HTTPStatus.CONFLICT
    assert "confirm that both records belong to one student" in visible_text(unconfirmed)
    for page in wrong:
        assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert "A choice names no record: choose again." in visible_text(page)
    assert nothing.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "What is merged" in visible_text(nothing)


async def test_the_page_after_a_repeated_merge_says_which_choices_were_not_applied(adsum: Adsum) -> None:
    async with adsum.database.transaction() as connection:
        school = await make_school(connection, students=2)
    keep, remove = school.student_ids
    pair = {"keep": keep, "remove": remove}

    async with opened_api(adsum, school, [Role.OFFICE]) as api:
        pages = Pages(api)
        first = await pages.send(PATH, pair | CONFIRMED)
        again = await pages.send(PATH, pair)
        other = await pages.send(PATH, pair | {"on-2024-12-25-1": "keep"})
        said = visible_text(await pages.open(other.headers["location"]))

    assert [each.headers["location"].rpartition("&")[2] for each in (first, again, other)] == [
        "merged=true",
        "warned=repeated",
        "warned=ignored",
    ]
    assert "Your choices were not applied." in said
