"""Learning dates: forms, time zones, and refusals."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsum.platform.days import (
    ALWAYS,
    EARLIEST,
    Span,
    WrongDay,
    day_in_file,
    day_near,
    days_meant,
    learning_date,
    plain_day,
    time_of,
)

CHRISTMAS = date(2024, 12, 25)
NOON = datetime(2024, 12, 25, 12, tzinfo=UTC)
LATER = datetime(2026, 6, 1, tzinfo=UTC)
HO_CHI_MINH = "Asia/Ho_Chi_Minh"
ZONES = ["UTC", HO_CHI_MINH, "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Australia/Lord_Howe"]


def refused(text: str, zone: str = HO_CHI_MINH, now: datetime = NOON) -> str:
    with pytest.raises(WrongDay) as error:
        learning_date(text, zone, now)
    return error.value.code


@pytest.mark.parametrize(
    "text", ["2024-12-25", "2024-12-25T00:00:00.000Z", "2024-12-25T00:00:00+07:00", "2024-12-24T17:00:00Z"]
)
def test_the_25th_of_a_school_in_ho_chi_minh(text: str) -> None:
    assert learning_date(text, HO_CHI_MINH, NOON) == CHRISTMAS


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("25/12/2024", "date_format"),
        ("2025-02-29", "date_impossible"),
        ("0209-12-25", "date_too_early"),
        ("0209-12-25T00:00:00Z", "date_too_early"),
        ("2024-12-26", "date_in_future"),
        ("2024-12-26T00:00:00.000Z", "date_in_future"),
        ("2024-12-25T17:00:00Z", "date_in_future"),
    ],
)
def test_a_text_that_is_not_a_learning_date_is_refused_with_a_code(text: str, code: str) -> None:
    assert refused(text, now=datetime(2024, 12, 25, 16, 59, tzinfo=UTC)) == code


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-12-25 ",
        "2024-12-25\n",
        "20241225",
        "2024-W52-3",
        "2024-12-25T10",
        "2024-12-25T10:00:00.Z",
        "2024-12-25T10:00:00.1234567890Z",
        "2024-12-25T10:00:00+7",
        "٢٠٢٤-12-25",
        "now",
    ],
)
def test_other_forms_of_iso_8601_are_refused(text: str) -> None:
    assert refused(text) == "date_format"


@pytest.mark.parametrize("text", ["2024-12-25T00:00:00", "2024-12-25T00:00", "2024-12-25 10:30:00.5"])
def test_a_timestamp_needs_an_offset(text: str) -> None:
    assert refused(text) == "date_without_offset"


@pytest.mark.parametrize(
    "text",
    [
        "2025-02-29T10:00:00Z",
        "2024-13-01T10:00:00Z",
        "2024-12-25T25:00:00Z",
        "2024-12-25T10:00:60Z",
        "2024-12-25T10:00:00+24:00",
        "0001-01-01T00:00:00+07:00",
        "9999-12-31T23:59:59-12:00",
    ],
)
def test_a_timestamp_that_does_not_exist_is_refused(text: str) -> None:
    assert refused(text) == "date_impossible"


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    "text", ["2024-12-25", "2024-12-25T00:00:00.000Z", "2024-12-25t00:00z", "2024-12-25 00:00+0000"]
)
def test_a_plain_day_and_midnight_utc_are_that_day_in_every_zone(text: str, zone: str) -> None:
    assert learning_date(text, zone, LATER) == CHRISTMAS


def test_midnight_utc_with_another_offset_is_converted() -> None:
    assert learning_date("2024-12-25T07:00:00+07:00", "America/New_York", LATER) == date(2024, 12, 24)


@pytest.mark.parametrize("text", ["2024-12-25T00:00:00.001Z", "2024-12-25T00:00:01Z", "2024-12-25T00:01:00Z"])
def test_a_second_after_midnight_utc_is_converted(text: str) -> None:
    assert learning_date(text, "America/New_York", LATER) == date(2024, 12, 24)


def test_fractions_may_be_written_with_a_comma() -> None:
    assert learning_date("2024-12-24T17:00:00,5Z", HO_CHI_MINH, NOON) == CHRISTMAS


@pytest.mark.parametrize(
    ("text", "day"),
    [
        (
            "2024-03-10T04:59:59Z",
            date(2024, 3, 9),
        ),  # the day on which daylight saving time begins in New York, still -05:00
        ("2024-03-10T05:00:00Z", date(2024, 3, 10)),
        ("2024-03-11T03:59:59Z", date(2024, 3, 10)),  # now -04:00
        ("2024-03-11T04:00:00Z", date(2024, 3, 11)),
        ("2024-11-03T03:59:59Z", date(2024, 11, 2)),  # and back
        ("2024-11-04T04:59:59Z", date(2024, 11, 3)),
        ("2024-11-04T05:00:00Z", date(2024, 11, 4)),
    ],
)
def test_daylight_saving_time_moves_the_end_of_the_day(text: str, day: date) -> None:
    assert learning_date(text, "America/New_York", LATER) == day


def test_a_day_that_a_zone_skipped_is_the_next_day() -> None:
    """Samoa crossed the date line: its 29th of December 2011 was followed by the 31st."""
    assert learning_date("2011-12-30T09:59:59Z", "Pacific/Apia", LATER) == date(2011, 12, 29)
    assert learning_date("2011-12-30T10:00:00Z", "Pacific/Apia", LATER) == date(2011, 12, 31)


def test_tomorrow_in_utc_is_today_already_in_a_zone_ahead() -> None:
    late = datetime(2024, 12, 24, 20, tzinfo=UTC)
    assert learning_date("2024-12-25", HO_CHI_MINH, late) == CHRISTMAS
    assert refused("2024-12-25", "UTC", late) == "date_in_future"


def test_today_in_utc_is_still_tomorrow_in_a_zone_behind() -> None:
    early = datetime(2024, 12, 25, 3, tzinfo=UTC)
    assert refused("2024-12-25", "America/New_York", early) == "date_in_future"
    assert learning_date("2024-12-24", "America/New_York", early) == date(2024, 12, 24)


def test_the_message_names_the_current_day_of_the_school() -> None:
    with pytest.raises(WrongDay, match="today is 2024-12-25 in Asia/Ho_Chi_Minh"):
        learning_date("2024-12-26", HO_CHI_MINH, NOON)


def test_a_long_text_is_quoted_in_part() -> None:
    with pytest.raises(WrongDay) as error:
        learning_date("x" * 10_000, "UTC", NOON)
    assert len(str(error.value)) < 200


def test_the_earliest_day_is_a_day() -> None:
    assert learning_date(EARLIEST.isoformat(), "UTC", NOON) == EARLIEST
    assert refused((EARLIEST - timedelta(days=1)).isoformat()) == "date_too_early"


@given(st.dates(min_value=EARLIEST, max_value=date(2026, 5, 1)), st.sampled_from(ZONES))
def test_every_plain_day_is_itself(day: date, zone: str) -> None:
    assert learning_date(day.isoformat(), zone, LATER) == day == plain_day(day.isoformat())


@given(st.text(max_size=40) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}[+-][0-9]{4})?"))
def test_every_text_is_a_day_or_a_wrong_day(text: str) -> None:
    for read in (lambda: learning_date(text, "Europe/Berlin", LATER), lambda: plain_day(text)):
        with suppress(WrongDay):
            assert isinstance(read(), date)


@pytest.mark.parametrize(
    ("text", "code"), [("2025-02-29", "date_impossible"), ("2024-12-25T00:00:00Z", "date_format"), ("", "date_format")]
)
def test_a_plain_day_is_neither_a_timestamp_nor_a_29th_of_february(text: str, code: str) -> None:
    with pytest.raises(WrongDay) as error:
        plain_day(text)
    assert error.value.code == code


@pytest.mark.parametrize(
    ("begin", "end", "exceeds"),
    [
        (2, 4, False),
        (3, 3, False),
        (1, 4, True),
        (2, 5, True),
        (None, 4, True),
        (2, None, True),
    ],
)
def test_a_span_exceeds_another_that_begins_later_or_ends_earlier(
    begin: int | None, end: int | None, exceeds: bool
) -> None:
    span = Span(date(2024, 9, begin) if begin else None, date(2024, 9, end) if end else None)

    assert span.exceeds(Span(date(2024, 9, 2), date(2024, 9, 4))) == exceeds
    assert not span.exceeds(ALWAYS)


def test_a_day_in_a_file_is_plain_or_as_german_spreadsheets_write_it() -> None:
    assert [day_in_file(text) for text in ("2024-12-25", "25.12.2024")] == [CHRISTMAS, CHRISTMAS]
    assert day_in_file("1.2.2024") == date(2024, 2, 1)
    for text, code in (
        ("30.02.2024", "date_impossible"),
        ("25.12.24", "date_format"),
        ("25/12/2024", "date_ambiguous"),
        ("2024/12/25", "date_format"),
    ):
        with pytest.raises(WrongDay) as error:
            day_in_file(text)
        assert error.value.code == code
        assert ("may begin with the day or with the month" in str(error.value)) == (code == "date_ambiguous")
    assert "YYYY-MM-DD or DD.MM.YYYY" in str(error.value)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2024-12-25", (CHRISTMAS, CHRISTMAS)),
        ("2024-12-25T00:00:00Z", (CHRISTMAS, CHRISTMAS)),
        ("2024-12-25T00:00:00.000Z", (CHRISTMAS, CHRISTMAS)),
        ("2024-12-25T00:00:00+07:00", (date(2024, 12, 23), date(2024, 12, 27))),
        ("2024-12-25T00:00:01Z", (date(2024, 12, 23), date(2024, 12, 27))),
        ("25/12/2024", None),
        ("2025-02-29", None),
        ("0001-01-01T00:00:01Z", None),
        ("9999-12-31T00:00:01Z", None),
    ],
)
def test_the_possible_days_of_a_text_need_no_time_zone(text: str, meant: tuple[date, date] | None) -> None:
    assert days_meant(text) == meant


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("text", ["2024-12-25T23:59:59-14:00", "2024-12-25T00:00:00+14:00", "2024-12-25T00:00:00Z"])
def test_the_day_of_a_text_is_among_its_possible_days(text: str, zone: str) -> None:
    meant = days_meant(text)
    assert meant is not None
    assert meant[0] <= learning_date(text, zone, LATER) <= meant[1]


def test_a_day_at_either_end_of_the_calendar_is_refused() -> None:
    assert day_near("9998-12-31") == date(9998, 12, 31)
    for text in ("0001-06-01", "9999-12-31"):
        with pytest.raises(WrongDay) as error:
            day_near(text)
        assert error.value.code == "date_too_far"


@pytest.mark.parametrize(
    ("text", "time"),
    [("9:30", "09:30"), ("09:30", "09:30"), ("9:30:00", "09:30"), ("9:30:01", "9:30:01"), ("9.30", "9.30"), ("", "")],
)
def test_a_time_is_read_as_people_write_it(text: str, time: str) -> None:
    assert time_of(text) == time
