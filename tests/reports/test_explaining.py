"""Explaining absences on the pages: in the list, on the overview and on the page of a student."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from http import HTTPStatus

import httpx2
import pytest
from sqlalchemy import update

from adsum.reports.explaining import address_after
from adsum.roster.tables import students
from adsum.wiring import Adsum
from tests.absences.conftest import Office
from tests.support.api import DAY, opened_api
from tests.support.installation import RunWorker
from tests.support.pages import Pages, visible_text
from tests.support.schools import make_school

LIST = "/year/unexplained"


@pytest.fixture
async def office(adsum: Adsum, worker: RunWorker) -> AsyncGenerator[Office]:
    """A school in which the first two of three students are absent on a day."""
    async with adsum.database.transaction() as connection:
        school = await make_school(connection, students=3)
    async with opened_api(adsum, school) as api:
        office = Office(api, adsum, worker)
        await office.take(unselectedStudentIds=list(school.student_ids[:2]))
        yield office


@pytest.fixture
def pages(office: Office) -> Pages:
    return Pages(office.api)


def row(page: httpx2.Response, student: int) -> str:
    """The row of a student in the list."""
    _, _, rest = page.text.partition(f'<li id="absent-{student}-{DAY}"')
    return rest.partition("</li>")[0]


def form(office: Office, *students: int, **fields: object) -> dict[str, object]:
    absences = [f"{student}:{DAY}" for student in students]
    chosen = {"school": office.school.school_id, "absence": absences, "status": "excused", "reason": "flu"}
    return chosen | {"back": LIST} | fields


async def test_an_absence_is_explained_in_its_row_and_the_explanation_is_undone_there(
    office: Office, pages: Pages
) -> None:
    first, second, _ = office.school.student_ids
    before = await pages.open(LIST)
    assert "Absent all day (1 of 1)" in row(before, first)

    sent = await pages.send(f"{LIST}/explain", form(office, first, explained=f"{second}:{DAY}"))
    assert sent.headers["location"].endswith(f"&at={first}:{DAY}#absent-{first}-{DAY}")
    explained = await pages.open(sent.headers["location"])
    assert "autofocus>Undo" in row(explained, first)
    assert "<bdi>flu</bdi>" in row(explained, first)
    assert "Explain" in row(explained, second)
    assert (await office.record(first))["status"] == "excused"

    undo = {"school": office.school.school_id, "absence": [f"{first}:{DAY}"], "back": sent.headers["location"]}
    undone = await pages.open((await pages.send(f"{LIST}/undo", undo)).headers["location"])
    assert "summary autofocus" in row(undone, first)
    assert (await office.record(first))["status"] == "absent"


async def test_the_students_of_a_day_are_listed_by_family_name(office: Office, pages: Pages) -> None:
    first, second, _ = office.school.student_ids
    async with office.adsum.database.transaction() as connection:
        for student, family in ((first, "Zuse"), (second, "Äbel")):
            await connection.execute(update(students).where(students.c.id == student).values(family_name=family))
    listed = (await pages.open(LIST)).text
    assert 0 < listed.index(f"absent-{second}-{DAY}") < listed.index(f"absent-{first}-{DAY}")
    overview = (await pages.open(f"/overview?date={DAY}")).text
    assert 0 < overview.index(f"absent-{second}-{DAY}") < overview.index(f"absent-{first}-{DAY}")
    for student in (first, second):
        call = {"school": office.school.school_id, "date": DAY, "student": student, "result": "reached"}
        await pages.send("/calls", call | {"explain_as": "excused"})
    called = (await pages.open(f"/calls?date={DAY}")).text
    assert 0 < called.index(f'id="call-{second}"') < called.index(f'id="call-{first}"')


async def test_several_absences_are_explained_with_one_reason_and_undone_together(office: Office, pages: Pages) -> None:
    first, second, third = office.school.student_ids
    page = await pages.open(LIST, extent="all-day")
    assert "One reason for all." in visible_text(page)
    sent = await pages.send(f"{LIST}/explain", form(office, first, second, third))
    explained = await pages.open(sent.headers["location"])
    assert "2 absences are explained. Undo all" in visible_text(explained)
    assert "Another user has explained this absence" in row(explained, third)
    assert [(await office.record(each))["status"] for each in (first, second)] == ["excused", "excused"]
    assert "No unexplained absence matches these filters." in visible_text(await pages.open(LIST, extent="part"))
    assert (await pages.open(LIST, extent="half")).status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("path", [LIST, "/overview", "/year/students/{student}"])
async def test_a_refused_explanation_keeps_what_was_typed(office: Office, pages: Pages, path: str) -> None:
    first, second, _ = office.school.student_ids
    address = f"{path.format(student=first)}/explain"
    refused = await pages.send(address, form(office, first, reason="x" * 501, date=DAY))
    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "The reason is too long." in row(refused, first)
    assert "x" * 501 in row(refused, first)
    nobody = await pages.send(address, form(office, date=DAY))
    assert nobody.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert (await office.record(second))["status"] == "absent"


async def test_all_absences_of_a_student_are_explained_on_their_page(office: Office, pages: Pages) -> None:
    first, other, _ = office.school.student_ids
    path = f"/year/students/{first}"
    await office.take(learningDate="2024-12-26", unselectedStudentIds=[first, other])
    page = await pages.open(path)
    assert page.text.count('form="explain-several"') == 2
    assert f"absent-{other}-" not in page.text
    both = form(office, back=path) | {"absence": [f"{first}:{DAY}", f"{first}:2024-12-26"]}
    sent = await pages.send(f"{path}/explain", both)
    assert "2 absences are explained." in visible_text(await pages.open(sent.headers["location"]))
    records = (await office.api.get("/attendances", studentId=first)).json()["items"]
    assert {record["status"] for record in records} == {"excused"}
    assert "7b" in visible_text(page)


async def test_only_the_office_explains(office: Office, pages: Pages) -> None:
    first, *_ = office.school.student_ids
    for role in ("viewer", "teacher"):
        page = await pages.open(LIST, role, explained=f"{first}:{DAY}")
        assert "Absent all day (1 of 1)" in row(page, first)
        assert '<form method="post" action="/year' not in page.text
        for path in (LIST, f"/year/students/{first}"):
            refused = await pages.send(f"{path}/explain", form(office, first), role)
            assert refused.status_code == HTTPStatus.FORBIDDEN
        refused = await pages.send(f"{LIST}/undo", form(office, first), role)
        assert refused.status_code == HTTPStatus.FORBIDDEN
    assert (await pages.open(LIST, explained="1:2024-02-31")).status_code == HTTPStatus.NOT_FOUND
    assert (await pages.open(LIST, explained="x:2024-02-03")).status_code == HTTPStatus.NOT_FOUND


def test_the_address_after_an_explanation_keeps_its_page_and_earlier_explanations() -> None:
    back = f"{LIST}?from=2024-01-01&explained=1:2024-01-02&at=1:2024-01-02#there"
    assert address_after(back, ["2:2024-01-03"]) == (
        f"{LIST}?from=2024-01-01&explained=2:2024-01-03&explained=1:2024-01-02&at=2:2024-01-03#absent-2-2024-01-03"
    )
    assert address_after("https://example.com/x", ["1:2024-01-02", "2:2024-01-02"]).endswith("&at=all#explained")
    assert address_after("https://example.com/x", ["1:2024-01-02"]).startswith("/?")
