"""Languages, addresses and texts of pages, without a browser."""

from __future__ import annotations

from datetime import UTC, date, datetime
from html import unescape

import pytest

from adsum.app import TEMPLATES
from adsum.platform.errors import Violation
from adsum.platform.pages.languages import chosen_language, load_languages
from adsum.platform.pages.local_paths import local_path
from adsum.platform.pages.rendering import open_site

DAY = date(2024, 12, 25)


@pytest.mark.parametrize(
    ("cookie", "accepted", "chosen"),
    [
        (None, "", "en"),
        (None, "fr;q=0.9, de-AT;q=0.5, en;q=0.1", "de"),
        ("de", "en", "de"),
        ("xx", "nonsense;q=lots, de", "de"),
    ],
)
def test_the_language_is_that_of_the_cookie_then_of_the_browser(cookie: str | None, accepted: str, chosen: str) -> None:
    assert chosen_language(load_languages(), cookie, accepted).code == chosen


def test_dates_and_numbers_have_the_format_of_the_language() -> None:
    languages = load_languages()
    assert (languages["en"].clock("14:05"), languages["de"].clock("14:05")) == ("2:05\u202fPM", "14:05")
    assert languages["de"].day(DAY) == "Mittwoch, 25. Dezember 2024"
    assert (languages["en"].percent(93.25), languages["de"].percent(93.25)) == ("93.2%", "93,2\u00a0%")


@pytest.mark.parametrize(
    ("title", "english", "german"),
    [
        ("Period 1", "Period 1", "1. Stunde"),
        ("Period 2a", "Period 2a", "Stunde 2a"),
        ("Attendance", "Attendance", "Anwesenheit"),
        ("Today", "Today", "Today"),  # a school's own title is not translated
        ("Period", "Period", "Period"),
        (7, "7", "7"),  # of a session whose title the visitor does not see
    ],
)
def test_a_session_that_an_import_has_named_is_translated(title: str | int, english: str, german: str) -> None:
    languages = load_languages()
    assert (languages["en"].session(title), languages["de"].session(title)) == (english, german)


def test_months_have_names() -> None:
    languages = load_languages()
    assert (languages["en"].month(8), languages["de"].month(3)) == ("August", "März")


@pytest.mark.parametrize(
    ("next_path", "redirect"),
    [
        ("/take/1/2/2024-12-25?x=1", "/take/1/2/2024-12-25?x=1"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\t/evil.example", "/"),
        ("", "/"),
    ],
)
def test_signing_in_never_redirects_to_another_site(next_path: str, redirect: str) -> None:
    assert local_path(next_path) == redirect


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("label", ["<img src=x>", "100% there", "%(name)s"])
def test_texts_of_a_school_are_escaped(language: str, label: str) -> None:
    environment = open_site(TEMPLATES).environment(load_languages()[language])
    template = environment.from_string("{{ label|translated }}")
    assert unescape(template.render(label=label)) == label
    assert "<img" not in template.render(label=label)


@pytest.mark.parametrize(
    ("cookie", "accepted", "day", "time"),
    [
        (None, "en-US,en;q=0.9", "Dec 25, 2024", "2:05\u202fPM"),
        (None, "en-GB,en;q=0.9", "25 Dec 2024", "14:05"),
        ("en", "de-CH,de;q=0.9", "25 Dec 2024", "14:05"),
        ("en", "de", "Dec 25, 2024", "2:05\u202fPM"),
        (None, "de-AT", "25. Dez. 2024", "14:05"),
        (None, "en-SG", "25 Dec 2024", "2:05\u202fpm"),
        (None, "en-PR", "Dec 25, 2024", "2:05\u202fPM"),
        (None, "en-XX", "Dec 25, 2024", "2:05\u202fPM"),
    ],
)
def test_dates_and_times_have_the_format_of_the_visitors_region(
    cookie: str | None, accepted: str, day: str, time: str
) -> None:
    language = chosen_language(load_languages(), cookie, accepted)
    assert (language.day(DAY, "medium"), language.clock("14:05")) == (day, time)


def test_a_short_date_has_the_order_of_its_language() -> None:
    languages = load_languages()
    assert (languages["en"].day(DAY, "MMMEd"), languages["de"].day(DAY, "MMMEd")) == ("Wed, Dec 25", "Mi., 25. Dez.")


def test_a_refusal_is_in_the_visitors_language_and_names_the_student() -> None:
    template = (
        open_site(TEMPLATES)
        .environment(load_languages()["de"])
        .from_string('{% from "refusals.html" import refusal_text %}{{ refusal_text(what) }}')
    )
    stranger = Violation("not_enrolled", "student 7 is not enrolled", "/marks/0", {"studentId": 7})
    assert (
        unescape(template.render(what=stranger)).strip()
        == "Jemand ist an diesem Tag nicht in dieser Klasse. (Schüler/in 7)"
    )
    assert template.render(what=Violation("of_tomorrow", "as the API says it", "/x")).strip() == "as the API says it"


@pytest.mark.parametrize(
    ("accepted", "tag", "shown"),
    [
        ("en-US", "en", "Dec 25, 2024, 2:05\u202fPM"),
        ("en-GB", "en-GB", "25 Dec 2024, 14:05"),
        ("de", "de", "25. Dez. 2024, 14:05"),
    ],
)
def test_a_time_has_the_date_in_the_same_form_as_a_day(accepted: str, tag: str, shown: str) -> None:
    language = chosen_language(load_languages(), None, accepted)
    moment = datetime(2024, 12, 25, 13, 5, tzinfo=UTC)
    assert language.tag == tag
    assert language.moment(moment, "Europe/Berlin", "short") == shown
    assert language.moment(moment, "Europe/Berlin", "short").startswith(language.day(DAY, "medium"))
