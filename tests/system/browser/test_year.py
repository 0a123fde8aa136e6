"""Reports of the school year in a browser."""

from __future__ import annotations

import re
from collections.abc import Generator
from datetime import date, timedelta

import pytest
from playwright.sync_api import APIRequestContext, Browser, expect

from tests.support.servers.processes import wait_until
from tests.system.browser.browsing import PHONE, Browsing, assert_accessible, assert_fits
from tests.system.browser.running_system import RunningSystem

FIRST = date(2024, 9, 2)
DAYS = [FIRST + timedelta(days=number) for number in range(19) if number % 7 < 5]
PERIOD = f"from={DAYS[0]}&to={DAYS[-1]}"
VIEWER = "viewer@school.example"
BOTH_LISTS = ("/year/chronic", "/year/in-a-row")


@pytest.fixture(scope="module")
def taken(system: RunningSystem, chromium: Browser) -> Generator[list[int]]:
    """Records three weeks of class 123: the first student absent on each of the last five days, the second one late
    once and excused once. Returns the ids of both.
    """
    context = chromium.new_context(base_url=system.url)
    yield _take(system, context.request)
    context.close()


def _take(system: RunningSystem, api: APIRequestContext) -> list[int]:
    form: dict[str, str | float | bool] = {
        "username": "office@school.example",
        "password": system.passwords["office@school.example"],
    }
    token = api.post("/auth/token", form=form).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    roster = api.get(f"/classes/123/roster?date={FIRST}", headers=headers).json()["items"]
    first, second = roster[0]["studentId"], roster[1]["studentId"]
    for day in DAYS:
        marks = [{"studentId": first, "status": "absent"}] if day >= DAYS[-5] else []
        if day == DAYS[1]:
            marks = [{"studentId": second, "status": "late", "note": "the bus", "arrivedAt": "08:12"}]
        elif day == DAYS[3]:
            marks = [{"studentId": second, "status": "excused", "note": "at the dentist's"}]
        asked = {"classId": 123, "sessionId": 456, "learningDate": str(day), "isSelectedAll": True, "marks": marks}
        assert api.post("/attendances/create-batch", data=asked, headers=headers).ok
    _until_counted(api, headers, 30 * len(DAYS))
    return [first, second]


def _until_counted(api: APIRequestContext, headers: dict[str, str], sessions: int) -> None:
    asked = f"/reports/rates?schoolId=1&by=school&{PERIOD}"

    def are_counted() -> bool:
        items = api.get(asked, headers=headers).json()["items"]
        return bool(items) and items[0]["sessions"] == sessions

    wait_until(are_counted, 60, asked)


def test_reports_lead_from_the_school_to_a_class_to_a_student(browsing: Browsing, taken: list[int]) -> None:
    page = browsing.visitor(VIEWER)
    page.goto(f"/year?{PERIOD}")
    # The picture is first, the rules are folded below it.
    rule = page.get_by_text("A session counts for each student with a mark").first
    expect(rule).to_be_hidden()
    page.get_by_text("How this is counted").click()
    expect(rule).to_be_visible()
    expect(page.locator("main section").first).to_contain_text("Day by day")
    heat = page.get_by_role("img", name="Absence on each day")
    expect(heat.locator(".cell:not(.nothing)")).to_have_count(len(DAYS))
    expect(heat.locator(".cell title").first).to_have_text("Mon, Sep 2, 2024: 100% attended, 0 absent")
    page.get_by_text("Show as a table").click()
    expect(page.get_by_role("row", name="Fri, Sep 20, 2024")).to_contain_text("30")
    assert_accessible(page)
    assert_fits(page)

    page.get_by_role("link", name="Class 123").click()
    row = page.get_by_role("table").filter(has_text="Student").get_by_role("row").nth(1)
    expect(row).to_contain_text("66.7%")
    expect(row).to_contain_text("chronically absent")
    assert_accessible(page)

    page.goto(f"/year/students/{taken[1]}?{PERIOD}")
    expect(page.get_by_text("Not chronically absent: 1 day of 15 was missed.")).to_be_visible()
    expect(page.get_by_role("row", name="Thu, Sep 5, 2024")).to_contain_text("at the dentist's")
    expect(page.get_by_role("row", name="Tue, Sep 3, 2024")).to_contain_text("8:12")
    expect(page.locator(".cell.late title")).to_have_text("Tue, Sep 3, 2024: late")
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    assert_accessible(page)
    page.emulate_media(media="print")
    expect(page.get_by_label("From")).to_be_hidden()


