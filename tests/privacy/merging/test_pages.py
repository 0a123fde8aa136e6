"""`/admin/students/merge`, requested as a browser requests it."""

from __future__ import annotations

from http import HTTPStatus

from adsum.accounts.access import Role
from adsum.wiring import Adsum
from tests.support.api import opened_api
from tests.support.pages import Pages, visible_text
from tests.support.schools import make_school

PATH = "/admin/students/merge"


async def test_the_page_after_a_merge_says_so_and_shows_no_form(adsum: Adsum) -> None:
    async with adsum.database.transaction() as connection:
        school = await make_school(connection, students=2)
    keep, remove = school.student_ids

    async with opened_api(adsum, school, [Role.OFFICE]) as api:
        pages = Pages(api)
        sent = await pages.send(PATH, {"keep": keep, "remove": remove, "prefer": "keep"})
        after = await pages.open(sent.headers["location"])
        without_merge = await pages.open(f"{PATH}?keep={keep}")

    assert sent.status_code == HTTPStatus.SEE_OTHER
    assert "The two records were merged." in visible_text(after)
    assert "Records that were merged into this student" in visible_text(after)
    assert 'name="keep"' not in after.text
    assert "The two records were merged." not in visible_text(without_merge)
