"""What pages are made of: languages, addresses, forms, the order of a day."""

from __future__ import annotations

from datetime import date
from html import unescape

import pytest

from adsum.accounts.pages import own_path
from adsum.app import TEMPLATES
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.platform.errors import Violation
from adsum.platform.pages.languages import chosen_language, load_languages
from adsum.platform.pages.rendering import open_site
from adsum.registers.lessons import LocalMoment, Standing, arranged
from adsum.registers.rules import Register

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
def test_a_language_is_that_of_the_cookie_then_of_the_browser(cookie: str | None, accepted: str, chosen: str) -> None:
    assert chosen_language(load_languages(), cookie, accepted).code == chosen


def test_days_and_numbers_are_written_as_the_language_does() -> None:
    languages = load_languages()
    assert (languages["en"].clock("14:05"), languages["de"].clock("14:05")) == ("2:05\u202fPM", "14:05")
    assert languages["de"].day(DAY) == "Mittwoch, 25. Dezember 2024"
    assert (languages["en"].percent(93.25), languages["de"].percent(93.25)) == ("93.2%", "93,2\u00a0%")


@pytest.mark.parametrize(
    ("asked", "goes_to"),
    [
        ("/take/1/2/2024-12-25?x=1", "/take/1/2/2024-12-25?x=1"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\t/evil.example", "/"),
        ("", "/"),
    ],
)
def test_nobody_is_sent_to_another_site_after_signing_in(asked: str, goes_to: str) -> None:
    assert own_path(asked) == goes_to


def register(number: int, *, marked: int = 0, is_processing: bool = False, times: tuple[str, ...] = ()) -> Register:
    spans = tuple((begins, f"{int(begins[:2]) + 1:02}:00") for begins in times)
    given = {"present": marked} if marked else {}
    return Register(
        *(9, number, f"Class {number}", number, "Maths", DAY, (), marked, 30, None),
        is_processing=is_processing,
        given=given,
        times=spans,
    )


def test_what_is_on_now_comes_first_then_all_by_time_and_those_without_times_last() -> None:
    day = [
        register(1),
        register(2, times=("11:00",)),
        register(3, times=("10:00",), marked=29),
        register(4, times=("08:00",), marked=30),
        register(5, times=("09:00",)),
        register(6, times=("09:00",), is_processing=True),
        register(7, times=("07:00",), marked=29),
    ]
    lessons = arranged(day, {9: SchoolStatuses()}, {9: LocalMoment(DAY, "10:30")})
    assert [(lesson.register.class_id, lesson.standing) for lesson in lessons] == [
        (3, Standing.NOW),
        (7, Standing.PARTIAL),
        (4, Standing.TAKEN),
        (5, Standing.DUE),
        (6, Standing.PROCESSING),
        (2, Standing.UPCOMING),
        (1, Standing.DUE),
    ]
    assert [lesson.attended for lesson in lessons[:3]] == [29, 29, 30]
    assert (lessons[0].missing, lessons[0].path) == (1, "/take/3/3/2024-12-25")


def test_of_a_day_to_come_nothing_is_due() -> None:
    (lesson,) = arranged([register(1)], {9: SchoolStatuses()}, {9: LocalMoment(date(2024, 12, 24), "10:30")})
    assert lesson.standing is Standing.UPCOMING


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("label", ["<img src=x>", "100% there", "%(name)s"])
def test_what_a_school_has_typed_is_text_and_nothing_else(language: str, label: str) -> None:
    template = open_site(TEMPLATES).environments[language].from_string("{{ label|translated }}")
    assert unescape(template.render(label=label)) == label
    assert "<img" not in template.render(label=label)


def test_a_short_day_has_the_order_of_its_language() -> None:
    languages = load_languages()
    assert (languages["en"].day(DAY, "MMMEd"), languages["de"].day(DAY, "MMMEd")) == ("Wed, Dec 25", "Mi., 25. Dez.")


def test_a_refusal_is_told_in_the_visitors_language_and_names_who_it_is_about() -> None:
    template = (
        open_site(TEMPLATES).environments["de"].from_string('{% from "refusals.html" import said %}{{ said(what) }}')
    )
    stranger = Violation("not_enrolled", "student 7 is not enrolled", "/marks/0", {"studentId": 7})
    assert (
        unescape(template.render(what=stranger)).strip()
        == "Jemand ist an diesem Tag nicht in dieser Klasse. (Schüler 7)"
    )
    assert template.render(what=Violation("of_tomorrow", "as the API says it", "/x")).strip() == "as the API says it"
