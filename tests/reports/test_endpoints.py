"""The endpoints of reports: pages, and files."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Any

import httpx2
import pytest

from adsum.platform.http.list_files import FileKind
from adsum.wiring import Adsum
from tests.support.api import DAY, Api, opened_api, violations
from tests.support.installation import RunWorker, adsum, ended, redis, settings, worker
from tests.support.pages import Pages
from tests.support.schools import make_school
from tests.support.workbook import rows_of

__all__ = ["adsum", "redis", "settings", "worker"]
PERIOD = {"from": "2024-12-01", "to": "2024-12-31"}


@pytest.fixture
async def api(adsum: Adsum, worker: RunWorker) -> AsyncGenerator[Api]:
    """A class of three, marked on Christmas Day; the last student is absent."""
    async with adsum.database.transaction() as connection:
        school = await make_school(connection)
    async with opened_api(adsum, school) as opened:
        created = await opened.create("teacher", learningDate=DAY, unselectedStudentIds=school.student_ids[2:])
        async with worker():
            await ended(adsum, created.json()["batchId"])
        yield opened


def query_of(api: Api, **query: Any) -> dict[str, Any]:
    return {"schoolId": api.school.school_id, **PERIOD} | query


async def test_each_report_carries_its_definition(api: Api) -> None:
    absent = api.school.student_ids[2]
    rates = (await api.get("/reports/rates", "teacher", **query_of(api, by="day"))).json()
    chronic = (await api.get("/reports/chronic-absence", **query_of(api, percent=50, leastDays=1))).json()
    streaks = (await api.get("/reports/absences-in-a-row", **query_of(api, leastDays=1))).json()
    unexplained = (await api.get("/reports/unexplained-absences", **query_of(api))).json()

    (day,) = rates["items"]
    assert (day["key"], day["sessions"], day["absent"], day["attendanceRate"]) == (DAY, 3, 1, 66.67)
    assert [item["key"] for item in chronic["items"]] == [absent]
    assert [(item["studentId"], item["days"], item["since"]) for item in streaks["items"]] == [(absent, 1, DAY)]
    assert [(item["date"], item["unexplained"]) for item in unexplained["items"]] == [(DAY, 1)]
    for report in (rates, chronic, streaks, unexplained):
        assert "Late counts as attended, excused as absent" in report["definition"]


async def test_the_record_of_a_student_has_every_day(api: Api) -> None:
    path = f"/reports/students/{api.school.student_ids[2]}"

    record = (await api.get(path, "teacher", **query_of(api))).json()

    assert (record["days"], record["daysAbsent"], record["isChronicallyAbsent"]) == (1, 1, False)
    assert [(day["date"], day["isAbsent"]) for day in record["calendar"]] == [(DAY, True)]
    assert (await api.get("/reports/students/999", **query_of(api))).status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("rates", {"by": "student"}),
        ("chronic-absence", {"percent": 1, "leastDays": 1}),
        ("absences-in-a-row", {"leastDays": 1}),
        ("unexplained-absences", {}),
    ],
)
async def test_a_report_as_a_file_is_logged(
    api: Api, path: str, query: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    page = (await api.get(f"/reports/{path}", **query_of(api, **query))).json()

    async def file(kind: str, **narrowed: str) -> httpx2.Response:
        headers = {"Accept": kind, "Authorization": f"Bearer {api.tokens['office']}"}
        return await api.client.get(f"/reports/{path}", params=query_of(api, **query, **narrowed), headers=headers)

    answer, book = await file("text/csv"), await file(FileKind.XLSX)
    await file("text/csv", grade="Ada Byron")

    assert answer.headers["content-disposition"] == f'attachment; filename="{path}.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == len(page["items"])
    expected = {name: "" if value is None else str(value) for name, value in page["items"][0].items()}
    assert rows[0] == expected
    assert book.headers["content-disposition"] == f'attachment; filename="{path}.xlsx"'
    header, *lines = rows_of(book.content)
    assert (list(header.values()), len(lines)) == (list(expected), len(rows))
    logged = [vars(each) for each in caplog.records if each.message == "list exported"]
    assert [(line["list"], line["form"]) for line in logged] == [(path, "csv"), (path, "xlsx"), (path, "csv")]
    assert {line["school_id"] for line in logged} == {str(api.school.school_id)}
    assert all(line["actor"].startswith("user-") and line["first_day"] == PERIOD["from"] for line in logged)
    assert "grade" in logged[2]["filters"]
    assert "Ada" not in str(logged)
    assert "sourcedId" in expected


async def test_each_wrong_parameter_of_a_report_is_a_violation(api: Api) -> None:
    wrong = await api.get("/reports/rates", **query_of(api, by="moon", to="2024-11-30", schoolId=0, percent=3))
    reversed_ = await api.get("/reports/rates", **query_of(api, by="day", to="2024-11-30"))

    assert violations(wrong) == {
        ("/query/by", "unknown_value"),
        ("/query/schoolId", "out_of_range"),
        ("/query/percent", "unknown_field"),
    }
    assert violations(reversed_) == {("/query/to", "days_reversed")}
    far = await api.get("/reports/rates", **query_of(api, by="day", **{"from": "9999-12-01", "to": "9999-12-31"}))
    assert violations(far) == {("/query/from", "date_too_far"), ("/query/to", "date_too_far")}


@pytest.mark.parametrize(("role", "status"), [("operator", 403), ("viewer", 200), ("nobody", 401)])
async def test_reports_are_for_roles_that_may_read_attendance(api: Api, role: str, status: int) -> None:
    assert (await api.get("/reports/rates", role, **query_of(api, by="day"))).status_code == status


async def test_the_address_reports_leads_to_the_pages_of_reports(api: Api) -> None:
    page = await Pages(api).open("/reports")
    assert (page.status_code, page.headers["location"]) == (HTTPStatus.SEE_OTHER, "/year")
