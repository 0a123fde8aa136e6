"""The office's pages: overview of a day, explaining absences in place, students on site, and correcting a record."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.servers.processes import wait_until
from tests.system.browser.browsing import PHONE, Browsing, assert_accessible, assert_fits
from tests.system.browser.conftest import PATIENCE_MS

OFFICE, TEACHER, VIEWER = "office@school.example", "teacher@school.example", "viewer@school.example"
# Days that only this file uses: all browser tests share one system.
OVERSEEN, CORRECTED, FOLLOWED, OF_STUDENT = "2025-03-04", "2025-03-11", "2025-03-18", "2025-03-25"


def marked(browsing: Browsing, day: str, **fields: object) -> int:
    """Marks class 123 as its teacher and waits until it is recorded. Returns the id of the first student's record."""
    api = browsing.requests(TEACHER)
    body = {"classId": 123, "sessionId": 456, "learningDate": day, **fields}
    sent = api.post("/attendances/create-batch", data=body, headers={"Origin": browsing.system.url})
    assert sent.ok, sent.text()
    status = sent.json()["statusUrl"]
    wait_until(lambda: api.get(status).json()["isCompleted"], PATIENCE_MS / 1000, status)
    listed = api.get(f"/attendances?classId=123&from={day}&to={day}").json()
    return int(listed["items"][0]["id"])


def click(page: Page, button: str, message: str) -> None:
    """Clicks a button and waits for the page's message."""
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("status")).to_contain_text(message)


def test_an_absence_is_explained_in_place_and_a_viewer_only_reads(browsing: Browsing) -> None:
    marked(browsing, OVERSEEN, isSelectedAll=False, selectedStudentIds=[1, 2, 3], unselectedStudentIds=[4, 5])
    office, viewer = browsing.visitor(OFFICE), browsing.visitor(VIEWER)
    for page in (office, viewer):
        page.goto(f"/overview?date={OVERSEEN}")
        expect(page.get_by_text("5 of 30")).to_be_visible()
        expect(page.get_by_text("25 not marked")).to_be_visible()
        assert_accessible(page)
    expect(viewer.get_by_text("Dmitri")).to_be_visible()
    expect(viewer.locator("main").get_by_role("button")).to_have_text(["Show"])
    expect(viewer.get_by_role("link", name="Take the register")).to_have_count(0)
    expect(office.get_by_role("link", name="Take the register")).to_have_attribute("href", f"/take/123/456/{OVERSEEN}")

    absent = office.locator(".absent-days > li").filter(has_text="Dmitri")
    expect(absent).to_contain_text("Absent all day (1 of 1)")
    absent.get_by_text("Explain", exact=False).first.click()
    absent.get_by_label("Reason").fill("flu, his father called")
    before = office.evaluate("scrollY")
    # A refresh that began before does not remove the absence.
    held: list[Route] = []
    office.route("**/overview/now*", lambda route: route.continue_() if held else held.append(route))
    while not held:
        office.wait_for_timeout(100)
    absent.get_by_role("button", name="Explain").click()
    expect(absent).to_contain_text("flu, his father called")
    held[0].continue_()
    expect(absent.get_by_role("button", name="Undo")).to_be_focused()
    assert abs(office.evaluate("scrollY") - before) < 60
    # The overview is refreshed every few seconds. The absence stays in its place.
    with office.expect_response(lambda answer: "/overview/now" in answer.url and "explained=" in answer.url):
        pass
    absent.get_by_role("button", name="Undo").click()
    expect(absent.get_by_text("Explain", exact=False).first).to_be_visible()
    assert_accessible(office)


@pytest.mark.parametrize("options", [{"color_scheme": "dark"}, PHONE], ids=["dark", "phone"])
def test_the_overview_pages_are_accessible_and_fit_the_window(browsing: Browsing, options: dict[str, object]) -> None:
    today = datetime.now(UTC).date().isoformat()
    record_id = marked(browsing, today, isSelectedAll=True, unselectedStudentIds=[6])
    page = browsing.visitor(OFFICE, **options)
    for path in ("/overview", "/house", f"/record/{record_id}"):
        page.goto(path)
        assert_accessible(page)
        assert_fits(page)


@pytest.mark.long
def test_students_on_site_are_listed_by_class_with_a_total(browsing: Browsing) -> None:
    marked(browsing, datetime.now(UTC).date().isoformat(), isSelectedAll=True, unselectedStudentIds=[6])
    page = browsing.visitor(VIEWER)
    page.goto("/overview")
    page.get_by_role("link", name="list by class").click()
    expect(page.get_by_role("heading", name=re.compile("Class 123"))).to_be_visible()
    names = page.locator("[aria-labelledby=on-site] .present li")
    expect(page.locator(".totals b").last).to_have_text(str(names.count()))
    expect(names.filter(has_text="Dmitri")).to_have_count(1)
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    names.filter(has_text="Dmitri").get_by_role("link").click()
    expect(page.get_by_role("heading", name=re.compile("Dmitri"))).to_be_visible()


