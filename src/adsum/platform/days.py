"""Learning dates and local times of a school, independent of the time zones of the server and the client.

A local time is the text `HH:MM`, which sorts in the order of time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from adsum.platform.errors import Violation

EARLIEST = date(1990, 1, 1)
A_DAY: Final = timedelta(days=1)
AMBIGUOUS_DAY = "may begin with the day or with the month: write YYYY-MM-DD or DD.MM.YYYY"
# A week as its days are written, in lower case without a dot.
_NAMES_OF_DAYS = (
    "1 monday mon mo montag",
    "2 tuesday tues tue tu dienstag di",
    "3 wednesday wed we mittwoch mi",
    "4 thursday thurs thur thu th donnerstag do",
    "5 friday fri fr freitag",
    "6 saturday sat sa samstag sonnabend",
    "7 sunday sun su sonntag so",
)
_WEEKDAYS = {name: day for day, names in enumerate(_NAMES_OF_DAYS, start=1) for name in names.split()}
# The largest difference between the local dates of one instant, in whole days.
_ANY_OFFSET = timedelta(days=2)
_PLAIN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_GERMAN = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")
# The order of day and month differs between countries.
_AMBIGUOUS = re.compile(r"[0-9]{1,2}([/-])[0-9]{1,2}\1[0-9]{2}(?:[0-9]{2})?")
# JavaScript's form of a plain day. It means the same day in every time zone.
_MIDNIGHT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T00:00:00(\.0{1,9})?Z")
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)


@dataclass(frozen=True, slots=True)
class Span:
    """The half-open period from `begin` to `end`. None is an open end."""

    begin: date | None
    end: date | None

    def covers(self, day: date) -> bool:
        return (self.begin is None or self.begin <= day) and (self.end is None or self.end > day)

    def exceeds(self, other: Span) -> bool:
        """Whether it begins before the other one, or ends after it."""
        begins_before = other.begin is not None and (self.begin is None or self.begin < other.begin)
        ends_after = other.end is not None and (self.end is None or self.end > other.end)
        return begins_before or ends_after


ALWAYS = Span(None, None)


class WrongDay(ValueError):
    """A text is not a learning date. `code` is stable, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def learning_date(text: str, zone: str, now: datetime) -> date:
    """Parses a learning date.

    A plain `YYYY-MM-DD`, or a timestamp at exactly midnight UTC (the seed's form), is that day. Any other timestamp
    must have an offset and is converted to the school's time zone.

    Args:
        text: the text that the client sent.
        zone: the IANA name of the school's time zone.
        now: the current time, with an offset. Days after the school's today are refused.

    Raises:
        WrongDay: the text is not a date, the date does not exist, the offset is missing, or the date is out of range.
    """
    day = _calendar_day(text, ZoneInfo(zone))
    today = today_in(zone, now)
    if day > today:
        raise WrongDay("date_in_future", f"{day.isoformat()} is in the future: today is {today.isoformat()} in {zone}")
    if day < EARLIEST:
        raise WrongDay("date_too_early", f"{day.isoformat()} is before {EARLIEST.isoformat()}")
    return day


def require_form(text: str) -> None:
    """Raises WrongDay if no school can read `text` as a learning date, whatever its time zone."""
    _calendar_day(text, ZoneInfo("UTC"))


def weekday_named(text: str) -> int | None:
    """The ISO weekday of a number, 1 for Monday, or of a name in English or German; None: it is neither."""
    return _WEEKDAYS.get(text.strip().lower().removesuffix("."))


def today_in(zone: str, now: datetime) -> date:
    """The calendar day in an IANA time zone. Features ask for the day of a school: `schools/repository.py`."""
    return now.astimezone(ZoneInfo(zone)).date()


def days_meant(text: str) -> tuple[date, date] | None:
    """The first and the last day that `text` can mean in any time zone; None: it is not a learning date."""
    try:
        written = date.fromisoformat(text[:10])
        if _PLAIN.fullmatch(text) or _MIDNIGHT.fullmatch(text):
            return written, written
        return written - _ANY_OFFSET, written + _ANY_OFFSET
    except (ValueError, OverflowError):
        return None


def plain_day(text: str) -> date:
    """Parses a plain `YYYY-MM-DD`.

    Raises:
        WrongDay: the text has another form, or the date does not exist.
    """
    if not _PLAIN.fullmatch(text):
        raise WrongDay("date_format", f"{text[:40]!r} is not a date of the form YYYY-MM-DD")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise WrongDay("date_impossible", f"{text} is not a day of the calendar") from None


