"""The admin pages in a browser: users, statuses, the calendar, the timetable."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.system.browser.browsing import PHONE, Browsing, assert_accessible, assert_fits, sign_in

ADMIN, OFFICE, TEACHER = "admin@school.example", "office@school.example", "teacher@school.example"
NEWCOMER = "newcomer@contoso.example"
PAGES = (
    "/admin",
    "/admin/people?school=2",
    "/admin/people/3",
    "/admin/covers",
    "/admin/covers?class=123",
    "/admin/statuses",
    "/admin/calendar?year=2030",
    "/admin/timetable?school=2",
    "/admin/timetable/123",
    "/admin/timetable/file",
    "/admin/marks?school=2",
    "/admin/roster",
    "/admin/keys",
    "/admin/webhooks",
    "/admin/audit?action=sign_ins&period=days&from=2024-01-01",
    "/admin/students/merge?keep=1&remove=2",
)


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"])
def test_every_admin_page_is_accessible_and_fits_the_window(
    browsing: Browsing, options: dict[str, object], share: int
) -> None:
    page = browsing.visitor(ADMIN, **options)
    for path in PAGES[::share]:
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert_accessible(page)
        assert_fits(page)


def test_the_audit_log_is_read_and_filtered_with_the_keyboard_alone(browsing: Browsing) -> None:
    page = browsing.visitor(ADMIN)
    page.goto("/admin/audit?action=sign_ins")
    entry = page.locator(".entry", has_text=f"{ADMIN} signed in").first
    details = entry.locator("summary")
    details.focus()
    page.keyboard.press("Enter")
    expect(entry.get_by_text("signed_in", exact=True)).to_be_visible()
    assert_accessible(page)
    page.get_by_label("Who", exact=True).focus()
    page.keyboard.type("admin@")
    page.keyboard.press("Enter")
    expect(page.get_by_role("group", name="Who")).to_contain_text(ADMIN)
    assert "admin@" not in page.url
    page.locator("select[name=period]").focus()
    page.keyboard.press("End")  # the chosen days
    expect(page.locator("input[name=from]")).to_be_visible()


@pytest.mark.long
def test_the_filters_of_the_audit_log_unfold_on_a_phone_without_scripts(browsing: Browsing) -> None:
    page = browsing.visitor(ADMIN, **PHONE)
    quiet = browsing.visitor(ADMIN, java_script_enabled=False, **PHONE)
    for each in (page, quiet):
        each.goto("/admin/audit")
        expect(each.get_by_label("About whom")).to_be_hidden()
        each.get_by_text("Filters and export").click()
        each.get_by_label("About whom").fill("no such name")
        each.get_by_role("button", name="Show").click()
        expect(each.get_by_text("No entry matches these filters.")).to_be_visible()
    assert_accessible(page)
    assert_fits(page)


@pytest.mark.long
def test_an_api_key_is_made_and_revoked_with_the_keyboard_alone(browsing: Browsing) -> None:
    page = browsing.visitor(ADMIN)
    page.goto("/admin/keys")
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.type("Lunch system")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_label("Record attendance")).to_be_checked()
    page.get_by_role("button", name="Create and show the secret").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".secret code")).to_be_visible()
    assert_accessible(page)
    assert_fits(page)
    page.get_by_text("Revoke the key").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Revoked")).to_be_visible()
    assert_accessible(page)


@pytest.mark.long
def test_a_teacher_has_no_admin_pages_and_an_office_sees_only_its_own_school(browsing: Browsing) -> None:
    teacher = browsing.visitor(TEACHER)
    for path in PAGES:
        assert teacher.request.get(path).status == 403, path

    office = browsing.visitor(OFFICE)
    office.goto("/admin")
    expect(office.locator(".school-card")).to_have_count(1)
    assert office.request.get("/admin/people?school=2").status == 404
    office.goto("/admin/people")
    expect(office.get_by_text(TEACHER)).to_be_visible()
    expect(office.get_by_role("heading", name="Add a login")).to_have_count(0)
    # The server also refuses actions that the page does not offer.
    path = "/admin/people/3/password?school=1"
    assert office.request.post(path, headers={"Sec-Fetch-Site": "same-origin"}).status == 403


@pytest.mark.long
def test_a_teacher_of_the_roster_is_given_a_login_and_loses_it_again(browsing: Browsing) -> None:
    admin = browsing.visitor(ADMIN)
    admin.goto("/admin/people?school=2")
    admin.get_by_role("link", name="Give a login Felicia Flowers").click()
    expect(admin.get_by_role("heading", name="Login of Felicia Flowers")).to_be_in_viewport()
    admin.get_by_label("Email (required)").fill(ADMIN)
    admin.get_by_role("button", name="Add and generate a password").click()
    expect(admin.get_by_role("alert")).to_contain_text("This email is already in use.")
    expect(admin.get_by_label("Roster id of a teacher")).to_have_value("14007")

    admin.get_by_label("Email (required)").fill(NEWCOMER)
    admin.get_by_role("button", name="Add and generate a password").click()
    password = admin.locator(".secret code").inner_text()
    assert_accessible(admin)
    newcomer = browsing.visitor()
    sign_in(newcomer, NEWCOMER, password)

    admin.get_by_role("link", name=f"Manage {NEWCOMER}").click()
    assert_accessible(admin)
    assert_fits(admin)
    admin.get_by_role("button", name="Disable").click()
    expect(admin.locator(".facts")).to_contain_text("Disabled")
    newcomer.goto("/")
    expect(newcomer).to_have_url(re.compile("/sign-in"))


@pytest.mark.long
def test_a_cover_is_assigned_to_a_class_found_by_search_and_is_ended(browsing: Browsing) -> None:
    page = browsing.visitor(OFFICE)
    page.goto("/admin/covers")
    page.get_by_label("Class").fill("nowhere")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_text("No class matches. Try part of its name, or its id.")).to_be_visible()
    page.get_by_label("Class").fill("")
    page.get_by_role("button", name="Find").click()
    page.locator("#assign .links a").first.click()

    today = page.get_by_label("From").input_value()
    page.get_by_label("Cover teacher").select_option(index=0)
    page.get_by_label("Session").select_option(index=1)
    page.get_by_label("Last day").fill("2024-01-01")
    page.get_by_role("button", name="Assign").click()
    expect(page.get_by_role("alert")).to_have_text("The last day is before the first one.")
    expect(page.get_by_label("From")).to_have_value(today)
    assert_accessible(page)
    page.get_by_label("Last day").fill("")
    page.get_by_role("button", name="Assign").click()
    row = page.locator("tbody tr").filter(has=page.get_by_role("button", name="End"))
    expect(row).to_have_count(1)
    expect(row).not_to_contain_text("all sessions")
    assert_accessible(page)
    assert_fits(page)

    row.get_by_role("button", name="End").click()
    expect(row).to_have_count(0)


def test_a_wrong_cover_is_refused(browsing: Browsing) -> None:
    page = browsing.visitor(OFFICE)
    page.goto("/admin/covers?class=123")
    today = page.get_by_label("From").input_value()
    right: dict[str, str | float | bool] = {"class": "123", "teacher": "1", "session": "0", "first_day": today}
    wrongs = {
        "session": str(2**70),
        "class": "124",
        "teacher": "999",
        "last_day": "9999-12-31",
        "first_day": "2024-11-01",
    }
    for name, value in wrongs.items():
        sent = page.request.post("/admin/covers", form=right | {name: value}, headers={"Sec-Fetch-Site": "same-origin"})
        assert sent.status == (404 if name == "class" else 422), name


def test_a_cover_of_yesterday_is_shown_and_an_outdated_page_causes_no_error(browsing: Browsing) -> None:
    page = browsing.visitor(OFFICE)
    page.goto("/admin/covers?class=123&cursor=eyJ9")
    today = date.fromisoformat(page.get_by_label("From").input_value())
    page.get_by_label("From").fill((today - timedelta(1)).isoformat())
    page.get_by_role("button", name="Assign").click()
    row = page.locator("tbody tr").filter(has_text="over")
    expect(row).to_have_count(1)
    expect(row.get_by_role("button")).to_have_count(0)
    assert_accessible(page)

    cover = (row.get_attribute("id") or "").removeprefix("cover-")
    for number in (cover, "9999"):
        sent = page.request.post("/admin/covers/end", form={"cover": number}, headers={"Sec-Fetch-Site": "same-origin"})
        assert sent.status == 200


@pytest.mark.long
def test_a_status_is_previewed_while_it_is_typed_and_can_be_retired(browsing: Browsing) -> None:
    page = browsing.visitor(ADMIN)
    page.goto("/admin/statuses?school=3")
    add = page.locator("#add")
    add.get_by_label("Name").fill("At home")
    add.get_by_label("Letter").fill("p")
    add.get_by_label("Code").fill("home")
    add.get_by_label("Counts as absent").check()
    add.get_by_label("Authorised").check()
    expect(add.locator(".tile")).to_have_class("tile authorised")
    expect(add.locator(".tile")).to_have_text("p At home")

    add.get_by_role("button", name="Add").click()
    expect(add.get_by_role("alert")).to_have_text("Another status in use has this letter.")
    expect(add.get_by_label("Authorised")).to_be_checked()
    add.get_by_label("Letter").fill("H")
    add.get_by_role("button", name="Add").click()

    home = page.locator("#status-home")
    home.get_by_label("Name").fill("Homework")
    home.get_by_role("button", name="Save").click()
    expect(page.get_by_role("form", name="Homework").locator(".tile")).to_have_text("H Homework")
    home.get_by_role("button", name="Retire").click()
    expect(home).to_contain_text("Retired")
    assert_accessible(page)


def test_days_are_chosen_in_the_year_closed_and_taken_back(browsing: Browsing) -> None:
    page = browsing.visitor(ADMIN)
    page.goto("/admin/calendar?school=3&year=2031")
    page.get_by_role("link", name="December 24, 2031").click()
    closing = page.locator("#close")
    expect(closing.get_by_label("First day")).to_have_value("2031-12-24")
    closing.get_by_label("Last day (if several)").fill("2031-12-20")
    closing.get_by_label("Reason").fill("Christmas")
    closing.get_by_role("button", name="Close").click()
    expect(page.get_by_role("alert")).to_have_text("The last day is before the first one.")
    closing.get_by_label("Last day (if several)").fill("2031-12-26")
    closing.get_by_role("button", name="Close").click()
    expect(page.get_by_role("status")).to_contain_text("closed from December 24, 2031 to December 26, 2031")
    expect(page.locator("td.closed")).to_have_text(["24", "25", "26"])
    expect(page.get_by_role("link", name="Thursday, December 25, 2031: Christmas")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("td.closed")).to_have_count(0)


@pytest.mark.long
def test_days_with_marks_are_closed_only_after_a_warning_that_names_them(browsing: Browsing) -> None:
    office = browsing.visitor(OFFICE)
    office.goto("/admin/calendar?year=2025&day=2025-02-17")
    body = {"classId": 123, "sessionId": 456, "learningDate": "2025-02-18", "isSelectedAll": True}
    sent = office.request.post("/attendances/create-batch", data=body, headers={"Origin": browsing.system.url})
    office.evaluate(
        "async (url) => { while (!(await (await fetch(url)).json()).isCompleted); }", sent.json()["statusUrl"]
    )
    office.get_by_role("link", name="February 19, 2025").click()
    closing = office.locator("#close")
    closing.get_by_label("Reason").fill("Snow")
    closing.get_by_role("button", name="Close").click()
    warning = office.get_by_role("alert")
    expect(warning).to_contain_text("1 of these days already has marks.")
    expect(warning.get_by_role("listitem")).to_have_text(["Tue, Feb 18, 2025: 30 marks"])
    assert_accessible(office)
    assert_fits(office)
    closing.get_by_role("button", name="Close anyway").click()
    expect(office.get_by_role("status")).to_contain_text("closed from")
    expect(office.locator("#closed tbody")).to_contain_text("30 marks that do not count")
    office.get_by_role("button", name="Undo").click()
    expect(office.locator("#closed")).to_contain_text("This year has no closed days.")


@pytest.mark.long
def test_terms_are_shown_in_the_year_and_can_be_removed(browsing: Browsing) -> None:
    page = browsing.visitor(ADMIN)
    page.goto("/admin/calendar?school=3&year=2031&day=2031-12-22")
    page.get_by_role("link", name="December 23, 2031").click()
    expect(page.locator("td.chosen")).to_have_text(["22", "23"])
    closing = page.locator("#close")
    closing.get_by_label("Reason").fill("Christmas")
    closing.get_by_role("button", name="Close").click()
    expect(page.locator("#closed tbody")).to_contain_text("2 days")

    terms = page.locator("#terms")
    terms.get_by_label("Name", exact=True).fill("Spring")
    terms.get_by_label("First day").fill("2031-01-06")
    terms.get_by_label("Last day").fill("2031-06-30")
    terms.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#terms tbody")).to_contain_text("Jun 30, 2031")
    expect(page.locator("td.outside")).to_have_count(365 - 176 - 2)
    page.get_by_role("button", name="Remove Spring").click()
    expect(page.locator("#terms tbody")).not_to_contain_text("Spring")
    page.goto("/admin/calendar?school=3&year=2031")
    # The terms of the demo's roster file are in other years.
    expect(page.locator("td.outside")).to_have_count(365 - 2)

    page.get_by_label("Days after the session").fill("14")
    page.locator("#window").get_by_role("button", name="Save").click()
    page.goto("/admin/calendar?school=3")
    expect(page.get_by_label("Days after the session")).to_have_value("14")


@pytest.mark.long
def test_a_timetable_is_previewed_before_its_import_and_edited_by_hand(browsing: Browsing) -> None:
    page = browsing.visitor(ADMIN)
    page.goto("/admin/timetable?school=2")
    source_id = page.locator("tbody code").first.inner_text()
    page.get_by_role("link", name="Import from a file").click()
    _choose(page, "class,session,weekday,begins,ends\nnowhere,,1,08:00,08:45\n")
    page.get_by_role("button", name="Preview the changes").click()
    expect(page.get_by_role("row").filter(has_text="timetable.csv")).to_contain_text("there is no class")

    periods = page.request.get("/sessions?limit=200").json()["items"]
    classes = page.request.get(f"/classes?schoolId=2&sourcedId={source_id}").json()["items"]
    class_id = classes[0]["id"]
    period = next(each["period"] for each in periods if each["classId"] == class_id)
    _choose(page, f"class,session,weekday,begins,ends\n{source_id},{period},1,08:00,08:45\n")
    page.get_by_role("button", name="Preview the changes").click()
    expect(page.locator("#outcome")).to_contain_text("session gets other times")
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_role("link", name="To the timetable").click()
    expect(page.locator("tbody .chip")).to_have_count(1)

    page.goto(f"/admin/timetable/{class_id}?school=2")
    form = page.locator("form").filter(has=page.locator("[name=begins][value='08:00']"))
    form.get_by_label("Ends").first.fill("07:00")
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_have_text("The end must be after the beginning.")
    form = page.locator("form").filter(has=page.locator("[name=ends][value='07:00']"))
    form.get_by_label("Ends").first.fill("09:30")
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="Saved.")).to_be_visible()


def _choose(page: Page, content: str) -> None:
    file = {"name": "timetable.csv", "mimeType": "text/csv", "buffer": content.encode()}
    page.locator("#upload input[type=file]").set_input_files(file)  # pyright: ignore[reportArgumentType]