@pytest.mark.long
def test_lists_show_students_beside_the_rule_that_selects_them(browsing: Browsing, taken: list[int]) -> None:
    page = browsing.visitor(VIEWER)
    for path in BOTH_LISTS:
        page.goto(f"{path}?{PERIOD}")
        expect(page.locator("tbody tr")).to_have_count(1)
        expect(page.locator(f"tbody a[href*='/year/students/{taken[0]}?']")).to_be_visible()
        assert_accessible(page)
    page.goto(f"/year/unexplained?{PERIOD}")
    expect(page.locator(".absent-days > li")).to_have_count(5)
    assert_accessible(page)

    page.goto(f"/year/chronic?{PERIOD}")
    page.get_by_label("Days missed (%)").fill("50")
    page.get_by_role("button", name="Show").click()
    page.get_by_text("How this is counted").click()
    expect(page.get_by_text("on at least 50% of the days")).to_be_visible()
    expect(page.get_by_text("Nobody is chronically absent")).to_be_visible()


@pytest.mark.long
def test_each_list_is_available_as_a_file(browsing: Browsing, taken: list[int]) -> None:
    page = browsing.visitor(VIEWER)
    for path, head in (
        ("/year?by=class", "sessions,attended,absent"),
        ("/year/classes/123?by=student", "sessions,attended,absent"),
        (f"/year/students/{taken[0]}?by=day", "id,batchId,classId"),
        ("/year/chronic?percent=5", "sessions,attended,absent"),
        ("/year/unexplained?grade=", "date,studentId,name"),
        ("/year/in-a-row?leastDays=2", "studentId,name,days"),
    ):
        answer = page.request.get(f"{path}&{PERIOD}&format=csv")
        assert answer.headers["content-type"].startswith("text/csv"), path
        assert answer.text().startswith(f"\ufeff{head}"), path
        workbook = page.request.get(f"{path}&{PERIOD}&format=xlsx")
        assert workbook.body().startswith(b"PK"), path


def test_reversed_days_are_reported_beside_the_form(browsing: Browsing, taken: list[int]) -> None:
    page = browsing.visitor(VIEWER)
    page.goto("/year?from=2024-09-20&to=2024-09-02")
    expect(page.get_by_role("alert")).to_contain_text("before the first")
    expect(page.get_by_label("From")).to_have_value("2024-09-20")
    assert_accessible(page)


@pytest.mark.long
def test_each_role_sees_the_reports_that_it_may_see(browsing: Browsing, taken: list[int]) -> None:
    operator = browsing.visitor("operator@school.example").request
    assert operator.get("/year").status == 403
    stranger = browsing.visitor("teacher@contoso.example").request
    for path in ("/year?school=1", "/year/classes/123", f"/year/students/{taken[0]}"):
        assert stranger.get(path).status == 404, path
    assert stranger.get("/year?from=yesterday").status == 422
    admin = browsing.visitor("admin@school.example")
    admin.goto("/year")
    admin.get_by_label("School").select_option("Contoso High School")
    admin.get_by_role("button", name="Show").click()
    expect(admin.get_by_text("Contoso High School", exact=True).first).to_be_visible()


def test_a_phone_shows_the_newest_weeks_first(browsing: Browsing, taken: list[int]) -> None:
    page = browsing.visitor(VIEWER, **PHONE)
    page.goto(f"/year?from=2023-10-01&to={DAYS[-1]}")
    newest = page.locator(".heat-scroll .cell:not(.nothing)").last
    expect(newest).to_be_in_viewport()
    expect(page.locator(".heat-scroll .cell").first).not_to_be_in_viewport()
    expect(page.locator(".heat-weekdays")).to_be_in_viewport()


def test_bars_show_absence_on_a_scale_to_the_highest(browsing: Browsing, taken: list[int]) -> None:
    page = browsing.visitor(VIEWER)
    page.goto(f"/year/classes/123?{PERIOD}")
    expect(page.locator(".bar-scale")).to_have_text(re.compile("Absence\\s*50%"))
    widths = [float(each.get_attribute("width") or 0) for each in page.locator("tbody .bar .bar-absent").all()]
    assert widths[0] == pytest.approx(100 * 5 / 15 / 0.5)
    assert widths[-1] == 0


@pytest.mark.parametrize("options", [{"color_scheme": "dark"}, PHONE], ids=["dark", "phone"])
def test_the_report_pages_are_accessible_and_fit_the_window(
    browsing: Browsing, taken: list[int], options: dict[str, object], share: int
) -> None:
    page = browsing.visitor("teacher@school.example", **options)
    # A share has the first and the last. Those between are in the test of the way from the school to a student.
    paths = ("/year/chronic", "/year", "/year/classes/123", f"/year/students/{taken[0]}", "/year/in-a-row")
    for path in (*paths, "/year/unexplained")[::share]:
        page.goto(f"{path}?{PERIOD}")
        assert_accessible(page)
        assert_fits(page)