def day_in_file(text: str) -> date:
    """Parses a date as every import reads it: `YYYY-MM-DD`, or `DD.MM.YYYY` of a German spreadsheet.

    Raises:
        WrongDay: the text has another form, which may be ambiguous, or the date does not exist.
    """
    if found := _GERMAN.fullmatch(text):
        day, month, year = found.groups()
        return plain_day(f"{year}-{month.zfill(2)}-{day.zfill(2)}")
    if _AMBIGUOUS.fullmatch(text):
        raise WrongDay("date_ambiguous", f"{text!r} {AMBIGUOUS_DAY}")
    if not _PLAIN.fullmatch(text):
        raise WrongDay("date_format", f"{text[:40]!r} is not a date of the form YYYY-MM-DD or DD.MM.YYYY")
    return plain_day(text)


def day_near(text: str) -> date:
    """Parses a plain day of the years 2 to 9998, so that its week and month exist.

    Raises:
        WrongDay: the text has another form, the date does not exist, or it is in year 1 or 9999.
    """
    day = plain_day(text)
    if day.year in {date.min.year, date.max.year}:
        raise WrongDay("date_too_far", f"{text} is too far away")
    return day


def _calendar_day(text: str, zone: ZoneInfo) -> date:
    if _PLAIN.fullmatch(text):
        return plain_day(text)
    if not _TIMESTAMP.fullmatch(text):
        raise WrongDay(
            "date_format", f"{text[:40]!r} is neither YYYY-MM-DD nor a timestamp such as 2024-12-25T00:00:00.000Z"
        )
    try:
        moment = datetime.fromisoformat(text.upper().replace(",", "."))
    except ValueError:
        raise _impossible(text) from None
    if moment.tzinfo is None:
        raise WrongDay("date_without_offset", f"{text} has no offset: append Z or one such as +07:00")
    if _is_midnight_utc(moment):
        return moment.date()
    try:
        return moment.astimezone(zone).date()
    except OverflowError:
        raise _impossible(text) from None


def _impossible(text: str) -> WrongDay:
    return WrongDay("date_impossible", f"{text[:40]} is not a time of the calendar")


def _is_midnight_utc(moment: datetime) -> bool:
    """Whether a timestamp in UTC is at midnight, JavaScript's form of a plain day."""
    return moment.utcoffset() == UTC.utcoffset(None) and (
        moment.hour,
        moment.minute,
        moment.second,
        moment.microsecond,
    ) == (0, 0, 0, 0)


TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
TIME_PATTERN = f"^{TIME.pattern}$"


# As spreadsheets and people write a time.
_TYPED_TIME = re.compile(r"([0-9]{1,2}:[0-5][0-9])(?::00)?", re.ASCII)


def time_of(text: str) -> str:
    """`9:30` and `09:30:00` as `09:30`; any other text as it is."""
    typed = _TYPED_TIME.fullmatch(text)
    return typed[1].zfill(len("HH:MM")) if typed else text


def violation_of_time_text(text: str, pointer: str) -> Violation:
    """The violation for a text that is not a local time."""
    return Violation("wrong_form", f"{text[:20]!r} is not a time of the form HH:MM", pointer, {"pattern": TIME_PATTERN})


def validate_days(first: date, last: date, max_days: int, too_many: str, code: str = "too_long") -> list[Violation]:
    """The violation of two days, both inclusive: in the wrong order at `/to`, or more than `max_days`, with the text
    `too_many`.
    """
    if last < first:
        return [Violation("days_reversed", f"the last day, {last}, is before the first, {first}", "/to")]
    if (last - first).days >= max_days:
        return [Violation(code, too_many, "/to", {"maximum": max_days})]
    return []


def validate_stretch(first: tuple[str, str | None], last: tuple[str, str | None]) -> Iterator[Violation]:
    """Validates the begin and the end of a period, each with its JSON pointer: their form and their order.

    None is a missing time.
    """
    wrong = [
        violation_of_time_text(text, at) for at, text in (first, last) if text is not None and not TIME.fullmatch(text)
    ]
    yield from wrong
    (_, begin), (pointer, end) = first, last
    if not wrong and begin is not None and end is not None and end <= begin:
        yield Violation("times_reversed", f"{end} is not after {begin}", pointer, {"begins": begin, "ends": end})