def test_students_without_a_mark_are_unknown_and_come_first(browsing: Browsing) -> None:
    page = browsing.visitor("office@school.example", locale="de-DE")
    page.goto("/house?school=2")
    answer = page.request.get("/reports/in-the-house/unknown?schoolId=1&limit=200")
    assert answer.ok, answer.text()
    unknown = [item["studentId"] for item in answer.json()["items"]]
    page.goto("/house?school=1")
    expect(page.get_by_role("heading", level=2)).to_have_text(["Unbekannt", "Im Haus"])
    expect(page.locator(".totals b").first).to_have_text(str(len(unknown)))
    expect(page.locator("[aria-labelledby=unknown] .present li")).to_have_count(len(unknown))


@pytest.mark.long
def test_a_record_is_corrected_without_overwriting_the_correction_of_another_user(browsing: Browsing) -> None:
    record = f"/record/{marked(browsing, CORRECTED, isSelectedAll=True)}"
    office, teacher = browsing.visitor(OFFICE), browsing.visitor(TEACHER)
    office.goto(record)
    teacher.goto(record)

    teacher.get_by_label("Status").select_option("late")
    teacher.get_by_label("Arrived").fill("08:20")
    teacher.get_by_label("Reason for the change").fill("the bus")
    click(teacher, "Save", "Saved")
    expect(teacher.locator("ol.history > li").first).to_contain_text("the bus")

    office.get_by_label("Status").select_option("excused")
    office.get_by_label("Office's note").fill("call back")
    office.get_by_role("button", name="Save").click()
    expect(office.get_by_role("alert")).to_contain_text("Nothing was overwritten")
    expect(office.get_by_role("alert")).to_contain_text("the bus")
    expect(office.get_by_label("Office's note")).to_have_value("call back")
    assert_accessible(office)
    click(office, "Save again", "Saved")

    teacher.goto(record)
    expect(teacher.get_by_text("call back")).to_have_count(0)
    teacher.get_by_label("Status").select_option("present")
    click(teacher, "Save", "stored as disputed")

    office.goto(f"/overview?date={CORRECTED}")
    # Other tests leave disputed marks of their own.
    disputed = office.locator("li[id^=dispute]").filter(has=office.locator(f"a[href='{record}']"))
    disputed.get_by_role("button", name="Use the teacher's mark").click()
    expect(office.get_by_role("status")).to_contain_text("Decided")
    office.goto(record)
    office.get_by_text("Clear the mark").first.click()
    click(office, "Clear the mark", "cleared")
    expect(office.locator("ol.history > li")).to_have_count(5)


def test_the_overview_follows_the_day_and_keeps_what_is_being_typed(browsing: Browsing) -> None:
    marked(browsing, FOLLOWED, isSelectedAll=False, unselectedStudentIds=[8])
    office = browsing.visitor(OFFICE)
    office.goto(f"/overview?date={FOLLOWED}")
    expect(office.get_by_text("1 of 30")).to_be_visible()
    absent = office.locator(".absent-days > li").filter(has_text="Hana")
    absent.get_by_text("Explain", exact=False).first.click()
    absent.get_by_label("Reason").fill("the dentist")
    office.get_by_role("textbox", name="Day").focus()
    marked(browsing, FOLLOWED, isSelectedAll=False, unselectedStudentIds=[9])
    expect(office.get_by_text("2 of 30")).to_be_visible()
    expect(office.locator(".absent-days > li").filter(has_text="Ibrahim")).to_be_visible()
    expect(absent.get_by_label("Reason")).to_have_value("the dentist")
    absent.get_by_role("link", name="Class 123").click()
    expect(office.get_by_role("heading", name="Current mark")).to_be_visible()


@pytest.mark.long
def test_an_absence_is_corrected_from_the_page_of_the_student(browsing: Browsing) -> None:
    marked(browsing, OF_STUDENT, isSelectedAll=False, unselectedStudentIds=[10])
    page = browsing.visitor(TEACHER)
    page.goto(f"/year/students/10?from={OF_STUDENT}&to={OF_STUDENT}")
    page.get_by_role("link", name="Correct").click()
    dialog = page.get_by_role("dialog", name="Correct the record")
    assert_accessible(page)
    dialog.get_by_label("Status").select_option("late")
    click(page, "Save", "Saved")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Jun")
    expect(page.get_by_role("row", name="Class 123")).to_contain_text("Late")


@pytest.mark.long
def test_pages_without_permission_are_refused(browsing: Browsing) -> None:
    operator = browsing.visitor("operator@school.example")
    for path, status in (("/overview", 403), ("/house", 403), ("/record/1", 403)):
        answer = operator.goto(path)
        assert answer is not None
        assert answer.status == status
    viewer = browsing.visitor(VIEWER)
    answer = viewer.goto("/overview?school=2")
    assert answer is not None
    assert answer.status == 404
    form: dict[str, str | float | bool] = {
        "school": "1",
        "date": OVERSEEN,
        "absence": f"4:{OVERSEEN}",
        "status": "excused",
        "reason": "x",
    }
    refused = viewer.request.post("/overview/explain", form=form, headers={"Origin": browsing.system.url})
    assert refused.status == 403
