"""The search of every page, and the own profile. The register is of a day in June 2025."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.system.browser.browsing import PHONE, Browsing, assert_accessible, assert_fits

ADMIN, OFFICE, TEACHER = "admin@school.example", "office@school.example", "teacher@school.example"
VIEWER = "viewer@school.example"
WINDOWS = pytest.mark.parametrize(
    "options",
    [{}, {"color_scheme": "dark"}, PHONE, {"locale": "de-DE"}, PHONE | {"locale": "de-DE"}],
    ids=["light", "dark", "phone", "german", "german-phone"],
)


def finder(page: Page) -> Page:
    """The open search."""
    expect(page.locator("#finder")).to_be_visible()
    return page


@WINDOWS
def test_the_search_and_the_profile_are_accessible_and_fit_the_window(
    browsing: Browsing, options: dict[str, object]
) -> None:
    page = browsing.visitor(ADMIN, **options)
    page.goto("/overview")
    page.locator("a.finder").click()
    page.keyboard.type("an")
    expect(page.locator("#finder .hits a").first).to_be_visible()
    assert_accessible(page)
    for path in ("/search", "/account"):
        page.goto(path)
        assert_accessible(page)
        assert_fits(page)
    page.goto("/search")
    for words, hits in (("an", ".hits a"), ("nobody", ".empty"), ("a", ".empty")):
        page.locator("main input[type=search]").fill(words)
        expect(page.locator(f"main {hits}").first).to_be_visible()
        assert_accessible(page)
        assert_fits(page)


def test_a_student_is_opened_with_the_keyboard_alone(browsing: Browsing) -> None:
    page = browsing.visitor(OFFICE)
    page.goto("/planned-absences")
    page.keyboard.press("/")
    field = finder(page).locator("#finder input[type=search]")
    expect(field).to_be_focused()
    page.keyboard.type("garcia ana")
    expect(page.locator("#finder .hits a")).to_have_count(1)
    expect(page.locator("#finder [role=status]")).to_have_text("1 match")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#finder .hits a")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(field).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/year/students/*")
    expect(page.get_by_role("heading", level=1)).to_contain_text("García")


def test_enter_opens_the_first_match_of_what_was_typed_and_escape_closes(browsing: Browsing) -> None:
    page = browsing.visitor(ADMIN)
    page.goto("/admin")
    page.keyboard.press("Control+k")
    finder(page)
    page.keyboard.type("123")
    page.keyboard.press("Enter")  # before the matches came
    page.wait_for_url("**/year/classes/123")
    page.keyboard.press("/")
    finder(page)
    page.keyboard.type("nobody at all")
    expect(page.locator("#finder .empty")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#finder")).to_be_hidden()
    page.keyboard.press("/")
    finder(page)
    page.keyboard.type("viewer@")
    page.locator("#finder .hits a", has_text=VIEWER).click()
    page.wait_for_url("**/admin/people/*")


def test_a_register_keeps_the_key_for_its_own_filter(browsing: Browsing) -> None:
    page = browsing.visitor(TEACHER)
    page.goto("/take/123/456/2025-06-16")
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("/gar")
    expect(page.locator("#finder")).to_be_hidden()
    page.keyboard.press("Control+k")
    finder(page)
    expect(page.locator("#finder input[type=search]")).to_have_attribute("placeholder", "Students and classes")


@pytest.mark.long
def test_words_are_searched_without_scripts(browsing: Browsing) -> None:
    page = browsing.visitor(TEACHER, java_script_enabled=False)
    page.goto("/today")
    page.get_by_role("link", name="Search").click()
    page.locator("main").get_by_label("Name, class or id").fill("garcia ana")
    page.locator("main").get_by_role("button", name="Search").click()
    page.locator(".hits a").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("García")


def test_arrows_move_on_the_page_of_the_search_too(browsing: Browsing) -> None:
    page = browsing.visitor(OFFICE)
    page.goto("/search")
    # A browser gives a field its focus after the page has loaded.
    expect(page.locator("main input[type=search]")).to_be_focused()
    page.keyboard.type("an")
    expect(page.locator("main .hits a").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page.locator("main .hits a").first).to_be_focused()
    page.keyboard.type("d")
    expect(page.locator("main input[type=search]")).to_be_focused()
    assert urlsplit(page.url).query == ""


def test_more_matches_are_shown_in_place(browsing: Browsing) -> None:
    page = browsing.visitor(ADMIN)
    page.goto("/overview")
    page.keyboard.press("/")
    page.keyboard.type("an")
    more = finder(page).get_by_role("button", name="Show more matches")
    more.click()
    expect(page.locator("#finder .hits a").first).to_be_focused()
    expect(more).to_be_hidden()
    assert page.locator("#finder .hits ul").first.locator("a").count() > 6


def test_single_keys_can_be_turned_off(browsing: Browsing) -> None:
    page = browsing.visitor(VIEWER)
    page.goto("/account")
    page.get_by_label("Single keys are shortcuts").uncheck()
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_role("status")).to_have_text("Your profile is saved.")
    page.keyboard.press("/")
    expect(page.locator("#finder")).to_be_hidden()
    page.keyboard.press("Control+k")
    finder(page)


def test_an_expired_sign_in_leads_to_the_page_of_the_search_without_the_words(browsing: Browsing) -> None:
    page = browsing.visitor(OFFICE)
    page.goto("/overview")
    page.keyboard.press("/")
    page.context.clear_cookies(name="adsum")
    page.keyboard.type("garcia")
    page.wait_for_url("**/sign-in?next=/search")


def test_the_search_says_that_it_is_not_available(browsing: Browsing) -> None:
    page = browsing.visitor(OFFICE)
    page.goto("/overview")
    page.keyboard.press("/")
    page.route("**/search/hits", lambda route: route.fulfill(status=503))
    page.keyboard.type("garcia")
    expect(page.locator("#finder [data-failed]")).to_be_visible()
    page.unroute("**/search/hits")
    page.keyboard.type(" ana")
    expect(page.locator("#finder .hits a")).to_have_count(1)


@pytest.mark.long
def test_a_name_and_a_language_hold_in_every_browser(browsing: Browsing) -> None:
    page = browsing.visitor(VIEWER)
    page.goto("/account")
    page.get_by_label("Given name").fill("Vera")
    page.get_by_label("Family name").fill("Viewer")
    page.get_by_label("Language of the pages").select_option("de")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_role("status")).to_have_text("Ihr Profil ist gespeichert.")
    expect(page.locator(".me summary")).to_have_text("Vera Viewer")
    other = browsing.visitor(VIEWER, java_script_enabled=False, locale="en-GB")
    other.goto("/account")
    expect(other.get_by_role("heading", level=1)).to_have_text("Ihr Profil")
    other.get_by_label("Sprache der Seiten").select_option("")
    other.get_by_role("button", name="Speichern").first.click()
    expect(other.get_by_role("heading", level=1)).to_have_text("Your profile")


def test_a_person_gets_a_name_with_the_login(browsing: Browsing) -> None:
    page = browsing.visitor(ADMIN)
    page.goto("/admin/people?school=1#add")
    page.get_by_label("Email (required)").fill("thea@demo.example")
    page.get_by_label("Role").last.select_option("viewer")
    page.get_by_role("button", name="Add and generate a password").click()
    expect(page.get_by_role("alert")).to_contain_text("Enter a given name, a family name or both.")
    page.get_by_label("Given name").fill("Thea")
    page.get_by_label("Family name").fill("Todd")
    page.get_by_role("button", name="Add and generate a password").click()
    page.get_by_role("link", name="Manage thea@demo.example").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thea Todd")
    page.get_by_label("Family name").fill("Tudor")
    page.get_by_role("button", name="Change").first.click()
    expect(page.get_by_role("status")).to_have_text("The name is changed.")
    expect(page.get_by_role("heading", level=1)).to_have_text("Thea Tudor")
    assert_accessible(page)
